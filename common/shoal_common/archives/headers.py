"""Headers of a tar archive: ustar where it holds what is to be said, pax records for the rest.

Source: POSIX, pax(1), "ustar Interchange Format" and "pax Extended Header".
"""

from __future__ import annotations

from typing import Final

from shoal_common.archives.tarstream import BLOCK, Entry

#: What ends an archive.
END: Final = bytes(2 * BLOCK)
_SECOND: Final = 10**9
_MAX_SIZE: Final = 8**11
_MAX_ID: Final = 8**7


def header(entry: Entry) -> bytes:
    """Return what stands before an entry's content: one block, or several where it has more to say than that takes."""
    records: dict[bytes, bytes] = {}
    if len(entry.name) > 100 or not entry.name.isascii():
        records[b"path"] = entry.name
    if len(entry.link) > 100 or not entry.link.isascii():
        records[b"linkpath"] = entry.link
    if entry.stored >= _MAX_SIZE:
        records[b"size"] = b"%d" % entry.stored
    for name, number in ((b"uid", entry.uid), (b"gid", entry.gid)):
        if number >= _MAX_ID:
            records[name] = b"%d" % number
    seconds, rest = divmod(entry.mtime, _SECOND)
    if rest or not 0 <= seconds < _MAX_SIZE:
        records[b"mtime"] = _time(entry.mtime)
    for key, value in entry.xattrs:
        records[b"SCHILY.xattr." + key] = value
    if not records:
        return _block(entry, entry.kind, entry.stored)
    data = b"".join(_record(key, value) for key, value in records.items())
    extended = Entry(b"PaxHeaders/" + entry.name[-80:], b"", ord("x"), 0o644, 0, 0, 0, len(data), len(data))
    return (
        _block(extended, ord("x"), len(data))
        + data
        + bytes(-len(data) % BLOCK)
        + _block(entry, entry.kind, entry.stored)
    )


def _block(entry: Entry, kind: int, size: int) -> bytes:
    seconds = entry.mtime // _SECOND
    major, minor = entry.device
    head = b"".join(
        (
            entry.name[:100].ljust(100, b"\0"),
            b"%07o\0" % (entry.mode & 0o7777),
            b"%07o\0" % (entry.uid if entry.uid < _MAX_ID else 0),
            b"%07o\0" % (entry.gid if entry.gid < _MAX_ID else 0),
            b"%011o\0" % (size if size < _MAX_SIZE else 0),
            b"%011o\0" % (seconds if 0 <= seconds < _MAX_SIZE else 0),
            b"        ",
            bytes((kind,)),
            entry.link[:100].ljust(100, b"\0"),
            b"ustar\x0000",
            bytes(64),
            b"%07o\0%07o\0" % (min(major, _MAX_ID - 1), min(minor, _MAX_ID - 1)),
            bytes(167),
        )
    )
    return b"%s%06o\0 %s" % (head[:148], sum(head), head[156:])


def _record(key: bytes, value: bytes) -> bytes:
    """Return a pax record, which begins with its own length in decimal."""
    rest = b" %s=%s\n" % (key, value)
    length = len(rest) + len(str(len(rest)))
    if len(str(length)) + len(rest) != length:
        length += 1
    return b"%d%s" % (length, rest)


def _time(nanoseconds: int) -> bytes:
    seconds, rest = divmod(abs(nanoseconds), _SECOND)
    return b"%s%d.%09d" % (b"-" if nanoseconds < 0 else b"", seconds, rest)
