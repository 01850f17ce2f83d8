"""A controller as a process of its own, for tests."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from shoal_common.rpc_client import TlsFiles
from tests.parts.etcd import EtcdServer, free_ports
from tests.parts.lab import SHOAL, eventually


def initialise(root: Path, etcd: EtcdServer) -> None:
    """Make a cluster whose files lie in `root`."""
    words = ("controller", "init", "--data-root", str(root), "--etcd", etcd.url, "--address", "127.0.0.1")
    subprocess.run([SHOAL, *words], check=True, capture_output=True, timeout=60)


@dataclass
class Controller:
    """One process, and what it says on standard error."""

    root: Path
    etcd: str
    socket: Path
    log: Path
    listen: str = field(default_factory=lambda: f"127.0.0.1:{free_ports(1)[0]}")
    join_listen: str = field(default_factory=lambda: f"127.0.0.1:{free_ports(1)[0]}")
    #: Words before those of the command, such as those of `timed_controller.py`.
    before: tuple[str, ...] = ()
    #: Further words of the command.
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def admin(self) -> TlsFiles:
        folder = self.root / "admin"
        return TlsFiles(folder / "ca.pem", folder / "admin.pem", folder / "admin.key")

    @property
    def pid(self) -> int:
        """The process that was started last."""
        assert self.process is not None
        return self.process.pid

    def spawn(self) -> None:
        """Start it, in a session of its own, without waiting for anything."""
        words = ["--data-root", str(self.root), "--etcd", self.etcd, "--listen", self.listen]
        words += ["--join-listen", self.join_listen, "--socket", str(self.socket)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.before, SHOAL, "controller", *words, *self.options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self) -> None:
        """Start it and wait until it serves."""
        self.spawn()
        self.says("serving the API")

    def lines(self) -> list[str]:
        """Return what it has said so far."""
        return self.log.read_text().splitlines()

    def said(self, words: str) -> list[str]:
        """Return the lines with `words` in them."""
        return [line for line in self.lines() if words in line]

    def says(self, words: str, *, seconds: float = 20) -> None:
        """Wait until it has said `words`."""

        def look() -> bool:
            assert self.process is not None
            assert self.process.poll() is None or self.said(words), self.log.read_text()
            return bool(self.said(words))

        eventually(look, seconds=seconds, what=f'it says "{words}"')

    def ended(self, *, seconds: float = 20) -> int:
        """Wait until it has ended by itself, and return its exit code."""
        assert self.process is not None
        return self.process.wait(seconds)

    def stop(self) -> tuple[int, float]:
        """Send SIGTERM; return exit code and the seconds until it had ended."""
        assert self.process is not None
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30), time.monotonic() - begin

    def session(self) -> list[int]:
        """Return the processes that it has left."""
        assert self.process is not None
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.getsid(int(entry.name)) == self.process.pid:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
        return found

    def kill(self) -> None:
        """End it whatever it does."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
