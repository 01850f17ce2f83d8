"""A client joined to the first process of a container: its output, its terminal, its input, its end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

import grpc
import grpc.aio

from shoal.execution import PIECE, ByteStream
from shoal.logs import lost_text
from shoal.streams import received
from shoal.transport import Transport
from shoal_common.errors import Conflict, ShoalError
from shoal_proto.v1.container_pb2 import AttachRequest, AttachResponse, AttachStart, ContainerRef, TerminalSize
from shoal_proto.v1.container_pb2_grpc import ContainerServiceStub

if TYPE_CHECKING:
    from grpc.aio import StreamStreamCall

log = logging.getLogger("shoal")


class Attachment:
    """A container's streams; leaving its `async with` lets go of the container, which runs on.

    When a controller or the container's agent goes away it attaches again, from where it was, and has a terminal drawn
    anew. Input without a terminal does not survive that: what was not read by then is lost, and `write` says so.

    Attributes:
        tty: it has a terminal, and all its output is in stdout.
        run: the run that it is attached to.
        stdout: what it writes there.
        stderr: likewise. Read both at the same time.
    """

    def __init__(self, transport: Transport, start: AttachStart) -> None:
        self._transport = transport
        self._ref: ContainerRef = start.container
        self._start = start
        self._call: StreamStreamCall[AttachRequest, AttachResponse] | None = None
        self._open = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._first = asyncio.Event()
        #: What was received since the last place: nobody's until it is known where a new call would go on.
        self._held: list[tuple[ByteStream, bytes]] = []
        self._outcome: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._input_over = not start.stdin
        self.tty = False
        self.run = start.run
        self.stdout = ByteStream()
        self.stderr = ByteStream()

    async def __aenter__(self) -> Self:
        """Attach; returns when the run that is meant has begun, and what is written from then on arrives.

        Raises:
            NotFound: there is no such container.
            Conflict: it has no input, or will not run.
            Unavailable: controller or node does not answer.
        """
        self._pump = asyncio.create_task(self._work(), name="shoal-attach")
        first = asyncio.create_task(self._first.wait(), name="shoal-attach-first")
        try:
            await asyncio.wait([first, self._pump], return_when=asyncio.FIRST_COMPLETED)
            if not self._first.is_set():
                self._outcome.result()
        except BaseException:
            await self.close()
            raise
        finally:
            first.cancel()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _work(self) -> None:
        problem: BaseException = Conflict(f'container "{self._ref.ref}" was let go of')
        try:
            await self._attach()
        except ShoalError as error:
            problem = error
        finally:
            self._open.set()
            if not self._outcome.done():
                self._outcome.set_exception(problem)
                # Nobody needs to ask for it.
                self._outcome.exception()
            for stream in (self.stdout, self.stderr):
                await stream.end()

    async def _attach(self) -> None:
        patience = self._transport.patience(wait_for_node=True)
        metadata = self._transport.metadata()
        while True:
            try:
                endpoint = await patience.attempt()
            except grpc.RpcError as error:
                await patience.bear(error)
                continue
            call = ContainerServiceStub(endpoint.channel).AttachContainer(metadata=metadata)
            self._held.clear()
            try:
                async with aclosing(received(call)) as responses:
                    with suppress(grpc.RpcError, asyncio.InvalidStateError):
                        # What is wrong with the call is told by what is received.
                        await call.write(AttachRequest(start=self._start))
                    async for response in responses:
                        patience.relieve()
                        await self._take(call, response)
                        if self._outcome.done():
                            return
                await patience.unfinished(f'the stream to container "{self._ref.ref}"')
            except grpc.RpcError as error:
                self._broken()
                await patience.bear(error)
            finally:
                self._call = None
                self._open.clear()

    async def _take(self, call: StreamStreamCall[AttachRequest, AttachResponse], response: AttachResponse) -> None:
        match response.WhichOneof("message"):
            case "opened":
                if self._first.is_set():
                    log.warning('attached to container "%s" again', self._ref.ref)
                self.tty, self.run = response.opened.tty, response.opened.run
                # Whatever comes later is of the same run.
                self._start.run = self.run
                self._call = call
                self._open.set()
                self._first.set()
            case "stdout":
                self._held.append((self.stdout, response.stdout))
            case "stderr":
                self._held.append((self.stderr, response.stderr))
            case "lost_bytes":
                log.warning(lost_text(self._ref.ref, response.lost_bytes))
            case "cursor":
                self._start.cursor.CopyFrom(response.cursor)
                self._start.logs = False
                await self._hand_on()
            case "exit_code":
                await self._hand_on()
                self._outcome.set_result(response.exit_code)

    async def _hand_on(self) -> None:
        held, self._held = self._held, []
        for stream, data in held:
            await stream.feed(data)

    def _broken(self) -> None:
        if self._first.is_set() and not self.tty and not self._input_over:
            self._input_over = True
            self._start.stdin = False
            log.warning('the input to container "%s" was cut off, and what it has not read is lost', self._ref.ref)

    async def _send(self, request: AttachRequest) -> bool:
        """Send it once there is a connection; say whether it went out."""
        await self._open.wait()
        if self._call is None:
            return False
        try:
            await self._call.write(request)
        except (grpc.RpcError, asyncio.InvalidStateError):
            return False
        return True

    async def write(self, data: bytes) -> None:
        """Send input; waits while the container is slow to read.

        Raises:
            BrokenPipeError: the container takes no more.
        """
        for start in range(0, len(data), PIECE):
            if self._input_over or self._outcome.done():
                raise BrokenPipeError(f'container "{self._ref.ref}" takes no more input')
            await self._send(AttachRequest(stdin=data[start : start + PIECE]))

    async def close_stdin(self) -> None:
        """Say that the input has ended; that it is over already does not matter."""
        if not self._input_over:
            self._input_over = await self._send(AttachRequest(close_stdin=True))

    async def resize(self, columns: int, rows: int) -> None:
        """Tell the terminal its size."""
        size = TerminalSize(columns=columns, rows=rows)
        self._start.size.CopyFrom(size)
        if self._open.is_set():
            await self._send(AttachRequest(resize=size))

    async def wait(self) -> int:
        """Return the exit code of the run once it has ended and its output is complete.

        Raises:
            Unavailable: the connection broke and could not be made again.
        """
        return await asyncio.shield(self._outcome)

    async def close(self) -> None:
        """Let go of the container."""
        if self._pump is not None:
            self._pump.cancel()
            with suppress(asyncio.CancelledError):
                await self._pump


def attach_start(
    container: ContainerRef, *, stdin: bool, size: tuple[int, int] | None, logs: bool, run: int
) -> AttachStart:
    """Return the message that attaches."""
    start = AttachStart(container=container, stdin=stdin, logs=logs, run=run)
    if size is not None:
        start.size.CopyFrom(TerminalSize(columns=size[0], rows=size[1]))
    return start
