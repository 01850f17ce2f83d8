"""Tars: what is packed comes back the same, whoever reads it, and nothing is placed outside."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_common.archives import packing, tarstream
from shoal_common.archives.headers import END, header
from shoal_common.archives.packing import CannotPack, Packer
from shoal_common.archives.placing import CannotPlace, Placer
from shoal_common.archives.tarstream import ByteStream, Entry, MalformedArchive

NAMES = st.lists(
    st.binary(min_size=1, max_size=120).filter(lambda name: name not in (b".", b"..") and not {0, 47} & set(name)),
    min_size=1,
    max_size=4,
).map(b"/".join)


def pull(data: bytes, size: int = 700) -> Callable[[], bytes]:
    pieces = iter([data[at : at + size] for at in range(0, len(data), size)])
    return lambda: next(pieces, b"")


def entry(name: bytes, kind: int = 0x30, *, link: bytes = b"", size: int = 0, mode: int = 0o644) -> Entry:
    return Entry(name, link, kind, mode, 0, 0, 0, size, size)


def tar(*entries: tuple[Entry, bytes] | Entry, end: bytes = END) -> bytes:
    parts = []
    for each in entries:
        told, data = each if isinstance(each, tuple) else (each, b"")
        told.stored = told.size = len(data)
        parts.append(header(told) + data + bytes(-len(data) % tarstream.BLOCK))
    return b"".join(parts) + end


def packed(path: Path, name: bytes, *, xattrs: bool = False) -> bytes:
    parent = os.open(path.parent, os.O_RDONLY)
    try:
        return b"".join(Packer(xattrs=xattrs).archive(parent, path.name, name))
    finally:
        os.close(parent)


def place(
    data: bytes,
    target: Path,
    *,
    rename: Callable[[bytes], bytes | None] = lambda path: path,
    keep_ids: bool = False,
) -> Placer:
    root = os.open(target, os.O_RDONLY)
    try:
        placer = Placer(root, keep_ids=keep_ids, unique="test", rename=rename)
        placer.place(pull(data))
    finally:
        os.close(root)
    return placer


@given(
    name=NAMES,
    link=st.binary(min_size=1, max_size=300).filter(lambda text: 0 not in text),
    size=st.integers(0, 1 << 40),
    owner=st.integers(0, 1 << 32),
    mtime=st.integers(-(1 << 60), 1 << 60),
    value=st.binary(max_size=300),
)
def test_a_header_tells_what_it_was_told(
    name: bytes, link: bytes, size: int, owner: int, mtime: int, value: bytes
) -> None:
    for kind, target, stored in ((0x30, b"", size), (tarstream.SYMLINK, link, 0)):
        told = Entry(name, target, kind, 0o4755, owner, owner, mtime, stored, stored, xattrs=[(b"user.a", value)])
        assert next(tarstream.entries(ByteStream(pull(header(told) + END)))) == told


def test_another_tar_reads_what_is_packed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "below").mkdir(parents=True)
    (source / "file").write_bytes(b"x" * 100_000)
    (source / ("long" * 60)).write_text("name")
    (source / "below" / "link").symlink_to("../file")
    (source / "below" / "dangling").symlink_to("/no/such/thing")
    os.link(source / "file", source / "below" / "twice")
    os.mkfifo(source / "fifo")
    (source / "below").chmod(0o2710)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(source / "socket"))
        data = packed(source, b"called")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = {member.name: member for member in archive}
        assert set(members) == {
            *("called", "called/file", "called/below", "called/below/link", "called/below/dangling"),
            *("called/below/twice", "called/fifo", "called/" + "long" * 60),
        }
        content = archive.extractfile("called/below/twice")
        assert content is not None
        assert content.read() == b"x" * 100_000
    assert members["called/below/dangling"].linkname == "/no/such/thing"
    assert members["called/fifo"].isfifo()
    assert members["called/below"].mode == 0o2710


def test_what_is_packed_is_placed_again(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "closed").mkdir(parents=True)
    (source / "closed" / "file").write_bytes(os.urandom(300_000))
    os.utime(source / "closed" / "file", ns=(1, 1_234_567_890_123_456_789))
    (source / "closed" / "link").symlink_to("file")
    os.link(source / "closed" / "file", source / "again")
    (source / "closed").chmod(0o555)
    target.mkdir()
    place(packed(source, b"."), target)
    assert (target / "closed" / "file").read_bytes() == (source / "closed" / "file").read_bytes()
    assert (target / "closed" / "file").stat().st_mtime_ns == 1_234_567_890_123_456_789
    assert os.path.samestat((target / "closed" / "file").stat(), (target / "again").stat())
    assert (target / "closed" / "link").readlink() == Path("file")
    assert stat.S_IMODE((target / "closed").stat().st_mode) == 0o555
    (target / "closed").chmod(0o755)


def test_a_file_that_becomes_shorter_is_told(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * (3 * packing.PIECE))
    parent = os.open(tmp_path, os.O_RDONLY)
    try:
        pieces = Packer(xattrs=False).archive(parent, "log", b"log")
        next(pieces)
        (tmp_path / "log").write_bytes(b"")
        with pytest.raises(CannotPack, match="shorter"):
            list(pieces)
    finally:
        os.close(parent)


def test_what_vanishes_while_a_directory_is_packed_is_left_out(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in "abc":
        (source / name).write_bytes(b"x" * packing.PIECE)
    parent = os.open(tmp_path, os.O_RDONLY)
    try:
        pieces = Packer(xattrs=False).archive(parent, "source", b"s")
        first = next(pieces)
        (source / "b").unlink()
        (source / "c").unlink()
        (source / "c").symlink_to("/etc/passwd")
        data = first + b"".join(pieces)
    finally:
        os.close(parent)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert [member.name for member in archive] == ["s", "s/a", "s/c"]


def test_a_link_that_takes_the_place_of_a_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "source" / "file").write_text("public")
    look = os.stat

    def swap(path: str, **options: int | bool) -> os.stat_result:
        found = look(path, **options)  # type: ignore[arg-type]
        if path == "file":
            (tmp_path / "source" / "file").unlink()
            (tmp_path / "source" / "file").symlink_to("../secret")
        return found

    monkeypatch.setattr(os, "stat", swap)
    assert b"secret" not in packed(tmp_path / "source", b"source")


def _levels(top: Path, depth: int) -> Iterator[int]:
    opened = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=opened)
        below = os.open("d", os.O_RDONLY, dir_fd=opened)
        os.close(opened)
        opened = below
        yield opened
    os.close(opened)


def test_a_bottomless_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    for _ in _levels(tmp_path / "top", packing.MAX_DEPTH + 1):
        pass
    with pytest.raises(CannotPack, match="deep"):
        packed(tmp_path / "top", b"top")


@pytest.mark.parametrize("name", [b"../x", b"a/../../x", b"a/.."])
def test_no_name_leads_upwards(tmp_path: Path, name: bytes) -> None:
    with pytest.raises(MalformedArchive, match=r"\.\."):
        place(tar(entry(name)), tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_through_a_link_of_the_archive(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    link = entry(b"door", tarstream.SYMLINK, link=str(outside).encode())
    with pytest.raises(CannotPlace):
        place(tar(link, (entry(b"door/file"), b"in")), inside)
    with pytest.raises(CannotPlace):
        place(tar(link, entry(b"door/", tarstream.DIRECTORY), (entry(b"door/file"), b"in")), inside)
    assert not list(outside.iterdir())


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "there").symlink_to("victim")
    place(tar((entry(b"there"), b"new")), tmp_path)
    assert (tmp_path / "victim").read_text() == "mine"
    assert (tmp_path / "there").read_text() == "new"
    assert not (tmp_path / "there").is_symlink()


def test_no_hard_link_to_what_was_there_before(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    with pytest.raises(MalformedArchive, match="hard link"):
        place(tar(entry(b"mine", tarstream.HARD_LINK, link=b"victim")), tmp_path)


def test_devices_are_counted_and_not_made(tmp_path: Path) -> None:
    assert place(tar(entry(b"null", tarstream.CHARACTER_DEVICE)), tmp_path).devices == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("end", [b"", b"\0" * 100])
def test_a_tar_without_its_end_is_cut_off(tmp_path: Path, end: bytes) -> None:
    with pytest.raises(MalformedArchive):
        place(tar((entry(b"whole"), b"data"), end=end), tmp_path)


def test_a_file_that_is_cut_off_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("old and whole")
    data = tar((entry(b"conf"), b"n" * 5000))
    with pytest.raises(MalformedArchive):
        place(data[:2000], tmp_path)
    assert (tmp_path / "conf").read_text() == "old and whole"
    assert [path.name for path in tmp_path.iterdir()] == ["conf"]


def test_file_and_directory_do_not_change_places(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(CannotPlace, match="is a directory"):
        place(tar((entry(b"directory"), b"x")), tmp_path)
    with pytest.raises(CannotPlace, match="is no directory"):
        place(tar(entry(b"file/", tarstream.DIRECTORY)), tmp_path)


def test_a_directory_that_was_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o700)
    place(
        tar(entry(b"./", tarstream.DIRECTORY, mode=0o777), entry(b"there/", tarstream.DIRECTORY, mode=0o777)), tmp_path
    )
    assert stat.S_IMODE((tmp_path / "there").stat().st_mode) == 0o700


def test_entries_go_where_they_are_renamed_to(tmp_path: Path) -> None:
    place(
        tar(entry(b"a/", tarstream.DIRECTORY), (entry(b"a/b"), b"x")), tmp_path, rename=lambda path: b"new" + path[1:]
    )
    assert (tmp_path / "new" / "b").read_text() == "x"


@given(damage=st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), max_size=12), cut=st.integers(0, 9000))
def test_a_damaged_tar_is_refused_or_placed_and_nothing_is_outside(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, int]], cut: int
) -> None:
    top = tmp_path_factory.mktemp("damaged")
    (top / "inside").mkdir()
    (top / "victim").write_text("mine")
    data = bytearray(
        tar(
            entry(b"d/", tarstream.DIRECTORY, mode=0o755),
            (entry(b"d/file"), b"x" * 700),
            entry(b"d/link", tarstream.SYMLINK, link=b"../../victim"),
            (entry(b"d/link"), b"y"),
            entry(b"hard", tarstream.HARD_LINK, link=b"d/file"),
            (entry(b"long" * 40), b"z" * 10),
        )
    )
    for at, value in damage:
        data[at % len(data)] = value
    # Checksums are made right again: what is damaged is what a header says.
    for at in range(0, len(data) - 511, 512):
        block = data[at : at + 512]
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(block)
    with contextlib.suppress(MalformedArchive, CannotPlace):
        place(bytes(data[: len(data) - cut if cut < 3000 else len(data)]), top / "inside")
    assert sorted(path.name for path in top.iterdir()) == ["inside", "victim"]
    assert (top / "victim").read_text() == "mine"
    for path in [*(top / "inside").rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    assert not list((top / "inside").rglob(".shoal-copy-*"))


@pytest.mark.parametrize("kind", [0x30, tarstream.DIRECTORY, tarstream.SYMLINK])
def test_an_owner_that_no_file_can_have_is_refused(tmp_path: Path, kind: int) -> None:
    told = entry(b"a", kind, link=b"x" if kind == tarstream.SYMLINK else b"")
    told.uid = 1 << 40
    with pytest.raises(MalformedArchive, match="out of range"):
        place(tar(told), tmp_path, keep_ids=True)


@pytest.mark.parametrize(
    "hostile",
    [
        Entry(b"a", b"", 0x30, 0o644, (1 << 32) - 1, 0, 0, 0, 0),
        Entry(b"a", b"x", tarstream.SYMLINK, 0o777, 0, (1 << 32) - 1, 0, 0, 0),
        Entry(b"a", b"", tarstream.DIRECTORY, 0o755, (1 << 32) - 1, 0, 0, 0, 0),
        Entry(b"a", b"", 0x30, 0o644, 0, 0, 0, 0, 0, xattrs=[(b"user.a\0b", b"x")]),
    ],
)
def test_what_no_file_can_have_is_told_and_leaves_nothing(tmp_path: Path, hostile: Entry) -> None:
    root = os.open(tmp_path, os.O_RDONLY)
    try:
        placer = Placer(root, keep_ids=True, unique="test")
        with pytest.raises((CannotPlace, MalformedArchive), match=r"NUL|owner"):
            placer.place(pull(header(hostile) + END))
    finally:
        os.close(root)
    assert [path.name for path in tmp_path.iterdir() if not path.is_dir()] == []


def test_a_directory_on_the_way_that_turns_into_a_link_changes_nothing_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, other = tmp_path / "target", tmp_path / "other"
    target.mkdir()
    other.mkdir(mode=0o700)
    make = os.mkdir

    def swapped(name: str, mode: int = 0o777, *, dir_fd: int) -> None:
        make(name, mode, dir_fd=dir_fd)
        os.rmdir(name, dir_fd=dir_fd)
        os.symlink(other, name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", swapped)
    with pytest.raises(CannotPlace):
        place(tar(entry(b"way/file")), target)
    assert stat.S_IMODE(other.stat().st_mode) == 0o700


def test_a_fifo_that_turns_into_a_link_changes_nothing_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, other = tmp_path / "target", tmp_path / "other"
    target.mkdir()
    other.touch(mode=0o600)
    make = os.mkfifo

    def swapped(name: str, mode: int = 0o666, *, dir_fd: int) -> None:
        make(name, mode, dir_fd=dir_fd)
        os.unlink(name, dir_fd=dir_fd)
        os.symlink(other, name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkfifo", swapped)
    with pytest.raises(CannotPlace):
        place(tar(entry(b"fifo", tarstream.FIFO, mode=0o666)), target)
    assert stat.S_IMODE(other.stat().st_mode) == 0o600


def test_modes_are_the_archives_whatever_the_mask(tmp_path: Path) -> None:
    mask = os.umask(0o077)
    try:
        place(tar(entry(b"way/fifo", tarstream.FIFO, mode=0o666), entry(b"way/file", mode=0o664)), tmp_path)
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(mask)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("way", "way/fifo", "way/file")]
    assert modes == [0o755, 0o666, 0o664]
