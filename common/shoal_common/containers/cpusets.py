"""Sets of processors, and of memory nodes, as the kernel writes them: "0-2,4". Source: cpuset(7), list format."""

from __future__ import annotations

import re
from typing import Final

from shoal_common.errors import InvalidSpec
from shoal_common.quoting import quoted

#: Processors and memory nodes that a kernel may have at most (NR_CPUS_DEFAULT with MAXSMP).
_MAX_NUMBER: Final = 8191
_LONGEST_SET: Final = 1024
_PART: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


def parse_set(text: str) -> frozenset[int]:
    """Return the numbers that "0-2,4" names; none for an empty text.

    Raises:
        InvalidSpec: it is no such list.
    """
    if not text:
        return frozenset()
    found: set[int] = set()
    for part in text.split(",") if len(text) <= _LONGEST_SET else ("?",):
        match = _PART.fullmatch(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match is not None else (1, 0)
        if not first <= last <= _MAX_NUMBER:
            raise InvalidSpec(f"cpuset {quoted(text)} is not valid (write numbers and ranges from 0, such as 0-2,4)")
        found |= set(range(first, last + 1))
    return frozenset(found)


def format_set(numbers: frozenset[int]) -> str:
    """Return numbers as the kernel writes them: "0-2,4"."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
