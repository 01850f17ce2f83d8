"""Renaming, changing and pruning, over gRPC and with etcd."""

from __future__ import annotations

import asyncio
import time

from shoal_common.errors import AlreadyExists, Conflict, InvalidSpec, NotFound
from shoal_controller.state import keys
from shoal_proto.v1 import container_pb2
from shoal_proto.v1.container_pb2 import ContainerState, RestartMode, RestartPolicy
from tests.parts.api_world import World, ref, refused

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
    nothing.resources.memory_bytes = 1 << 30
    assert "limits" in await refused(world.containers.UpdateContainer(nothing), InvalidSpec)


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
