"""The first process of a lab host: sets the host up, starts daemons when told to, and reaps what they leave.

Runs alone (`python -I -S init.py`), on the standard library only, as process 1 of new pid, network, mount and UTS
namespaces; when it ends, the kernel ends everything in the host. It writes "ready" to its standard output once the
host is up, listens on a unix socket, and answers one JSON object per line:

    {"op": "start", "name": "agent", "argv": [...], "env": {...}, "log": "/path"}  -> {"pid": 12}
    {"op": "signal", "name": "agent", "signal": 9}                                  -> {}
    {"op": "wait", "name": "agent"}     answers when it has ended                   -> {"status": -9}
    {"op": "status"}                    -> {"services": {"agent": {"pid": 12, "status": null, "paused": false}}}
    {"op": "poweroff"}                  the host ends; the connection closes
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import sys
from typing import Any

MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """Mount, as mount(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode()) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), target)


def set_up(name: str) -> None:
    """Make the namespaces look like a host of that name that has just booted."""
    socket.sethostname(name)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    # Nothing may be mounted below /proc: the kernel would refuse containers a /proc of their own.
    mount("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    # crun refuses a hybrid cgroup set-up; without a cgroup2 mount there it takes version 1.
    unified = "/sys/fs/cgroup/unified"
    if os.path.isdir(unified):
        mount("none", unified, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4m,mode=755")


def is_stopped(pid: int) -> bool:
    """Say whether a process was stopped by a signal."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        # The name before it may hold anything.
        return file.read().rpartition(b")")[2].split()[0] == b"T"


class Init:
    """Process 1.

    Args:
        listener: the socket on which orders come.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._pids: dict[str, int] = {}
        self._ended: dict[str, int] = {}
        self._waiting: dict[str, list[socket.socket]] = {}
        self._pending: dict[socket.socket, bytes] = {}
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Serve until told to power off."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self._selector.register(reader, selectors.EVENT_READ, None)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    connection, _ = self._listener.accept()
                    self._pending[connection] = b""
                    self._selector.register(connection, selectors.EVENT_READ, None)
                elif isinstance(key.fileobj, socket.socket):
                    self._receive(key.fileobj)
                else:
                    with contextlib.suppress(BlockingIOError):
                        os.read(reader, 4096)
                    self._reap()

    def _close(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        self._pending.pop(connection, None)
        for waiting in self._waiting.values():
            if connection in waiting:
                waiting.remove(connection)
        connection.close()

    def _receive(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._close(connection)
            return
        *lines, self._pending[connection] = (self._pending[connection] + data).split(b"\n")
        for line in lines:
            try:
                answer = self._act(json.loads(line), connection)
            except (OSError, KeyError, ValueError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            if answer is not None:
                self._answer(connection, answer)

    def _answer(self, connection: socket.socket, answer: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(json.dumps(answer).encode() + b"\n")

    def _act(self, order: dict[str, Any], connection: socket.socket) -> dict[str, Any] | None:
        match order["op"]:
            case "start":
                return self._start(order)
            case "signal":
                if order["name"] in self._pids:
                    os.kill(self._pids[order["name"]], order["signal"])
                return {}
            case "wait":
                if order["name"] in self._pids:
                    self._waiting.setdefault(order["name"], []).append(connection)
                    return None
                return {"status": self._ended.get(order["name"])}
            case "status":
                services = {
                    name: {"pid": pid, "status": None, "paused": is_stopped(pid)} for name, pid in self._pids.items()
                }
                services |= {
                    name: {"pid": 0, "status": status, "paused": False} for name, status in self._ended.items()
                }
                return {"services": services}
            case "poweroff":
                os._exit(0)
            case unknown:
                return {"error": f"unknown order {unknown}"}

    def _start(self, order: dict[str, Any]) -> dict[str, Any]:
        name, argv = order["name"], order["argv"]
        if name in self._pids:
            return {"pid": self._pids[name]}
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawnp(
            argv[0],
            argv,
            order["env"],
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, order["log"], append, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigdef=[signal.SIGPIPE],
        )
        self._pids[name] = pid
        self._ended.pop(name, None)
        return {"pid": pid}

    def _reap(self) -> None:
        # Also what daemons left behind: their orphans become children of process 1.
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for name, service in list(self._pids.items()):
                if service == pid:
                    del self._pids[name]
                    self._ended[name] = os.waitstatus_to_exitcode(status)
                    for connection in self._waiting.pop(name, []):
                        self._answer(connection, {"status": self._ended[name]})


def main(name: str, socket_path: str) -> None:
    """Boot the host and serve."""
    # The socket's path is this machine's, so it is bound before the host gets a /run of its own.
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(socket_path)
    listener.bind(socket_path)
    listener.listen(16)
    set_up(name)
    os.write(1, b"ready\n")
    null = os.open("/dev/null", os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    Init(listener).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
