"""How much of the store's history is kept when it is compacted by hand."""

from __future__ import annotations

from typing import Final

#: Revisions that stay: a watch that is reconnecting just now goes on from where it was, and need not list anew.
MARGIN: Final = 1_000


def compaction_target(revision: int, *, full: bool) -> int:
    """Return the revision before which history is dropped; 0: there is nothing to drop.

    Args:
        revision: of the store now.
        full: it is out of space: then all of the history goes, since the last of it may be what fills it.
    """
    return max(0, revision if full else revision - MARGIN)
