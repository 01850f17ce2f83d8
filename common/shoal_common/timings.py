"""What a request spends its time on, measured only for those who ask."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextvars import ContextVar
from types import TracebackType
from typing import Final

#: Metadata by which a caller asks for it, and under which it is answered after the call.
ASK: Final = "shoal-debug"
ANSWER: Final = "server-timing"

_times: ContextVar[list[tuple[str, float]] | None] = ContextVar("phases", default=None)


class phase:
    """Measures what is done within as one phase of the request; costs next to nothing when nobody asked."""

    __slots__ = ("_began", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._began = 0.0

    def __enter__(self) -> None:
        if _times.get() is not None:
            self._began = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        times = _times.get()
        if times is not None:
            times.append((self._name, time.perf_counter() - self._began))


def is_asked(metadata: Iterable[tuple[str, str | bytes]] | None) -> bool:
    """Say whether the caller asks for it, by the metadata of its call."""
    return any(key == ASK for key, _ in metadata or ())


def measure() -> list[tuple[str, float]]:
    """Measure the phases of what this task does from now on, and return the list to which they are added."""
    times: list[tuple[str, float]] = []
    _times.set(times)
    return times


def timing(times: list[tuple[str, float]], total: float) -> str:
    """Return phases (seconds) as the header Server-Timing of the W3C has them, in milliseconds."""
    spent: dict[str, float] = {}
    for name, seconds in times:
        spent[name] = spent.get(name, 0.0) + seconds
    return ", ".join(f"{name};dur={seconds * 1000:.2f}" for name, seconds in [*spent.items(), ("total", total)])


def parse_timing(text: str) -> dict[str, float]:
    """Return milliseconds by phase; what can't be read is left out."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, duration = part.strip().partition(";dur=")
        try:
            found[name] = float(duration)
        except ValueError:
            continue
    return found
