"""Directories kept open while an archive is placed, those used last: entries mostly go where the one before went."""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import Final

_MOST: Final = 64


class OpenDirectories:
    """Descriptors of directories by path; they are closed when others push them out, or are let go of."""

    def __init__(self) -> None:
        self._open: OrderedDict[bytes, int] = OrderedDict()

    def get(self, path: bytes) -> int | None:
        """Return a descriptor that is open; it stays so until another is added."""
        found = self._open.get(path)
        if found is not None:
            self._open.move_to_end(path)
        return found

    def add(self, path: bytes, opened: int) -> int:
        """Keep a descriptor, and return it."""
        self._open[path] = opened
        if len(self._open) > _MOST:
            os.close(self._open.popitem(last=False)[1])
        return opened

    def close(self, *, keep: int = -1) -> None:
        """Let go of all, but for one descriptor."""
        for path, opened in list(self._open.items()):
            if opened != keep:
                os.close(self._open.pop(path))
