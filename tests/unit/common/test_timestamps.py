"""Times that are none."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from shoal_common.errors import InvalidSpec
from shoal_common.timestamps import checked


@pytest.mark.parametrize(("seconds", "nanos"), [(0, -1), (0, 2**31 - 1), (2**62, 0), (-(2**62), 0), (253402300800, 0)])
def test_is_refused(seconds: int, nanos: int) -> None:
    with pytest.raises(InvalidSpec, match="until is no time"):
        checked("until", Timestamp(seconds=seconds, nanos=nanos))


@pytest.mark.parametrize("seconds", [0, 1_800_000_000, 253402300799, -62135596800])
def test_is_a_time(seconds: int) -> None:
    assert checked("until", Timestamp(seconds=seconds)).seconds == seconds
