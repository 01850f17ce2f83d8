"""The one family of errors, from the kernel's edge to the command line.

A message is one line that names the object, what went wrong and, where there is one, the remedy:
`image "web:3" not found in registry 10.77.0.2:5000 (import it with: shoal image import web:3 FILE)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

#: In an error's metadata: the name of the node that counts as down, which is why.
NODE_DOWN: Final = "node_down"


class ShoalError(Exception):
    """Root of all errors that Shoal raises on purpose.

    Args:
        message: one line for people.
        metadata: facts for programs, such as `{"leader": "10.77.0.2:7400"}`; travels over the wire.
    """

    #: Whether the same request may succeed later without anybody changing anything.
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.metadata: dict[str, str] = dict(metadata or {})

    def __str__(self) -> str:
        return self.message


class NotFound(ShoalError):
    """The object that the request names does not exist."""


class AlreadyExists(ShoalError):
    """A unique name or id is taken by another object."""


class Conflict(ShoalError):
    """The object's state does not allow it now (removing a running container without force)."""


class InvalidSpec(ShoalError):
    """The request can never succeed as it is written."""


class Unauthenticated(ShoalError):
    """The caller did not show who it is (a missing or revoked certificate, a wrong token)."""


class Revoked(Unauthenticated):
    """The caller's certificate counts no more: it was removed from the cluster, and trying again won't help."""


class PermissionDenied(ShoalError):
    """The caller is known and may not do this."""


class Unavailable(ShoalError):
    """A part that is needed does not answer now; the message names it."""

    retryable = True


class NotLeader(ShoalError):
    """This controller does not lead; `metadata["leader"]` is the address of the one that does, if it is known."""

    retryable = True


class Superseded(ShoalError):
    """A newer generation, session or leader took over; the caller must stop what it does."""


class Compacted(ShoalError):
    """The history after the asked revision is no longer kept; list again and watch from there."""


class Exhausted(ShoalError):
    """Something with a limit is used up (addresses, disk, streams)."""

    retryable = True


class DeadlineExceeded(ShoalError):
    """The time allowed ran out before an answer came; what was asked may or may not have happened."""

    retryable = True


class Internal(ShoalError):
    """A fault of Shoal's own."""


def first_cause(error: BaseException) -> BaseException:
    """Return the first error in an exception group, however deep; one that is no group as it is.

    What else a task group raises ended because of it.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
