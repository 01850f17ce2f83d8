"""The agent's side of the kernel helper: starts it, sends requests, starts it anew when it died."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import shoal_agent
from shoal_agent.kernel_work import finished
from shoal_agent.sandbox.kernel_helper import MAX_MESSAGE
from shoal_common.errors import Internal, Unavailable

_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from shoal_agent.sandbox.kernel_helper import main; main()"


class HelperClient:
    """One helper process. Requests are carried out one at a time, in a thread of this object's own.

    Args:
        directory: an existing directory.
        name: names the thread.
    """

    def __init__(self, directory: Path, *, name: str) -> None:
        self._directory = directory
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the helper, if it was started."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the process now, so that the first request need not wait for it."""
        await finished(self._executor, self._ensure)

    async def request(self, **fields: object) -> None:
        """Send one request and wait until it is carried out.

        A caller that is cancelled waits until the request is done, so that nothing appears behind its back.
        Raises Unavailable if the helper died under it (the next request starts a new one), Internal if it failed.
        """
        await finished(self._executor, lambda: self._request(json.dumps(fields).encode()))

    async def close(self) -> None:
        """End the process. Doing it again changes nothing."""
        if not self._closed:
            self._closed = True
            await finished(self._executor, self._stop)
            self._executor.shutdown(wait=False)

    def _ensure(self) -> socket.socket:
        if self._channel is not None:
            return self._channel
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            root = Path(shoal_agent.__file__).parents[1]
            arguments = [str(root), str(theirs.fileno()), str(self._directory)]
            # Popen spawns by vfork: no handler of a library runs, and no lock of another thread is copied.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _START, *arguments],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd="/",
            )
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            ours.setsockopt(socket.SOL_SOCKET, option, MAX_MESSAGE)
        self._channel = ours
        return ours

    def _request(self, message: bytes) -> None:
        channel = self._ensure()
        try:
            channel.send(message)
            answer = channel.recv(MAX_MESSAGE)
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
        if not answer:
            self._stop()
            raise Unavailable("the agent's kernel helper died (another one is started for the next try)")
        result = json.loads(answer)
        if not result["ok"]:
            raise Internal(str(result["error"]), metadata={"errno": str(result["errno"])})

    def _stop(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            # It ends as its socket closes; a system call that hangs is the only reason not to.
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
