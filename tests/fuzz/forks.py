"""`python -m tests.fuzz.forks HOME CONFIG`: carries out command lines, each in a process that has everything loaded.

It reads jobs and writes outcomes, a JSON object a line. The whole `main` is run, as the installed command runs it.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any, Final, NoReturn

#: What commands are made of. What is not loaded here is loaded in each of them.
_PARTS: Final = ("shoal_cli", "shoal", "shoal_common", "shoal_lab")
_DAEMONS: Final = ("shoal_agent.command", "shoal_controller.command", "grpc.aio", "asyncio", "shoal_proto.v1.event_pb2")
#: Seconds from one signal to the next for what does not end.
_AGAIN: Final = 1.0
_LAST: Final = 10.0
#: Bytes: of what is told that are looked at, that a process may have, and that a file of its may.
_MOST: Final = 1 << 20
_MEMORY: Final = 1 << 30
_FILE: Final = 64 << 20


def main() -> None:
    """Serve until stdin ends."""
    home, config = Path(sys.argv[1]), Path(sys.argv[2])
    for part in _PARTS:
        package = importlib.import_module(part)
        for module in pkgutil.walk_packages(package.__path__, f"{part}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for name in _DAEMONS:
        importlib.import_module(name)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(_carry_out(json.loads(line), home, config)), flush=True)


def _carry_out(job: dict[str, Any], home: Path, config: Path) -> dict[str, Any]:
    # It is theirs to change; nothing of that is for the next one.
    shutil.copyfile(config, home / "config.json")
    before = _files(home)
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        stdin.write(bytes.fromhex(job["stdin"]))
        stdin.seek(0)
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            _become(job["words"], home, stdin, out, err)
        stopped, code = _wait(pid, job["seconds"])
        return {
            "code": code,
            "stopped": stopped,
            "seconds": time.monotonic() - began,
            "stdout": _text(out),
            "stderr": _text(err),
            "files": sorted(_files(home) - before),
        }


def _become(words: list[str], home: Path, stdin: IO[bytes], out: IO[bytes], err: IO[bytes]) -> NoReturn:
    """Be a `shoal` that was started with these words."""
    code = 70
    try:
        os.setsid()
        # Whoever reads all of a device that has no end does so alone.
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE, _FILE))
        for number, file in enumerate((stdin, out, err)):
            os.dup2(file.fileno(), number)
        os.chdir(home)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        os.environ.update(HOME=str(home), SHOAL_CONFIG=str(home / "config.json"))
        sys.argv = ["shoal", *words]
        from shoal_cli.main import main as shoal

        shoal()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                code = code or 120
        os._exit(code)


def _wait(pid: int, seconds: float) -> tuple[int, int]:
    """Wait for a process, which is interrupted after a time; return how often that was, and its exit code."""
    descriptor = os.pidfd_open(pid)
    try:
        stopped = 0
        for patience, number in ((seconds, signal.SIGINT), (_AGAIN, signal.SIGINT), (_LAST, signal.SIGKILL)):
            if select.select([descriptor], [], [], patience)[0]:
                break
            os.kill(pid, number)
            stopped += 1
        _, status = os.waitpid(pid, 0)
        return stopped, os.waitstatus_to_exitcode(status)
    finally:
        os.close(descriptor)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(_MOST).decode(errors="surrogateescape")


def _files(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*")}


if __name__ == "__main__":
    main()
