"""Times that others send: a message can hold some that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoal_common.errors import InvalidSpec

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp


def checked(what: str, stamp: Timestamp) -> Timestamp:
    """Return a time as it is.

    Args:
        what: names it, for errors.
        stamp: the time.

    Raises:
        InvalidSpec: it is out of the range that a time has.
    """
    try:
        stamp.ToNanoseconds()
    except ValueError:
        said = f"{stamp.seconds} seconds and {stamp.nanos} nanoseconds"
        raise InvalidSpec(f"{what} is no time: {said} (give one of the years 1 to 9999)") from None
    return stamp
