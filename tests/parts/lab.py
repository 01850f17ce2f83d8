"""A lab for tests, driven with the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

SHOAL = str(Path(sys.executable).with_name("shoal"))
T = TypeVar("T")


def eventually(look: Callable[[], T | None], *, seconds: float, what: str) -> T:
    """Return what `look` finds as soon as it is true.

    Raises:
        AssertionError: it never was, within the time.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


@dataclass(frozen=True)
class LabUnderTest:
    """One lab of the tests' own.

    Attributes:
        name: of the lab.
        subnet: of its hosts, a /24: the controller's host is .2.
        env: environment of its commands; its configuration file is the tests' own.
        image: an image that was imported into it.
    """

    name: str
    subnet: str
    env: Mapping[str, str]
    image: str = ""
    nodes: tuple[str, ...] = field(default=())

    def run(
        self, *words: str, ok: bool | None = True, timeout: float = 120, input: bytes | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `shoal WORDS`; `ok` says whether it must succeed, must fail, or None: either."""
        done = subprocess.run(
            [SHOAL, *words],
            env={**os.environ, **self.env},
            capture_output=True,
            timeout=timeout,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            check=False,
        )
        result = subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )
        if ok is not None:
            told = f"shoal {' '.join(words)} -> {result.returncode}\n{result.stdout}\n{result.stderr}"
            assert (result.returncode == 0) is ok, told
        return result

    def out(self, *words: str, timeout: float = 120) -> str:
        """Run `shoal WORDS`, which must succeed, and return its standard output."""
        return self.run(*words, timeout=timeout).stdout.strip()

    def json_lines(self, *words: str) -> list[dict[str, Any]]:
        """Run `shoal WORDS`, which prints an object a line, and return the objects."""
        return [json.loads(line) for line in self.out(*words).splitlines()]

    @property
    def shared(self) -> Path:
        """A directory of this machine that node1 lets containers mount, and node2 only to be read."""
        return Path(self.env["SHOAL_CONFIG"]).parent / "shared"

    @property
    def control_address(self) -> str:
        """Address of the host of controller, etcd and registry."""
        return self.subnet.replace(".0/24", ".2")

    def spawn(self, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Start `shoal WORDS` with pipes; `stdin` as in `subprocess.Popen`."""
        return subprocess.Popen(
            [SHOAL, *words],
            env={**os.environ, **self.env},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def lab(self, *words: str) -> str:
        """Run `shoal lab WORDS` on this lab."""
        return self.out("lab", words[0], "--name", self.name, *words[1:])

    def inside(self, host: str, *words: str) -> str:
        """Run a command in a host."""
        return self.out("lab", "exec", "--name", self.name, host, "--", *words)

    def inspect(self, ref: str) -> dict[str, Any]:
        """Return one container as the API tells it."""
        found: list[dict[str, Any]] = json.loads(self.out("inspect", "--format", "json", ref))
        return found[0]

    def containers(self) -> dict[str, dict[str, Any]]:
        """Return all containers by name."""
        listed = self.json_lines("ps", "-a", "--format", "json")
        return {each["spec"]["name"]: each for each in listed}

    def node_state(self, name: str) -> str:
        """Return "READY" or "DOWN"."""
        listed = self.json_lines("node", "ls", "--format", "json")
        # One that has joined and not reported yet has no status.
        states = {each["spec"]["name"]: each.get("status", {}).get("state", "") for each in listed}
        return str(states[name]).removeprefix("NODE_STATE_")

    def data(self, host: str) -> Path:
        """Return a host's directory on this machine."""
        return Path("/var/lib/shoal-lab") / self.name / host
