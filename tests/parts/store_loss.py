"""What happens to a lab's etcd on a bad day: emptied, snapshotted, restored, filled with another cluster's state."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.parts.lab import LabUnderTest

HOST = "control1"


def flags_of(lab: LabUnderTest, *which: str) -> list[tuple[str, str]]:
    """Return the flags of a daemon on the control host, in order; "" for one without a value.

    Args:
        which: what pgrep finds it by.
    """
    pid = lab.inside(HOST, "pgrep", *which).split()[0]
    words = lab.inside(HOST, "sh", "-c", f"tr '\\0' '\\n' < /proc/{pid}/cmdline").split("\n")
    return [
        (word[2:], "" if following.startswith("--") else following)
        for word, following in zip(words, [*words[1:], ""], strict=True)
        if word.startswith("--")
    ]


class StoreOfLab:
    """The one member of etcd of a lab, and what tests do to it. Make it while etcd runs."""

    def __init__(self, lab: LabUnderTest) -> None:
        self.lab = lab
        self._flags = dict(flags_of(lab, "-x", "etcd"))
        self.data = Path(self._flags["data-dir"])

    def ctl(self, *words: str, stdin: Path | None = None, ok: bool | None = True) -> str:
        """Run etcdctl against it; `ok` as for `LabUnderTest.run`."""
        tls = [
            f"--{theirs}={self._flags[ours]}"
            for ours, theirs in (("trusted-ca-file", "cacert"), ("cert-file", "cert"), ("key-file", "key"))
            if ours in self._flags
        ]
        url = self._flags["listen-client-urls"].split(",")[0]
        command = ["env", "ETCDCTL_API=3", "etcdctl", f"--endpoints={url}", *tls, *words]
        if stdin is not None:
            command = ["sh", "-c", f'exec "$@" < {stdin}', "sh", *command]
        return self.lab.run("lab", "exec", "--name", self.lab.name, HOST, "--", *command, ok=ok).stdout.strip()

    def stop(self) -> None:
        """Kill it."""
        self.lab.lab("kill", f"{HOST}/etcd")

    def start(self) -> None:
        """Start it again."""
        self.lab.lab("start", f"{HOST}/etcd")

    def empty(self) -> None:
        """Lose everything."""
        self.stop()
        shutil.rmtree(self.data)
        self.start()

    def snapshot(self, path: Path) -> None:
        """Save its state."""
        self.ctl("snapshot", "save", str(path))

    def restore_command(self, path: Path) -> list[str]:
        """Return the command that makes its data directory from a snapshot."""
        peer = self._flags.get("initial-advertise-peer-urls", "http://localhost:2380")
        name = self._flags["name"]
        return [
            *("env", "ETCDCTL_API=3", "etcdctl", "snapshot", "restore", str(path)),
            *("--name", name, "--data-dir", str(self.data)),
            *("--initial-cluster", self._flags.get("initial-cluster", f"{name}={peer}")),
            *("--initial-advertise-peer-urls", peer),
        ]

    def restore(self, path: Path) -> None:
        """Go back to a snapshot."""
        self.stop()
        shutil.rmtree(self.data)
        self.lab.inside(HOST, *self.restore_command(path))
        self.start()
