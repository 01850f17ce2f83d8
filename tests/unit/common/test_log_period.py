"""Times of log entries that somebody wants."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from shoal_common.errors import InvalidSpec
from shoal_common.log_period import Period
from shoal_proto.v1.agent_pb2 import AgentLogsRequest


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="until is no time"):
        Period.of(AgentLogsRequest(until=Timestamp(nanos=2**31 - 1)))
    assert Period.of(AgentLogsRequest(since=Timestamp(seconds=1))).since == 10**9
