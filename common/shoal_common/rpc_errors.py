"""The one table between our errors and gRPC statuses. Only interceptors use it.

On the wire an error is a `google.rpc.Status` with an `ErrorInfo` detail: reason is the class's name, domain is
"shoal", metadata is the error's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from shoal_common import errors
from shoal_common.call_ends import broke_off

DOMAIN: Final = "shoal"

#: Bytes of a message that go out; it may quote what the caller sent. A status travels as headers, twice and in part
#: with three bytes for one, and gRPC drops answers whose headers come to more than 8 KiB.
LONGEST: Final = 1_500

#: The first class listed for a code is what a status without our detail becomes.
_CODES: Final[tuple[tuple[type[errors.ShoalError], grpc.StatusCode], ...]] = (
    (errors.NotFound, grpc.StatusCode.NOT_FOUND),
    (errors.AlreadyExists, grpc.StatusCode.ALREADY_EXISTS),
    (errors.Conflict, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.NotLeader, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.InvalidSpec, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.Unauthenticated, grpc.StatusCode.UNAUTHENTICATED),
    (errors.Revoked, grpc.StatusCode.UNAUTHENTICATED),
    (errors.PermissionDenied, grpc.StatusCode.PERMISSION_DENIED),
    (errors.Unavailable, grpc.StatusCode.UNAVAILABLE),
    (errors.Superseded, grpc.StatusCode.ABORTED),
    (errors.Compacted, grpc.StatusCode.OUT_OF_RANGE),
    (errors.Exhausted, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.DeadlineExceeded, grpc.StatusCode.DEADLINE_EXCEEDED),
    (errors.Internal, grpc.StatusCode.INTERNAL),
)
_CODE_OF: Final = dict(_CODES)
_CLASS_OF_NAME: Final = {cls.__name__: cls for cls, _ in _CODES}
_CLASS_OF_CODE: Final = {code: cls for cls, code in reversed(_CODES)}


def _line(message: str) -> str:
    """Return a message as one line that is not too long to be sent."""
    data = " ".join(message.splitlines()).encode(errors="backslashreplace")
    return data.decode() if len(data) <= LONGEST else f"{data[:LONGEST].decode(errors='ignore')}…"


def to_status(error: errors.ShoalError) -> grpc.Status:
    """Return the gRPC status that carries `error`, for `context.abort_with_status`."""
    # A component's own subclass travels as the nearest class that everybody knows.
    known = next((cls for cls in type(error).__mro__ if cls in _CODE_OF), errors.Internal)
    info = error_details_pb2.ErrorInfo(reason=known.__name__, domain=DOMAIN, metadata=error.metadata)
    detail = any_pb2.Any()
    detail.Pack(info)
    number: int = code_pb2.Code.Value(_CODE_OF[known].name)
    status: grpc.Status = rpc_status.to_status(
        status_pb2.Status(code=number, message=_line(error.message), details=[detail])
    )
    return status


def from_rpc_error(error: grpc.RpcError, *, peer: str) -> errors.ShoalError:
    """Return our error for what a call raised.

    Args:
        error: raised by a call of a `grpc` or `grpc.aio` stub.
        peer: what was called, for the message where the status comes from gRPC itself, such as
            "controller 10.77.0.2:7400".
    """
    code, message = error.code(), error.details() or ""
    trailing = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ())
    for key, value in trailing:
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            status = status_pb2.Status.FromString(value)
            for detail in status.details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info) and info.domain == DOMAIN and info.reason in _CLASS_OF_NAME:
                    return _CLASS_OF_NAME[info.reason](status.message, metadata=info.metadata)
    if code is grpc.StatusCode.UNAVAILABLE:
        return errors.Unavailable(f"{peer} does not answer ({message})")
    if broke_off(error):
        return errors.Unavailable(f"{peer} does not answer (it broke off)")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return errors.DeadlineExceeded(f"{peer} did not answer in time")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return errors.InvalidSpec(f"{peer} does not know this call: it is of an older version")
    cls = _CLASS_OF_CODE.get(code, errors.Internal)
    return cls(message or f"{peer}: {code.name}")
