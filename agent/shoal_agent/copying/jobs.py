"""The agent's side of the copying process: starts one for each job, passes its streams on, ends it with its client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeVar

import shoal_agent
import shoal_common
from shoal_agent.copying.inside import Mounted
from shoal_agent.runtime.conmon import within
from shoal_common.errors import Conflict, Exhausted, Internal, InvalidSpec, NotFound, ShoalError, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

_START: Final = "import sys; sys.path[:0] = sys.argv[2:]; from shoal_agent.copying.helper import main; main()"
#: Bytes of a message, and of what waits in memory.
_CHUNK: Final = 256 << 10
#: Seconds that a process may take to end once its streams are closed; then it is killed.
_END: Final = 5.0
#: Seconds for which nothing may come of a container's files. A file system of the container's own may never answer, and
#: who waits for it is not even killed in all places.
_SILENCE: Final = 60.0
#: Bytes of one line that it may say.
_LINE: Final = 64 << 10
#: Ends of processes that nobody waits for any more.
_ENDING: Final[set[asyncio.Task[int]]] = set()
_ERRORS: Final[Mapping[str, type[ShoalError]]] = {
    "not-found": NotFound,
    "conflict": Conflict,
    "invalid": InvalidSpec,
    "no-room": Exhausted,
    "gone": Unavailable,
}


@dataclass(frozen=True, slots=True)
class Entrance:
    """Descriptors by which a container is entered, the caller's to close; -1 for what is not needed.

    Attributes:
        process: a process of the container (a pidfd); -1 if it does not run.
        user_ns: its user namespace; -1 if that is the host's.
        root: its root directory, mounted; -1 if it runs. Or its writable layer, which is looked at from outside.
        layers: the image's below that, unpacked, lowest first.
        mounts: what is mounted in its root directory beside that.
        memory: `cgroup.procs` of its control group, whose is what is written into its memory.
        uid_base: the host's id of its root.
        groups: `cgroup.procs` of the control groups that the process enters, which bound it.
        read_only: nothing may be written there, whatever the file system would allow.
    """

    process: int = -1
    user_ns: int = -1
    root: int = -1
    layers: tuple[int, ...] = ()
    mounts: tuple[Mounted, ...] = ()
    uid_base: int = 0
    memory: int = -1
    groups: tuple[Path, ...] = ()
    read_only: bool = False


class Job:
    """One copying process under way.

    Use it as a context: when that ends, so has the process.
    """

    def __init__(self, entrance: Entrance, **order: object) -> None:
        self._entrance = entrance
        self._order = order
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Job:
        entrance = self._entrance
        given = (entrance.process, entrance.user_ns, entrance.root, entrance.memory, *entrance.layers)
        inherited = [fd for fd in given if fd >= 0]
        order = {
            **self._order,
            "parent": os.getpid(),
            "unique": secrets.token_hex(6),
            "process": entrance.process,
            "user_ns": entrance.user_ns,
            "root": entrance.root,
            "layers": entrance.layers,
            "mounts": [asdict(each) for each in entrance.mounts],
            "uid_base": entrance.uid_base,
            "memory": entrance.memory,
            "read_only": entrance.read_only,
        }
        roots = [str(Path(package.__file__ or "").parents[1]) for package in (shoal_agent, shoal_common)]
        self._process = await asyncio.create_subprocess_exec(
            *within(
                entrance.groups,
                (sys.executable, "-I", "-S", "-X", "utf8", "-c", _START, json.dumps(order), *roots),
            ),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=inherited,
            limit=_CHUNK,
            env={},
            cwd="/",
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._running
        assert process.stdin is not None
        # It ends in its own time, and takes the file with it that it is in the middle of; or is made to.
        process.stdin.close()
        drains = [asyncio.create_task(_drain(stream), name="copy-drain") for stream in (process.stdout, process.stderr)]
        if self._order["do"] != "in" and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        try:
            async with asyncio.timeout(_END):
                await process.wait()
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await _ended(process)
            if not isinstance(error, TimeoutError):
                raise
        finally:
            for drain in drains:
                drain.cancel()
            await asyncio.wait(drains)
            if process.returncode is not None:
                # What it did not take is nobody's concern.
                with contextlib.suppress(ConnectionError):
                    await process.stdin.wait_closed()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._running.pid

    @property
    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "a job is used as a context"
        return self._process

    async def said(self, feeding: asyncio.Task[None] | None = None) -> dict[str, object]:
        """Return the next thing it says.

        Args:
            feeding: `feed` under way: while it is, nothing has to be said.

        Raises:
            Unavailable: nothing came of the container's files for too long.
            ShoalError: it says that it failed, or it died.
        """
        saying = asyncio.create_task(self._said(), name="copy-said")
        try:
            if feeding is not None:
                await asyncio.wait({saying, feeding}, return_when=asyncio.FIRST_COMPLETED)
                if feeding.done() and (error := feeding.exception()) is not None:
                    raise error
            return await _in_time(saying)
        finally:
            saying.cancel()
            await asyncio.wait({saying})

    async def _said(self) -> dict[str, object]:
        process = self._running
        assert process.stderr is not None
        try:
            line = await process.stderr.readline()
        except ValueError as error:
            raise Internal("the copying process says too much") from error
        try:
            message = json.loads(line)
        except ValueError:
            rest = line + await process.stderr.read(_LINE)
            last = rest.decode(errors="replace").strip().rpartition("\n")[2]
            raise Internal(f"the copying process failed: {last[:300] or f'it died ({await process.wait()})'}") from None
        if "error" in message:
            raise _ERRORS.get(str(message["error"]), Internal)(str(message.get("message", ""))[:500])
        return dict(message)

    async def output(self) -> AsyncGenerator[bytes, None]:
        """Yield what it writes, to the end; then `said` tells whether that is all."""
        process = self._running
        assert process.stdout is not None
        while data := await _in_time(process.stdout.read(_CHUNK)):
            yield data

    async def feed(self, source: AsyncIterator[bytes]) -> None:
        """Hand it what `source` yields, then the end."""
        process = self._running
        assert process.stdin is not None
        # It may have had enough; what it says tells why.
        with contextlib.suppress(ConnectionError):
            async for data in source:
                process.stdin.write(data)
                await _in_time(process.stdin.drain())
        process.stdin.close()


async def _in_time(waiting: Awaitable[T]) -> T:
    """Await something that hangs on a container's files.

    Raises:
        Unavailable: it takes too long.
    """
    try:
        async with asyncio.timeout(_SILENCE):
            return await waiting
    except TimeoutError:
        raise Unavailable(
            f"nothing came of the container's files for {_SILENCE:.0f} s (has it mounted a file system that hangs?)"
        ) from None


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Wait until a process that was killed has ended; not for ever, but then somebody still takes notice of its end.

    One that waits for a file system of a container's own may live until that has gone.
    """
    ending = asyncio.create_task(process.wait(), name=f"copy-end-{process.pid}")
    _ENDING.add(ending)
    ending.add_done_callback(_ENDING.discard)
    await asyncio.wait({ending}, timeout=_END)
    if not ending.done():
        log.warning("copying process %d was killed and waits for a file system of its container", process.pid)


async def _drain(stream: asyncio.StreamReader | None) -> None:
    assert stream is not None
    with contextlib.suppress(ValueError):
        while await stream.read(_CHUNK):
            pass
