"""Verified blobs on disk, in an OCI image layout.

A blob is under its digest only when all of it is there, hashed and synced; what is being fetched is under `ingest`.
All functions block: they run in the store's executors.

Source: OCI image specification, image-layout.md.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO, Final

from shoal_agent.durable import make_directory, replace_file, sync_directory
from shoal_common.errors import InvalidSpec

_LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'
_EMPTY_INDEX: Final = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'


class ContentStore:
    """The blobs below one directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._blobs = root / "blobs" / "sha256"
        self._ingest = root / "ingest"

    def open(self) -> None:
        """Make the layout, and remove what was being fetched when a process died."""
        for directory in (self._root, self._root / "blobs", self._blobs, self._ingest):
            make_directory(directory)
        for left in self._ingest.iterdir():
            left.unlink()
        if not (self._root / "oci-layout").exists():
            replace_file(self._root / "index.json", _EMPTY_INDEX)
            replace_file(self._root / "oci-layout", _LAYOUT)

    def path(self, digest: str) -> Path:
        """Return where a blob is, or would be."""
        return self._blobs / digest.removeprefix("sha256:")

    def has(self, digest: str) -> bool:
        """Say whether a blob is there."""
        return self.path(digest).exists()

    def read(self, digest: str) -> bytes | None:
        """Return a small blob, verified, or None if it is not there; one with other bytes is removed."""
        try:
            data = self.path(digest).read_bytes()
        except FileNotFoundError:
            return None
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            self.remove(digest)
            return None
        return data

    def remove(self, digest: str) -> None:
        """Remove a blob; one that is not there is gone already."""
        self.path(digest).unlink(missing_ok=True)

    def size(self, digest: str) -> int:
        """Return the bytes of a blob; 0 if it is not there."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return 0

    def note_use(self, digest: str) -> None:
        """Note that a blob is of use now: its file says so, which takes no room on a full disk."""
        try:
            os.utime(self.path(digest))
        except FileNotFoundError:
            return

    def used_at(self, digest: str) -> float:
        """Return when a blob was last of use, in seconds since 1970; 0 if it is not there."""
        try:
            return self.path(digest).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def digests(self) -> set[str]:
        """Return the digests of all blobs."""
        return {f"sha256:{entry.name}" for entry in self._blobs.iterdir()}

    def put(self, digest: str, data: bytes) -> None:
        """Store a small blob.

        Raises:
            InvalidSpec: `data` has another digest.
        """
        ingest = self.ingest()
        try:
            ingest.write(data)
            ingest.commit(digest, what=f"blob {digest}")
        finally:
            ingest.discard()

    def ingest(self) -> Ingest:
        """Begin a blob."""
        path = self._ingest / os.urandom(16).hex()
        return Ingest(path, path.open("xb", buffering=0), self)

    def adopt(self, path: Path, digest: str) -> None:
        """Take a synced file as the blob `digest`."""
        path.rename(self.path(digest))
        sync_directory(self._blobs)


class Ingest:
    """One blob while it is being fetched: hashed and written as it comes."""

    def __init__(self, path: Path, file: BinaryIO, store: ContentStore) -> None:
        self._path = path
        self._file = file
        self._store = store
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._hash.update(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self.size += len(data)

    @property
    def digest(self) -> str:
        """Of what was written so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def commit(self, digest: str, *, what: str) -> None:
        """Make the blob durable and known by its digest.

        Raises:
            InvalidSpec: the bytes have another one.
        """
        if self.digest != digest:
            raise InvalidSpec(f"{what} has the digest {self.digest}: its bytes were changed")
        os.fsync(self._file.fileno())
        self._store.adopt(self._path, digest)

    def discard(self) -> None:
        """Drop what was not committed."""
        self._file.close()
        self._path.unlink(missing_ok=True)
