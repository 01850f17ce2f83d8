"""One run from the lab's start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import shoal
from shoal_common.errors import NotFound, ShoalError
from shoal_common.version import VERSION
from shoal_lab.cluster import Lab
from shoal_lab.image import root_filesystem
from shoal_proto.v1.container_pb2 import ContainerPhase
from shoal_proto.v1.node_pb2 import NodeState
from tests.parts.lab import LabUnderTest
from tests.parts.leftovers import everywhere, stored
from tests.soak import ground_plan, model, observe
from tests.soak.convergence import Convergence
from tests.soak.feed import Feed
from tests.soak.grounds import Grounds
from tests.soak.growth import Watch
from tests.soak.history import History
from tests.soak.inject import Injector
from tests.soak.operations import IMAGE, Client, Place, Population
from tests.soak.report import Result
from tests.soak.schedule import Kind
from tests.soak.violation import Violation
from tests.soak.witness import Witness

CLIENTS: Final = 5

#: Seconds between two looks at what nodes have on record.
_COMPARE_EVERY: Final = 2.0
#: Seconds without a change that count as quiet, and for how long quiet is waited for.
_QUIET: Final = 5.0
_QUIET_WITHIN: Final = 120.0
_NOTHING_LEFT_WITHIN: Final = 40.0
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


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of a run.

    Attributes:
        seed: fixes what clients ask and which faults happen.
        minutes: of clients and faults.
        kinds: of faults.
        until: end as soon as this check finds something; "": when the time is up.
    """

    seed: int
    minutes: float
    kinds: Sequence[Kind] = tuple(Kind)
    until: str = ""


async def soak(wish: Wish, keep: Path, say: Callable[[str], None]) -> Result:
    """Start a lab, have clients and faults at work in it, check what came of it, and end the lab.

    Args:
        keep: where the daemons' logs are copied to if something is wrong, or the run breaks off.
        say: is told, in a line, what is being done.
    """
    history = History()
    result = Result(datetime.now(), wish.seed, wish.minutes, VERSION, history)
    lab = Lab(ground_plan.plan(), say)
    await lab.up()
    try:
        await _Run(lab, wish, result, say).run()
        # Of a bug that was planted nobody needs to look for the cause.
        if result.violations and not wish.until:
            _keep(lab, result, keep, say)
    except Exception:
        _keep(lab, result, keep, say)
        raise
    finally:
        say("Ending the lab")
        await lab.down()
    return result


def _keep(lab: Lab, result: Result, keep: Path, say: Callable[[str], None]) -> None:
    shutil.copytree(lab.layout.data / "logs", keep, dirs_exist_ok=True)
    history = result.history
    keep.joinpath("faults").write_text("\n".join(map(str, history.troubles)))
    keep.joinpath("events").write_text("\n".join(f"{each.container[:12]} {each}" for each in history.events))
    keep.joinpath("violations").write_text("\n".join(map(str, result.violations)))
    say(f"The daemons' logs, the calls and the faults are in {keep}")


class _Run:
    """What a run has between the lab's start and its end."""

    def __init__(self, lab: Lab, wish: Wish, result: Result, say: Callable[[str], None]) -> None:
        self._lab = lab
        self._wish = wish
        self._result = result
        self._wrong = result.violations
        self._say = say
        self._grounds = Grounds(lab, spared=ground_plan.SPARED)
        self._names = self._grounds.ground.nodes
        self._under_test = LabUnderTest(
            lab.layout.name, lab.layout.subnet, {"SHOAL_CONFIG": os.environ["SHOAL_CONFIG"]}, IMAGE, self._names
        )
        self._witness = Witness(lab)
        self._watch = Watch(lab)
        self._convergence = Convergence()
        self._feed = Feed(*ground_plan.etcd(lab), self._wrong)
        self._zero = time.monotonic()

    async def run(self) -> None:
        """Do all of it."""
        await self._witness.install()
        async with self._lab.connect() as cluster:
            archive = self._lab.layout.data / "image.tar"
            archive.write_bytes(await asyncio.to_thread(root_filesystem))
            await cluster.images.import_archive(archive, IMAGE)
            async with asyncio.TaskGroup() as group:
                background = [
                    group.create_task(self._witness.collect(), name="soak-logs"),
                    group.create_task(self._watch.sample_for_ever(), name="soak-growth"),
                    group.create_task(self._feed.follow(), name="soak-history"),
                    group.create_task(self._feed.audit(), name="soak-proposals"),
                    group.create_task(self._compare(), name="soak-records"),
                ]
                self._say(f"{CLIENTS} clients and faults for {self._wish.minutes:g} minutes, seed {self._wish.seed}")
                await self._act()
                if not self._found:
                    self._say("Waiting until all is quiet")
                    for node in self._names:
                        # Whoever wanted to may have been told that it can't be.
                        await cluster.nodes.update(node, cordoned=False)
                    self._wrong += await self._quiet(cluster)
                    await self._watched_all()
                    await self._watch.sample()
                for task in background:
                    task.cancel()
            self._result.lives = list(self._watch.lives.values())
            await self._judge(cluster)
            if self._found:
                return
            self._say("Removing everything")
            self._wrong += await self._remove_all(cluster)
        for path in sorted((self._lab.layout.data / "logs").glob("*.log")):
            self._wrong += model.logged(path.stem, path.read_text(errors="replace"))

    @property
    def _found(self) -> bool:
        """Whether what the run is for has been found."""
        return any(each.check == self._wish.until for each in self._wrong)

    # Acting

    async def _act(self) -> None:
        """Have clients and faults at work; when this returns, every fault is over."""
        population = Population()
        spool = self._lab.layout.data / "spool"
        spool.mkdir(exist_ok=True)
        place = Place(self._lab.context(), self._names, spool)
        history, zero = self._result.history, time.monotonic()
        self._zero = zero
        deadline = zero + self._wish.minutes * 60
        async with AsyncExitStack() as stack:
            clients = []
            for number in range(CLIENTS + 1):
                client = Client(number, self._wish.seed, place, history, population, zero)
                stack.push_async_callback(client.close)
                clients.append(client)
            injector = Injector(
                self._grounds,
                self._witness,
                self._feed,
                history,
                seed=self._wish.seed,
                zero=zero,
                unpulled=clients[0].make_unpulled,
                kinds=self._wish.kinds,
            )

            async def act() -> None:
                async with asyncio.TaskGroup() as group:
                    group.create_task(injector.inject_until(deadline), name="soak-faults")
                    for client in clients[1:]:
                        group.create_task(client.act_until(deadline), name="soak-client")

            acting = stack.enter_context(_task(act(), "soak-act"))
            ending = {acting}
            if self._wish.until:
                ending.add(stack.enter_context(_task(self._until_found(), "soak-until-found")))
            await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
            self._result.seconds = time.monotonic() - zero
            if acting.done():
                acting.result()
            else:
                self._say(f"Found after {self._result.seconds:.0f} s")
                acting.cancel()
                await asyncio.wait({acting})

    async def _until_found(self) -> None:
        while not self._found:
            await asyncio.sleep(0.5)
            # What starts write first is also looked at while the run goes on. How many are admitted is not: a log may
            # be ahead of what is known of etcd.
            begins = (await asyncio.to_thread(self._witness.seen)).begins
            chronicle = self._feed.chronicle
            self._wrong += model.doubled(begins, chronicle.attempts)

    async def _compare(self) -> None:
        """Compare what nodes have on record with what is stored, for ever."""
        while True:
            await asyncio.sleep(_COMPARE_EVERY)
            records = await asyncio.to_thread(observe.records, self._lab)
            troubles = self._result.history.troubles
            now = time.monotonic() - self._zero
            self._wrong += self._convergence.look(now, records, self._feed.chronicle, troubles)

    # Judging

    async def _judge(self, cluster: shoal.Cluster) -> None:
        self._say("Comparing")
        self._feed.look()
        self._witness.look()
        history, chronicle = self._result.history, self._feed.chronicle
        seen = self._witness.seen()
        found = observe.now(chronicle)
        placed = {key: {chronicle.node_name(node) for node in nodes} for key, nodes in chronicle.placed.items()}
        wrong = model.existence(history, found)
        wrong += model.starts(found, seen.begins, chronicle.attempts, history.troubles)
        wrong += model.restarts(history, seen.begins, chronicle.attempts)
        wrong += model.places(seen.where, placed)
        wrong += model.exit_codes(history, found)
        wrong += model.limits(history, chronicle.limits)
        if not self._found:
            wrong += model.held_to(found, *await observe.limits(cluster))
            traces = await observe.traces(self._under_test)
            wrong += [*model.gone(found, traces), *model.present(found, traces)]
        wrong += [*model.unique(found), *model.named(found), *model.ledgers(found)]
        wrong += model.answers(history)
        wrong += model.patience(history)
        wrong += model.growth(self._result.lives)
        self._wrong += wrong
        self._result.begins = sum(sum(each.values()) for each in seen.begins.values())
        looked = self._result.looked
        looked.update(chronicle.looked)
        looked.update({f"orders to {verb} at runtimes": count for verb, count in seen.orders.items()})
        looked["records of nodes"] = self._convergence.looked
        looked["starts seen in logs"] = self._result.begins
        looked["answers"] = len(history.events)
        policy = (each.by_policy for known in chronicle.attempts.values() for each in known.values())
        looked["restarts by policy"] = sum(policy)
        looked["changes of limits"] = sum(len(given) - 1 for given in chronicle.limits.values())
        looked["terms of leaders"] = len(chronicle.terms)

    async def _watched_all(self) -> None:
        """Wait until our history has come to what etcd has, and compare the two."""
        left: set[str] = set()
        for _ in range(5):
            listed = await asyncio.to_thread(stored, self._under_test)
            newest = max((key.revision for key in listed.keys.values()), default=0)
            if await self._feed.reached(newest, seconds=10):
                prefix = "/shoal/v1/"
                left = {name.removeprefix(prefix) for name in self._feed.chronicle.values} ^ set(listed.keys)
                if not left:
                    return
        self._wrong.append(Violation("feed", f"the history differs from etcd's listing in {sorted(left)[:5]}"))

    async def _quiet(self, cluster: shoal.Cluster) -> list[Violation]:
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
                made = self._result.history.made.get(each.spec.id)
                ends = made is not None and made.program.code is not None
                if each.phase not in _AT_REST or (ends and each.phase == ContainerPhase.CONTAINER_PHASE_RUNNING):
                    what = f"{ContainerPhase.Name(each.phase)} does not end: {each.detail}"
                    restless.append(Violation("quiet", what, each.spec.id))
                running = each.phase == ContainerPhase.CONTAINER_PHASE_RUNNING
                if running and each.status.limits_served < each.spec.limits_changed:
                    restless.append(Violation("quiet", "is not held to its newest limits", each.spec.id))
            now = [(each.spec.id, each.spec.run, each.phase, each.revision) for each in containers]
            if restless or now != before:
                before, since = now, time.monotonic()
            elif time.monotonic() - since >= _QUIET:
                return []
            await asyncio.sleep(0.5)
        return restless or [Violation("quiet", f"something still changes after {_QUIET_WITHIN:g} s")]

    async def _remove_all(self, cluster: shoal.Cluster) -> list[Violation]:
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
        while left := await asyncio.to_thread(everywhere, self._under_test):
            if time.monotonic() > deadline:
                return [*wrong, Violation("gone", f"left when all was removed: {json.dumps(left)}")]
            await asyncio.sleep(1)
        return wrong


@contextlib.contextmanager
def _task(work: Coroutine[None, None, None], name: str) -> Iterator[asyncio.Task[None]]:
    """A task that ends with the block at the latest."""
    task = asyncio.create_task(work, name=name)
    try:
        yield task
    finally:
        task.cancel()
