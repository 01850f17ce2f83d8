"""Files that are there whole or not at all, also after a power cut."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, *, mode: int = 0o700) -> None:
    """Make a directory durably; one that exists stays as it is."""
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        return
    sync_directory(path.parent)


def replace_file(
    path: Path, data: bytes, *, mode: int = 0o600, on_full: Callable[[bytes], Path | None] | None = None
) -> None:
    """Write `path` so that a crash leaves either what it was or all of `data`.

    Readers in other processes see one or the other as well. Two writers of the same path must take turns.

    Args:
        path: to be replaced.
        data: all of it.
        mode: of the file.
        on_full: asked on a full disk for a file of the same file system that holds the data, such as `Spares.take`.

    Raises:
        OSError: it could not be written; what was there still is, and nothing else.
    """
    draft = path.with_name(path.name + ".new")
    try:
        _write(draft, data, mode)
    except OSError as error:
        draft.unlink(missing_ok=True)
        spare = on_full(data) if on_full is not None and error.errno in (errno.ENOSPC, errno.EDQUOT) else None
        if spare is None:
            raise
        draft = spare
    draft.rename(path)
    sync_directory(path.parent)


def _write(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_file(path: Path) -> None:
    """Remove a file durably; one that isn't there is gone already."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    sync_directory(path.parent)
