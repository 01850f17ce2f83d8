"""Which of the node's own paths containers may mount: those that its configuration names. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shoal_common.containers.mounts import check_bind_source
from shoal_common.errors import Conflict

_READ_ONLY = ":ro"


@dataclass(frozen=True, slots=True)
class AllowedBind:
    """A directory or file below which containers may mount; `read_only`: only to be read."""

    path: str
    read_only: bool

    @classmethod
    def parse(cls, text: str) -> AllowedBind:
        """Return what "PATH" or "PATH:ro" means.

        Raises:
            InvalidSpec: it is not an absolute path.
        """
        path = text.removesuffix(_READ_ONLY)
        return cls(check_bind_source(path), read_only=path != text)

    def __str__(self) -> str:
        return f"{self.path}{_READ_ONLY if self.read_only else ''}"

    def below(self, path: str) -> str | None:
        """Return what leads from here to a path, "." for itself; None if it is not below."""
        if path == self.path:
            return "."
        top = self.path.rstrip("/") + "/"
        return path.removeprefix(top) if path.startswith(top) else None


def find(allowed: Iterable[AllowedBind], path: str, *, read_only: bool) -> tuple[str, str]:
    """Return the allowed directory that a path is in, and the way from there: the innermost that allows it.

    Raises:
        Conflict: none does.
    """
    fitting = [(each, each.below(path)) for each in allowed if read_only or not each.read_only]
    found = [(each.path, way) for each, way in fitting if way is not None]
    if not found:
        raise Conflict(
            f"this node does not let containers mount {path}{'' if read_only else ' to write'} "
            f"(start its agent with --allow-bind {path}{_READ_ONLY if read_only else ''})"
        )
    return max(found, key=lambda each: len(each[0]))
