"""What this node knows of images: SQLite, one file, every change durable before it is answered.

Only what is whole is in here: a layer whose directory is synced and in place, an image all of whose layers are. All
methods block and are called from one thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shoal_common.errors import Exhausted, Internal

_SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE layers (
    diff_id     TEXT PRIMARY KEY,
    blob        TEXT NOT NULL,
    size_bytes  INTEGER NOT NULL,
    inodes      INTEGER NOT NULL,
    implied     INTEGER NOT NULL
) STRICT;
CREATE TABLE images (
    digest      TEXT PRIMARY KEY,
    config      TEXT NOT NULL
) STRICT;
CREATE TABLE image_layers (
    digest      TEXT NOT NULL REFERENCES images (digest) ON DELETE CASCADE,
    position    INTEGER NOT NULL,
    diff_id     TEXT NOT NULL REFERENCES layers (diff_id),
    PRIMARY KEY (digest, position)
) STRICT;
CREATE INDEX image_layers_by_layer ON image_layers (diff_id);
CREATE TABLE image_references (
    repository  TEXT NOT NULL,
    digest      TEXT NOT NULL REFERENCES images (digest) ON DELETE CASCADE,
    PRIMARY KEY (repository, digest)
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class LayerRow:
    """An unpacked layer.

    Attributes:
        diff_id: digest of the uncompressed archive.
        blob: digest of the compressed one that it came from.
        size_bytes: of the uncompressed archive.
        implied: number of its directories that the archive had no entry for.
    """

    diff_id: str
    blob: str
    size_bytes: int
    inodes: int
    implied: int


@dataclass(frozen=True, slots=True)
class ImageRow:
    """An image all of whose layers are unpacked.

    Attributes:
        digest: of its manifest.
        config: digest of its configuration.
        diff_ids: its layers, lowest first.
    """

    digest: str
    config: str
    diff_ids: tuple[str, ...]


class ImageDatabase:
    """The database in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the file, or make it.

        Raises:
            Internal: it is of a newer version of Shoal.
        """
        with _sqlite_errors(self._path):
            # One thread at a time uses it, but not always the one that opened it.
            self._connection = connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            # This process alone uses it. Otherwise SQLite would need a file for what processes share, which it can't
            # make on a full disk.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > _SCHEMA_VERSION:
                raise Internal(f"image database {self._path} is of a newer version of Shoal ({version})")
            if version == 0:
                connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_SCHEMA_VERSION}; COMMIT;")

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def layers(self) -> list[LayerRow]:
        """Return all layers."""
        with self._transaction() as connection:
            rows = connection.execute("SELECT diff_id, blob, size_bytes, inodes, implied FROM layers").fetchall()
        return [LayerRow(*row) for row in rows]

    def images(self) -> list[ImageRow]:
        """Return all images."""
        with self._transaction() as connection:
            images = connection.execute("SELECT digest, config FROM images").fetchall()
            positions = connection.execute("SELECT digest, diff_id FROM image_layers ORDER BY digest, position")
            layers: dict[str, list[str]] = {}
            for digest, diff_id in positions:
                layers.setdefault(digest, []).append(diff_id)
        return [ImageRow(digest, config, tuple(layers.get(digest, ()))) for digest, config in images]

    def repositories(self) -> dict[str, str]:
        """Return a repository ("host:port/name") that each image came from, by its digest."""
        with self._transaction() as connection:
            found = connection.execute("SELECT digest, min(repository) FROM image_references GROUP BY digest")
            return dict(found.fetchall())

    def add_layer(self, row: LayerRow) -> None:
        """Record a layer; again is no error."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO layers VALUES (?, ?, ?, ?, ?)",
                (row.diff_id, row.blob, row.size_bytes, row.inodes, row.implied),
            )

    def add_image(self, row: ImageRow, repository: str) -> None:
        """Record an image and the repository ("host:port/name") it came from; again is no error."""
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO images VALUES (?, ?)", (row.digest, row.config))
            connection.executemany(
                "INSERT OR IGNORE INTO image_layers VALUES (?, ?, ?)",
                [(row.digest, position, diff_id) for position, diff_id in enumerate(row.diff_ids)],
            )
            connection.execute("INSERT OR IGNORE INTO image_references VALUES (?, ?)", (repository, row.digest))

    def forget_layers(self, diff_ids: Sequence[str]) -> None:
        """Drop layers that are gone from the disk, and the images that need them."""
        with self._transaction() as connection:
            for diff_id in diff_ids:
                connection.execute(
                    "DELETE FROM images WHERE digest IN (SELECT digest FROM image_layers WHERE diff_id = ?)", (diff_id,)
                )
                connection.execute("DELETE FROM layers WHERE diff_id = ?", (diff_id,))

    def remove(self, images: Collection[str], layers: Collection[str]) -> None:
        """Drop images, and layers that no image has any more: all of them, or none."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM images WHERE digest = ?", [(digest,) for digest in sorted(images)])
            connection.executemany("DELETE FROM layers WHERE diff_id = ?", [(diff_id,) for diff_id in sorted(layers)])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._connection is None:
            raise RuntimeError("the image database is not open")
        with _sqlite_errors(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


@contextmanager
def _sqlite_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise Exhausted(f"no room on this node for the image database {path} (free some disk space)") from error
        raise Internal(f"image database {path}: {error}") from error
