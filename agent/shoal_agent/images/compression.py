"""Decompressing a layer in bounded pieces, whatever the ratio; the format is told by the first bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import IO, Final, cast

from isal import isal_zlib

#: Bytes of a decompressed piece at most: a bomb never costs more memory than this at once.
PIECE: Final = 1 << 20
#: Largest window of zstd that is accepted (what `zstd --long` of 27 bits needs).
MAX_WINDOW: Final = 1 << 27

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
#: First bytes of zstd's skippable frames, which may lead: 0x184D2A50 to 0x184D2A5F, little-endian.
_ZSTD_SKIPPABLE: Final = b"\x2a\x4d\x18"


class MalformedCompression(Exception):
    """The stream is damaged, cut short, or followed by something else."""


def decompressed(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield the decompressed pieces of a stream that is gzip, zstd or neither.

    Args:
        read: returns up to so many bytes, b"" at the end; may return fewer.

    Raises:
        MalformedCompression: see there.
    """
    first = read(PIECE)
    while 0 < len(first) < 4 and (more := read(PIECE)):
        first += more

    def rest(length: int) -> bytes:
        nonlocal first
        if first:
            data, first = first[:length], first[length:]
            return data
        return read(length)

    if first.startswith(_GZIP):
        yield from _gzip(rest)
    elif first.startswith(_ZSTD) or (first[1:4] == _ZSTD_SKIPPABLE and first[0] & 0xF0 == 0x50):
        yield from _zstd(rest)
    else:
        while data := rest(PIECE):
            yield data


def _gzip(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield all members: pigz, bgzip and eStargz write many."""
    data = read(1 << 17)
    while data:
        member = isal_zlib.decompressobj(wbits=31)
        while not member.eof:
            if not data:
                raise MalformedCompression("the gzip stream ends early")
            try:
                piece = member.decompress(data, PIECE)
            # The stub declares the exception as a variable, not as a class.
            except isal_zlib.IsalError as error:  # type: ignore[misc]
                raise MalformedCompression("the gzip stream is damaged") from error
            if piece:
                yield piece
            data = member.unused_data if member.eof else member.unconsumed_tail or read(1 << 17)
        data = data or read(1 << 17)
        # Zeroes may fill the last block of a tape or a device.
        while data and not data.strip(b"\0"):
            data = read(1 << 17)


class _Source(io.RawIOBase):
    """What zstandard reads from."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        super().__init__()
        self._read = read

    def read(self, size: int = -1, /) -> bytes:
        return self._read(size)


def _zstd(read: Callable[[int], bytes]) -> Iterator[bytes]:
    # Loaded here: most layers are gzip, and the process starts anew for each.
    import zstandard

    reader = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).stream_reader(
        cast("IO[bytes]", _Source(read)), read_size=1 << 17, read_across_frames=True
    )
    try:
        while data := reader.read(PIECE):
            yield data
    except zstandard.ZstdError as error:
        raise MalformedCompression("the zstd stream is damaged") from error
