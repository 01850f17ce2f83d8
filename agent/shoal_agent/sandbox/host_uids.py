"""What the host says about user ids: who has which delegated, and under which ranges processes run."""

from __future__ import annotations

from pathlib import Path

from shoal_agent.sandbox.uid_ranges import parse_delegations

_DELEGATIONS = (Path("/etc/subuid"), Path("/etc/subgid"))


def delegated_ids() -> list[tuple[int, int]]:
    """Return (first id, count) of all that /etc/subuid and /etc/subgid give to users of this host."""
    found: list[tuple[int, int]] = []
    for path in _DELEGATIONS:
        try:
            found += parse_delegations(path.read_text())
        except FileNotFoundError:
            continue
    return found


def parse_uid_map(text: str) -> set[int]:
    """Return the ids, as the reader sees them, that the lines of a uid_map start at (user_namespaces(7))."""
    return {int(fields[1]) for fields in map(str.split, text.splitlines()) if len(fields) == 3}


def bases_in_use() -> set[int]:
    """Return the first ids of the user namespaces of all processes there are.

    Asking for the namespace, not for the process's uid, also finds those that have switched to another user in there.
    """
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                found |= parse_uid_map((entry / "uid_map").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue  # It ended meanwhile.
    return found
