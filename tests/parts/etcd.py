"""A real etcd on 127.0.0.1 with a data directory of its own, for tests."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import grpc

from shoal_controller.state.endpoints import Endpoints
from shoal_proto.etcd import rpc_pb2, rpc_pb2_grpc


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that were free just now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class EtcdServer:
    """One member. `peers` are the members' names and peer ports, itself among them."""

    def __init__(
        self,
        directory: Path,
        *,
        options: Sequence[str] = (),
        name: str = "one",
        peers: dict[str, int] | None = None,
        scheme: str = "http",
    ) -> None:
        binary = shutil.which("etcd")
        assert binary is not None, "etcd is not installed (apt-get install etcd-server)"
        (self.port,) = free_ports(1)
        peers = peers or {name: free_ports(1)[0]}
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.endpoints = Endpoints((f"127.0.0.1:{self.port}",))
        self.directory = directory / name
        peer = f"http://127.0.0.1:{peers[name]}"
        self._arguments = [
            binary,
            f"--name={name}",
            f"--data-dir={self.directory}",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            "--initial-cluster=" + ",".join(f"{key}=http://127.0.0.1:{port}" for key, port in peers.items()),
            # An election among the members takes part of a second; the shortest lease is one second.
            "--heartbeat-interval=50",
            "--election-timeout=500",
            "--log-level=error",
            *options,
        ]
        self._log = directory / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process that runs."""
        assert self._process is not None
        return self._process.pid

    def spawn(self) -> None:
        """Start the process without waiting for it to answer."""
        assert self._process is None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.spawn()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until it answers a linearizable read."""
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            stub = rpc_pb2_grpc.KVStub(channel)
            stub.Range(rpc_pb2.RangeRequest(key=b"ready"), timeout=20, wait_for_ready=True)

    def stop(self, *, kill: bool = False) -> None:
        """End the process; stopping a stopped one is fine."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            self._process.send_signal(signal.SIGCONT)
            self._process.wait(timeout=20)
            self._process = None

    def freeze(self) -> None:
        """Stop it in its tracks, its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def restart(self, *, empty: bool = False) -> None:
        """Stop and start it; `empty` loses all its data."""
        self.stop()
        if empty:
            shutil.rmtree(self.directory)
        self.start()

    def compact(self, revision: int) -> None:
        """Forget what was before `revision`."""
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            rpc_pb2_grpc.KVStub(channel).Compact(
                rpc_pb2.CompactionRequest(revision=revision, physical=True), timeout=10
            )

    def wipe(self) -> None:
        """Delete all keys."""
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            everything = rpc_pb2.DeleteRangeRequest(key=b"\0", range_end=b"\0")
            rpc_pb2_grpc.KVStub(channel).DeleteRange(everything, timeout=10)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
