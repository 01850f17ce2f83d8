"""Passphrases: from a file, or asked for at the terminal; never from arguments, which everybody can see."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from shoal_common.errors import InvalidSpec
from shoal_common.small_files import first_line


def asked(file: Path | None, *, twice: bool) -> str:
    """Return a passphrase.

    Args:
        file: whose first line it is, "-" for standard input; None asks for it.
        twice: to be typed twice, for one that is new.

    Raises:
        click.UsageError: there is no terminal to ask at, or it is empty.
    """
    if file is not None:
        passphrase = sys.stdin.readline().rstrip("\r\n") if str(file) == "-" else _in_file(file)
    elif sys.stdin.isatty():
        passphrase = click.prompt("Passphrase", hide_input=True, confirmation_prompt=twice, err=True)
    else:
        raise click.UsageError("no terminal to ask for the passphrase at (use --passphrase-file FILE)")
    if not passphrase:
        raise click.UsageError("the passphrase is empty")
    return passphrase


def _in_file(file: Path) -> str:
    try:
        return first_line("--passphrase-file", file)
    except InvalidSpec as error:
        raise click.UsageError(error.message) from None
