"""What the `inspect` commands have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from shoal_cli import formats
from shoal_cli.codes import FAILED
from shoal_cli.session import note
from shoal_common.errors import NotFound

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from shoal_cli.templates import Struct

M = TypeVar("M", bound="Message")


async def look(
    refs: Sequence[str],
    get: Callable[[str], Awaitable[M]],
    form: str | None,
    document: Callable[[M], Struct] | None = None,
) -> int:
    """Write the objects that there are, a line to stderr for each that isn't, and return the exit code.

    Args:
        form, document: as `formats.inspect` has them.
    """
    found: list[M] = []
    code = 0
    for ref in refs:
        try:
            found.append(await get(ref))
        except NotFound as error:
            note(error.message)
            code = FAILED
    formats.inspect(found, form, document)
    return code
