"""etcd as it goes: its history by a watch of our own, and what was proposed by one member's log on disk."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from shoal_controller.state.kv import Batch, Event
from tests.soak import proposals
from tests.soak.chronicle import Chronicle
from tests.soak.violation import Violation
from tests.soak.wal import Proposal, WriteAheadLog, frames

_WATCH: Final = Path(__file__).with_name("store_watch.py")
_ROOT: Final = Path(__file__).parents[2]
_EVERY: Final = 1.0
_CHUNK: Final = 4 << 20


class LogFiles:
    """Reads the write-ahead log of one member while the member writes it.

    What is being appended may look like anything: only what was whole at the look before is taken.

    Args:
        folder: with the member's *.wal files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = WriteAheadLog()
        self._file = ""
        self._at = 0
        self._whole = 0

    def read(self) -> Iterator[Proposal]:
        """Yield the proposals that are new."""
        while True:
            names = sorted(path.name for path in self._folder.glob("*.wal"))
            if not self._file:
                if not names:
                    return
                self._file = names[0]
            yield from self._read_file()
            later = [each for each in names if each > self._file]
            if not later or self._at < self._whole:
                return
            self._file, self._at, self._whole = later[0], 0, 0

    def _read_file(self) -> Iterator[Proposal]:
        known, end = self._whole, self._at
        with (self._folder / self._file).open("rb") as file:
            while True:
                file.seek(end)
                data = file.read(_CHUNK)
                begin = end
                for record, length in frames(data):
                    end = begin + length
                    if end <= known:
                        self._at = end
                        yield from self._log.take(record)
                if end == begin:
                    break
        self._whole = end


class Feed:
    """Follows etcd, for as long as it runs.

    Args:
        etcd: how it is reached, as store_watch.py takes it.
        logs: directory of one member's write-ahead log.
        wrong: where violations go.
    """

    def __init__(self, etcd: Sequence[str], logs: Path, wrong: list[Violation]) -> None:
        self._command = [sys.executable, str(_WATCH), *etcd]
        self._files = LogFiles(logs)
        self._wrong = wrong
        self._moved = asyncio.Event()
        self.chronicle = Chronicle()

    async def follow(self) -> None:
        """Follow the history for ever."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            # A line is a revision, and a revision may be a large transaction.
            limit=64 << 20,
        )
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                revision, events = json.loads(line)
                batch = Batch(
                    revision,
                    tuple(
                        Event(key, None if value is None else base64.b64decode(value), revision, lease)
                        for key, value, lease in events
                    ),
                )
                self._wrong += self.chronicle.apply(batch)
                moved, self._moved = self._moved, asyncio.Event()
                moved.set()
            self._wrong.append(Violation("feed", "etcd's history can't be followed any more"))
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def reached(self, revision: int, *, seconds: float) -> bool:
        """Wait until the history has come to `revision`; say whether it has in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.chronicle.revision < revision:
                    await self._moved.wait()
        return self.chronicle.revision >= revision

    async def audit(self) -> None:
        """Look at what is proposed, for ever."""
        while True:
            self.look()
            await asyncio.sleep(_EVERY)

    def look(self) -> None:
        """Look at what was proposed since the last time."""
        for proposal in self._files.read():
            self.chronicle.looked["proposals"] += 1
            self._wrong += proposals.check(proposal)
