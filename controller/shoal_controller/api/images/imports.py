"""From the tar of a root file system to an image: one layer, its configuration and its manifest.

What comes in is spooled to a file without a name, then read once: decompressed, checked to be a tar, hashed,
compressed again and hashed again, all on the way. Whatever happens, nothing of it stays on the controller's disk.

Sources: OCI image specification (layer.md, config.md, manifest.md), RFC 1952 (gzip), RFC 8878 (zstd).
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import tempfile
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Final, Protocol, Self

import zstandard

from shoal_common.errors import Exhausted, InvalidSpec
from shoal_common.registry.manifests import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST, healthcheck_document
from shoal_common.units import format_bytes
from shoal_proto.v1.image_pb2 import ImageConfig

#: Most bytes that are taken in, and most that they may unpack to.
MAX_RECEIVED: Final = 16 << 30
MAX_UNPACKED: Final = 64 << 30
MAX_ENTRIES: Final = 4_000_000
#: Bytes that are left free on the disk where uploads are spooled.
KEEP_FREE: Final = 512 << 20
#: Docker's level. zlib's output depends on its version only, not on the processor: the digest is the same anywhere.
_GZIP_LEVEL: Final = 6
_PIECE: Final = 256 << 10
_MAX_WINDOW: Final = 128 << 20
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
#: What `docker save` and OCI layouts have at the top, and no root file system has.
_SAVED_IMAGE: Final = frozenset({"manifest.json", "oci-layout"})


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes for the registry: `digest` is theirs, `size` in bytes."""

    media_type: str
    digest: str
    size: int

    def descriptor(self) -> dict[str, str | int]:
        """Return its OCI descriptor."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True, slots=True)
class ImageDocuments:
    """The two small blobs of an image of one layer."""

    config: bytes
    config_blob: Blob
    manifest: bytes
    digest: str


class Spool:
    """What was uploaded, in a file without a name: no crash leaves it behind.

    Args:
        directory: where there is room.
        name: of the image, for errors.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 (closed by close)
        self._directory = directory
        self._name = name
        self.received = 0

    def write(self, data: bytes) -> None:
        """Add what came in. Blocking.

        Raises:
            Exhausted: the disk is nearly full.
            InvalidSpec: it is more than an import may be.
        """
        self.received += len(data)
        if self.received > MAX_RECEIVED:
            raise InvalidSpec(
                f'root file system for image "{self._name}" is larger than {format_bytes(MAX_RECEIVED)}, the most that '
                "can be imported"
            )
        room = os.statvfs(self._directory)
        if room.f_bavail * room.f_frsize < KEEP_FREE + len(data):
            raise _disk_full(self._directory, self._name)
        try:
            self._file.write(data)
        except OSError as error:
            raise Exhausted(f'image "{self._name}" can\'t be spooled in {self._directory}: {error.strerror}') from error

    def rewound(self) -> IO[bytes]:
        """Return the file, at its beginning."""
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Give up the file, and with it what is in it."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class Layer:
    """One compressed layer in a file without a name.

    Attributes:
        blob: of the compressed bytes.
        diff_id: digest of the uncompressed archive.
    """

    def __init__(self, file: IO[bytes], blob: Blob, diff_id: str) -> None:
        self._file = file
        self.blob = blob
        self.diff_id = diff_id

    def pieces(self) -> Iterator[bytes]:
        """Read the compressed bytes from the beginning. Blocking."""
        self._file.seek(0)
        while data := self._file.read(_PIECE):
            yield data

    def close(self) -> None:
        """Give up the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class Cancelled(Exception):
    """The import was given up while its layer was made."""


class _Tee:
    """Passes a tar on to its reader, and hashes and compresses it on the way."""

    def __init__(self, source: _Reader, target: IO[bytes], name: str, cancelled: threading.Event) -> None:
        self._source = source
        self._target = target
        self._name = name
        self._cancelled = cancelled
        self._plain = hashlib.sha256()
        self._packed = hashlib.sha256()
        # 16 + MAX_WBITS: a gzip header with no name and no time in it.
        self._compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        self.unpacked = 0
        self.size = 0

    def read(self, size: int = _PIECE, /) -> bytes:
        if self._cancelled.is_set():
            raise Cancelled
        data = self._source.read(min(size, _PIECE))
        self.unpacked += len(data)
        if self.unpacked > MAX_UNPACKED:
            raise InvalidSpec(
                f'root file system for image "{self._name}" unpacks to more than {format_bytes(MAX_UNPACKED)}, the '
                "most that can be imported"
            )
        self._plain.update(data)
        self._emit(self._compressor.compress(data))
        return data

    def finish(self) -> tuple[Blob, str]:
        self._emit(self._compressor.flush())
        return (
            Blob(OCI_LAYER_GZIP, f"sha256:{self._packed.hexdigest()}", self.size),
            f"sha256:{self._plain.hexdigest()}",
        )

    def _emit(self, data: bytes) -> None:
        if data:
            self._packed.update(data)
            self.size += len(data)
            self._target.write(data)


class _Gunzip:
    """Members of a gzip file, one after the other, as gzip(1) reads them; never more than asked for at once."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._input = b""
        self._begun = False

    def read(self, size: int, /) -> bytes:
        while True:
            if not self._input:
                self._input = self._source.read(_PIECE)
                if not self._input:
                    if self._begun and not self._member.eof:
                        raise EOFError("the gzip stream is cut off")
                    return b""
            if self._member.eof:
                if self._input.strip(b"\0") == b"":
                    self._input = b""  # Padding after the last member, which tar and tapes add.
                    continue
                self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)
            self._begun = True
            data = self._member.decompress(self._input, size)
            self._input = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if data:
                return data


def make_layer(spool: Spool, directory: Path, name: str, cancelled: threading.Event) -> Layer:
    """Return the layer that holds a root file system. Blocking, for as long as it takes to compress.

    Args:
        spool: its tar, plain or compressed with gzip or zstd.
        directory: where there is room for the result.
        name: of the image, for errors.
        cancelled: set from another thread to give up.

    Raises:
        InvalidSpec: it is not the tar of a root file system.
        Exhausted: the disk is full.
        Cancelled: as asked.
    """
    file = spool.rewound()
    head = file.read(4)
    file.seek(0)
    target: IO[bytes] = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 (the layer's from here on)
    try:
        source: _Reader = file
        if head.startswith(_GZIP):
            source = _Gunzip(file)
        elif head == _ZSTD:
            source = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).stream_reader(
                file, read_across_frames=True, closefd=False
            )
        tee = _Tee(source, target, name, cancelled)
        try:
            _check_tar(tee, name)
        except (zlib.error, zstandard.ZstdError, EOFError) as error:
            raise InvalidSpec(f'root file system for image "{name}" can\'t be decompressed ({error})') from error
        except tarfile.TarError as error:
            raise _no_tar(name, str(error)) from error
        except OSError as error:
            raise Exhausted(f'image "{name}" can\'t be made in {directory}: {error.strerror}') from error
        blob, diff_id = tee.finish()
        return Layer(target, blob, diff_id)
    except BaseException:
        target.close()
        raise


def _check_tar(tee: _Tee, name: str) -> None:
    entries = 0
    top: set[str] = set()
    with tarfile.open(mode="r|", fileobj=tee, bufsize=_PIECE, errorlevel=2) as archive:  # type: ignore[call-overload]
        for member in archive:
            entries += 1
            if entries > MAX_ENTRIES:
                raise InvalidSpec(f'root file system for image "{name}" has more than {MAX_ENTRIES} entries')
            # tarfile remembers every member, and there may be millions.
            archive.members.clear()
            path = PurePosixPath(member.name)
            if ".." in path.parts:
                raise InvalidSpec(
                    f'root file system for image "{name}" has the entry "{member.name[:80]}", which leads out of it'
                )
            parts = [part for part in path.parts if part != "/"]
            if len(parts) == 1 and len(top) < 1000:
                top.add(parts[0])
    while tee.read(_PIECE):
        pass  # What follows the end of the archive is part of the layer's bytes as well.
    if entries == 0:
        raise _no_tar(name, "it has no entries")
    if top & _SAVED_IMAGE and "bin" not in top and "usr" not in top:
        raise InvalidSpec(
            f'file for image "{name}" is a saved image, not the tar of a root file system '
            "(docker export writes one, from a container)"
        )


def documents(
    config: ImageConfig, *, architecture: str, created: datetime, layer: Blob, diff_id: str
) -> ImageDocuments:
    """Return configuration and manifest of an image of one layer. The same arguments give the same bytes."""
    moment = created.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    run: dict[str, object] = {
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.cmd),
        "Env": list(config.env),
        "WorkingDir": config.working_dir,
        "User": config.user,
        "Labels": dict(config.labels),
        "ExposedPorts": {port: {} for port in config.exposed_ports},
        "StopSignal": config.stop_signal,
        "Volumes": {path: {} for path in config.volumes},
        "Healthcheck": healthcheck_document(config.healthcheck),
    }
    body = _canonical(
        {
            "created": moment,
            "architecture": architecture,
            "os": "linux",
            "config": {key: value for key, value in run.items() if value},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
            "history": [{"created": moment, "created_by": "shoal image import"}],
        }
    )
    config_blob = Blob(OCI_CONFIG, _digest(body), len(body))
    manifest = _canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config_blob.descriptor(),
            "layers": [layer.descriptor()],
        }
    )
    return ImageDocuments(body, config_blob, manifest, _digest(manifest))


def _canonical(document: dict[str, object]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _no_tar(name: str, why: str) -> InvalidSpec:
    return InvalidSpec(
        f'root file system for image "{name}" is not a tar, plain or compressed with gzip or zstd ({why or "unknown"})'
    )


def _disk_full(directory: Path, name: str) -> Exhausted:
    return Exhausted(
        f'image "{name}" can\'t be imported: less than {format_bytes(KEEP_FREE)} would be left free in {directory} of '
        "the controller (make room there)"
    )
