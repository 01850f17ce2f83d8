"""One run from the lab's start to its end."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Final

import shoal
from shoal_common.errors import NotFound, ShoalError
from shoal_common.version import shoal_version
from shoal_lab.cluster import Lab, Plan
from shoal_lab.daemons import Capacity
from shoal_lab.image import root_filesystem
from shoal_lab.layout import ETCD_PORT, Layout
from shoal_proto.v1.container_pb2 import ContainerPhase
from shoal_proto.v1.node_pb2 import NodeState
from tests.parts.lab import LabUnderTest
from tests.parts.leftovers import everywhere
from tests.soak import model, observe
from tests.soak.faults import inject
from tests.soak.feed import Feed
from tests.soak.growth import Watch
from tests.soak.history import History
from tests.soak.operations import IMAGE, Client, Population
from tests.soak.report import Result
from tests.soak.violation import Violation

LAB: Final = "soak"
SUBNET: Final = "10.84.0.0/24"
NODES: Final = 3
CLIENTS: Final = 4
#: Little enough that some containers have to wait for room.
CAPACITY: Final = Capacity(memory_bytes=384 << 20, cpu_millis=2000)

#: Seconds without a change that count as quiet, and for how long quiet is waited for.
_QUIET: Final = 5.0
_QUIET_WITHIN: Final = 120.0
_NOTHING_LEFT_WITHIN: Final = 30.0
_AT_REST: Final = frozenset(
    {
        ContainerPhase.CONTAINER_PHASE_CREATED,
        ContainerPhase.CONTAINER_PHASE_RUNNING,
        ContainerPhase.CONTAINER_PHASE_EXITED,
        ContainerPhase.CONTAINER_PHASE_FAILED,
        # Waits for room: nobody makes any.
        ContainerPhase.CONTAINER_PHASE_PENDING,
    }
)


async def soak(seed: int, minutes: float, keep: Path, say: Callable[[str], None]) -> Result:
    """Start a lab, have clients and faults at work in it, check what came of it, and end the lab.

    Args:
        seed: fixes what clients ask and which faults happen.
        minutes: of clients and faults.
        keep: where the daemons' logs are copied to if something is wrong, or the run breaks off.
        say: is told, in a line, what is being done.
    """
    history = History()
    result = Result(datetime.now(), seed, minutes, shoal_version(), history)
    lab = Lab(Plan(Layout(LAB, SUBNET, NODES), CAPACITY), say)
    await lab.up()
    try:
        await _run(lab, result, say)
        if result.violations:
            _keep(lab, history, keep, say)
    except Exception:
        _keep(lab, history, keep, say)
        raise
    finally:
        say("Ending the lab")
        await lab.down()
    return result


def _keep(lab: Lab, history: History, keep: Path, say: Callable[[str], None]) -> None:
    shutil.copytree(lab.layout.data / "logs", keep, dirs_exist_ok=True)
    keep.joinpath("faults").write_text("\n".join(history.faults))
    keep.joinpath("events").write_text("\n".join(f"{each.container[:12]} {each}" for each in history.events))
    say(f"The daemons' logs, the calls and the faults are in {keep}")


async def _run(lab: Lab, result: Result, say: Callable[[str], None]) -> None:
    names = tuple(host.name for host in lab.layout.node_hosts)
    under_test = LabUnderTest(LAB, SUBNET, {"SHOAL_CONFIG": os.environ["SHOAL_CONFIG"]}, IMAGE, names)
    logs = observe.Logs(lab, lab.layout.data / "kept-logs")
    watch = Watch(lab)
    wrong = result.violations
    control = lab.layout.control.name
    feed = Feed(
        Path(f"/proc/{lab.orders(control).pid}/ns/net"),
        [f"http://127.0.0.1:{ETCD_PORT}"],
        lab.layout.host_data(control) / "etcd" / "member" / "wal",
        wrong,
    )
    async with lab.connect() as cluster:
        archive = lab.layout.data / "image.tar"
        archive.write_bytes(await asyncio.to_thread(root_filesystem))
        await cluster.images.import_archive(archive, IMAGE)
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(logs.collect(), name="soak-logs"),
                group.create_task(watch.sample_for_ever(), name="soak-growth"),
                group.create_task(feed.follow(), name="soak-history"),
                group.create_task(feed.audit(), name="soak-proposals"),
            ]
            say(f"{CLIENTS} clients and faults for {result.minutes:g} minutes, seed {result.seed}")
            await _act(lab, result)
            say("Waiting until all is quiet")
            wrong += await _quiet(cluster, result.history)
            for task in background:
                task.cancel()
        await watch.sample()
        logs.look()
        say("Comparing")
        begins = logs.begins()
        result.begins = sum(sum(each.values()) for each in begins.values())
        result.lives = list(watch.lives.values())
        found = await observe.store(lab)
        say(str(feed.chronicle.looked))
        say(f"{feed.chronicle.terms}")
        wrong += model.existence(result.history, found)
        wrong += model.starts(found, begins)
        wrong += model.exit_codes(result.history, found)
        traces = await observe.traces(under_test)
        wrong += [*model.gone(found, traces), *model.present(found, traces)]
        wrong += [*model.unique(found), *model.named(found), *model.ledgers(found)]
        wrong += model.answers(result.history)
        wrong += model.patience(result.history)
        wrong += model.growth(result.lives)
        say("Removing everything")
        wrong += await _remove_all(cluster, under_test)
    for path in sorted((lab.layout.data / "logs").glob("*.log")):
        wrong += model.logged(path.stem, path.read_text(errors="replace"))


async def _act(lab: Lab, result: Result) -> None:
    """Have clients and faults at work; when this returns, every fault is over."""
    population = Population()
    zero = time.monotonic()
    deadline = zero + result.minutes * 60
    async with AsyncExitStack() as stack:
        clients = [
            Client(
                number,
                result.seed,
                await stack.enter_async_context(lab.connect()),
                result.history,
                population,
                zero,
            )
            for number in range(1, CLIENTS + 1)
        ]
        async with asyncio.TaskGroup() as group:
            group.create_task(
                inject(lab, result.seed, result.history, zero=zero, deadline=deadline), name="soak-faults"
            )
            for number, client in enumerate(clients, 1):
                group.create_task(client.act_until(deadline), name=f"soak-client-{number}")


async def _quiet(cluster: shoal.Cluster, history: History) -> list[Violation]:
    """Wait until all nodes are ready and nothing changes any more; return what is not at rest."""
    deadline = time.monotonic() + _QUIET_WITHIN
    before: object = None
    since = time.monotonic()
    restless: list[Violation] = []
    while time.monotonic() < deadline:
        nodes = await cluster.nodes.list()
        containers = await cluster.containers.list(all=True)
        restless = [
            Violation("quiet", f"node {node.spec.name} is not ready")
            for node in nodes
            if node.status.state != NodeState.NODE_STATE_READY
        ]
        for each in containers:
            made = history.made.get(each.spec.id)
            ends = made is not None and made.program.code is not None
            if each.phase not in _AT_REST or (ends and each.phase == ContainerPhase.CONTAINER_PHASE_RUNNING):
                what = f"{ContainerPhase.Name(each.phase)} does not end: {each.detail}"
                restless.append(Violation("quiet", what, each.spec.id))
        now = [(each.spec.id, each.spec.run, each.phase, each.revision) for each in containers]
        if restless or now != before:
            before, since = now, time.monotonic()
        elif time.monotonic() - since >= _QUIET:
            return []
        await asyncio.sleep(0.5)
    return restless or [Violation("quiet", f"something still changes after {_QUIET_WITHIN:g} s")]


async def _remove_all(cluster: shoal.Cluster, lab: LabUnderTest) -> list[Violation]:
    """Remove every container by force; return what is left of them."""
    wrong = []
    for each in await cluster.containers.list(all=True):
        try:
            async with asyncio.timeout(_NOTHING_LEFT_WITHIN):
                await cluster.containers.remove(each.spec.id, force=True)
                await cluster.containers.wait(each.spec.id, until=shoal.Until.REMOVED)
        except NotFound:
            continue
        except (ShoalError, TimeoutError) as error:
            wrong.append(Violation("gone", f"can't be removed: {type(error).__name__} {error}", each.spec.id))
    deadline = time.monotonic() + _NOTHING_LEFT_WITHIN
    while left := await asyncio.to_thread(everywhere, lab):
        if time.monotonic() > deadline:
            return [*wrong, Violation("gone", f"left when all was removed: {json.dumps(left)}")]
        await asyncio.sleep(1)
    return wrong
