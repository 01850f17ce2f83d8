"""How far a controller has seen its store, in a file of its own: etcd can't tell that it was set back."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from shoal_common.errors import Internal
from shoal_controller.core.store_health import Mark


class MarkFile:
    """The mark of one cluster on disk.

    Args:
        path: of the file.
        cluster: id; a mark of another one does not count.
    """

    def __init__(self, path: Path, cluster: str) -> None:
        self._path = path
        self._cluster = cluster

    def load(self) -> Mark:
        """Return what was saved last; an empty mark if nothing was.

        Raises:
            Internal: the file is damaged.
        """
        try:
            value = json.loads(self._path.read_text())
            if value.pop("cluster") != self._cluster:
                return Mark()
            return Mark(**value)
        except FileNotFoundError:
            return Mark()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Internal(
                f"{self._path} is damaged: {error} (remove it to trust what etcd says without it)"
            ) from error

    def save(self, mark: Mark) -> None:
        """Make `mark` durable, whole or not at all.

        Raises:
            OSError: the disk does not take it; what was there before stays.
        """
        temporary = self._path.with_name(f".{self._path.name}.new")
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"cluster": self._cluster, **asdict(mark)}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
