"""What a cluster has of its containers: in etcd and on its nodes."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.parts.lab import LabUnderTest, eventually

_HERE: Final = Path(__file__).parent


@dataclass(frozen=True)
class Key:
    """A key in etcd: the revisions at which it was made and last written, its lease (0: none), its value (base64)."""

    created: int
    revision: int
    lease: int
    value: str


@dataclass(frozen=True)
class Stored:
    """What etcd had at a revision, by key below the common prefix."""

    revision: int
    keys: dict[str, Key]


def stored(lab: LabUnderTest, *, revision: int = 0) -> Stored:
    """Return everything that etcd has, or had at a revision."""
    probe = (sys.executable, str(_HERE / "etcd_probe.py"), lab.name, str(revision))
    found = json.loads(subprocess.run(probe, check=True, capture_output=True, timeout=60).stdout)
    return Stored(found["revision"], {name: Key(**key) for name, key in found["keys"].items()})


def of_containers(keys: dict[str, Key]) -> list[str]:
    """Return the keys that a removed container must not leave: tombstones may stay if they end by themselves."""
    return sorted(
        name
        for name, key in keys.items()
        if name.startswith(("containers/", "names/default/container/", "addresses/"))
        or "/holds/" in name
        or (name.startswith("tombstones/") and not key.lease)
    )


def on_node(lab: LabUnderTest, node: str) -> dict[str, list[str]]:
    """Return what a node has of containers, by kind; kinds of which there is nothing are left out."""
    probe = (sys.executable, "-I", "-S", str(_HERE / "host_probe.py"))
    roots = (str(lab.data(node) / "shoal"), "/run/shoal", f"/shoal-lab/{lab.name}/{node}")
    found: dict[str, list[str]] = json.loads(lab.inside(node, *probe, *roots))
    return {kind: each for kind, each in found.items() if each}


def everywhere(lab: LabUnderTest) -> dict[str, object]:
    """Return what there is of containers, by place; places that have nothing are left out."""
    with ThreadPoolExecutor(len(lab.nodes)) as pool:
        found: dict[str, object] = dict(
            zip(lab.nodes, pool.map(lambda node: on_node(lab, node), lab.nodes), strict=True)
        )
    found["etcd"] = of_containers(stored(lab).keys)
    return {place: each for place, each in found.items() if each}


def assert_nothing_left(lab: LabUnderTest, *, seconds: float = 5) -> None:
    """Wait until nothing is left of any container.

    A removal is told when etcd has forgotten the container; its node drops its own record of it right after that.

    Raises:
        AssertionError: something stayed, told in the message.
    """
    left: dict[str, object] = {}

    def nothing() -> bool:
        nonlocal left
        left = everywhere(lab)
        return not left

    try:
        eventually(nothing, seconds=seconds, what="nothing left")
    except AssertionError:
        raise AssertionError(f"left of removed containers: {json.dumps(left, indent=1)}") from None
