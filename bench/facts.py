"""What is measured once, or a few times, and not by the command: a table of numbers beside Docker's and Podman's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a table.

    Attributes:
        docker: None if Docker has no such thing.
        podman: likewise.
        aim: what Shoal's own number is held against; "" for nothing.
    """

    name: str
    docker: float | None
    podman: float | None
    shoal: float
    aim: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """A table of them, under one heading."""

    name: str
    lines: Sequence[Fact]
