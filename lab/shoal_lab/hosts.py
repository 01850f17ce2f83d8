"""Booting hosts, giving orders to their first process, and ending them."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from shoal_common.errors import Conflict, Internal, NotFound, Unavailable
from shoal_lab.layout import Host, Layout

_INIT: Final = Path(__file__).with_name("init.py")
BOOT_SECONDS: Final = 10.0
#: Programs of the system live in sbin, which is not everybody's PATH.
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


async def boot(layout: Layout, host: Host) -> None:
    """Start a host; returns when it takes orders.

    Raises:
        Internal: it did not come up; the message holds what its first process said.
    """
    log = layout.log(host.name, "init")
    with log.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            *("unshare", "--net", "--pid", "--mount", "--uts", "--ipc", "--fork", "--kill-child"),
            *("--propagation", "private", sys.executable, "-I", "-S", str(_INIT)),
            *(host.name, str(layout.socket(host.name))),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(BOOT_SECONDS):
            line = await process.stdout.readline()
    except TimeoutError:
        line = b""
    if line != b"ready\n":
        if process.returncode is None:
            process.kill()
            await process.wait()
        last = (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise Internal(f"lab host {host.name} did not boot: {last} (log: {log})")


class Orders:
    """A connection to the first process of a running host.

    Args:
        name: of the host, for messages.
        path: the socket it listens on.
    """

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._path = path

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(self._path))
        except OSError as error:
            connection.close()
            raise NotFound(f"lab host {self._name} is not running (start it with: shoal lab up)") from error
        return connection

    @property
    def pid(self) -> int:
        """Id of the first process, as seen from this machine; what nsenter takes.

        Raises:
            NotFound: the host is not running.
        """
        with self._connect() as connection:
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid: int = struct.unpack("3i", credentials)[0]
        return pid

    def running(self) -> bool:
        """Say whether the host runs."""
        try:
            self._connect().close()
        except NotFound:
            return False
        return True

    async def _call(self, order: Mapping[str, Any]) -> dict[str, Any]:
        connection = self._connect()
        connection.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        try:
            writer.write(json.dumps(order).encode() + b"\n")
            await writer.drain()
            line = await reader.readline()
        finally:
            writer.close()
        if not line:
            raise Unavailable(f"lab host {self._name} ended")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Internal(f"lab host {self._name} can't do {order['op']} of {order.get('name')}: {answer['error']}")
        return answer

    async def start(self, service: str, argv: Sequence[str], log: Path) -> None:
        """Start a daemon; nothing happens if it runs."""
        env = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "OTEL_TRACES_EXPORTER": "none"}
        # How daemons log is for whoever made the lab to say.
        env |= {name: value for name, value in os.environ.items() if name == "SHOAL_LOG_FORMAT"}
        await self._call({"op": "start", "name": service, "argv": list(argv), "env": env, "log": str(log)})

    async def signal(self, service: str, number: int) -> None:
        """Send a signal to a daemon; nothing happens if it doesn't run."""
        await self._call({"op": "signal", "name": service, "signal": number})

    async def wait(self, service: str) -> int | None:
        """Wait until a daemon has ended and return its exit status, -N for signal N; None if it never ran."""
        status: int | None = (await self._call({"op": "wait", "name": service}))["status"]
        return status

    async def services(self) -> dict[str, tuple[int, int | None]]:
        """Return, for each daemon ever started, its process id in the host (0: ended) and its exit status."""
        services = (await self._call({"op": "status"}))["services"]
        return {name: (service["pid"], service["status"]) for name, service in services.items()}

    async def paused(self) -> set[str]:
        """Return the daemons that were stopped in their tracks and not told to go on."""
        services = (await self._call({"op": "status"}))["services"]
        return {name for name, service in services.items() if service["paused"]}

    async def power_off(self) -> None:
        """End the host and everything in it; returns when it is gone. Nothing happens if it isn't running."""
        try:
            pidfd = os.pidfd_open(self.pid)
        except (NotFound, ProcessLookupError):
            self._path.unlink(missing_ok=True)
            return
        try:
            with self._connect() as connection:
                connection.sendall(b'{"op": "poweroff"}\n')
                # The kernel lets the first process become a zombie only after all others are gone.
                await asyncio.to_thread(select.select, [pidfd], [], [])
        finally:
            os.close(pidfd)
        self._path.unlink(missing_ok=True)


async def inside(pid: int, argv: Sequence[str], *, net_only: bool = False, stdin: bytes = b"") -> str:
    """Run a command in a host and return what it printed.

    Args:
        pid: of the host's first process.
        net_only: enter only its network, so that process ids and files are this machine's.

    Raises:
        Conflict: the command failed; the message is the last line that it printed.
    """
    enter = ["nsenter", f"--net=/proc/{pid}/ns/net"] if net_only else ["nsenter", "--target", str(pid), "--all"]
    process = await asyncio.create_subprocess_exec(
        *enter,
        "--",
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PATH": PATH},
    )
    output, _ = await process.communicate(stdin)
    text = output.decode(errors="replace")
    if process.returncode != 0:
        last = (text.strip().splitlines() or ["no message"])[-1]
        raise Conflict(f"{Path(argv[0]).name} failed with {process.returncode}: {last}")
    return text


def missing_programs(programs: Sequence[str]) -> list[str]:
    """Return those of `programs` that are not installed."""
    return [program for program in programs if shutil.which(program, path=PATH) is None]
