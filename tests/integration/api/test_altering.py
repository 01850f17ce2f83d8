"""Renaming, changing and pruning, over gRPC and with etcd."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from shoal_common.errors import AlreadyExists, Conflict, InvalidSpec, NotFound
from shoal_controller.state import keys
from shoal_proto.v1 import container_pb2
from shoal_proto.v1.container_pb2 import ContainerState, RestartMode, RestartPolicy, WaitCondition
from shoal_proto.v1.node_pb2 import Hold, HoldRole, NodeDescription, NodeLedger, NodeState, NodeStatus
from shoal_proto.v1.resources_pb2 import Resources
from tests.parts.api_world import NODE, World, next_of, ref, refused

MIB = 1 << 20
READY = NodeState.NODE_STATE_READY
CURRENT = HoldRole.HOLD_ROLE_CURRENT
LIMITED = WaitCondition.WAIT_CONDITION_LIMITED
ALWAYS = RestartPolicy(mode=RestartMode.RESTART_MODE_ALWAYS)


def renaming(old: str, new: str, request_id: str = "") -> container_pb2.RenameContainerRequest:
    return container_pb2.RenameContainerRequest(container=ref(old), name=new, request_id=request_id)


async def owner(world: World, name: str) -> str:
    _, entry = await world.kv.get(keys.name("default", "container", name))
    return entry.value.decode() if entry is not None else ""


async def test_a_name_moves_with_its_keys_and_a_repeat_changes_nothing(world: World) -> None:
    await world.image()
    container = (await world.create("web")).spec.id
    first = await world.containers.RenameContainer(renaming("web", "www", "one"))
    assert (first.spec.name, first.spec.old_name) == ("www", "web")
    assert (await owner(world, "www"), await owner(world, "web")) == (container, "")
    # The answer was lost; the old name leads nowhere, or by now to another container, which keeps its name.
    assert (await world.containers.RenameContainer(renaming("web", "www", "one"))).revision == first.revision
    other = (await world.create("web")).spec.id
    calls = [world.containers.RenameContainer(renaming("web", "www", "one"))]
    (again,) = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(again, container_pb2.Container)
    assert again.spec.id == container
    assert (await owner(world, "web")) == other
    await refused(world.containers.RenameContainer(renaming("gone", "new", "one")), NotFound)


async def test_says_why_a_name_can_not_be_had(world: World) -> None:
    await world.image()
    await world.create("web")
    await world.create("db")
    assert '"db" is taken' in await refused(world.containers.RenameContainer(renaming("web", "db")), AlreadyExists)
    await refused(world.containers.RenameContainer(renaming("web", "web")), InvalidSpec)
    await refused(world.containers.RenameContainer(renaming("web", "-x")), InvalidSpec)
    await refused(world.containers.RenameContainer(renaming("nope", "x")), NotFound)
    remove = container_pb2.RemoveContainerRequest(container=ref("web"), force=True)
    removed = (await world.containers.RemoveContainer(remove)).id
    assert "is being removed" in await refused(world.containers.RenameContainer(renaming(removed, "x")), Conflict)


async def test_of_two_that_want_a_name_one_gets_it(world: World) -> None:
    await world.image()
    for name in ("a", "b"):
        await world.create(name)
    calls = [world.containers.RenameContainer(renaming(name, "web")) for name in ("a", "b")]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(each, container_pb2.Container) for each in answers) == 1
    holder = await owner(world, "web")
    entry = world.cache.containers[holder]
    assert entry.spec is not None
    assert entry.spec.value.name == "web"


async def test_a_restart_policy_is_changed(world: World) -> None:
    await world.image()
    await world.create("web")
    update = container_pb2.UpdateContainerRequest(container=ref("web"), restart=ALWAYS)
    assert (await world.containers.UpdateContainer(update)).spec.config.restart == ALWAYS
    await world.create("job", auto_remove=True)
    update.container.ref = "job"
    assert "made with --rm" in await refused(world.containers.UpdateContainer(update), InvalidSpec)
    update.restart.maximum_retries = 3
    await refused(world.containers.UpdateContainer(update), InvalidSpec)
    nothing = container_pb2.UpdateContainerRequest(container=ref("web"))
    assert "nothing is to be changed" in await refused(world.containers.UpdateContainer(nothing), InvalidSpec)


def limiting(name: str, request_id: str = "", **limits: Any) -> container_pb2.UpdateContainerRequest:
    return container_pb2.UpdateContainerRequest(
        container=ref(name), request_id=request_id, resources=Resources(**limits)
    )


async def booked(world: World) -> tuple[int, dict[str, int]]:
    """Return what the node's ledger says is reserved, in MiB, and what each hold does."""
    _, ledger = await world.kv.get(keys.node_ledger(NODE))
    assert ledger is not None
    node = world.cache.nodes[NODE]
    holds = {id_: hold.value.reserved.memory_bytes // MIB for id_, hold in node.holds.items()}
    return NodeLedger.FromString(ledger.value).reserved.memory_bytes // MIB, holds


async def with_room(world: World, *names: str) -> list[str]:
    """Have a node of 100 MiB and containers that run there with 40 MiB each."""
    await world.image()
    await world.node()
    description = NodeDescription(name="node2", limits=["update", "memory-swap"])
    await world.put(keys.node_status(NODE), NodeStatus(schema=1, state=READY, description=description))
    ids = []
    for name in names:
        container = (await world.create(name, resources=Resources(memory_bytes=40 * MIB))).spec.id
        await world.place(container)
        reserved = Resources(memory_bytes=40 * MIB)
        hold = Hold(schema=1, namespace="default", container=container, generation=1, role=CURRENT, reserved=reserved)
        await world.put(keys.hold(NODE, container), hold)
        await world.report(container, ContainerState.CONTAINER_STATE_RUNNING)
        ids.append(container)
    ledger = NodeLedger(
        schema=1,
        capacity=Resources(memory_bytes=100 * MIB, cpu_millis=1000),
        reserved=Resources(memory_bytes=40 * MIB * len(names)),
    )
    await world.put(keys.node_ledger(NODE), ledger)
    return ids


async def test_limits_are_changed_and_booked_in_one_transaction(world: World) -> None:
    (web,) = await with_room(world, "web")
    first = await world.containers.UpdateContainer(limiting("web", "one", memory_bytes=60 * MIB, pids=20))
    assert first.spec.config.resources == Resources(memory_bytes=60 * MIB, pids=20)
    assert first.spec.limits_changed == 1
    assert await booked(world) == (60, {web: 60})
    # The answer was lost.
    again = await world.containers.UpdateContainer(limiting("web", "one", memory_bytes=60 * MIB, pids=20))
    assert (again.revision, again.spec.limits_changed) == (first.revision, 1)
    # What is less stays booked until the node has taken it away, which is for the leader to see.
    less = await world.containers.UpdateContainer(limiting("web", memory_bytes=10 * MIB))
    assert less.spec.config.resources == Resources(memory_bytes=10 * MIB, pids=20)
    assert await booked(world) == (60, {web: 60})


async def test_limits_for_which_there_is_no_room_are_refused_with_the_reason(world: World) -> None:
    web, _ = await with_room(world, "web", "db")
    told = await refused(world.containers.UpdateContainer(limiting("web", memory_bytes=61 * MIB)), Conflict)
    assert told == ('container "web" can\'t be limited so: 1 node: 1 lacks memory (needs 21 MiB, most free 20 MiB)')
    told = await refused(world.containers.UpdateContainer(limiting("web", cpu_shares=512)), Conflict)
    assert "node2: its control groups can't do cpu-shares" in told
    both = limiting("web", memory_bytes=50 * MIB, memory_swap_bytes=45 * MIB)
    assert "less than the memory limit" in await refused(world.containers.UpdateContainer(both), InvalidSpec)
    assert await booked(world) == (80, dict.fromkeys(world.cache.nodes[NODE].holds, 40))
    assert world.cache.containers[web].spec is not None
    assert world.cache.containers[web].spec.value.limits_changed == 0  # type: ignore[union-attr]


async def test_of_two_that_want_the_last_room_one_gets_it(world: World) -> None:
    await with_room(world, "web", "db")
    calls = [world.containers.UpdateContainer(limiting(name, memory_bytes=60 * MIB)) for name in ("web", "db")]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(each, container_pb2.Container) for each in answers) == 1
    total, holds = await booked(world)
    assert (total, sorted(holds.values())) == (100, [40, 60])


async def test_what_runs_under_an_agent_of_an_older_version_keeps_its_limits(world: World) -> None:
    web, *_ = await with_room(world, "web")
    await world.put(keys.node_status(NODE), NodeStatus(schema=1, state=READY, description=NodeDescription(name="n")))
    change = limiting("web", pids=9)
    assert "too old to change what runs" in await refused(world.containers.UpdateContainer(change), Conflict)
    await world.report(web, ContainerState.CONTAINER_STATE_EXITED)
    assert (await world.containers.UpdateContainer(change)).spec.config.resources.pids == 9


async def test_waits_until_a_node_has_acted_on_limits(world: World) -> None:
    (web,) = await with_room(world, "web")
    await world.containers.UpdateContainer(limiting("web", pids=9))
    call = world.containers.WaitContainer(_waiting("web"))
    assert not (await next_of(call)).done
    await world.report(web, ContainerState.CONTAINER_STATE_RUNNING, limits_served=1)
    assert (await next_of(call)).done
    # One that has no process has nothing to wait for.
    pending = (await world.create("later", start=False)).spec.name
    await world.containers.UpdateContainer(limiting(pending, pids=9))
    answers = [each async for each in world.containers.WaitContainer(_waiting(pending))]
    assert answers[-1].done


def _waiting(name: str) -> container_pb2.WaitContainerRequest:
    return container_pb2.WaitContainerRequest(container=ref(name), condition=LIMITED)


async def test_prune_takes_only_what_does_not_run(world: World) -> None:
    await world.image()
    await world.node()
    await world.running("up")
    restarting = (await world.create("again", restart=ALWAYS)).spec.id
    await world.place(restarting)
    await world.report(restarting, ContainerState.CONTAINER_STATE_EXITED, code=3, again_in=30)
    await world.create("pending")
    ended = {}
    for name, labels in (("old", {}), ("kept", {"keep": "1"}), ("labelled", {"tier": "front"})):
        ended[name] = (await world.create(name, labels=labels)).spec.id
        await world.place(ended[name])
        await world.report(ended[name], ContainerState.CONTAINER_STATE_EXITED)
    made = (await world.create("made", start=False)).spec.id
    await world.place(made, admitted=0)
    await world.report(made, ContainerState.CONTAINER_STATE_READY, run=0)

    async def prune(*filters: str, request_id: str = "") -> set[str]:
        request = container_pb2.PruneContainersRequest(filters=filters, request_id=request_id)
        return set((await world.containers.PruneContainers(request)).ids)

    for wrong in ("status=exited", "label=", "until=soon", "until", "x"):
        assert "not valid" in await refused(
            world.containers.PruneContainers(container_pb2.PruneContainersRequest(filters=[wrong])), InvalidSpec
        )
    assert await prune(f"until={time.time() - 3600:.3f}") == set()
    assert await prune("label=tier=back") == set()
    assert await prune("label=tier") == {ended["labelled"]}
    both = {ended["old"], made}
    assert await prune("label!=keep", f"until={time.time() + 5:.3f}", request_id="one") == both
    # Its answer was lost: the same again, also when one of them is gone by now.
    await world.bury(made, None)
    assert await prune("label!=keep", request_id="one") == both
    assert await prune() == {ended["kept"]}
    assert await prune() == set()
