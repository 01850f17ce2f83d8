"""Nodes that have joined and lie to the leader. Whatever they say, it costs nobody but themselves anything."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

import grpc.aio

import shoal
from shoal.cluster import Cluster
from shoal.waiting import Until
from shoal_agent.cluster.join import join, parse_token
from shoal_agent.paths import NodePaths
from shoal_common.errors import NotFound, ShoalError
from shoal_common.identity import CONTROLLER_NAME
from shoal_common.rpc_client import secure_channel
from shoal_controller.state import keys
from shoal_controller.state.etcd import EtcdKV
from shoal_controller.state.kv import Entry
from shoal_proto.v1 import dispatcher_pb2
from shoal_proto.v1.cluster_pb2 import ClusterInfo
from shoal_proto.v1.container_pb2 import Container
from tests.conftest import IMAGE
from tests.fakes.agent import SimulatedAgent
from tests.fuzz import answers
from tests.fuzz.answers import Answer
from tests.fuzz.calling import make
from tests.fuzz.campaign import API, Result, Wrong, rounds
from tests.fuzz.messages import Call, Calls, methods
from tests.fuzz.places import Place

#: What a node may call.
DISPATCHER: Final = methods(dispatcher_pb2.DESCRIPTOR)
#: Nodes that lie, each in one session after the other: a second one of the same node would end the first.
_LIARS: Final = ("liar1", "liar2", "liar3")
_WITNESS: Final = "witness"
_ALL: Final = (_WITNESS, *_LIARS)
#: Seconds in which what is asked of the cluster is done, if anybody leads; and between heartbeats.
_DONE: Final = 20.0
_BEAT: Final = 1.0
#: How a controller that has caught a node lying says so, to be seen by operators.
_CAUGHT: Final = "which nobody told it"
#: What only asks, also about what a node said, or the node itself. It is done so often after each round.
_READS: Final = [
    each
    for each in API
    if each.path.rpartition("/")[2].startswith(("Get", "List", "Watch", "Wait", "Stat", "Top", "Diff", "CopyOut"))
    or each.path.endswith("Logs")
]
_LOOKS: Final = 24
#: Without which nothing that a node says is of any interest.
SAID: Final = ("process_id", "description", "capacity", "reports", "status", "generation", "state", "report")


@dataclass(frozen=True, slots=True)
class _Node:
    """A node that joined: its id, and how it speaks to the controller."""

    id: str
    name: str
    channel: grpc.aio.Channel


@dataclass(slots=True)
class _Theirs:
    """Ids of what the liars may say something about: themselves, and what was placed on them or made to try.

    Attributes:
        elsewhere: what was seen on another node, and so is never theirs.
    """

    nodes: frozenset[str]
    containers: set[str] = field(default_factory=set)
    volumes: dict[str, None] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)

    def note(self, containers: Sequence[Container]) -> None:
        for each in containers:
            if each.placement.node and each.placement.node not in self.nodes:
                self.elsewhere.add(each.spec.id)
            elif each.placement.node and each.spec.id not in self.elsewhere:
                self.containers.add(each.spec.id)
                self.volumes.update((mount.volume_id, None) for mount in each.spec.config.mounts if mount.volume_id)

    def others(self, told: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return what of all that is stored is none of theirs."""
        ids = [each.encode() for each in (*self.nodes, *self.containers, *self.volumes)]
        return {
            key: value for key, value in told.items() if not any(each in key.encode() or each in value for each in ids)
        }


@dataclass(frozen=True, slots=True)
class _Scene:
    """Everybody who takes part.

    Attributes:
        cluster: as an administrator sees it, and `channel` the same.
        witness: the agent of a node that tells the truth, and runs container `kept`.
        before: all that was stored before the first lie.
        info: the same of the cluster.
    """

    place: Place
    cluster: Cluster
    channel: grpc.aio.Channel
    witness: SimulatedAgent
    liars: Sequence[_Node]
    theirs: _Theirs
    kept: str
    before: Mapping[str, bytes]
    info: ClusterInfo

    async def prepare(self, process: str) -> list[str]:
        """Have every liar hold something to lie about; return what keeps them from it, if anything does."""
        try:
            async with asyncio.timeout(_DONE):
                for liar in self.liars:
                    await _prepare(self.cluster, liar, process)
        except (ShoalError, TimeoutError) as error:
            return [f"a node that lied is not heard any more when it tells the truth: {error!r}"]
        return []

    async def lie(
        self,
        tries: Mapping[int, Random],
        known: Mapping[str, Sequence[str]],
        ended: Callable[[int, Call, Answer], None],
    ) -> None:
        """Have the liars lie, each in one session after the other; `ended` is told the number of the try as well."""
        numbers: dict[int, int] = {}
        shares: list[list[Call]] = [[] for _ in self.liars]
        for number, random in tries.items():
            mine = number % len(self.liars)
            own = {**known, "container": known[self.liars[mine].name], "process_id": (f"p{number}",)}
            call = Calls(DISPATCHER, own, kind="container", said=SAID).call(random)
            numbers[id(call)] = number
            shares[mine].append(call)

        def told(call: Call, answer: Answer) -> None:
            ended(numbers[id(call)], call, answer)

        async with asyncio.TaskGroup() as group:
            for liar, share in zip(self.liars, shares, strict=True):
                group.create_task(make(liar.channel, share, told, width=1), name=liar.name)

    async def found(self, known: Mapping[str, Sequence[str]], random: Random) -> list[str]:
        """Return what is not as it must be."""
        found = []
        try:
            async with asyncio.timeout(2 * _DONE):
                self.theirs.containers.add(await _pulse(self.cluster))
                found += await _unshown(self.cluster, self.channel, known, random)
                leader = (await self.cluster.info()).leader
                self.theirs.note(await self.cluster.containers.list(all=True))
                after, expected = self.theirs.others(await _stored(self.place)), self.theirs.others(self.before)
        except (ShoalError, TimeoutError) as error:
            return [*found, f"another node's container is not run any more, or nothing is told: {error!r}"]
        if leader != self.info.leader:
            found.append(f'"{leader}" leads, it was {self.info.leader}')
        if self.witness.error is not None:
            found.append(f"another node's session has ended: {self.witness.error}")
        found += [
            f"{key} was {expected.get(key)!r:.300}, is {after.get(key)!r:.300}"
            for key in sorted(after.keys() | expected.keys())
            if after.get(key) != expected.get(key)
        ]
        return found


async def try_lying(
    place: Place, *, seed: int, tries: Sequence[int], say: Callable[[str], None] = lambda line: None
) -> Result:
    """Tell the leader what no node should, as nodes that have joined.

    Beside them a node that tells the truth keeps its session, a container that runs is left alone, one can still be
    run and removed, nothing that is stored of others changes, and whatever the liars said can be shown.
    """
    result = Result(seed)

    def ended(number: int, call: Call, answer: Answer) -> None:
        result.ends[answer.code.name] += 1
        result.wrong.extend(Wrong(number, str(call), what) for what in answers.wrong(answer))

    async with _scene(place) as scene:
        for turn, numbers in enumerate(rounds(tries)):
            found = await scene.prepare(f"honest{turn}")
            going = not found
            if going:
                known = await _known(scene)
                await scene.lie({number: Random(f"{seed} {number}") for number in numbers}, known, ended)
                result.tries += len(numbers)
            found += await asyncio.to_thread(lambda: list(place.faults(but=_CAUGHT)))
            if going and not place.died:
                found += await scene.found(known, Random(f"{seed} looks {turn}"))
                found += await asyncio.to_thread(lambda: list(place.faults(but=_CAUGHT)))
            result.wrong += [Wrong(-1, f"one of {numbers}", what) for what in found]
            say(f"{result.tries} lies, {len(result.wrong)} wrong")
            if place.died or not going:
                break
    return result


@contextlib.asynccontextmanager
async def _scene(place: Place) -> AsyncIterator[_Scene]:
    async with AsyncExitStack() as stack:
        # What they are known by, of which nothing is used again.
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="shoal-fuzz-")))
        cluster = await stack.enter_async_context(shoal.connect(context=place.context))
        await place.clear()
        if place.lab is not None:
            await place.prepare()
            await cluster.containers.wait("f1", until=Until.RUNNING)
        stack.push_async_callback(place.clear)
        token = (await cluster.join_token()).token
        joined = [await stack.enter_async_context(_joined(place, cluster, folder, each, token)) for each in _ALL]
        witness, *liars = joined
        agent = await stack.enter_async_context(SimulatedAgent(witness.channel, witness.id, process_id=_WITNESS))
        await stack.enter_async_context(_beating(agent))
        theirs = _Theirs(frozenset(each.id for each in liars))
        kept = await _run(cluster, "kept", _WITNESS)
        theirs.containers.add(await _pulse(cluster))
        theirs.note(await cluster.containers.list(all=True))
        channel = await stack.enter_async_context(place.channel())
        before, info = await _stored(place), await cluster.info()
        yield _Scene(place, cluster, channel, agent, liars, theirs, kept, before, info)


@contextlib.asynccontextmanager
async def _joined(place: Place, cluster: Cluster, folder: Path, name: str, token: str) -> AsyncIterator[_Node]:
    """A node of the cluster, as it becomes one; removed afterwards."""
    paths = NodePaths(folder / name, folder / name / "run")
    paths.data.mkdir()
    member = await join(paths, controller=place.joining, token=parse_token(token), name=name, addresses=["127.0.0.1"])
    try:
        async with secure_channel(place.context.endpoints[0], member.tls, CONTROLLER_NAME) as channel:
            yield _Node(member.node, name, channel)
    finally:
        if not place.died:
            await cluster.nodes.remove(member.node, force=True)


@contextlib.asynccontextmanager
async def _beating(agent: SimulatedAgent) -> AsyncIterator[None]:
    """Send heartbeats while the context lasts."""

    async def beat() -> None:
        while agent.error is None:
            try:
                await agent.beat()
            except ShoalError as error:
                agent.error = error
            await asyncio.sleep(_BEAT)

    task = asyncio.create_task(beat(), name="beats")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _prepare(cluster: Cluster, liar: _Node, process: str) -> None:
    """Have a liar hold containers of which nobody has said anything yet; one of them is to go.

    For that it tells the truth: a node that never did can stop the cluster once (docs/architecture/recovery.md).
    """
    async with _honest(liar, f"{process}-clears", obeys=True):
        for each in await cluster.containers.list(all=True, filters=[f"node={liar.name}"]):
            with contextlib.suppress(NotFound):  # It is just being removed.
                await cluster.containers.remove(each.spec.id, force=True, volumes=True)
            await cluster.containers.wait(each.spec.id, until=Until.REMOVED)
    async with _honest(liar, process, obeys=False):
        await _placed(cluster, f"{liar.name}-runs", liar.name, start=True)
        await _placed(cluster, f"{liar.name}-waits", liar.name, start=False)
        leaves = await _placed(cluster, f"{liar.name}-leaves", liar.name, start=False, volumes=["/data"])
        await cluster.containers.remove(leaves, force=True, volumes=True)


@contextlib.asynccontextmanager
async def _honest(node: _Node, process: str, *, obeys: bool) -> AsyncIterator[None]:
    """Have a node tell the truth while the context lasts."""
    async with SimulatedAgent(node.channel, node.id, process_id=process, obeys=obeys) as agent:
        if agent.error is not None:
            raise agent.error
        yield


async def _placed(cluster: Cluster, name: str, node: str, *, start: bool, volumes: Sequence[str] = ()) -> str:
    """Have a container held by a node, and return its id."""
    made = await cluster.containers.create(
        IMAGE, ("sleep", "1000"), name=name, constraints=[f"node.name=={node}"], volumes=volumes
    )
    if start:
        await cluster.containers.start(made.spec.id)
    async with asyncio.timeout(_DONE), aclosing(cluster.containers.watch()) as changes:
        async for change in changes:
            if change.id == made.spec.id and change.container is not None and change.container.placement.node:
                return made.spec.id
    raise AssertionError("the watch has ended")


async def _run(cluster: Cluster, name: str, node: str) -> str:
    made = await _placed(cluster, name, node, start=True)
    await cluster.containers.wait(made, until=Until.RUNNING)
    return made


async def _pulse(cluster: Cluster) -> str:
    """Have the witness run a container and remove it: somebody leads. Return its id."""
    made = await _run(cluster, "pulse", _WITNESS)
    await cluster.containers.remove(made, force=True, volumes=True)
    await cluster.containers.wait(made, until=Until.REMOVED)
    return made


async def _known(scene: _Scene) -> dict[str, Sequence[str]]:
    """Return what lies can be about; by the name of each liar what it names as a container, mostly its own."""
    there = await scene.cluster.containers.list(all=True)
    scene.theirs.note(there)
    every = [scene.kept, *(each.spec.id for each in there if each.placement.node in scene.theirs.nodes)]
    own = {liar: [each.spec.id for each in there if each.node_name == liar] for liar in _LIARS}
    return {
        **{liar: [*every, *ids * 4] for liar, ids in own.items()},
        "container": every,
        "volume": tuple(scene.theirs.volumes)[-20:],
        "node": _LIARS,
        "image": (IMAGE,),
        "cluster_id": (scene.info.cluster_id,),
    }


async def _stored(place: Place) -> dict[str, bytes]:
    """Return all that is stored and does not expire, and who leads since when; of a lab, what its API tells of that."""
    if place.store is not None:
        kv = EtcdKV(place.store)
        try:
            entries = (await kv.list(keys.PREFIX)).entries
            return {each.key: _written(each) for each in entries if not each.lease or each.key == keys.leader()}
        finally:
            await kv.close()
    async with shoal.connect(context=place.context) as cluster:
        told: dict[str, bytes] = {}
        for container in await cluster.containers.list(all=True):
            parts = (container.spec, container.placement, container.status)
            told[f"container {container.spec.id}"] = b"".join(
                part.SerializeToString(deterministic=True) for part in parts
            )
        for node in await cluster.nodes.list():
            told[f"node {node.spec.id}"] = node.spec.SerializeToString(deterministic=True)
        for volume in await cluster.volumes.list():
            told[f"volume {volume.spec.id}"] = volume.SerializeToString(deterministic=True)
        return told


def _written(entry: Entry) -> bytes:
    """Return a value, with when it was written; a node's ledger is whenever something is run there."""
    return entry.value + (b"" if entry.key.endswith("/ledger") else b" at %d" % entry.mod_revision)


async def _unshown(
    cluster: Cluster, channel: grpc.aio.Channel, known: Mapping[str, Sequence[str]], random: Random
) -> list[str]:
    """Return what can't be shown of what the liars have said."""
    found: list[str] = []
    for what, look in (
        ("containers", cluster.containers.list(all=True)),
        ("nodes", cluster.nodes.list()),
        ("volumes", cluster.volumes.list()),
        ("events", _events(cluster)),
    ):
        try:
            await look
        except ShoalError as error:
            found.append(f"{what} can't be listed: {error!r}")

    def ended(call: Call, answer: Answer) -> None:
        found.extend(f"{call} is answered: {what}" for what in answers.wrong(answer))

    reads = Calls(_READS, known)
    await make(channel, [reads.call(random) for _ in range(_LOOKS)], ended)
    return found


async def _events(cluster: Cluster) -> None:
    since = datetime.fromtimestamp(0, UTC)
    async with aclosing(cluster.events.watch(since=since, until=datetime.now(UTC))) as events:
        async for _ in events:
            pass
