"""What the checks find wrong. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must not be; `container` is the one whose story tells more, or ""."""

    check: str
    what: str
    container: str = ""

    def __str__(self) -> str:
        return f"{self.check}: {self.what} {self.container[:12]}".rstrip()
