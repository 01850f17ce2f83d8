"""Whom the kernel kills first for want of memory: what is added to the score of a container's processes.

Only who has CAP_SYS_RESOURCE in the host's own user namespace may go below what it was given itself. The runtime sets
the score from within the container's user namespace, where nobody has that: so its process is given it beforehand.
Source: proc(5), /proc/pid/oom_score_adj; the kernel's fs/proc/base.c, __set_oom_adj.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shoal_common.errors import InvalidSpec

_WITH_SCORE: Final = 'echo "$1" >/proc/self/oom_score_adj || exit 125; shift; exec "$@"'
#: uid_map of the host's own user namespace.
_EVERY_USER: Final = ["0", "0", "4294967295"]


@dataclass(frozen=True, slots=True)
class OwnScore:
    """The agent's own.

    Attributes:
        adjustment: what is added to its score.
        lowers: it may give others less.
    """

    adjustment: int
    lowers: bool


#: Of an agent that may do what root may.
CAPABLE: Final = OwnScore(0, lowers=True)


def own_score(capable: frozenset[str]) -> OwnScore:
    """Return that of this process, which has these capabilities."""
    lowers = "CAP_SYS_RESOURCE" in capable and Path("/proc/self/uid_map").read_text().split() == _EVERY_USER
    return OwnScore(int(Path("/proc/self/oom_score_adj").read_text()), lowers)


def adjustment(asked: int, own: OwnScore) -> int | None:
    """Return what a container's processes are given; None for what they have from the agent anyway.

    One that asks for nothing gets 0, as with Docker: what protects the agent is not for its containers.

    Raises:
        InvalidSpec: the agent can't give as little as is asked for.
    """
    if asked < own.adjustment and not own.lowers:
        if asked:
            raise InvalidSpec(
                f"oom score adjustment of {asked} is less than this node's agent's own of {own.adjustment} (ask for "
                "that or more, or run the agent with CAP_SYS_RESOURCE)"
            )
        return None
    return None if asked == own.adjustment else asked


def scored(score: int | None, command: Sequence[str]) -> list[str]:
    """Return a command that gives itself a score and then is `command`."""
    return list(command) if score is None else ["/bin/sh", "-c", _WITH_SCORE, "shoal", str(score), *command]
