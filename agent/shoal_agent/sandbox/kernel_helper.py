"""The kernel helper: a small process with one thread that does what the agent's own threads can't.

A user namespace can only be made by a process with one thread, entering a mount namespace needs a file-system
context of its own, and an overlay must be mounted under other file-system ids. The agent has many threads and must not
fork, so it starts this process once and sends it requests over a socket, one JSON message each; it answers each with
`{"ok": true}` or with what failed. It ends when the agent closes the socket or dies.

Started with `python -I -S`, so only the standard library and its neighbours without dependencies are imported.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

from shoal_agent.kernel import syscalls
from shoal_agent.kernel.mounts import is_mounted
from shoal_agent.kernel.syscalls import CloneFlag, MountFlag
from shoal_agent.sandbox.idmap import is_own, open_idmapped_below, opened_mapping
from shoal_agent.sandbox.overlay import OverlayPlan, Staging, overlay_plan

#: Bytes of the largest request: 500 layers with long paths fit.
MAX_MESSAGE = 1 << 20

_RANGE = 65536

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1

#: What a new network namespace starts with. Ports below 1024 and ping are for every user in there, as Docker has it;
#: addresses are IPv4 only, so links make themselves no IPv6 ones (loopback is up before that).
_SYSCTLS = {
    "ipv4/ip_unprivileged_port_start": "0",
    "ipv4/ping_group_range": f"0 {_RANGE - 1}",
    "ipv6/conf/default/disable_ipv6": "1",
}


class RequestFailed(Exception):
    """A request that could not be carried out; the text says which step failed and why."""


def make_namespaces(directory: str, uid_base: int) -> None:
    """Make a user namespace and a network namespace that it owns, pinned at `user` and `net` in `directory`.

    The first process of both is a child that only lives until they are pinned. Loopback is up.
    """
    told_read, told_write = os.pipe()
    go_read, go_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told_read)
        os.close(go_write)
        _first_process(told_write, go_read)
    try:
        os.close(told_write)
        os.close(go_read)
        _expect(told_read, b"u", "making the namespaces")
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{child}/{name}").write_text(f"0 {uid_base} {_RANGE}\n")
        os.write(go_write, b"m")
        _expect(told_read, b"n", "configuring the network namespace")
        for name in ("user", "net"):
            _pin(f"/proc/{child}/ns/{name}", os.path.join(directory, name))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(told_read)
        os.close(go_write)


def _expect(fd: int, what: bytes, step: str) -> None:
    answer = os.read(fd, 4096)
    if answer != what:
        raise RequestFailed(f"{step}: {answer.decode(errors='replace') or 'its first process died'}")


def _first_process(told: int, go: int) -> None:
    """What the child does; it never returns."""
    try:
        # Of namespaces made together the user namespace comes first, and owns the others (clone(2)).
        syscalls.unshare(CloneFlag.NEWUSER | CloneFlag.NEWNET)
        os.write(told, b"u")
        if os.read(go, 1) == b"m":
            _configure_network()
            os.write(told, b"n")
            os.read(go, 1)
    except BaseException as error:
        os.write(told, str(error).encode()[:4096])
    finally:
        os._exit(0)


def _configure_network() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(probe, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
    for name, value in _SYSCTLS.items():
        # A kernel without IPv6 has no such file. These files show the namespace of whoever opens them.
        with contextlib.suppress(FileNotFoundError):
            Path("/proc/sys/net", name).write_text(value)


def join_namespaces(directory: str, user_ns: str, net_ns: str) -> None:
    """Pin the user namespace of another sandbox in `directory`, and its network namespace.

    Args:
        net_ns: of the same sandbox; "": a new one, which the user namespace owns.
    """
    pinned = os.path.join(directory, "user")
    _pin(user_ns, pinned)
    if net_ns:
        _pin(net_ns, os.path.join(directory, "net"))
        return
    told_read, told_write = os.pipe()
    go_read, go_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told_read)
        os.close(go_write)
        _first_in_network(pinned, told_write, go_read)
    try:
        os.close(told_write)
        os.close(go_read)
        _expect(told_read, b"n", "making the network namespace")
        _pin(f"/proc/{child}/ns/net", os.path.join(directory, "net"))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(told_read)
        os.close(go_write)


def _first_in_network(user_ns: str, told: int, go: int) -> None:
    """What the child does; it never returns."""
    try:
        if not is_own(user_ns):
            syscalls.setns(os.open(user_ns, os.O_RDONLY | os.O_CLOEXEC), CloneFlag.NEWUSER)
        syscalls.unshare(CloneFlag.NEWNET)
        _configure_network()
        os.write(told, b"n")
        os.read(go, 1)
    except BaseException as error:
        os.write(told, str(error).encode()[:4096])
    finally:
        os._exit(0)


def _pin(namespace: str, target: str) -> None:
    os.close(os.open(target, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o600))
    syscalls.mount(namespace, target, flags=MountFlag.BIND)


def mount_overlay(staging: Staging, plan: OverlayPlan, user_ns: str) -> None:
    """Mount the overlay with the id mapping of the pinned user namespace."""
    with opened_mapping(user_ns) as fd:
        staging.mount(plan, fd)


def attach_below(top: str, way: str, target: str, user_ns: str, *, read_only: bool) -> None:
    """Attach a directory or file at `target`, which is made, with the id mapping of the pinned user namespace."""
    with opened_mapping(user_ns) as fd:
        tree, is_directory = open_idmapped_below(top, way, fd, read_only=read_only)
    try:
        with contextlib.suppress(FileExistsError):
            if is_directory:
                os.mkdir(target, 0o700)
            else:
                os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDONLY | os.O_CLOEXEC, 0o600))
        syscalls.move_mount(tree, target)
    finally:
        os.close(tree)


def _handlers(directory: str) -> dict[str, Callable[[dict[str, object]], None]]:
    staging: list[Staging] = []

    def namespaces(request: dict[str, object]) -> None:
        make_namespaces(str(request["directory"]), int(str(request["uid_base"])))

    def join(request: dict[str, object]) -> None:
        join_namespaces(str(request["directory"]), str(request["user_ns"]), str(request["net_ns"]))

    def overlay(request: dict[str, object]) -> None:
        if not staging:
            staging.append(Staging(directory))
        layers = request["layers"]
        if not isinstance(layers, list):
            raise RequestFailed("layers must be a list")
        plan = overlay_plan(
            [str(layer) for layer in layers],
            str(request["writable"]),
            str(request["target"]),
            source=str(request["source"]),
            uid_base=int(str(request["uid_base"])),
        )
        # Requests come one after the other, so here two callers that wanted the same meet.
        if not is_mounted(Path(plan.target)):
            mount_overlay(staging[0], plan, str(request["user_ns"]))

    def attach(request: dict[str, object]) -> None:
        attach_below(
            str(request["top"]),
            str(request["way"]),
            str(request["target"]),
            str(request["user_ns"]),
            read_only=bool(request["read_only"]),
        )

    return {"namespaces": namespaces, "join": join, "overlay": overlay, "attach": attach}


def _answer(error: Exception) -> dict[str, object]:
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return {"ok": False, "errno": error.errno or 0, "error": f"{where}{error.strerror or error}"}
    return {"ok": False, "errno": 0, "error": str(error)}


def serve(channel: socket.socket, directory: str) -> None:
    """Answer requests until the other side closes.

    Args:
        channel: a connected SOCK_SEQPACKET socket.
        directory: an existing directory, for `Staging`.
    """
    handlers = _handlers(directory)
    while message := channel.recv(MAX_MESSAGE):
        request = json.loads(message)
        try:
            handlers[request["do"]](request)
            answer: dict[str, object] = {"ok": True}
        except (OSError, ValueError, RequestFailed) as error:
            answer = _answer(error)
        channel.send(json.dumps(answer).encode())


def main() -> None:
    """Serve on the descriptor that the first argument numbers; the second is a directory."""
    # The terminal's ^C is the agent's to handle; it closes the socket when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o022)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError), socket.socket(fileno=int(sys.argv[1])) as channel:
        serve(channel, sys.argv[2])
