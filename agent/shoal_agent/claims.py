"""Who may work in a data root: one agent, or one reset; and after a reset that was broken off, only another."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shoal_agent.durable import replace_file
from shoal_agent.paths import NodePaths
from shoal_common.errors import Conflict, Internal

_LOCK: Final = "lock"
_HOST: Final = "host.json"
#: There while a reset is under way, and after one that was broken off.
_RESETTING: Final = "resetting"
#: What a reset removes last.
KEPT: Final = frozenset({_LOCK, _HOST, _RESETTING})


@dataclass(frozen=True, slots=True)
class HostUse:
    """What an agent uses of its host beside the data root; whoever resets the host has to know.

    Attributes:
        run: the run root.
        cgroup_parent: below which all control groups are made.
        runtimes: programs of OCI runtimes by name.
    """

    run: Path
    cgroup_parent: str
    runtimes: Mapping[str, Path]


@contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Hold a data root's lock: two agents in one would start everything twice.

    Raises:
        Conflict: another process holds it.
    """
    descriptor = os.open(data / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Conflict(f"another agent works in {data} (stop it first)") from None
    try:
        yield
    finally:
        os.close(descriptor)


def note_use(paths: NodePaths, use: HostUse) -> None:
    """Note what an agent that begins uses of its host.

    Raises:
        Conflict: a reset of this data root was broken off.
    """
    if is_resetting(paths.data):
        raise Conflict(f"a reset of {paths.data} was broken off (end it with: shoal agent reset)")
    value = {
        "run": str(use.run.absolute()),
        "cgroup_parent": use.cgroup_parent,
        "runtimes": {name: str(program) for name, program in use.runtimes.items()},
    }
    text = json.dumps(value).encode()
    file = paths.data / _HOST
    if not file.exists() or file.read_bytes() != text:
        replace_file(file, text)


def noted_use(data: Path) -> HostUse | None:
    """Return what the last agent noted; None if none did.

    Raises:
        Internal: the note is damaged.
    """
    file = data / _HOST
    try:
        value = json.loads(file.read_text())
        runtimes = {str(name): Path(program) for name, program in value["runtimes"].items()}
        return HostUse(Path(value["run"]), str(value["cgroup_parent"]), runtimes)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Internal(f"{file} is damaged (remove it; then the places are the default ones)") from error


def is_resetting(data: Path) -> bool:
    """Say whether a reset is under way, or was broken off."""
    return (data / _RESETTING).exists()


def begin_reset(data: Path) -> None:
    """Keep agents out until `end_reset`."""
    replace_file(data / _RESETTING, b"")


def end_reset(data: Path) -> None:
    """Let agents in again, and forget what they used."""
    (data / _HOST).unlink(missing_ok=True)
    (data / _RESETTING).unlink(missing_ok=True)
