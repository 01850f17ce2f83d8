"""The applier against GNU tar on archives of any shape, and against archives made to do harm."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_agent.images.applier import Applied, Applier, LimitExceeded, Limits
from shoal_common.archives.tarstream import MalformedArchive

LIMITS = Limits(bytes=1 << 30, inodes=1000)
TIME = 1_600_000_000


def apply(archive: bytes, root: Path, *, limits: Limits = LIMITS, piece: int = 700) -> Applied:
    """Apply in pieces that cut headers and contents anywhere."""
    pieces: Iterator[bytes] = (archive[at : at + piece] for at in range(0, len(archive), piece))
    directory = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        return Applier(directory, limits).apply(lambda: next(pieces, b""))
    finally:
        os.close(directory)


def member(
    name: str,
    kind: bytes = tarfile.REGTYPE,
    *,
    data: bytes = b"",
    mode: int = 0o644,
    form: Literal[1, 2] = tarfile.PAX_FORMAT,
    **more: object,
) -> bytes:
    """One entry, without the archive's end; hard to get wrong names past tarfile are set by `more`."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.mtime = kind, mode, len(data), TIME
    info.uid, info.gid = os.getuid(), os.getgid()
    for key, value in more.items():
        setattr(info, key, value)
    padded = data + bytes(-len(data) % 512)
    return info.tobuf(form, errors="surrogateescape") + padded


def archive_of(*members: bytes) -> bytes:
    return b"".join(members) + bytes(1024)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    (tmp_path / "outside").write_text("untouched")
    return path


def tree(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything that an image's user could see of a tree."""
    seen: dict[str, tuple[object, ...]] = {}
    groups: dict[int, str] = {}
    for directory, names, files in os.walk(root):
        names.sort()
        for path in [Path(directory), *(Path(directory, file) for file in sorted(files + names))]:
            found = path.lstat()
            content: object = None
            if stat.S_ISREG(found.st_mode):
                content = path.read_bytes()
            elif stat.S_ISLNK(found.st_mode):
                content = os.readlink(path)
            linked = groups.setdefault(found.st_ino, str(path.relative_to(root)))
            xattrs: tuple[tuple[str, bytes], ...] = ()
            if not stat.S_ISLNK(found.st_mode):
                xattrs = tuple((key, os.getxattr(path, key)) for key in sorted(os.listxattr(path)))
            owner = (found.st_uid, found.st_gid)
            seen[str(path.relative_to(root))] = (
                oct(found.st_mode),
                owner,
                found.st_mtime_ns,
                content,
                linked,
                xattrs,
                found.st_rdev,
            )
    return seen


NAMES = st.sampled_from(["a", "b", "c", "dd", "é", "x" * 120, "sp ace", ".hidden", "\udcff"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


class Archive(bytes):
    """An archive that shows its table of contents when a test fails."""

    def __repr__(self) -> str:
        return subprocess.run(["tar", "-tvf", "-"], input=self, capture_output=True, check=False).stdout.decode()


@st.composite
def archives(draw: st.DrawFn) -> Archive:
    """Archives of well-behaved tools: any order, repeats and replacements, every format that tarfile writes."""
    out = io.BytesIO()
    kind = draw(st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    directories: set[str] = set()
    files: set[str] = set()
    with tarfile.open(fileobj=out, mode="w", format=kind, errors="surrogateescape") as archive:
        for path in draw(st.lists(PATHS, max_size=14)):
            parents = [path.rsplit("/", n)[0] for n in range(1, path.count("/") + 1)]
            if any(parent in files for parent in parents):
                continue
            info = tarfile.TarInfo(draw(st.sampled_from(["", "./", "/"])) + path)
            info.uid, info.gid = os.getuid(), os.getgid()
            info.mtime = draw(st.integers(0, 1 << 33))
            if kind == tarfile.PAX_FORMAT and draw(st.booleans()):
                info.mtime = float(draw(st.integers(0, 1 << 30))) + 0.5
            # Parents without an entry get their times from the clock in GNU tar: give each an entry, at first.
            for parent in reversed(parents):
                if parent not in directories:
                    above = tarfile.TarInfo(parent)
                    above.type, above.mode, above.mtime = tarfile.DIRTYPE, 0o755, TIME
                    above.uid, above.gid = os.getuid(), os.getgid()
                    archive.addfile(above)
                    directories.add(parent)
            choice = draw(st.sampled_from(["file", "file", "directory", "symlink", "hardlink", "fifo"]))
            if (choice != "directory") and path in directories:
                continue
            info.mode = draw(st.integers(0, 0o777)) | 0o600
            data = b""
            if choice == "file":
                data = draw(st.binary(max_size=1500))
                info.mode |= draw(st.sampled_from([0, 0o4000, 0o2000]))
                if kind == tarfile.PAX_FORMAT and draw(st.booleans()):
                    info.pax_headers = {"SCHILY.xattr.user.k": draw(st.text("abc=\n ", max_size=9))}
            elif choice == "directory":
                # GNU tar keeps what the first of two entries of a directory says, everybody else the last.
                if path in files or path in directories:
                    continue
                info.type, info.mode = tarfile.DIRTYPE, info.mode | 0o700 | draw(st.sampled_from([0, 0o1000]))
                directories.add(path)
            elif choice == "symlink":
                info.type, info.linkname = tarfile.SYMTYPE, draw(PATHS)
            elif choice == "hardlink":
                if not (others := sorted(files - {path})):
                    continue
                info.type, info.linkname = tarfile.LNKTYPE, draw(st.sampled_from(others))
            else:
                info.type = tarfile.FIFOTYPE
            if choice != "directory":
                files.add(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return Archive(out.getvalue())


@given(archives(), st.integers(1, 3000))
def test_makes_what_gnu_tar_makes(archive: bytes, piece: int) -> None:
    base = Path(tempfile.mkdtemp(prefix="shl-images-"))
    try:
        for name in ("ours", "theirs"):
            (base / name).mkdir()
            os.chmod(base / name, 0o755)
        (base / "archive").write_bytes(archive)
        done = subprocess.run(
            ["tar", "-xpf", base / "archive", "-C", base / "theirs", "--xattrs", "--xattrs-include=user.*",
             "--numeric-owner", "--same-owner", "--delay-directory-restore"],
            capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            return
        apply(archive, base / "ours", piece=piece)
        ours, theirs = tree(base / "ours"), tree(base / "theirs")
        # The root has no entry: its time is the clock's.
        del ours["."], theirs["."]
        assert ours == theirs
    finally:
        shutil.rmtree(base)


@given(archives(), st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_archive_is_refused_or_stays_inside(archive: bytes, damage: list[tuple[int, int]]) -> None:
    broken = bytearray(archive)
    for at, value in damage:
        at %= len(broken)
        broken[at] = value
        # With a right checksum the damage gets past the first gate.
        start = at - at % 512
        header = broken[start : start + 512]
        header[148:156] = b" " * 8
        broken[start + 148 : start + 156] = b"%06o\0 " % sum(header)
    base = Path(tempfile.mkdtemp(prefix="shl-images-"))
    try:
        (base / "root").mkdir()
        (base / "canary").write_text("alive")
        with contextlib.suppress(MalformedArchive, LimitExceeded, OSError):
            apply(bytes(broken), base / "root", limits=Limits(bytes=1 << 20, inodes=100))
        assert sorted(os.listdir(base)) == ["canary", "root"]
        assert (base / "canary").read_text() == "alive"
    finally:
        for directory, names, _ in os.walk(base):
            for path in (Path(directory, name) for name in names):
                if not path.is_symlink():
                    path.chmod(0o700)
        shutil.rmtree(base)


@pytest.mark.parametrize("options", [
    ["--format=gnu"], ["--format=posix", "--sparse-version=0.0"], ["--format=posix", "--sparse-version=0.1"],
    ["--format=posix", "--sparse-version=1.0"],
], ids=lambda options: "".join(options))  # fmt: skip
def test_sparse_files_keep_content_and_holes(root: Path, tmp_path: Path, options: list[str]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with (source / "sparse").open("wb") as file:
        for number in range(40):
            file.seek(number * 1_000_000)
            file.write(b"%d" % number * 1000)
        file.truncate(100_000_000)
    archive = subprocess.run(["tar", "-cSf", "-", *options, "-C", source, "."], capture_output=True, check=True).stdout
    assert len(archive) < 3_000_000
    apply(archive, root)
    assert (root / "sparse").read_bytes() == (source / "sparse").read_bytes()
    assert (root / "sparse").stat().st_blocks * 512 < 3_000_000


HOSTILE = {
    "dots": archive_of(member("../outside", data=b"x")),
    "dots in the middle": archive_of(member("a/../../outside", data=b"x")),
    "hard link out": archive_of(member("a", tarfile.LNKTYPE, linkname="../outside")),
    "hard link by a symlink out": archive_of(
        member("s", tarfile.SYMTYPE, linkname=".."), member("a", tarfile.LNKTYPE, linkname="s/outside")
    ),
    "hard link to a directory": archive_of(member("d", tarfile.DIRTYPE), member("a", tarfile.LNKTYPE, linkname="d")),
    "hard link to a whiteout": archive_of(member(".wh.f"), member("a", tarfile.LNKTYPE, linkname="f")),
    "hard link to nothing": archive_of(member("a", tarfile.LNKTYPE, linkname="missing")),
    "whiteout device": archive_of(member("f", tarfile.CHRTYPE, devmajor=0, devminor=0)),
    "whiteout of the parent": archive_of(member("d/.wh...")),
    "whiteout of itself": archive_of(member("d/.wh..")),
    "whiteout of nothing": archive_of(member("d/.wh.")),
    "symlink loop": archive_of(
        member("a", tarfile.SYMTYPE, linkname="b"), member("b", tarfile.SYMTYPE, linkname="a"), member("a/f")
    ),
    "symlink to nowhere as parent": archive_of(member("a", tarfile.SYMTYPE, linkname="nowhere"), member("a/f")),
    "file as parent": archive_of(member("a"), member("a/f")),
    "root as a file": archive_of(member("./", data=b"x")),
    "root as a link": archive_of(member(".", tarfile.SYMTYPE, linkname="/")),
    "empty symlink": archive_of(member("a", tarfile.SYMTYPE, linkname="")),
    "long name": archive_of(member("a" * 256)),
    "long path": archive_of(member("/".join(["a" * 200] * 21))),
    "deep path": archive_of(member("/".join(["a"] * 513))),
    "unknown kind": archive_of(member("a", b"Z")),
    "cut in a file": member("a", data=b"x" * 2000)[:-1024],
    "cut in a header": member("a")[:300],
    "no archive": b"hello world" * 100,
    "capability of nonsense": archive_of(member("a", pax_headers={"SCHILY.xattr.security.capability": "xyz"})),
    "negative size": archive_of(member("a").replace(b"00000000000\0", b"\xff" * 12, 1)),
    "sparse map outside": archive_of(member("a", pax_headers={
        "GNU.sparse.map": "0,9999", "GNU.sparse.size": "5", "GNU.sparse.name": "a"})),
    "huge pax header": archive_of(member("a", b"x", form=tarfile.GNU_FORMAT, size=1 << 40)),
    "owner above all": archive_of(member("a", uid=(1 << 32) - 1)),
}  # fmt: skip


@pytest.mark.parametrize("archive", HOSTILE.values(), ids=HOSTILE.keys())
def test_refuses_what_would_do_harm(root: Path, tmp_path: Path, archive: bytes) -> None:
    with pytest.raises(MalformedArchive) as refusal:
        apply(archive, root)
    assert "\n" not in str(refusal.value)
    assert (tmp_path / "outside").read_text() == "untouched"
    assert (tmp_path / "outside").stat().st_nlink == 1


@pytest.mark.parametrize("target", ["..", "../..", "/../..", "/"])
def test_symlinks_lead_nowhere_but_into_the_root(root: Path, tmp_path: Path, target: str) -> None:
    apply(archive_of(member("s", tarfile.SYMTYPE, linkname=target), member("s/outside", data=b"in")), root)
    assert (tmp_path / "outside").read_text() == "untouched"
    assert (root / "outside").read_bytes() == b"in"


def test_an_absolute_symlink_is_followed_in_the_root(root: Path) -> None:
    apply(
        archive_of(
            member("usr/lib", tarfile.DIRTYPE, mode=0o755),
            member("lib", tarfile.SYMTYPE, linkname="/usr/lib"),
            member("/lib/x", data=b"1"),
        ),
        root,
    )
    assert (root / "usr/lib/x").read_bytes() == b"1"
    assert os.readlink(root / "lib") == "/usr/lib"


def test_a_file_never_goes_through_a_symlink(root: Path, tmp_path: Path) -> None:
    apply(archive_of(member("f", tarfile.SYMTYPE, linkname=str(tmp_path / "outside")), member("f", data=b"x")), root)
    assert (tmp_path / "outside").read_text() == "untouched"
    assert (root / "f").read_bytes() == b"x"


def test_a_replaced_directory_is_not_written_through_an_old_descriptor(root: Path, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    apply(
        archive_of(
            member("d/e/f", data=b"1"),
            member("d", tarfile.SYMTYPE, linkname="/other"),
            member("other/e", tarfile.DIRTYPE),
            member("d/e/g", data=b"2"),
        ),
        root,
    )
    assert (root / "other/e/g").read_bytes() == b"2"
    assert not (root / "other/e/f").exists()


def test_whiteouts_become_overlayfs_ones(root: Path) -> None:
    applied = apply(
        archive_of(
            member("d/.wh.gone"),
            member("o/.wh..wh..opq"),
            member("o/new", data=b"1"),
            # A directory that was deleted and made again hides the old one's content, whichever comes first.
            member(".wh.again"),
            member("again/x", data=b"1"),
            member("before", tarfile.DIRTYPE, mode=0o755),
            member(".wh.before"),
            member(".wh.file"),
            member("file", data=b"2"),
            member(".wh..wh.plnk", tarfile.DIRTYPE),
            member(".wh..wh.orph/x"),
        ),
        root,
    )
    hidden = (root / "d/gone").lstat()
    assert stat.S_ISCHR(hidden.st_mode)
    assert hidden.st_rdev == 0
    assert applied.opaque == {b"o", b"again", b"before"}
    assert (root / "file").read_bytes() == b"2"
    assert not any(name.startswith(".wh..wh.plnk") for name in os.listdir(root))


def test_only_the_users_attributes_survive(root: Path) -> None:
    names = ["user.mine", "user.overlay.opaque", "trusted.overlay.redirect", "security.selinux", "system.nfs4_acl"]
    headers = {f"SCHILY.xattr.{name}": "y" for name in names}
    apply(
        archive_of(member("f", pax_headers=headers), member("d", tarfile.DIRTYPE, mode=0o755, pax_headers=headers)),
        root,
    )
    assert os.listxattr(root / "f") == ["user.mine"]
    assert os.listxattr(root / "d") == ["user.mine"]


def test_a_set_group_id_directory_gives_nothing_on(root: Path) -> None:
    apply(
        archive_of(
            member("d", tarfile.DIRTYPE, mode=0o2775),
            member("d/e", tarfile.DIRTYPE, mode=0o755),
            member("d/f", mode=0o4755),
        ),
        root,
    )
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o2775
    assert stat.S_IMODE((root / "d/e").stat().st_mode) == 0o755
    assert stat.S_IMODE((root / "d/f").stat().st_mode) == 0o4755


def test_times_before_1970_and_parents_without_an_entry(root: Path) -> None:
    applied = apply(archive_of(member("a/b/f", mtime=-5.5, data=b"")), root)
    assert (root / "a/b/f").stat().st_mtime_ns == -5_500_000_000
    assert applied.implied == {b"a", b"a/b"}
    assert (root / "a").stat().st_mtime == 0
    assert stat.S_IMODE((root / "a").stat().st_mode) == 0o755


def test_the_number_of_inodes_is_limited(root: Path) -> None:
    many = archive_of(*(member(f"f{number}") for number in range(11)))
    with pytest.raises(LimitExceeded, match="more than 10 files"):
        apply(many, root, limits=Limits(bytes=1 << 20, inodes=10))
    with pytest.raises(LimitExceeded):
        apply(archive_of(member("/".join("abcdefghijkl"))), root, limits=Limits(bytes=1 << 20, inodes=10))


def test_the_last_entry_of_a_directory_wins(root: Path) -> None:
    apply(
        archive_of(
            member("d", tarfile.DIRTYPE, mode=0o755),
            member("d/f"),
            member("d", tarfile.DIRTYPE, mode=0o700, mtime=7),
        ),
        root,
    )
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o700
    assert (root / "d").stat().st_mtime == 7
    assert (root / "d/f").exists()


def test_replacing_a_deep_tree_needs_no_recursion(root: Path) -> None:
    deep = "/".join(["d"] * 400)
    apply(archive_of(member(deep + "/f", data=b"1"), member("d", data=b"2")), root)
    assert (root / "d").read_bytes() == b"2"
