"""Files that are told the id of what was created, as `docker run --cidfile` writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click


@contextmanager
def reserved(path: Path | None) -> Iterator[Callable[[str], None]]:
    """Make a file that must not exist; give what writes an id to it. One that was told none goes with the context.

    Raises:
        click.UsageError: the file is there, or can't be made.
    """
    if path is None:
        yield lambda identifier: None
        return
    try:
        file = path.open("x")
    except FileExistsError:
        raise click.UsageError(
            f"--cidfile {path} exists (remove it if the container that it names is gone, or name another)"
        ) from None
    except OSError as error:
        raise click.UsageError(f"--cidfile {path}: {error.strerror}") from None
    told = False

    def tell(identifier: str) -> None:
        nonlocal told
        told = True
        file.write(identifier)
        file.flush()

    with file:
        try:
            yield tell
        finally:
            if not told:
                with suppress(FileNotFoundError):
                    path.unlink()
