"""Unpacking one layer: starts the confined process, feeds it, and believes only what it can check."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shoal_common.errors import Exhausted, Internal, InvalidSpec, ShoalError
from shoal_common.references import is_digest

#: Most bytes of the process's answer: the names of opaque and implied directories.
_MAX_ANSWER: Final = 64 << 20
#: Seconds that the process may take for what was sent, once all has been.
_FINISH_TIMEOUT: Final = 600.0
#: Bytes that wait in the pipe, where the kernel lets us.
_PIPE_SIZE: Final = 1 << 20
_F_SETPIPE_SZ: Final = 1031


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """What one layer may use at most.

    Attributes:
        bytes: of the uncompressed archive.
        inodes: files, directories, links and devices.
        cpu_seconds: of processor time; how long the network takes does not count.
    """

    bytes: int = 64 << 30
    inodes: int = 4_000_000
    cpu_seconds: int = 1800


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A layer that was unpacked.

    Attributes:
        diff_id: digest of the uncompressed archive.
        size: bytes of the uncompressed archive.
        opaque: directories to mark as opaque, relative to the root.
        implied: directories that the archive has no entry for.
    """

    diff_id: str
    size: int
    inodes: int
    opaque: tuple[str, ...]
    implied: tuple[str, ...]


class Unpacking:
    """One unpack under way: `write` all compressed bytes, then `finish`."""

    def __init__(self, process: asyncio.subprocess.Process, pipe: int, threads: ThreadPoolExecutor, what: str) -> None:
        self._process = process
        self._pipe = pipe
        self._threads = threads
        self._what = what
        assert process.stdout is not None
        assert process.stderr is not None
        self._answer = asyncio.create_task(_read(process.stdout), name=f"unpack answer of {what}")
        self._complaint = asyncio.create_task(_read(process.stderr), name=f"unpack complaint of {what}")

    async def write(self, data: bytes) -> None:
        """Hand over compressed bytes; waits while the process is busy with earlier ones.

        Raises:
            InvalidSpec, Exhausted: the process refused the archive.
        """
        if not await asyncio.get_running_loop().run_in_executor(self._threads, _write_all, self._pipe, data):
            await self._result()
            raise Internal(f"unpacking {self._what} ended before its end")

    async def finish(self) -> Unpacked:
        """Say that all bytes were written; return what came of them.

        Raises:
            InvalidSpec: the archive is malformed, hostile or above a limit.
            Exhausted: the disk is full.
        """
        self._close_pipe()
        answer = await self._result()
        diff_id, size, inodes = answer.get("diff_id"), answer.get("size"), answer.get("inodes")
        opaque, implied = answer.get("opaque"), answer.get("implied")
        if (
            not (isinstance(diff_id, str) and is_digest(diff_id) and isinstance(size, int) and isinstance(inodes, int))
            or not (isinstance(opaque, list) and all(isinstance(path, str) for path in opaque))
            or not (isinstance(implied, list) and all(isinstance(path, str) for path in implied))
        ):
            raise Internal(f"unpacking {self._what} gave no valid answer")
        return Unpacked(diff_id, size, inodes, tuple(opaque), tuple(implied))

    async def abort(self) -> None:
        """End the process, whatever it does; no more files are made after this."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self._close_pipe()
        for task in (self._answer, self._complaint):
            task.cancel()
        await asyncio.gather(self._answer, self._complaint, return_exceptions=True)

    async def _result(self) -> dict[str, object]:
        try:
            async with asyncio.timeout(_FINISH_TIMEOUT):
                answer, complaint = await self._answer, await self._complaint
                code = await self._process.wait()
        except TimeoutError as error:
            raise InvalidSpec(f"{self._what} takes longer than {_FINISH_TIMEOUT:.0f} s to unpack") from error
        if code != 0:
            raise self._failure(code, complaint)
        try:
            parsed = json.loads(answer)
        except ValueError as error:
            raise Internal(f"unpacking {self._what} gave no valid answer") from error
        if not isinstance(parsed, dict):
            raise Internal(f"unpacking {self._what} gave no valid answer")
        kind, message = parsed.get("error"), str(parsed.get("message", ""))[:400]
        if kind == "no-room":
            raise Exhausted(f"no room on this node to unpack {self._what}: {message} (free some disk space)")
        if kind == "limit":
            raise InvalidSpec(f"{self._what} is above what a layer may use: {message}")
        if kind == "malformed":
            raise InvalidSpec(f"{self._what} is malformed or hostile: {message}")
        if kind is not None:
            raise Internal(f"unpacking {self._what} failed: {message}")
        return parsed

    def _failure(self, code: int, complaint: bytes) -> ShoalError:
        # RLIMIT_CPU ends with SIGKILL at its hard limit, or SIGXCPU before.
        if -code in (24, 9):
            return InvalidSpec(f"{self._what} is above what a layer may use: its unpacking was killed (signal {-code})")
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        return Internal(f"unpacking {self._what} failed: {last[:300] or f'exit code {code}'}")

    def _close_pipe(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1


class Unpacker:
    """Starts unpacking processes.

    Args:
        threads: where the pipes are written; one thread per layer under way.
        limits: what each layer may use.
    """

    def __init__(self, threads: ThreadPoolExecutor, *, limits: UnpackLimits | None = None) -> None:
        self._threads = threads
        self._limits = limits or UnpackLimits()

    @asynccontextmanager
    async def unpack(self, root: Path, what: str) -> AsyncIterator[Unpacking]:
        """Start to unpack into the empty directory `root`; when the context ends the process has, too.

        Args:
            what: the layer, for errors.
        """
        order = {
            "root": str(root),
            "parent": os.getpid(),
            "bytes": self._limits.bytes,
            "inodes": self._limits.inodes,
            "cpu_seconds": self._limits.cpu_seconds,
        }
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-m",
                "shoal_agent.images.unpack_process",
                json.dumps(order),
                stdin=reading,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={},
                cwd="/",
            )
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        _enlarge(writing)
        unpacking = Unpacking(process, writing, self._threads, what)
        try:
            yield unpacking
        finally:
            await asyncio.shield(unpacking.abort())


def _write_all(pipe: int, data: bytes) -> bool:
    """Write to the process, and say whether it still reads."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(pipe, view) :]
    except BrokenPipeError:
        return False
    return True


def _enlarge(pipe: int) -> None:
    try:
        fcntl.fcntl(pipe, _F_SETPIPE_SZ, _PIPE_SIZE)
    except PermissionError:
        # Above the user's share of pipe buffers: the default size only costs more switches.
        return


async def _read(stream: asyncio.StreamReader) -> bytes:
    whole = bytearray()
    while data := await stream.read(1 << 16):
        if len(whole) < _MAX_ANSWER:
            whole += data
    return bytes(whole)
