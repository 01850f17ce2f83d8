from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc.aio
import pytest

from shoal_common.errors import Conflict, NotFound, Unavailable
from shoal_proto.v1 import container_pb2
from shoal_proto.v1.container_pb2 import (
    ContainerState,
    ContainerStatus,
    ExecRequest,
    ExecResponse,
    ExecStart,
    LogsRequest,
    LogsResponse,
    WaitCondition,
    WaitContainerRequest,
)
from shoal_proto.v1.node_pb2 import NodeState
from tests.parts.api_world import World, next_of, ours, ref, refused

RUNNING, EXITED = ContainerState.CONTAINER_STATE_RUNNING, ContainerState.CONTAINER_STATE_EXITED

_ENDED, _RUNNING = WaitCondition.WAIT_CONDITION_UNSPECIFIED, WaitCondition.WAIT_CONDITION_RUNNING
_REMOVED, _READY = WaitCondition.WAIT_CONDITION_REMOVED, WaitCondition.WAIT_CONDITION_READY


@pytest.fixture
async def ready(world: World) -> World:
    await world.image()
    await world.node()
    await world.start_agent()
    return world


class Lines:
    """Reads a stream of logs in the background."""

    def __init__(self, call: grpc.aio.UnaryStreamCall[LogsRequest, LogsResponse]) -> None:
        self.got: list[bytes] = []
        self._arrived = asyncio.Event()
        self._call = call
        self.done = asyncio.create_task(self._read(), name="lines")

    async def _read(self) -> None:
        async for response in self._call:
            self.got += [entry.data for entry in response.entries]
            self._arrived.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.got) < count:
                self._arrived.clear()
                await self._arrived.wait()


async def test_a_follow_waits_for_the_placement_and_ends_with_its_run(ready: World) -> None:
    container = (await ready.create("web")).spec.id
    lines = Lines(ready.containers.ContainerLogs(LogsRequest(container=ref("web"), follow=True, run=1)))
    ready.agent.write(b"one\n", b"two\n")
    await ready.place(container)
    await lines.until(2)
    ready.agent.write(b"three\n")
    await ready.report(container, EXITED)
    await lines.until(3)
    ready.agent.end()
    await asyncio.wait_for(lines.done, 10)
    assert lines.got == [b"one\n", b"two\n", b"three\n"]


async def test_no_line_is_lost_or_doubled_when_the_agent_restarts_under_a_follow(ready: World) -> None:
    await ready.running("web")
    ready.agent.write(*(b"%d\n" % number for number in range(300)))
    lines = Lines(ready.containers.ContainerLogs(LogsRequest(container=ref("web"), follow=True)))
    await lines.until(100)
    await ready.stop_agent()
    ready.agent.write(*(b"%d\n" % number for number in range(300, 600)))
    await ready.start_agent()
    await lines.until(600)
    assert lines.got == [b"%d\n" % number for number in range(600)]
    assert len(ready.agent.log_calls) > 1
    lines.done.cancel()


async def test_says_that_the_rest_of_the_output_is_lost(ready: World) -> None:
    container = await ready.running("web")
    ready.agent.write(b"begins\n")
    call = ready.containers.ContainerLogs(LogsRequest(container=ref("web"), follow=True, run=1))
    assert [entry.data for entry in (await next_of(call)).entries] == [b"begins\n"]
    # The connection breaks, and by the time that there is another the container has ended and is gone, with its logs.
    await ready.stop_agent()
    ready.agent.known = False
    await ready.report(container, EXITED)
    await ready.start_agent()
    assert 'the rest of what container "web" wrote is lost' in await refused(call.read(), NotFound)


async def test_logs_of_a_container_that_never_ran_end_with_nothing(ready: World) -> None:
    container = (await ready.create("web")).spec.id
    assert [r async for r in ready.containers.ContainerLogs(LogsRequest(container=ref("web")))] == []
    await ready.containers.StopContainer(container_pb2.StopContainerRequest(container=ref("web")))
    follow = LogsRequest(container=ref("web"), follow=True, run=1)
    assert [r async for r in ready.containers.ContainerLogs(follow, timeout=10)] == []
    await ready.bury(container, None)
    assert [r async for r in ready.containers.ContainerLogs(LogsRequest(container=ref(container)))] == []


async def test_says_that_logs_went_with_their_container(ready: World) -> None:
    container = await ready.running("web")
    status = ContainerStatus(state=EXITED, run_served=1)
    status.started_at.GetCurrentTime()
    await ready.bury(container, status)
    logs = ready.containers.ContainerLogs(LogsRequest(container=ref(container)))
    assert "was removed, and its logs with it" in await refused(logs.read(), NotFound)


async def test_names_the_node_that_is_down_and_for_how_long(ready: World) -> None:
    await ready.running("web")
    await ready.node(NodeState.NODE_STATE_DOWN, seconds_ago=12)
    logs = ready.containers.ContainerLogs(LogsRequest(container=ref("web")))
    assert await refused(logs.read(), Unavailable) == (
        "node node2 has been down for 12 s, its logs can't be read now (bring its host and agent back; "
        "shoal node ls shows when it is)"
    )
    kill = ready.containers.KillContainer(container_pb2.KillContainerRequest(container=ref("web")))
    assert "node node2 has been down for" in await refused(kill, Unavailable)


async def test_names_the_agent_that_does_not_answer(ready: World) -> None:
    await ready.running("web")
    await ready.stop_agent()
    kill = ready.containers.KillContainer(container_pb2.KillContainerRequest(container=ref("web")))
    assert f"node node2 at {ready.agent_address} does not answer" in await refused(kill, Unavailable)


async def test_kill_sends_the_signal_and_only_to_what_runs(ready: World) -> None:
    container = await ready.running("web")
    await ready.containers.KillContainer(container_pb2.KillContainerRequest(container=ref("web"), signal="hup"))
    assert ready.agent.signals == [(container, 1)]
    await ready.report(container, EXITED)
    again = ready.containers.KillContainer(container_pb2.KillContainerRequest(container=ref("web")))
    assert "it is exited, not running" in await refused(again, Conflict)


async def exec_requests(*pieces: ExecRequest) -> AsyncIterator[ExecRequest]:
    yield ExecRequest(start=ExecStart(container=ref("web"), args=["cat"], stdin=True))
    for piece in pieces:
        yield piece


async def test_exec_carries_input_both_outputs_half_close_and_exit_code(ready: World) -> None:
    await ready.running("web")
    data = [bytes([number]) * 50_000 for number in range(100)]
    call = ready.containers.ExecContainer(exec_requests(*(ExecRequest(stdin=piece) for piece in data)), timeout=30)
    got: list[ExecResponse] = [response async for response in call]
    assert got[0].started == 42
    assert b"".join(response.stdout for response in got) == b"".join(data)
    assert any(response.stderr for response in got)
    assert got[-1].exit_code == 5_000_000 % 256


async def test_exec_passes_signals_and_its_cancellation_reaches_the_agent(ready: World) -> None:
    container = await ready.running("web")
    call = ready.containers.ExecContainer(exec_requests(ExecRequest(signal=2)), timeout=30)
    assert [response async for response in call][-1].exit_code == 130
    other = ready.containers.ExecContainer()
    await other.write(ExecRequest(start=ExecStart(container=ref("web"), args=["cat"], stdin=True)))
    answer = await other.read()
    assert isinstance(answer, ExecResponse)
    other.cancel()
    await asyncio.wait_for(ready.agent.exec_cancelled.wait(), 10)
    assert ready.agent.signals == []
    assert ready.cache.containers[container].status is not None


async def test_exec_says_what_is_wrong(ready: World) -> None:
    container = await ready.running("web")
    twice = ready.containers.ExecContainer(
        exec_requests(ExecRequest(start=ExecStart(container=ref("web"), args=["a"])))
    )
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        _ = [response async for response in twice]
    assert "told twice" in ours(raised.value).message
    for number in (0, 65, 2**32 - 1):
        unknown = ready.containers.ExecContainer(exec_requests(ExecRequest(signal=number)), timeout=30)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            _ = [response async for response in unknown]
        assert f"signal {number} is not known" in ours(raised.value).message
    cut = ready.containers.ExecContainer()
    await cut.write(ExecRequest(start=ExecStart(container=ref("web"), args=["cat"], stdin=True)))
    await cut.read()
    await ready.stop_agent()
    assert "was cut off" in await refused(cut.read(), Unavailable)
    await ready.report(container, EXITED)
    ended = ready.containers.ExecContainer(exec_requests())
    assert "not running" in await refused(ended.read(), Conflict)


async def test_wait_tells_each_change_and_the_exit_code_of_its_run(ready: World) -> None:
    container = (await ready.create("web")).spec.id
    wait = ready.containers.WaitContainer(WaitContainerRequest(container=ref("web")), timeout=30)
    seen = [await next_of(wait)]
    await ready.place(container)
    seen.append(await next_of(wait))
    await ready.report(container, RUNNING)
    seen.append(await next_of(wait))
    await ready.report(container, EXITED, code=7)
    seen.append(await next_of(wait))
    phases = [container_pb2.ContainerPhase.Name(answer.phase).removeprefix("CONTAINER_PHASE_") for answer in seen]
    assert phases == ["PENDING", "PREPARING", "RUNNING", "EXITED"]
    assert [answer.done for answer in seen] == [False, False, False, True]
    assert seen[-1].exit_code == 7


async def test_wait_finds_the_exit_code_of_what_was_removed_meanwhile(ready: World) -> None:
    container = await ready.running("web")
    wait = ready.containers.WaitContainer(WaitContainerRequest(container=ref(container), run=1), timeout=30)
    await next_of(wait)
    await ready.bury(container, ContainerStatus(state=EXITED, run_served=1, exit_code=3))
    last = await next_of(wait)
    assert (last.done, last.exit_code) == (True, 3)
    for text in (container, container[:10], "web"):
        late = ready.containers.WaitContainer(WaitContainerRequest(container=ref(text)), timeout=30)
        answer = await next_of(late)
        assert (answer.done, answer.exit_code, answer.id) == (True, 3, container)
    nobody = ready.containers.WaitContainer(WaitContainerRequest(container=ref("nobody")))
    await refused(nobody.read(), NotFound)


async def test_wait_tells_what_failed_as_such_while_it_is_being_removed(ready: World) -> None:
    container = await ready.running("web")
    await ready.report(container, container_pb2.ContainerState.CONTAINER_STATE_FAILED, code=125)
    await ready.containers.RemoveContainer(container_pb2.RemoveContainerRequest(container=ref(container)))
    last = await next_of(ready.containers.WaitContainer(WaitContainerRequest(container=ref(container), run=1)))
    assert (last.done, last.exit_code) == (True, 125)
    assert last.phase == container_pb2.ContainerPhase.CONTAINER_PHASE_FAILED


async def test_wait_for_removal_running_and_readiness(ready: World) -> None:
    container = (await ready.create("web", start=False)).spec.id

    async def wait(condition: WaitCondition) -> container_pb2.WaitContainerResponse:
        request = WaitContainerRequest(container=ref(container), condition=condition)
        answers = [answer async for answer in ready.containers.WaitContainer(request, timeout=30)]
        return answers[-1]

    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(wait(condition)) for condition in (_ENDED, _RUNNING, _REMOVED, _READY)]
        await ready.place(container, admitted=0)
        await ready.report(container, ContainerState.CONTAINER_STATE_READY, run=0)
        await ready.containers.StartContainer(container_pb2.StartContainerRequest(container=ref("web")))
        await ready.place(container)
        await ready.report(container, RUNNING)
        await ready.report(container, EXITED)
        await ready.bury(container, ContainerStatus(state=EXITED, run_served=1))
    assert all(task.result().done for task in waits)


async def test_wait_ends_for_a_run_that_was_stopped_before_it_started(ready: World) -> None:
    await ready.create("web")
    wait = ready.containers.WaitContainer(WaitContainerRequest(container=ref("web")), timeout=30)
    await next_of(wait)
    await ready.containers.StopContainer(container_pb2.StopContainerRequest(container=ref("web")))
    last = await next_of(wait)
    while not last.done:
        last = await next_of(wait)
    assert (last.done, last.exit_code, last.detail) == (True, 125, "it was stopped before it could start")


async def test_a_follow_does_not_ask_again_for_what_has_ended_and_may_be_removed(ready: World) -> None:
    container = await ready.running("web")
    lines = Lines(ready.containers.ContainerLogs(LogsRequest(container=ref("web"), follow=True, run=1)))
    ready.agent.write(b"one\n")
    await lines.until(1)
    ready.agent.end()
    ready.agent.known = False
    await ready.report(container, EXITED)
    await ready.bury(container, ContainerStatus(state=EXITED, run_served=1))
    await asyncio.wait_for(lines.done, 3)
    assert lines.got == [b"one\n"]
    assert len(ready.agent.log_calls) == 1
