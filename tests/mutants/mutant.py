"""What a mutant is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file.

    Attributes:
        name: what the changed product does.
        file: from the top of the repository.
        original: text that is in the file exactly once.
        replacement: what it becomes.
        caught_by: the test that must fail, as pytest names it.
        why: what would happen to a cluster.
    """

    name: str
    file: str
    original: str
    replacement: str
    caught_by: str
    why: str
