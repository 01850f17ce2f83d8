"""What a conmon that runs can be told: the size of its terminal, and to open its log anew.

It has a FIFO for that, `ctl`, one line for each. Of lines that it reads together it takes the first, as often as there
are lines: so there is one writer at a time, and the next line waits until this one was read.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import termios
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

#: conmon refuses a terminal with more rows or columns.
_MOST_CELLS: Final = 1000
#: Seconds between looks at whether conmon has done what it was told, and how many.
_LOOK: Final = 0.001
_LOOKS: Final = 200
#: Lines: a size, the order to open the log anew, and one that conmon knows nothing of.
_SIZE: Final = "1 {rows} {columns}\n"
_REOPEN: Final = b"2 0 0\n"
_NOTHING: Final = b"9 0 0\n"


class Control:
    """The way to one task's conmon; there is one for each directory (`of`).

    Args:
        directory: of the task, where conmon has its FIFOs.
    """

    _all: WeakValueDictionary[Path, Control] = WeakValueDictionary()

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._turn = asyncio.Lock()

    @classmethod
    def of(cls, directory: Path) -> Control:
        """Return the one of a task, whoever else has it."""
        return cls._all.setdefault(directory, cls(directory))

    async def resize(self, sizes: Iterable[tuple[int, int]]) -> None:
        """Tell it columns and rows of its terminal, one after the other; nothing happens once it has ended."""
        async with self._turn:
            for columns, rows in sizes:
                # It passes them on to itself through a second FIFO, and nothing else tells that it has.
                with contextlib.suppress(OSError), self._opened("ctl", "winsz") as (ctl, winsz):
                    line = _SIZE.format(rows=min(rows, _MOST_CELLS), columns=min(columns, _MOST_CELLS))
                    os.write(ctl, line.encode())
                    await _read(ctl)
                    await _read(winsz)

    async def quiet(self) -> bool:
        """Return once it has done all that anybody told it before; False: it does not listen.

        What it was told last it may have read and not done yet. When it has read another line, it has.
        """
        async with self._turn:
            with contextlib.suppress(OSError), self._opened("ctl") as (ctl,):
                if await _read(ctl):
                    os.write(ctl, _NOTHING)
                    return await _read(ctl)
        return False

    async def reopen(self, written: Path) -> bool:
        """Have it put a new file where it writes; False: it did not, as yet.

        Not before it is `quiet`, and only where the file has another name: it is replaced, each time it is told.
        """
        before = written.stat()
        async with self._turn:
            with contextlib.suppress(OSError), self._opened("ctl") as (ctl,):
                os.write(ctl, _REOPEN)
                for _ in range(_LOOKS):
                    if not os.path.samestat(before, written.stat()):
                        return True
                    await asyncio.sleep(_LOOK)
        return False

    @contextlib.contextmanager
    def _opened(self, *names: str) -> Iterator[list[int]]:
        """Open FIFOs. Without a reader that fails, and nobody is to be told."""
        with contextlib.ExitStack() as stack:
            fifos = []
            for name in names:
                fd = os.open(self._directory / name, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                stack.callback(os.close, fd)
                fifos.append(fd)
            yield fifos


async def _read(fifo: int) -> bool:
    """Wait until all that is in a FIFO was read; False: it was not."""
    for _ in range(_LOOKS):
        if not any(fcntl.ioctl(fifo, termios.FIONREAD, bytes(4))):
            return True
        await asyncio.sleep(_LOOK)
    return False
