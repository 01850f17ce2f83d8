from __future__ import annotations

import asyncio

import pytest

from shoal_common.errors import AlreadyExists, Compacted, Conflict, InvalidSpec, NotFound
from shoal_controller.state import keys
from shoal_controller.state.kv import Txn
from shoal_proto.v1 import container_pb2, image_pb2
from shoal_proto.v1.container_pb2 import (
    ContainerPhase,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    DesiredState,
    RestartMode,
    RestartPolicy,
)
from shoal_proto.v1.node_pb2 import NodeState
from tests.parts.api_world import World, create_request, next_of, ref, refused, root_tar
from tests.parts.etcd import EtcdServer


async def test_the_same_create_again_answers_the_same_container_and_runs_nothing_twice(world: World) -> None:
    await world.image()
    request = create_request("web", env=["PASSWORD=hunter2"])
    answers = await asyncio.gather(*(world.containers.CreateContainer(request) for _ in range(5)))
    assert {answer.container.spec.id for answer in answers} == {request.id}
    assert answers[0].container.spec.run == 1
    other = container_pb2.CreateContainerRequest()
    other.CopyFrom(request)
    other.config.args.append("x")
    await refused(world.containers.CreateContainer(other), AlreadyExists)
    status = ContainerStatus(schema=1, state=ContainerState.CONTAINER_STATE_EXITED, run_served=1, exit_code=9)
    await world.bury(request.id, status)
    again = await world.containers.CreateContainer(request)
    assert not again.HasField("container")
    assert again.tombstone.status.exit_code == 9
    assert again.tombstone.request_mac == b""
    assert request.id not in world.cache.containers


async def test_environment_is_sealed_in_the_store_and_open_in_the_answer(world: World) -> None:
    await world.image()
    container = await world.create("web", env=["PASSWORD=hunter2"])
    assert list(container.spec.config.env) == ["PASSWORD=hunter2"]
    assert container.spec.sealed_env == container.spec.request_mac == b""
    _, stored = await world.kv.get(keys.container_spec("default", container.spec.id))
    assert stored is not None
    assert b"hunter2" not in stored.value
    spec = ContainerSpec.FromString(stored.value)
    assert spec.sealed_env
    assert len(spec.request_mac) == 32
    assert spec.image_digest.startswith("sha256:")
    assert spec.image_repository == f"{world.registry_host}/web"


async def test_says_what_is_wrong_and_leaves_nothing_behind(world: World) -> None:
    await world.image()
    await world.create("web")
    before = (await world.kv.list(keys.PREFIX)).entries
    taken = await refused(world.containers.CreateContainer(create_request("web")), AlreadyExists)
    assert '"web" is taken' in taken
    unknown = await refused(world.containers.CreateContainer(create_request("b", image="nope:1")), NotFound)
    assert "nope" in unknown
    await refused(world.containers.CreateContainer(create_request("-b")), InvalidSpec)
    await refused(world.containers.GetContainer(container_pb2.GetContainerRequest(container=ref("no"))), NotFound)
    assert (await world.kv.list(keys.PREFIX)).entries == before


async def test_a_pending_container_says_why(world: World) -> None:
    await world.image()
    assert "no node has joined" in (await world.create("web")).detail
    await world.node()
    await world.create("ssd", constraints=["node.labels.ssd==true"])
    found = await world.containers.GetContainer(container_pb2.GetContainerRequest(container=ref("ssd")))
    assert found.phase == ContainerPhase.CONTAINER_PHASE_PENDING
    assert found.detail == "1 node: 1 fails constraint node.labels.ssd==true"


async def test_start_stop_and_restart_count_runs_and_repeats_change_nothing(world: World) -> None:
    await world.image()
    await world.node()
    container = (await world.create("web", start=False)).spec.id
    start = container_pb2.StartContainerRequest(container=ref("web"), request_id="one")
    first = await world.containers.StartContainer(start)
    assert first.spec.run == 1
    assert (await world.containers.StartContainer(start)).revision == first.revision
    start.request_id = "two"
    assert (await world.containers.StartContainer(start)).spec.run == 1
    await world.place(container)
    await world.report(container, ContainerState.CONTAINER_STATE_RUNNING)
    stop = container_pb2.StopContainerRequest(container=ref(container[:8]), timeout_seconds=3)
    stopped = await world.containers.StopContainer(stop)
    assert (stopped.phase, stopped.spec.stop_grace_ms) == (ContainerPhase.CONTAINER_PHASE_STOPPING, 3000)
    await world.report(container, ContainerState.CONTAINER_STATE_EXITED, code=143)
    restart = container_pb2.RestartContainerRequest(container=ref("web"))
    assert (await world.containers.RestartContainer(restart)).spec.run == 2


async def test_pause_and_unpause_are_wishes_that_others_take_back(world: World) -> None:
    await world.image()
    await world.node()
    await world.start_agent()
    container = await world.running("web")
    pause = container_pb2.PauseContainerRequest(container=ref("web"), request_id="one")
    unpause = container_pb2.UnpauseContainerRequest(container=ref("web"))
    assert "is not paused" in await refused(world.containers.UnpauseContainer(unpause), Conflict)
    settled = container_pb2.WaitContainerRequest(
        container=ref("web"), condition=container_pb2.WAIT_CONDITION_SETTLED, run=1
    )
    assert (await next_of(world.containers.WaitContainer(settled))).done
    first = await world.containers.PauseContainer(pause)
    assert first.spec.paused
    # A repeat of a request whose answer was lost is no second pause.
    assert (await world.containers.PauseContainer(pause)).revision == first.revision
    waiting = world.containers.WaitContainer(settled)
    assert not (await next_of(waiting)).done
    pause.request_id = "two"
    assert "is paused already" in await refused(world.containers.PauseContainer(pause), Conflict)
    status = ContainerStatus(schema=1, generation=1, attempt=1, run_served=1, paused=True)
    status.state = ContainerState.CONTAINER_STATE_RUNNING
    await world.put(keys.container_status("default", container), status)
    done = await next_of(waiting)
    assert (done.done, done.phase) == (True, ContainerPhase.CONTAINER_PHASE_PAUSED)
    start = container_pb2.StartContainerRequest(container=ref("web"))
    assert "shoal unpause web" in await refused(world.containers.StartContainer(start), Conflict)
    plain = container_pb2.RemoveContainerRequest(container=ref("web"))
    assert "is paused and can't be removed" in await refused(world.containers.RemoveContainer(plain), Conflict)
    # Another signal waits in the process until it goes on; SIGKILL has it go on, and die.
    kill = container_pb2.KillContainerRequest(container=ref("web"), signal="HUP")
    await world.containers.KillContainer(kill)
    found = await world.containers.GetContainer(container_pb2.GetContainerRequest(container=ref("web")))
    assert found.spec.paused
    kill.signal = "KILL"
    await world.containers.KillContainer(kill)
    found = await world.containers.GetContainer(container_pb2.GetContainerRequest(container=ref("web")))
    assert not found.spec.paused
    await world.containers.PauseContainer(container_pb2.PauseContainerRequest(container=ref("web")))
    stopped = await world.containers.StopContainer(container_pb2.StopContainerRequest(container=ref("web")))
    assert not stopped.spec.paused
    await world.report(container, ContainerState.CONTAINER_STATE_EXITED, code=143)
    pause.request_id = "three"
    assert "it is exited" in await refused(world.containers.PauseContainer(pause), Conflict)


async def test_remove_wants_force_for_what_runs_and_then_frees_the_name_at_once(world: World) -> None:
    await world.image()
    await world.node()
    container = await world.running("web")
    plain = container_pb2.RemoveContainerRequest(container=ref("web"))
    assert "shoal rm -f web" in await refused(world.containers.RemoveContainer(plain), Conflict)
    force = container_pb2.RemoveContainerRequest(container=ref("web"), force=True)
    assert (await world.containers.RemoveContainer(force)).id == container
    stored = world.cache.containers[container].spec
    assert stored is not None
    assert stored.value.desired == DesiredState.DESIRED_STATE_REMOVED
    assert (await world.create("web")).spec.id != container
    force.container.ref = container
    await world.containers.RemoveContainer(force)
    started = container_pb2.StartContainerRequest(container=ref(container))
    await refused(world.containers.StartContainer(started), Conflict)


async def test_in_the_pause_before_a_restart_it_counts_as_running(world: World) -> None:
    await world.image()
    await world.node()
    policy = RestartPolicy(mode=RestartMode.RESTART_MODE_ALWAYS)
    container = (await world.create("web", restart=policy)).spec.id
    await world.place(container)
    await world.report(container, ContainerState.CONTAINER_STATE_EXITED, code=3, again_in=30)
    found = await world.containers.GetContainer(container_pb2.GetContainerRequest(container=ref("web")))
    assert found.phase == ContainerPhase.CONTAINER_PHASE_RESTARTING
    assert found.detail in ("again in 30 s", "again in 29 s")
    listed = await world.containers.ListContainers(container_pb2.ListContainersRequest())
    assert [each.spec.name for each in listed.containers] == ["web"]
    # Started it is already; removed or asked for a process it can't be.
    start = container_pb2.StartContainerRequest(container=ref("web"))
    assert (await world.containers.StartContainer(start)).spec.run == 1
    plain = container_pb2.RemoveContainerRequest(container=ref("web"))
    assert "restarting" in await refused(world.containers.RemoveContainer(plain), Conflict)
    kill = container_pb2.KillContainerRequest(container=ref("web"))
    assert "restart policy" in await refused(world.containers.KillContainer(kill), Conflict)
    # Whoever waits for its end waits on; whoever waited for it to run has seen it run.
    running = container_pb2.WaitContainerRequest(
        container=ref("web"), condition=container_pb2.WaitCondition.WAIT_CONDITION_RUNNING
    )
    assert (await next_of(world.containers.WaitContainer(running))).done
    waiting = world.containers.WaitContainer(container_pb2.WaitContainerRequest(container=ref("web")))
    assert not (await next_of(waiting)).done
    stopped = await world.containers.StopContainer(container_pb2.StopContainerRequest(container=ref("web")))
    assert (stopped.phase, stopped.spec.desired) == (
        ContainerPhase.CONTAINER_PHASE_STOPPING,
        DesiredState.DESIRED_STATE_STOPPED,
    )
    await world.report(container, ContainerState.CONTAINER_STATE_EXITED, code=3)
    async with asyncio.timeout(5):
        while not (answer := await next_of(waiting)).done:
            pass
    assert (answer.exit_code, answer.phase) == (3, ContainerPhase.CONTAINER_PHASE_EXITED)


async def test_a_repeated_removal_is_answered_from_the_tombstone(world: World) -> None:
    await world.image()
    container = (await world.create("web", start=False)).spec.id
    request = container_pb2.RemoveContainerRequest(container=ref("web"), request_id="one")
    first = await world.containers.RemoveContainer(request)
    await world.bury(container, None)
    for text in ("web", container, container[:8]):
        request.container.ref = text
        assert await world.containers.RemoveContainer(request) == first
    request.container.ref = "other"
    await refused(world.containers.RemoveContainer(request), NotFound)
    for request_id in ("two", ""):
        request = container_pb2.RemoveContainerRequest(container=ref("web"), request_id=request_id)
        await refused(world.containers.RemoveContainer(request), NotFound)


async def test_a_repeated_removal_spares_what_has_the_name_now(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.image()
    await world.node()
    container = await world.running("web")
    request = container_pb2.RemoveContainerRequest(container=ref("web"), request_id="one", force=True)
    first = await world.containers.RemoveContainer(request)
    assert first.id == container
    second = (await world.create("web")).spec.id
    assert await world.containers.RemoveContainer(request) == first
    await world.bury(container, None)
    assert await world.containers.RemoveContainer(request) == first
    assert _desired(world, second) == DesiredState.DESIRED_STATE_RUNNING
    commit = world.kv.commit
    third = ""

    async def late(txn: Txn) -> int:
        """Commit when the same request was carried out elsewhere, and the name is another container's already."""
        nonlocal third
        monkeypatch.undo()
        await world.containers.RemoveContainer(request)
        await world.bury(second, None)
        third = (await world.create("web")).spec.id
        return await commit(txn)

    request.request_id = "two"
    monkeypatch.setattr(world.kv, "commit", late)
    assert (await world.containers.RemoveContainer(request)).id == second
    assert _desired(world, third) == DesiredState.DESIRED_STATE_RUNNING


def _desired(world: World, container: str) -> DesiredState:
    spec = world.cache.containers[container].spec
    assert spec is not None
    return spec.value.desired


async def test_updates_at_the_same_time_all_count(world: World) -> None:
    await world.image()
    await world.create("web")
    restart = container_pb2.RestartContainerRequest(container=ref("web"))
    await asyncio.gather(*(world.containers.RestartContainer(restart) for _ in range(5)))
    found = await world.containers.GetContainer(container_pb2.GetContainerRequest(container=ref("web")))
    assert found.spec.run == 6


async def test_lists_by_page_in_the_order_of_creation(world: World) -> None:
    await world.image()
    for number in range(5):
        await world.create(f"c{number}", start=number != 3, labels={"n": str(number)})
    await world.node()
    names: list[str] = []
    request = container_pb2.ListContainersRequest(all=True, page_size=2)
    while True:
        page = await world.containers.ListContainers(request)
        names += [container.spec.name for container in page.containers]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert names == ["c0", "c1", "c2", "c3", "c4"]
    labelled = await world.containers.ListContainers(container_pb2.ListContainersRequest(labels=["n=2"]))
    assert [container.spec.name for container in labelled.containers] == ["c2"]
    on_node = await world.containers.ListContainers(container_pb2.ListContainersRequest(node="node2", all=True))
    assert not on_node.containers
    await refused(world.containers.ListContainers(container_pb2.ListContainersRequest(page_token="x")), InvalidSpec)


async def test_lists_what_filters_choose(world: World) -> None:
    await world.node()
    await world.image()
    for name, code in (("web", None), ("job", 7), ("other", 0)):
        container = await world.running(name)
        if code is not None:
            await world.report(container, container_pb2.ContainerState.CONTAINER_STATE_EXITED, code=code)

    async def names(*filters: str, all: bool = False, last: int = 0) -> list[str]:
        request = container_pb2.ListContainersRequest(filters=filters, page_size=1, all=all, last=last)
        found: list[str] = []
        while True:
            page = await world.containers.ListContainers(request)
            assert page.selected
            found += [container.spec.name for container in page.containers]
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found

    assert await names() == ["web"]
    assert await names("exited=7", "exited=0") == ["job", "other"]
    assert await names("status=exited", "name=^j", "node=node2") == ["job"]
    assert await names("since=web", all=True) == ["job", "other"]
    assert await names(last=2) == ["job", "other"]
    assert await names("name=e", last=1) == ["other"]
    for bad, error in (("colour=red", InvalidSpec), ("node=node9", NotFound), ("before=nobody", NotFound)):
        await refused(world.containers.ListContainers(container_pb2.ListContainersRequest(filters=[bad])), error)
    many = container_pb2.ListContainersRequest(filters=["name=a"] * 101)
    await refused(world.containers.ListContainers(many), InvalidSpec)


async def test_watch_goes_on_from_a_list_and_tells_of_removals_in_between(world: World, etcd: EtcdServer) -> None:
    await world.image()
    gone = (await world.create("gone")).spec.id
    kept = (await world.create("kept")).spec.id
    listed = await world.containers.ListContainers(container_pb2.ListContainersRequest(all=True))
    await world.bury(gone, None)
    await world.node()
    await world.place(kept)
    watch = world.containers.WatchContainers(
        container_pb2.WatchContainersRequest(after_revision=listed.revision), timeout=20
    )
    first = [await next_of(watch), await next_of(watch)]
    assert {change.removed or change.container.spec.id for change in first} == {gone, kept}
    new = (await world.create("new")).spec.id
    assert (await next_of(watch)).container.spec.id == new
    await world.node(NodeState.NODE_STATE_DOWN, seconds_ago=12)
    change = await next_of(watch)
    while change.container.spec.id != kept or not change.container.detail:
        change = await next_of(watch)
    assert change.container.detail == "node down 12 s"
    assert change.container.HasField("node_down_since")
    watch.cancel()
    etcd.compact(world.cache.revision)
    late = world.containers.WatchContainers(container_pb2.WatchContainersRequest(after_revision=listed.revision))
    await refused(late.read(), Compacted)


async def test_what_names_no_command_is_refused_before_it_is_made(world: World) -> None:
    await world.import_image("web:3", root_tar(), config=image_pb2.ImageConfig())
    said = await refused(
        world.containers.CreateContainer(create_request("web")),
        InvalidSpec,
    )
    assert said == 'image "web:3" names no command and none was given (append one: shoal run IMAGE COMMAND)'
    assert world.cache.containers == {}
    assert (await world.create("web", args=["sh"])).spec.name == "web"
