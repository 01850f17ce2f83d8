"""What a call came to, and what is wrong with that. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import grpc

#: Longer messages do not go through every proxy's limit on headers, and nobody reads them.
LONGEST: Final = 2_000
#: What a caller's own mistake never leads to.
_OURS: Final = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS})


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ended; with the answer, if it has a single one."""

    code: grpc.StatusCode
    message: str
    seconds: float
    reply: bytes = b""


def wrong(answer: Answer) -> Iterator[str]:
    """Say what is wrong with an answer."""
    if answer.code in _OURS:
        yield f"{answer.code.name}: {answer.message[:200]}"
    if answer.code is grpc.StatusCode.UNIMPLEMENTED:
        yield f"nobody serves it: {answer.message[:200]}"
    if answer.code is not grpc.StatusCode.OK and not answer.message.strip():
        yield f"{answer.code.name} without a word"
    if "\n" in answer.message or "\r" in answer.message:
        yield f"{answer.code.name} in several lines: {answer.message[:200]!r}"
    if len(answer.message) > LONGEST:
        yield f"{answer.code.name} in {len(answer.message)} characters: {answer.message[:200]!r}"
