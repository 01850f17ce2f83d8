"""Looking at the lab: etcd, the nodes' directories, logs and processes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import glob
import json
import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from shoal_controller.state.cluster_state import ClusterState
from shoal_controller.state.kv import Entry
from shoal_lab.cluster import Lab
from shoal_lab.hosts import inside
from shoal_lab.layout import ETCD_PORT
from tests.parts.lab import LabUnderTest
from tests.parts.leftovers import on_node
from tests.soak.found import Found, found

_DUMP: Final = Path(__file__).with_name("store_dump.py")
_ID: Final = re.compile(r"[0-9a-f]{64}")
_BEGAN: Final = re.compile(r" began ([0-9a-f]{64}) ")
_EVERY: Final = 0.25

#: How often each attempt of a container said that it began, by container, then by generation and attempt.
Begins = dict[str, Counter[tuple[int, int]]]


async def store(lab: Lab) -> Found:
    """Return what etcd has.

    Raises:
        Conflict: it does not answer.
    """
    url = f"http://127.0.0.1:{ETCD_PORT}"
    pid = lab.orders(lab.layout.control.name).pid
    values: dict[str, str] = json.loads(await inside(pid, [sys.executable, str(_DUMP), url]))
    state = ClusterState()
    state.load(Entry(key, base64.b64decode(value), 1, 1, 0) for key, value in values.items())
    return found(state)


async def traces(lab: LabUnderTest) -> dict[str, dict[str, list[str]]]:
    """Return, by node, the containers of which it has anything, and of which kinds that is."""
    looked = await asyncio.gather(*(asyncio.to_thread(on_node, lab, node) for node in lab.nodes))
    result: dict[str, dict[str, list[str]]] = {}
    for node, kinds in zip(lab.nodes, looked, strict=True):
        here = result.setdefault(node, {})
        for kind, things in kinds.items():
            for container in {each for thing in things for each in _ID.findall(thing)}:
                here.setdefault(container, []).append(kind)
    return result


class Logs:
    """Keeps what containers wrote after they are removed, by a second link to each log file.

    Args:
        keep: directory for the links, on the file system of the nodes.
    """

    def __init__(self, lab: Lab, keep: Path) -> None:
        self._data = lab.layout.data
        self._nodes = [host.name for host in lab.layout.node_hosts]
        self._keep = keep
        keep.mkdir(mode=0o700)

    async def collect(self) -> None:
        """Link new files, for ever."""
        while True:
            self.look()
            await asyncio.sleep(_EVERY)

    def look(self) -> None:
        """Link the files that are new."""
        for node in self._nodes:
            # Not by Path.glob, which fails when a directory goes away meanwhile.
            for path in map(Path, glob.glob(f"{self._data / node / 'shoal' / 'containers'}/*/*/logs/*.log")):
                container, generation = path.parts[-4], path.parts[-3]
                # One that is there already, or is just being removed.
                with contextlib.suppress(FileExistsError, FileNotFoundError):
                    os.link(path, self._keep / f"{node} {container} {generation} {path.name}")

    def begins(self) -> Begins:
        """Return who said how often that it began."""
        result: Begins = {}
        for path in self._keep.iterdir():
            _, _, generation, name = path.name.split(" ")
            for container in _BEGAN.findall(path.read_text(errors="replace")):
                result.setdefault(container, Counter())[int(generation), int(name.partition(".")[0])] += 1
        return result
