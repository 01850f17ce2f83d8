"""The range of host uids that an operator gives a node."""

from __future__ import annotations

import pytest

from shoal_agent.sandbox.uid_ranges import FIRST, LAST, SIZE, parse_bases
from shoal_common.errors import InvalidSpec


def test_whole_ranges_within_what_was_given() -> None:
    assert list(parse_bases("600000-800000")) == [655360, 720896]
    assert parse_bases(f"{FIRST}-{LAST + SIZE - 1}") == range(FIRST, LAST + 1, SIZE)


@pytest.mark.parametrize(
    "text", ["", "1-2", "524288", "524288-x", "524288-524300", "0-1000000", f"{FIRST}-{LAST + SIZE}"]
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpec, match="uid range"):
        parse_bases(text)
