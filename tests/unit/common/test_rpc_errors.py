"""What a call raised, as our errors."""

from __future__ import annotations

import grpc
import grpc.aio
import pytest

from shoal_common.errors import Internal, ShoalError, Unavailable
from shoal_common.rpc_errors import from_rpc_error


@pytest.mark.parametrize(
    ("code", "details", "expected"),
    [
        (grpc.StatusCode.UNAVAILABLE, "Socket closed", Unavailable("node n1 does not answer (Socket closed)")),
        # What grpc.aio has for a connection that broke while something was on its way.
        (grpc.StatusCode.INTERNAL, "Internal error from Core", Unavailable("node n1 does not answer (it broke off)")),
        (grpc.StatusCode.INTERNAL, "Received RST_STREAM", Internal("Received RST_STREAM")),
    ],
)
def test_what_grpc_itself_says(code: grpc.StatusCode, details: str, expected: ShoalError) -> None:
    error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)
    told = from_rpc_error(error, peer="node n1")
    assert (type(told), told.message) == (type(expected), expected.message)
