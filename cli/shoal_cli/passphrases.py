"""Passphrases: from a file, or asked for at the terminal; never from arguments, which everybody can see."""

from __future__ import annotations

import sys
from pathlib import Path

import click


def asked(file: Path | None, *, twice: bool) -> str:
    """Return a passphrase.

    Args:
        file: whose first line it is, "-" for standard input; None asks for it.
        twice: to be typed twice, for one that is new.

    Raises:
        click.UsageError: there is no terminal to ask at, or it is empty.
    """
    if file is not None:
        text = sys.stdin.readline() if str(file) == "-" else file.read_text().partition("\n")[0]
        passphrase = text.rstrip("\r\n")
    elif sys.stdin.isatty():
        passphrase = click.prompt("Passphrase", hide_input=True, confirmation_prompt=twice, err=True)
    else:
        raise click.UsageError("no terminal to ask for the passphrase at (use --passphrase-file FILE)")
    if not passphrase:
        raise click.UsageError("the passphrase is empty")
    return passphrase
