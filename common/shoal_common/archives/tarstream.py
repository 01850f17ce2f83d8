"""Reading a tar archive as a stream: from blocks to entries, with nothing believed.

Understands POSIX ustar and pax, GNU long names, numbers in base 256, and the four sparse formats of GNU tar. Global
pax headers are skipped, as Go's archive/tar does, which is what image builders and Docker use.

Sources: POSIX pax(1), GNU tar manual, "Basic Tar Format" and "Storing Sparse Files".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

BLOCK: Final = 512
_ZERO: Final = bytes(BLOCK)
#: Most bytes of one pax header or long name: names are at most 4096, extended attributes 64 KiB each.
MAX_HEADER: Final = 1 << 20
MAX_SPARSE_PIECES: Final = 1 << 20
MAX_VALUE: Final = 1 << 62

REGULAR: Final = frozenset(b"\x0007")
HARD_LINK: Final = ord("1")
SYMLINK: Final = ord("2")
CHARACTER_DEVICE: Final = ord("3")
BLOCK_DEVICE: Final = ord("4")
DIRECTORY: Final = ord("5")
FIFO: Final = ord("6")
_PAX: Final = ord("x")
_PAX_GLOBAL: Final = ord("g")
_LONG_NAME: Final = ord("L")
_LONG_LINK: Final = ord("K")
_SPARSE: Final = ord("S")
#: Kinds that have no content whatever their size field says.
_EMPTY: Final = frozenset((HARD_LINK, SYMLINK, CHARACTER_DEVICE, BLOCK_DEVICE, DIRECTORY, FIFO))


class MalformedArchive(Exception):
    """The stream is not a tar archive, or one that breaks its own rules."""


@dataclass(slots=True)
class Entry:
    """One member of an archive, as it is told; names are raw bytes.

    Attributes:
        kind: type flag; all kinds of regular files are 0x30.
        stored: bytes of content that follow in the stream.
        size: bytes of the file that they make, which is more for a sparse one.
        pieces: (offset, length) of what is stored, in order; None for a file without holes.
        mtime: nanoseconds since the epoch.
    """

    name: bytes
    link: bytes
    kind: int
    mode: int
    uid: int
    gid: int
    mtime: int
    stored: int
    size: int
    device: tuple[int, int] = (0, 0)
    xattrs: list[tuple[bytes, bytes]] = field(default_factory=list)
    pieces: list[tuple[int, int]] | None = None


class ByteStream:
    """A stream of bytes that is taken in exact lengths.

    Args:
        pull: returns the next piece, b"" at the end.
    """

    def __init__(self, pull: Callable[[], bytes]) -> None:
        self._pull = pull
        self._piece = b""
        self._at = 0
        #: The archive's own end was seen, not only that of the stream.
        self.complete = False

    def take(self, length: int) -> bytes:
        """Return exactly `length` bytes.

        Raises:
            MalformedArchive: the stream ends before.
        """
        end = self._at + length
        if end <= len(self._piece):
            taken = self._piece[self._at : end]
            self._at = end
            return taken
        return b"".join([bytes(part) for part in self.parts(length)])

    def parts(self, length: int) -> Iterator[memoryview]:
        """Yield exactly `length` bytes in parts, without copying."""
        while length:
            if self._at == len(self._piece):
                self._piece, self._at = self._pull(), 0
                if not self._piece:
                    raise MalformedArchive("the archive ends in the middle of an entry")
            part = memoryview(self._piece)[self._at : self._at + length]
            self._at += len(part)
            length -= len(part)
            yield part

    def skip(self, length: int) -> None:
        """Drop exactly `length` bytes."""
        for _ in self.parts(length):
            pass

    def at_end(self) -> bool:
        """Say whether nothing is left."""
        if self._at == len(self._piece):
            self._piece, self._at = self._pull(), 0
        return not self._piece

    def drain(self) -> None:
        """Read to the end: what follows the archive still counts for its digest."""
        self._piece, self._at = b"", 0
        while self._pull():
            pass


def entries(stream: ByteStream) -> Iterator[Entry]:
    """Yield the members; the caller must take exactly `stored` bytes, and the padding to a block, before the next.

    The archive ends at a block of zeroes, or where the stream does.

    Raises:
        MalformedArchive: a header is not one.
    """
    pax: dict[bytes, bytes] = {}
    sparse_pairs: list[tuple[int, int]] = []
    long_name = long_link = b""
    while not stream.at_end():
        header = stream.take(BLOCK)
        if header == _ZERO:
            stream.complete = True
            return
        _check_sum(header)
        kind = header[156]
        size = _number(header[124:136], "size")
        if kind in (_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK):
            if size > MAX_HEADER:
                raise MalformedArchive(f"an extended header of {size} bytes")
            data = stream.take(size)
            stream.skip(-size % BLOCK)
            if kind == _PAX:
                pax, sparse_pairs = _pax_records(data)
            elif kind == _LONG_NAME:
                long_name = data.split(b"\0", 1)[0]
            elif kind == _LONG_LINK:
                long_link = data.split(b"\0", 1)[0]
            continue
        entry = _entry(header, kind, size, pax, long_name, long_link)
        if kind == _SPARSE:
            _old_sparse(stream, header, entry)
        elif any(key.startswith(b"GNU.sparse.") for key in pax):
            _pax_sparse(stream, pax, sparse_pairs, entry)
        _check_pieces(entry)
        pax, sparse_pairs, long_name, long_link = {}, [], b"", b""
        yield entry


def _entry(header: bytes, kind: int, size: int, pax: dict[bytes, bytes], long_name: bytes, long_link: bytes) -> Entry:
    name = long_name or _text(header[:100])
    # Only POSIX archives have a prefix; GNU's ("ustar  ") keep times and sparse maps there.
    if not long_name and header[257:263] == b"ustar\0" and header[345]:
        name = _text(header[345:500]) + b"/" + name
    regular = kind in REGULAR or kind == _SPARSE
    # Before POSIX a directory was a regular file whose name ends in a slash.
    if regular and kind == 0 and name.endswith(b"/"):
        kind, regular = DIRECTORY, False
    size = _pax_number(pax, b"size", size)
    mtime_text = pax.get(b"mtime")
    xattrs = [(key[13:], value) for key, value in pax.items() if key.startswith(b"SCHILY.xattr.")] if pax else []
    entry = Entry(
        name=pax.get(b"path") or name,
        link=pax.get(b"linkpath") or long_link or _text(header[157:257]),
        kind=0x30 if regular else kind,
        mode=_number(header[100:108], "mode") & 0o7777,
        uid=_pax_number(pax, b"uid", _number(header[108:116], "uid")),
        gid=_pax_number(pax, b"gid", _number(header[116:124], "gid")),
        mtime=_nanoseconds(mtime_text) if mtime_text else _signed(header[136:148], "mtime") * 10**9,
        stored=0 if kind in _EMPTY else size,
        size=size,
        xattrs=xattrs,
    )
    if kind in (CHARACTER_DEVICE, BLOCK_DEVICE):
        entry.device = (_number(header[329:337], "device"), _number(header[337:345], "device"))
    return entry


def _check_sum(header: bytes) -> None:
    told = _number(header[148:156], "checksum")
    # The checksum counts its own field as spaces.
    if told != sum(header) - sum(header[148:156]) + 256:
        raise MalformedArchive("a header with a wrong checksum (this is no tar archive, or a damaged one)")


def _text(data: bytes) -> bytes:
    return data.split(b"\0", 1)[0]


def _signed(data: bytes, what: str) -> int:
    if data[0] & 0x80:
        value = int.from_bytes(data, "big") & ((1 << (8 * len(data) - 1)) - 1)
        # 0xff leads a negative number in two's complement (times before 1970).
        return value - (1 << (8 * len(data) - 1)) if data[0] & 0x40 else value
    digits = data.strip(b"\0 ")
    # A NUL or a space ends the number; what follows it is left-overs.
    digits = digits.split(b"\0", 1)[0].split(b" ", 1)[0]
    if digits.strip(b"01234567"):
        raise MalformedArchive(f"a header whose {what} is not a number")
    return int(digits or b"0", 8)


def _number(data: bytes, what: str) -> int:
    value = _signed(data, what)
    if not 0 <= value <= MAX_VALUE:
        raise MalformedArchive(f"a header whose {what} is out of range")
    return value


def _decimal(text: bytes, what: str) -> int:
    if not text.isdigit() or len(text) > 20:
        raise MalformedArchive(f"a pax header whose {what} is not a number")
    value = int(text)
    if value > MAX_VALUE:
        raise MalformedArchive(f"a pax header whose {what} is out of range")
    return value


def _pax_number(pax: dict[bytes, bytes], key: bytes, otherwise: int) -> int:
    text = pax.get(key)
    return otherwise if not text else _decimal(text, key.decode())


def _nanoseconds(text: bytes) -> int:
    whole, _, fraction = text.partition(b".")
    negative = whole.startswith(b"-")
    digits = whole[1:] if negative else whole
    if not digits.isdigit() or len(digits) > 18 or (fraction and not fraction.isdigit()):
        raise MalformedArchive("a pax header whose mtime is not a time")
    value = int(digits) * 10**9 + int(fraction[:9].ljust(9, b"0"))
    return -value if negative else value


def _pax_records(data: bytes) -> tuple[dict[bytes, bytes], list[tuple[int, int]]]:
    """Return the records, and the pairs of sparse format 0.0, whose keys repeat."""
    records: dict[bytes, bytes] = {}
    numbers: list[int] = []
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 12)
        if space < 0 or not data[at:space].isdigit():
            raise MalformedArchive("a pax header that is malformed")
        end = at + int(data[at:space])
        if end > len(data) or end <= space + 1 or data[end - 1] != 0x0A:
            raise MalformedArchive("a pax header that is malformed")
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not equals:
            raise MalformedArchive("a pax header that is malformed")
        # A NUL in a name would cut it differently for every reader; only extended attributes are binary.
        if b"\0" in value and not key.startswith(b"SCHILY.xattr."):
            raise MalformedArchive("a pax header with a NUL in it")
        if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            numbers.append(_decimal(value, "sparse map"))
        records[key] = value
        at = end
    if len(numbers) % 2:
        raise MalformedArchive("a sparse map that is malformed")
    return records, list(zip(numbers[::2], numbers[1::2], strict=True))


def _old_sparse(stream: ByteStream, header: bytes, entry: Entry) -> None:
    """Read the map of GNU's own format: four pairs in the header, 21 in each block that follows."""
    pieces: list[tuple[int, int]] = []

    def read(block: bytes, start: int, count: int) -> None:
        for at in range(start, start + 24 * count, 24):
            if not block[at]:
                return
            pieces.append((_number(block[at : at + 12], "map"), _number(block[at + 12 : at + 24], "map")))

    read(header, 386, 4)
    more = header[482]
    while more:
        block = stream.take(BLOCK)
        read(block, 0, 21)
        more = block[504]
        if len(pieces) > MAX_SPARSE_PIECES:
            raise MalformedArchive("a sparse file with too many pieces")
    entry.size = _number(header[483:495], "real size")
    entry.pieces = pieces


def _pax_sparse(stream: ByteStream, pax: dict[bytes, bytes], pairs: list[tuple[int, int]], entry: Entry) -> None:
    if pax.get(b"GNU.sparse.major") == b"1":
        entry.pieces = _sparse_map_in_data(stream, entry)
    elif b"GNU.sparse.map" in pax:
        numbers = [_decimal(text, "sparse map") for text in pax[b"GNU.sparse.map"].split(b",")]
        if len(numbers) % 2:
            raise MalformedArchive("a sparse map that is malformed")
        entry.pieces = list(zip(numbers[::2], numbers[1::2], strict=True))
    else:
        entry.pieces = pairs
    real = pax.get(b"GNU.sparse.realsize") or pax.get(b"GNU.sparse.size")
    if real is None:
        raise MalformedArchive("a sparse file without a size")
    entry.size = _decimal(real, "sparse size")
    entry.name = pax.get(b"GNU.sparse.name") or entry.name


def _sparse_map_in_data(stream: ByteStream, entry: Entry) -> list[tuple[int, int]]:
    """Read the map of format 1.0: decimal numbers, a line each, before the content, padded to a block."""
    text = bytearray()
    used = 0
    numbers: list[int] = []
    wanted: int | None = None
    while wanted is None or len(numbers) < wanted:
        if used + BLOCK > entry.stored:
            raise MalformedArchive("a sparse map that is malformed")
        text += stream.take(BLOCK)
        used += BLOCK
        *lines, rest = bytes(text).split(b"\n")
        text = bytearray(rest)
        if len(text) > 32 and (wanted is None or len(numbers) + len(lines) < wanted):
            raise MalformedArchive("a sparse map that is malformed")
        for line in lines:
            if wanted is None:
                wanted = 2 * _decimal(line, "sparse map")
                if wanted > 2 * MAX_SPARSE_PIECES:
                    raise MalformedArchive("a sparse file with too many pieces")
            elif len(numbers) < wanted:
                numbers.append(_decimal(line, "sparse map"))
    entry.stored -= used
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _check_pieces(entry: Entry) -> None:
    if entry.pieces is None:
        return
    end = 0
    for offset, length in entry.pieces:
        if offset < end or offset + length > entry.size:
            raise MalformedArchive("a sparse map whose pieces overlap or leave the file")
        end = offset + length
    if sum(length for _, length in entry.pieces) != entry.stored:
        raise MalformedArchive("a sparse map that does not match the content")
