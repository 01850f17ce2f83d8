"""Backups: what a cluster can't be brought back without, as one encrypted stream, and the files again out of it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from shoal_common.errors import Conflict, InvalidSpec, NotFound, Unavailable
from shoal_common.version import VERSION
from shoal_controller.core.store_health import Mark
from shoal_controller.pki.authority import Authority, write_private
from shoal_controller.recovery.archive import Encryptor, decrypted
from shoal_controller.recovery.mark import MarkFile
from shoal_controller.settings import ControllerFiles
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.maintenance import Maintenance

#: Files of a controller that every controller of the cluster has the same.
FILES: Final = ("ca.pem", "ca.key", "seal.key")
SNAPSHOT: Final = "snapshot.db"
_FORMAT: Final = 1
_MOST_MANIFEST: Final = 64 << 10
_MOST_FILE: Final = 64 << 10
_DIGEST: Final = 32


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is of.

    Attributes:
        files: names and sizes of the files before the snapshot, in order.
    """

    format: int
    cluster: str
    epoch: int
    revision: int
    created_at: str
    shoal: str
    files: dict[str, int]


class Backup:
    """Serves `BackupCluster`.

    Args:
        files: of this controller.
    """

    def __init__(self, cache: ClusterCache, maintenance: Maintenance, files: ControllerFiles) -> None:
        self._cache = cache
        self._maintenance = maintenance
        self._files = files

    async def stream(self, passphrase: str) -> AsyncGenerator[bytes, None]:
        """Yield the backup, piece by piece.

        Raises:
            InvalidSpec: the passphrase is empty.
            Unavailable: etcd gives no snapshot.
        """
        cluster = self._cache.cluster
        if cluster is None:
            raise Conflict("there is no cluster in etcd that could be backed up (shoal cluster info)")
        contents = {name: (self._files.root / name).read_bytes() for name in FILES}
        with ThreadPoolExecutor(1, thread_name_prefix="backup") as worker:
            loop = asyncio.get_running_loop()
            encryptor = await loop.run_in_executor(worker, Encryptor, passphrase)
            yield encryptor.header
            seen, tail = hashlib.sha256(), b""
            begun = False
            async with aclosing(self._maintenance.snapshot()) as pieces:
                async for piece in pieces:
                    if not begun:
                        begun = True
                        manifest = Manifest(
                            format=_FORMAT,
                            cluster=cluster.value.id,
                            epoch=cluster.value.epoch,
                            revision=piece.revision or self._cache.revision,
                            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
                            shoal=VERSION,
                            files={name: len(data) for name, data in contents.items()},
                        )
                        head = json.dumps(asdict(manifest)).encode()
                        for data in (len(head).to_bytes(4, "big"), head, *contents.values()):
                            for chunk in encryptor.update(data):
                                yield chunk
                    tail += piece.data
                    seen.update(tail[:-_DIGEST])
                    tail = tail[-_DIGEST:]
                    for chunk in await loop.run_in_executor(worker, list, encryptor.update(piece.data)):
                        yield chunk
            if tail != seen.digest():
                raise Unavailable("etcd's snapshot is not whole (try again)")
            yield encryptor.finish()


def restore(path: Path, passphrase: str, files: ControllerFiles) -> Manifest:
    """Put the files of a backup where a controller of its cluster has them, and the snapshot beside them.

    Nothing is put there unless all of the backup is what was written. The mark that is put with it keeps the cluster
    from acting on the old state until it is recovered.

    Raises:
        NotFound: there is no such file.
        InvalidSpec: it is no backup, or not whole.
        PermissionDenied: the passphrase is another.
        Conflict: another cluster's files are there.
    """
    root = files.root
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    root.chmod(0o700)
    work = root / ".restoring"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700)
    try:
        try:
            with path.open("rb") as file:
                manifest = _unpack(_Reader(decrypted(file, passphrase, name=str(path)), str(path)), work)
        except FileNotFoundError:
            raise NotFound(f"there is no backup {path}") from None
        except IsADirectoryError:
            raise InvalidSpec(f"{path} is a directory, not a backup") from None
        for name in FILES:
            there = root / name
            if there.exists() and there.read_bytes() != (work / name).read_bytes():
                raise Conflict(f"{there} is another cluster's (restore into another --data-root, or move it away)")
        if Authority.load(work).cluster_id != manifest.cluster:
            raise InvalidSpec(f"{path} is not consistent: its authority is not that of cluster {manifest.cluster}")
        for name in FILES:
            write_private(root / name, (work / name).read_bytes())
        (work / SNAPSHOT).replace(root / SNAPSHOT)
        said = f"etcd was restored from the backup of {manifest.created_at}"
        MarkFile(files.store_mark, manifest.cluster).save(Mark(manifest.epoch, manifest.revision, said))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return manifest


class _Reader:
    """Reads exact numbers of bytes from pieces."""

    def __init__(self, pieces: Iterator[bytes], name: str) -> None:
        self._pieces = pieces
        self._name = name
        self._waiting = b""

    def exactly(self, size: int) -> bytes:
        while len(self._waiting) < size:
            piece = next(self._pieces, None)
            if piece is None:
                raise InvalidSpec(f"{self._name} is not a backup of a cluster: it ends too early")
            self._waiting += piece
        data, self._waiting = self._waiting[:size], self._waiting[size:]
        return data

    def rest(self) -> Iterator[bytes]:
        yield self._waiting
        yield from self._pieces


def _unpack(reader: _Reader, work: Path) -> Manifest:
    """Write everything that is inside a backup into a directory."""
    size = int.from_bytes(reader.exactly(4), "big")
    try:
        manifest = Manifest(**json.loads(reader.exactly(min(size, _MOST_MANIFEST))))
    except (ValueError, TypeError) as error:
        raise InvalidSpec(f"the backup's manifest can't be read: {error}") from error
    if manifest.format != _FORMAT or tuple(manifest.files) != FILES:
        raise InvalidSpec(f"the backup was made by Shoal {manifest.shoal}, in a form that this version does not know")
    for name, length in manifest.files.items():
        if not 0 <= length <= _MOST_FILE:
            raise InvalidSpec(f"the backup's manifest can't be read: {name} has {length} bytes")
        write_private(work / name, reader.exactly(length))
    seen, tail = hashlib.sha256(), b""
    with open(os.open(work / SNAPSHOT, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for piece in reader.rest():
            file.write(piece)
            tail += piece
            seen.update(tail[:-_DIGEST])
            tail = tail[-_DIGEST:]
        file.flush()
        os.fsync(file.fileno())
    if tail != seen.digest():
        raise InvalidSpec("the backup's snapshot of etcd is not whole (take another backup)")
    return manifest
