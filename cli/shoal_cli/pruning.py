"""What the `prune` commands have in common."""

from __future__ import annotations

from shoal_common.units import format_bytes


def reclaimed(freed: int) -> str:
    """Return Docker's last line: how many bytes were freed."""
    return f"\nTotal reclaimed space: {format_bytes(freed)}"
