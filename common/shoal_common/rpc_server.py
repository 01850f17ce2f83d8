"""What every gRPC server of ours does before and after a call: who is it, may it, and how errors go out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final, cast

import grpc
import grpc.aio
from cryptography import x509
from google.protobuf.message import DecodeError

from shoal_common import rpc_errors
from shoal_common.errors import Internal, InvalidSpec, PermissionDenied, ShoalError, Unauthenticated, Unavailable
from shoal_common.identity import Identity, Role, identity_of
from shoal_common.log_context import bind
from shoal_common.rpc_client import MAX_MESSAGE
from shoal_common.timings import ANSWER, is_asked, measure, timing
from shoal_common.tracing import new_trace_id, received_trace, set_trace

log = logging.getLogger(__name__)

SERVER_OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Two servers on one port would share its connections, and a second daemon would start without a word.
    ("grpc.so_reuseport", 0),
)

#: Whoever can open the local socket, which only root can.
LOCAL_ADMINISTRATOR: Final = Identity(role=Role.ADMIN, id="local")

_caller: ContextVar[Identity] = ContextVar("caller")

# A handler's behaviour takes a request (or an iterator of them) and a context; what they are is gRPC's affair.
_Behaviour = Callable[[Any, "grpc.aio.ServicerContext[Any, Any]"], Any]


def caller() -> Identity:
    """Return who made the call that is being served."""
    return _caller.get()


# More than nodes in any cluster: they come in turn, so that of a smaller one nothing would ever be found again.
@lru_cache(maxsize=1 << 15)
def _identity_in(certificate: bytes) -> Identity:
    return identity_of(x509.load_pem_x509_certificate(certificate))


def _identify(context: grpc.aio.ServicerContext[Any, Any]) -> Identity:
    if context.peer().startswith("unix:"):
        return LOCAL_ADMINISTRATOR
    certificates = cast("Mapping[str, list[bytes]]", context.auth_context()).get("x509_pem_cert")
    if not certificates:
        raise Unauthenticated("the caller showed no certificate of this cluster")
    return _identity_in(certificates[0])


class ServerInterceptor(grpc.aio.ServerInterceptor):
    """Authenticates each call, checks the caller's role, and turns our errors into gRPC's.

    Args:
        allowed: by full service name ("shoal.v1.NodeService"), the roles that may call it; None lets everybody in,
            known or not. A service that is not listed is closed.
        refuse: raises for an identity that may not call any more (revoked).
    """

    def __init__(
        self,
        allowed: Mapping[str, Collection[Role] | None],
        *,
        refuse: Callable[[Identity], None] = lambda identity: None,
    ) -> None:
        self._allowed = dict(allowed)
        self._refuse = refuse
        #: The tasks that serve the calls of each caller, and why those of them are cancelled that are cut off.
        self._serving: dict[Identity, set[asyncio.Task[Any]]] = {}
        self._cut: dict[asyncio.Task[Any], ShoalError] = {}
        #: Those whose first message is on its way.
        self._beginning: set[asyncio.Task[Any]] = set()
        self._telling: set[asyncio.Task[None]] = set()

    def cut_refused(self) -> None:
        """Break off the calls of everybody who is refused by now; each is told why."""
        for identity, tasks in self._serving.items():
            try:
                self._refuse(identity)
            except ShoalError as error:
                for task in tasks - self._cut.keys():
                    self._cut[task] = error
                    # gRPC takes no status while what begins the answer is being sent: `_sending_first` ends such a
                    # call as soon as that is over. Nothing more is sent if it never is.
                    if task not in self._beginning:
                        task.cancel()

    @contextmanager
    def _sending_first(self) -> Iterator[None]:
        """Send the first message of a stream within this context, and nothing else.

        Raises:
            ShoalError: the call was cut off meanwhile.
        """
        task = asyncio.current_task()
        assert task is not None
        self._beginning.add(task)
        try:
            yield
        except GeneratorExit:
            self._cut.pop(task, None)  # The call is over: nobody is there to be told.
            raise
        finally:
            self._beginning.discard(task)
        if task in self._cut:
            raise self._cut[task]

    @contextmanager
    def _admitted(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> Iterator[None]:
        """Check who calls, and keep the call where `cut_refused` finds it.

        Raises:
            ShoalError: it may not be made, or not go on.
        """
        roles = self._allowed.get(method.strip("/").partition("/")[0], ())
        if roles is None:
            yield
            return
        identity = _identify(context)
        self._refuse(identity)
        if identity.role not in roles:
            raise PermissionDenied(f"{identity} may not call {method.strip('/')}")
        _caller.set(identity)
        trace = received_trace(context.invocation_metadata())
        # Nodes call on their own account; whoever else says nothing still is to be found in the logs.
        set_trace(trace or (new_trace_id() if identity.role is Role.ADMIN else ""))
        bind(request=method.rpartition("/")[2], caller=identity)
        # gRPC serves a call in a task of its own.
        task = asyncio.current_task()
        assert task is not None
        serving = self._serving.setdefault(identity, set())
        serving.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if not task.cancelling():
                # Nobody cancelled this call, but something that it awaited: gRPC would end it without a status.
                raise Unavailable("a connection that the call needs was closed (try again)") from None
            if task not in self._cut:
                raise
            task.uncancel()
            raise self._cut[task] from None
        except GeneratorExit:
            if task in self._cut:
                # It was waiting for its client to read, in gRPC's code, which has given up the call without a status.
                telling = asyncio.create_task(_tell(context, self._cut[task]), name="tell-cut-off")
                self._telling.add(telling)
                telling.add_done_callback(self._telling.discard)
            raise
        finally:
            self._cut.pop(task, None)
            serving.discard(task)
            if not serving:
                self._serving.pop(identity, None)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wrap the handler of one call."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return handler
        method = handler_call_details.method
        kind = ("stream" if handler.request_streaming else "unary") + (
            "_stream" if handler.response_streaming else "_unary"
        )
        behaviour: _Behaviour = getattr(handler, kind)
        wrap = self._streaming if handler.response_streaming else self._unary
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        wrapped: grpc.RpcMethodHandler[Any, Any] = make(
            wrap(method, behaviour),
            _reading(method, handler.request_deserializer, streaming=handler.request_streaming),
            handler.response_serializer,
        )
        return wrapped

    def _unary(self, method: str, behaviour: _Behaviour) -> _Behaviour:
        async def serve(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            try:
                with self._admitted(method, context):
                    _check(request)
                    if not is_asked(context.invocation_metadata()):
                        return await behaviour(request, context)
                    times, began = measure(), time.perf_counter()
                    response = await behaviour(request, context)
                    context.set_trailing_metadata(((ANSWER, timing(times, time.perf_counter() - began)),))
                    return response
            except ShoalError as error:
                await context.abort_with_status(rpc_errors.to_status(error))
            except grpc.aio.AbortError:
                raise
            except Exception:
                log.exception("%s failed", method)
                await context.abort_with_status(rpc_errors.to_status(_fault(method)))

        return serve

    def _streaming(self, method: str, behaviour: _Behaviour) -> _Behaviour:
        async def serve(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            try:
                with self._admitted(method, context):
                    _check(request)
                    result = behaviour(request, context)
                    if hasattr(result, "__aiter__"):
                        async with aclosing(result):
                            async for first in result:
                                with self._sending_first():
                                    yield first
                                break
                            async for response in result:
                                yield response
                    else:
                        await result
            except ShoalError as error:
                await context.abort_with_status(rpc_errors.to_status(error))
            except grpc.aio.AbortError:
                raise
            except Exception:
                log.exception("%s failed", method)
                await context.abort_with_status(rpc_errors.to_status(_fault(method)))

        return serve


def _reading(method: str, deserialize: Callable[[bytes], Any] | None, *, streaming: bool) -> Callable[[bytes], Any]:
    """Return what reads a request, and takes one that is none for what it is: a mistake of the caller."""
    assert deserialize is not None

    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            error = InvalidSpec(f"{method.strip('/')} was sent what is no request (is the caller of another version?)")
        if streaming:
            raise error
        # What is raised here of a single request gRPC calls an unknown error: `_check` raises it where it is told.
        return error

    return read


def _check(request: Any) -> None:
    """Raise what `_reading` made of a request that can't be read."""
    if isinstance(request, ShoalError):
        raise request


async def _tell(context: grpc.aio.ServicerContext[Any, Any], error: ShoalError) -> None:
    # Its own way of ending the handler, or the client is gone.
    with suppress(grpc.aio.BaseError):
        await context.abort_with_status(rpc_errors.to_status(error))


def _fault(method: str) -> Internal:
    return Internal(f"{method.strip('/')} failed by a fault of Shoal's own (its log has the details)")
