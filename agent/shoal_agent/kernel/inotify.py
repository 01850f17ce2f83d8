"""Waiting for changes of files without polling: inotify, for asyncio.

Source: inotify(7).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path
from typing import Final

_libc: Final = ctypes.CDLL(None, use_errno=True)
_HEADER: Final = struct.Struct("iIII")
#: Room for a few hundred events at a time.
_READ_BYTES: Final = 64 << 10


class Event(IntFlag):
    """What happened, or what to wait for."""

    MODIFY = 0x2
    CLOSE_WRITE = 0x8
    MOVED_TO = 0x80
    CREATE = 0x100
    #: The queue was full: look for yourself at what is watched.
    OVERFLOW = 0x4000
    #: The watch is gone, with what it watched.
    IGNORED = 0x8000
    ONLYDIR = 0x01000000


@dataclass(frozen=True, slots=True)
class Change:
    """One event; `name` is that of the file within a watched directory, else empty."""

    watch: int
    event: Event
    name: str


class Inotify:
    """An inotify instance of the running event loop.

    Args:
        on_changes: called in the loop with what happened.
    """

    def __init__(self, on_changes: Callable[[list[Change]], None]) -> None:
        self._fd = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), "inotify_init1")
        self._on_changes = on_changes
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._read)

    def watch(self, path: Path, events: Event) -> int:
        """Watch `path` and return the number that its events carry. The same path again replaces what is waited for.

        Raises:
            OSError: it isn't there, or the user's limit of watches is reached.
        """
        return _checked(_libc.inotify_add_watch(self._fd, os.fsencode(path), ctypes.c_uint32(events)), str(path))

    def unwatch(self, watch: int) -> None:
        """End a watch; one that ended by itself is fine."""
        _libc.inotify_rm_watch(self._fd, watch)

    def close(self) -> None:
        """End all watches. Calling it again changes nothing."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        changes, offset = [], 0
        while offset < len(data):
            watch, mask, _, length = _HEADER.unpack_from(data, offset)
            offset += _HEADER.size
            name = data[offset : offset + length].rstrip(b"\0")
            offset += length
            changes.append(Change(watch=watch, event=Event(mask & 0xFFFF), name=os.fsdecode(name)))
        self._on_changes(changes)


class Bell:
    """Rings whenever one watched thing changes: `async with Bell(path, events) as bell: ... await bell.wait()`."""

    def __init__(self, path: Path, events: Event) -> None:
        self._path = path
        self._events = events
        self._rung = asyncio.Event()
        self._inotify: Inotify | None = None

    async def __aenter__(self) -> Bell:
        self._inotify = Inotify(lambda _: self._rung.set())
        try:
            self._inotify.watch(self._path, self._events)
        except OSError:
            self._inotify.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._inotify is not None:
            self._inotify.close()

    def ring(self) -> None:
        """Let the waiting go on for another reason."""
        self._rung.set()

    async def wait(self) -> None:
        """Wait for a change since the last call (or since the beginning)."""
        await self._rung.wait()
        self._rung.clear()


def _checked(result: int, name: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result
