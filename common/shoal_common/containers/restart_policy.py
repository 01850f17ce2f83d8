"""Restart policies as people write them: "no", "on-failure", "on-failure:3", "always", "unless-stopped"."""

from __future__ import annotations

from enum import StrEnum

from shoal_common.errors import InvalidSpec

#: Highest number of restarts that the message holds.
_MOST = (1 << 32) - 1


class Restart(StrEnum):
    """When a node starts again what has ended."""

    #: Never.
    NO = "no"
    #: After an exit code other than 0.
    ON_FAILURE = "on-failure"
    #: After every end that no user asked for.
    ALWAYS = "always"
    #: The same: what was stopped stays stopped.
    UNLESS_STOPPED = "unless-stopped"


def parse_restart(text: str) -> tuple[Restart, int]:
    """Return the policy, and the most restarts in a row (0: without end).

    Raises:
        InvalidSpec: it is none.
    """
    name, colon, number = text.partition(":")
    try:
        policy = Restart(name)
        most = int(number) if number.isascii() and number.isdigit() else 0
    except ValueError:
        policy, most = Restart.NO, -1
    if (colon and policy is not Restart.ON_FAILURE) or (colon and not 0 < most <= _MOST) or most < 0:
        raise InvalidSpec(
            f'restart policy "{text[:40]}" is not valid (write no, on-failure, on-failure:N, always or unless-stopped)'
        )
    return policy, most
