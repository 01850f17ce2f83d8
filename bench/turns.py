"""Who is measured when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def in_turn(sides: Sequence[T], number: int) -> list[T]:
    """Return the sides in the order of a round: in as many rounds as there are sides each begins once.

    The rounds after that go the other way round, so that nobody always comes after the same one.
    """
    lap, first = divmod(number, len(sides))
    order = [*sides[first:], *sides[:first]]
    return order if lap % 2 == 0 else order[::-1]
