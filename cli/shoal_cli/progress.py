"""Progress on stderr, only where that is a terminal: rich is not even loaded otherwise."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        transient=True,
    )


@contextmanager
def received(ref: str, total: int | None, *, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """Give what shows how many bytes of an archive (of `total`, if that is known) have arrived."""
    if quiet or not sys.stderr.isatty():
        yield lambda count: None
        return
    with _bars() as bars:
        task = bars.add_task(ref, total=total)
        yield lambda count: bars.update(task, completed=count)


@contextmanager
def fetched() -> Iterator[Callable[[str, int, int], None]]:
    """Give what shows, by node, how many bytes of how many it has fetched."""
    if not sys.stderr.isatty():
        yield lambda node, count, total: None
        return
    with _bars() as bars:
        tasks = {}

        def show(node: str, count: int, total: int) -> None:
            if node not in tasks:
                tasks[node] = bars.add_task(node, total=None)
            bars.update(tasks[node], completed=count, total=total or None)

        yield show
