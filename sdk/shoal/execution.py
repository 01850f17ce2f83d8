"""A command that runs inside a container: its input, its two outputs, its end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import aclosing, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import grpc
import grpc.aio

from shoal.streams import received
from shoal.transport import Transport, said
from shoal_common.errors import Conflict, ShoalError, Unavailable
from shoal_proto.v1.container_pb2 import ContainerRef, ExecRequest, ExecResponse, ExecStart, TerminalSize
from shoal_proto.v1.container_pb2_grpc import ContainerServiceStub

if TYPE_CHECKING:
    from grpc.aio import StreamStreamCall

#: Bytes of one output that wait for their reader; then the command is slowed down.
BUFFER: Final = 1 << 20
#: Largest piece of input in one message, and of output that is taken at a time.
PIECE: Final = 256 << 10


class ByteStream:
    """Bytes as they arrive. It holds up to `BUFFER`; then the command waits for its reader, as with a pipe."""

    def __init__(self) -> None:
        # As they came: what is copied from one buffer to another costs as much as its way over the network.
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._ended = False
        self._arrived, self._taken = asyncio.Event(), asyncio.Event()

    async def read(self, limit: int = -1) -> bytes:
        """Return what is there, waiting for at least one byte; b"" at the end. `limit` -1: all up to the end."""
        if limit < 0:
            return b"".join([piece async for piece in self])
        if limit == 0:
            return b""
        while not self._pieces:
            if self._ended:
                return b""
            self._arrived.clear()
            await self._arrived.wait()
        found = [self._pieces.popleft()]
        size = len(found[0])
        while self._pieces and size + len(self._pieces[0]) <= limit:
            size += len(self._pieces[0])
            found.append(self._pieces.popleft())
        piece = found[0] if len(found) == 1 else b"".join(found)
        if len(piece) > limit:
            self._pieces.appendleft(piece[limit:])
            piece = piece[:limit]
        self._held -= len(piece)
        self._taken.set()
        return piece

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if piece := await self.read(PIECE):
            return piece
        raise StopAsyncIteration

    async def feed(self, data: bytes) -> None:
        """Append `data` once there is room."""
        while self._held >= BUFFER and not self._ended:
            self._taken.clear()
            await self._taken.wait()
        if data and not self._ended:
            self._pieces.append(data)
            self._held += len(data)
            self._arrived.set()

    async def end(self) -> None:
        """Say that nothing more comes."""
        self._ended = True
        self._arrived.set()
        self._taken.set()


class ExecProcess:
    """A command in a container; leaving its `async with` breaks the connection to it.

    Attributes:
        pid: its process id on the node.
        stdout: what it writes there.
        stderr: likewise. Read both at the same time (or use `communicate`): one that is not read stops the command
            once it is full.
    """

    def __init__(self, transport: Transport, ref: ContainerRef, start: ExecStart) -> None:
        self._transport = transport
        self._ref = ref
        self._start = start
        self._endpoint = transport.preferred
        self._call: StreamStreamCall[ExecRequest, ExecResponse] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._outcome: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.pid = 0
        self.stdout = ByteStream()
        self.stderr = ByteStream()

    async def __aenter__(self) -> Self:
        """Start the command; returns when it runs.

        Raises:
            NotFound: there is no such container.
            Conflict: it does not run.
            Unavailable: controller or node does not answer.
        """
        self._endpoint = endpoint = await self._transport.connected()
        call = ContainerServiceStub(endpoint.channel).ExecContainer(metadata=self._transport.metadata())
        self._call = call
        self._pump = asyncio.create_task(self._receive(call), name="shoal-exec")
        try:
            with suppress(grpc.RpcError, asyncio.InvalidStateError):
                # What is wrong with the call is told by what is received.
                await call.write(ExecRequest(start=self._start))
            self.pid = await self._started
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _receive(self, call: StreamStreamCall[ExecRequest, ExecResponse]) -> None:
        problem: ShoalError | None = None
        try:
            async with aclosing(received(call)) as responses:
                async for response in responses:
                    match response.WhichOneof("message"):
                        case "started":
                            self._resolve(self._started, response.started)
                            if self._start.detach:
                                self._resolve(self._outcome, 0)
                        case "stdout":
                            await self.stdout.feed(response.stdout)
                        case "stderr":
                            await self.stderr.feed(response.stderr)
                        case "exit_code":
                            # A command that could not be started has an exit code (126, 127) and never ran.
                            self._resolve(self._started, 0)
                            self._resolve(self._outcome, response.exit_code)
        except grpc.RpcError as error:
            problem = self._transport.explain(error, self._endpoint)
            if self._started.done() and not said(error):
                problem = Unavailable(
                    f'the connection to the command in container "{self._ref.ref}" broke, and it may still run: '
                    f"{problem.message}"
                )
        except asyncio.CancelledError:
            problem = Conflict(f'the command in container "{self._ref.ref}" was let go of')
            raise
        finally:
            broken = problem or Unavailable(f'the command in container "{self._ref.ref}" was cut off before its end')
            for future in (self._started, self._outcome):
                if not future.done():
                    future.set_exception(broken)
                    # Nobody needs to ask for it.
                    future.exception()
            for stream in (self.stdout, self.stderr):
                await stream.end()

    @staticmethod
    def _resolve(future: asyncio.Future[int], value: int) -> None:
        if not future.done():
            future.set_result(value)

    async def _send(self, request: ExecRequest) -> None:
        if self._call is None or self._outcome.done():
            raise BrokenPipeError(f'the command in container "{self._ref.ref}" takes no more input')
        try:
            await self._call.write(request)
        except (grpc.RpcError, asyncio.InvalidStateError) as error:
            raise BrokenPipeError(f'the command in container "{self._ref.ref}" takes no more input') from error

    async def write(self, data: bytes) -> None:
        """Send input; waits while the command is slow to read.

        Raises:
            BrokenPipeError: it has ended.
        """
        for start in range(0, len(data), PIECE):
            await self._send(ExecRequest(stdin=data[start : start + PIECE]))

    async def close_stdin(self) -> None:
        """Say that the input has ended; that it is over already does not matter."""
        with suppress(BrokenPipeError):
            await self._send(ExecRequest(close_stdin=True))

    async def signal(self, number: int) -> None:
        """Send a signal to the command; nothing happens if it has ended."""
        with suppress(BrokenPipeError):
            await self._send(ExecRequest(signal=number))

    async def resize(self, columns: int, rows: int) -> None:
        """Tell its terminal its size; nothing happens if it has ended or has none."""
        with suppress(BrokenPipeError):
            await self._send(ExecRequest(resize=TerminalSize(columns=columns, rows=rows)))

    async def detach(self) -> None:
        """Let go of the command, which stays: it can only be ended with its container, or from inside."""
        with suppress(BrokenPipeError):
            await self._send(ExecRequest(detach=True))
            await self.wait()

    async def wait(self) -> int:
        """Return its exit code once it has ended and its outputs are complete; 0 at once if it was detached.

        Raises:
            Unavailable: the connection broke before that; the command may still run.
        """
        return await asyncio.shield(self._outcome)

    async def communicate(self, data: bytes | None = None) -> tuple[int, bytes, bytes]:
        """Send `data`, if any, as all of the input; return exit code, stdout and stderr.

        Raises:
            Unavailable: the connection broke before the end.
        """
        async with asyncio.TaskGroup() as tasks:
            stdout = tasks.create_task(self.stdout.read(), name="shoal-exec-stdout")
            stderr = tasks.create_task(self.stderr.read(), name="shoal-exec-stderr")
            if data is not None:
                with suppress(BrokenPipeError):
                    await self.write(data)
                await self.close_stdin()
        return await self.wait(), stdout.result(), stderr.result()

    async def close(self) -> None:
        """Break the connection to the command, if it still runs."""
        if self._pump is not None:
            self._pump.cancel()
            with suppress(asyncio.CancelledError):
                await self._pump


def exec_start(
    container: ContainerRef,
    args: Iterable[str],
    *,
    env: Mapping[str, str] | None,
    working_dir: str,
    user: str,
    stdin: bool,
    size: tuple[int, int] | None,
    tty: bool,
    detach: bool,
) -> ExecStart:
    """Return the message that starts a command."""
    start = ExecStart(
        container=container,
        args=list(args),
        env=[f"{name}={value}" for name, value in (env or {}).items()],
        working_dir=working_dir,
        user=user,
        stdin=stdin,
        tty=tty,
        detach=detach,
    )
    if size is not None:
        start.size.CopyFrom(TerminalSize(columns=size[0], rows=size[1]))
    return start
