"""Where the `shoal` command begins: what it raises becomes one line on stderr and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading

import click

from shoal_cli.codes import FAILED, INTERRUPTED, USAGE
from shoal_cli.docker_words import instead
from shoal_cli.printable import printable
from shoal_cli.root import shoal
from shoal_common.errors import ShoalError

#: Characters of what can't be sent that are shown.
_QUOTED = 100


def report(message: str) -> None:
    """Write one line to stderr."""
    click.echo(f"shoal: {printable(' '.join(message.split()))}", err=True)


def run(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    try:
        result = shoal.main(arguments, prog_name="shoal", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help())
        return 0
    except click.UsageError as error:
        hint = f" (see: {error.ctx.command_path} --help)" if error.ctx is not None else ""
        report((instead(error) or error.format_message().rstrip(".")) + hint)
        return USAGE
    except click.ClickException as error:
        report(error.format_message())
        return error.exit_code
    except ShoalError as error:
        report(error.message)
        return FAILED
    except UnicodeEncodeError as error:
        # Words of a command line can be any bytes; what is sent, and what is told, is text.
        report(f'"{error.object[:_QUOTED]}" is not UTF-8 (write it as text)')
        return USAGE
    except UnicodeDecodeError:
        report("what was read is not UTF-8 (give it as text)")
        return USAGE
    except ModuleNotFoundError as error:
        report(f"{error.name} is not installed (install all parts of Shoal with: pip install 'shoal[lab]')")
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone; the interpreter's own flush at exit must not complain about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILED
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        report(f'"{str(error.filename)[:_QUOTED]}..." is longer than the name of a file can be')
        return USAGE


def main() -> None:
    """Run the command and exit."""
    code = run()
    others = [thread for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()]
    if others or "grpc" not in sys.modules:
        sys.exit(code)
    # Nothing is at work any more: taking gRPC and the interpreter apart would only keep whoever waits for the command.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)
