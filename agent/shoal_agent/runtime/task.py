"""One attempt to run a container: how it is named, what is asked of it, and what is seen of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shoal_agent.runtime.confinement import Confinement
from shoal_agent.runtime.host_files import Names
from shoal_agent.runtime.mounts import FileSystems
from shoal_agent.runtime.process import Process
from shoal_agent.runtime.shared import ALONE, Shared
from shoal_agent.sandbox.sandboxes import Sandbox
from shoal_common.ids import is_container_id
from shoal_proto.v1.resources_pb2 import Resources


@dataclass(frozen=True, slots=True)
class TaskKey:
    """Names one attempt of one placement of a container."""

    container: str
    generation: int
    attempt: int

    def __str__(self) -> str:
        return f"{self.container}-{self.generation}-{self.attempt}"

    @classmethod
    def parse(cls, text: str) -> TaskKey | None:
        """Return the key that `text` is the form of, or None."""
        container, _, numbers = text.partition("-")
        generation, _, attempt = numbers.partition("-")
        if not (is_container_id(container) and generation.isdecimal() and attempt.isdecimal()):
            return None
        key = cls(container, int(generation), int(attempt))
        return key if str(key) == text else None


@dataclass(frozen=True, slots=True)
class Streams:
    """What a task's first process has for its streams.

    Attributes:
        tty: a terminal.
        stdin: an input that can be written to.
        stdin_once: which ends with the first client that had it (never a terminal's).
        columns, rows: size that the terminal begins with; 0 if nobody knows.
    """

    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    columns: int = 0
    rows: int = 0

    @property
    def attachable(self) -> bool:
        """Whether there is anything to connect to."""
        return self.tty or self.stdin


#: Output, and nothing else.
NO_STREAMS: Final = Streams()


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """What is to be started.

    Attributes:
        key: names the attempt; it must not have been started before, or been deleted since.
        process: the first process.
        rootfs: the merged root file system, mounted.
        sandbox: the namespaces to join.
        resources: limits.
        runtime: name of the OCI runtime; "" for the node's default.
        logs: directory of its output; it is made.
        systems: mounts beside the root file system.
        names: what it is given to know beside the host's.
        confinement: what its processes are held to.
        init: it runs under a small init.
        streams: what its first process has beside its output.
        run: the run that it serves.
        shared: what it shares with other tasks.
    """

    key: TaskKey
    process: Process
    rootfs: Path
    sandbox: Sandbox
    resources: Resources
    runtime: str
    logs: Path
    systems: FileSystems
    names: Names
    confinement: Confinement
    init: bool = False
    streams: Streams = NO_STREAMS
    run: int = 0
    shared: Shared = ALONE


@dataclass(frozen=True, slots=True)
class Running:
    """Processes of a task, each with its start time in clock ticks since boot (0 if it has ended since)."""

    pid: int
    pid_start: int
    conmon_pid: int
    conmon_start: int


@dataclass(frozen=True, slots=True)
class Exited:
    """How a task ended.

    Attributes:
        code: the process's own, or 128 + N for signal N.
        oom_killed: a process of it was killed for want of memory.
        finished_at: Unix time in seconds.
        reason: one line where the code does not say it all; else empty.
    """

    code: int
    oom_killed: bool
    finished_at: float
    reason: str = ""
