"""What a node does when its disk is full, with disks that say so."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoal_agent import disk, durable
from shoal_agent.cluster.watermark import Watermark
from shoal_agent.containers.records import Records
from shoal_agent.core.disk import Usage
from shoal_agent.disk import Disk, Spares
from shoal_agent.durable import replace_file
from shoal_agent.paths import NodePaths
from shoal_common.errors import Exhausted
from shoal_common.sealing import Sealer
from shoal_proto.v1.agent_pb2 import ContainerRecord

GIB = 1 << 30
ROOM, FULL = Usage(GIB, GIB // 2, 0, 0), Usage(GIB, 1 << 20, 0, 0)


@pytest.fixture
def nothing_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """New files get no block; what is allocated can be written."""

    def write(path: Path, data: bytes, mode: int) -> None:
        path.write_bytes(data[:1])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(durable, "_write", write)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    spares = Spares(tmp_path / "spares")
    spares.fill()
    records = Records(NodePaths(data=tmp_path, run=tmp_path), Sealer(b"k" * 32), spares)
    yield records
    records.close()


async def test_records_are_written_on_a_full_disk(
    tmp_path: Path, records: Records, request: pytest.FixtureRequest
) -> None:
    record = ContainerRecord(schema=1)
    record.assignment.id = "ab" * 32
    (tmp_path / "containers").mkdir()
    await records.save(record)
    request.getfixturevalue("nothing_fits")
    for attempt in range(1, 33):
        record.status.attempt = attempt
        await records.save(record)
    loaded, unreadable = await records.load()
    assert unreadable == set()
    assert loaded[record.assignment.id].status.attempt == 32
    # Then there is no spare left: it fails, and what was written stays.
    record.status.attempt = 33
    with pytest.raises(OSError, match="space"):
        await records.save(record)
    loaded, _ = await records.load()
    assert loaded[record.assignment.id].status.attempt == 32
    assert [path.name for path in (tmp_path / "containers" / record.assignment.id).iterdir()] == ["record"]


async def test_a_record_finds_room_on_a_full_disk(
    tmp_path: Path, records: Records, request: pytest.FixtureRequest
) -> None:
    record = ContainerRecord(schema=1)
    record.assignment.id = "ab" * 32
    (tmp_path / "containers").mkdir()
    request.getfixturevalue("nothing_fits")
    problem: OSError | None = None
    try:
        await records.save(record)
    except OSError as error:
        problem = error
    assert problem is None


def test_a_write_that_fails_leaves_no_draft(tmp_path: Path, nothing_fits: None) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="space"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_spares_hold_their_blocks_and_come_back(tmp_path: Path) -> None:
    spares = Spares(tmp_path / "spares")
    spares.fill()
    assert all(path.stat().st_blocks * 512 >= 64 << 10 for path in (tmp_path / "spares").iterdir())
    taken = spares.take(b"record")
    assert taken is not None
    assert taken.read_bytes() == b"record"
    assert spares.take(b"x" * (65 << 10)) is None
    # An agent that died here had not used it.
    spares.clear()
    spares.fill()
    assert len(list((tmp_path / "spares").iterdir())) == 32


async def test_a_watermark_that_finds_no_room_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = Watermark(tmp_path / "watermark.json")
    mark.open()
    mark.advance(1, 7)
    with monkeypatch.context() as patch:

        def write(path: Path, data: bytes, mode: int) -> None:
            raise OSError(errno.ENOSPC, "no space", str(path))

        patch.setattr(durable, "_write", write)
        await mark.save()
        assert mark.behind(1, 6)
    await mark.save()
    mark.close()
    again = Watermark(tmp_path / "watermark.json")
    again.open()
    again.close()
    assert again.position.revision == 7


async def test_refuses_new_work_while_it_is_full_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = ROOM
    monkeypatch.setattr(disk, "_usage", lambda path: now)
    told: list[list[str]] = []
    watched = Disk(tmp_path, Spares(tmp_path / "spares"))
    watched.changed = lambda: told.append([each.message for each in watched.problems])
    await watched.open()
    watched.check("image web:3")
    now = FULL
    await watched._look()
    now = Usage(GIB, 2 << 20, 0, 0)
    await watched._look()
    with pytest.raises(Exhausted, match=r"no room on this node for image web:3: disk full: 1 MiB free") as raised:
        watched.check("image web:3")
    assert raised.value.retryable
    now = ROOM
    await watched._look()
    watched.check("image web:3")
    assert told == [["disk full: 1 MiB free, 51.2 MiB needed"], []]
    # Half of the disk is free: what takes that much would fill it.
    with pytest.raises(Exhausted, match=r"takes 500 MiB or more, 512 MiB are free, of which 51\.2 MiB stay so"):
        watched.check_room(500 << 20, "image web:3")
    watched.close()
