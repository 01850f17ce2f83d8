"""Looking at the lab: etcd, the nodes' directories, logs and processes."""

from __future__ import annotations

import asyncio
import contextlib
import glob
import re
from contextlib import aclosing
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

import shoal
from shoal_common.errors import NotFound
from shoal_controller.state.cluster_state import ClusterState
from shoal_controller.state.kv import Entry
from shoal_lab.cluster import Lab
from shoal_proto.v1.agent_pb2 import ContainerRecord
from tests.parts.lab import LabUnderTest
from tests.parts.leftovers import on_node
from tests.soak import found
from tests.soak.chronicle import Chronicle
from tests.soak.found import Found
from tests.soak.history import Limits

_ID: Final = re.compile(r"[0-9a-f]{64}")


def now(chronicle: Chronicle) -> Found:
    """Return what there is at the revision that the history has come to."""
    state = ClusterState()
    state.load(Entry(key, value, 1, 1, 0) for key, value in chronicle.values.items())
    return found.found(state)


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


async def limits(cluster: shoal.Cluster) -> tuple[dict[str, Limits], dict[str, Limits]]:
    """Return the limits that each container is told to have, and what the kernel holds those that run to of them."""
    told = {each.spec.id: found.limits(each.spec.config.resources) for each in await cluster.containers.list(all=True)}
    kernel: dict[str, Limits] = {}
    async with aclosing(cluster.containers.stats(follow=False)) as answers:
        async for answer in answers:
            for each in answer.stats:
                if not each.problem:
                    kernel[each.id] = Limits(each.memory_limit_bytes, pids=each.pids_limit)
    return told, kernel


def records(lab: Lab) -> dict[tuple[str, str], ContainerRecord]:
    """Return what nodes have on record, by name of the node and id of the container."""
    result = {}
    for host in lab.layout.node_hosts:
        with contextlib.suppress(NotFound):  # It is being rebooted.
            folder = lab.layout.host_data(host.name) / "shoal" / "containers"
            # Its disk is mounted only inside.
            for path in glob.glob(f"/proc/{lab.orders(host.name).pid}/root{folder}/*/record"):
                # One that is just being dropped.
                with contextlib.suppress(OSError, DecodeError):
                    result[host.name, Path(path).parent.name] = ContainerRecord.FromString(Path(path).read_bytes())
    return result
