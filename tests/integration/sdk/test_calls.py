"""The SDK against real gRPC: failover, repetition, resumption, errors."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import shoal
from shoal.transport import CONNECT, DEADLINE
from shoal_common.errors import NODE_DOWN
from shoal_common.errors import Unavailable as NotNow
from shoal_common.identity import Role
from shoal_proto.v1 import container_pb2 as pb
from tests.fakes.api import Authority, FakeController, State
from tests.parts.proxy import Proxy


def lines(*texts: str) -> list[pb.LogEntry]:
    return [pb.LogEntry(stream=pb.LOG_STREAM_STDOUT, data=f"{text}\n".encode()) for text in texts]


async def test_a_lost_answer_is_asked_for_with_the_same_bytes(cluster: shoal.Cluster, state: State) -> None:
    state.lose_answer.add("CreateContainer")
    container = await cluster.containers.run("web", name="one")
    first, again = [request for name, request in state.calls if name == "CreateContainer"]
    assert first == again
    assert container.spec.id == first.id
    assert len(state.containers) == 1


async def test_what_ended_before_the_answer_came_is_answered_from_its_tombstone(
    cluster: shoal.Cluster, state: State
) -> None:
    state.new_phase, state.exit_code = pb.CONTAINER_PHASE_EXITED, 7
    container = await cluster.containers.run("web", auto_remove=True)
    assert (container.phase, container.status.exit_code) == (pb.CONTAINER_PHASE_EXITED, 7)
    assert (await cluster.containers.wait(container.spec.id, run=1)).exit_code == 7


async def test_a_removal_whose_answer_was_lost_counts(cluster: shoal.Cluster, state: State) -> None:
    container = await cluster.containers.create("web", name="one")
    state.lose_answer.add("RemoveContainer")
    assert await cluster.containers.remove("one") == container.spec.id
    with pytest.raises(shoal.NotFound):
        await cluster.containers.remove("one")


async def test_a_signal_is_never_sent_twice(cluster: shoal.Cluster, state: State) -> None:
    await cluster.containers.run("web", name="one")
    state.lose_answer.add("KillContainer")
    with pytest.raises(shoal.Unavailable):
        await cluster.containers.kill("one", "HUP")
    assert state.signals == ["HUP"]


async def test_another_endpoint_answers_for_a_dead_one(
    context: shoal.Context, controller: FakeController, second: FakeController, state: State
) -> None:
    both = dataclasses.replace(context, endpoints=(controller.address, second.address))
    async with shoal.connect(both) as cluster:
        await cluster.containers.run("web", name="one")
        await controller.stop()
        assert (await cluster.containers.get("one")).spec.name == "one"
        await cluster.containers.kill("one")
    assert state.signals == ["SIGKILL"]


async def test_one_that_accepts_and_says_nothing_holds_nobody_up(
    context: shoal.Context, controller: FakeController
) -> None:
    # As the kernel does for a process that was stopped in its tracks.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        several = dataclasses.replace(context, endpoints=(address, controller.address))
        async with shoal.connect(several) as cluster:
            began = time.monotonic()
            await cluster.info()
            assert time.monotonic() - began < CONNECT


async def test_one_that_falls_silent_during_a_call_holds_nobody_up(
    context: shoal.Context, controller: FakeController, second: FakeController
) -> None:
    async with Proxy(int(controller.address.rpartition(":")[2])) as proxy:
        several = dataclasses.replace(context, endpoints=(f"127.0.0.1:{proxy.port}", second.address))
        async with shoal.connect(several) as cluster:
            await cluster.info()
            proxy.requests.clear()
            proxy.answers.clear()
            # Much sooner than an attempt may take where there is nobody else to ask.
            began = time.monotonic()
            await cluster.info()
            assert time.monotonic() - began < DEADLINE / 2


async def test_errors_arrive_as_they_were_raised(cluster: shoal.Cluster, state: State) -> None:
    await cluster.containers.create("web", name="one")
    with pytest.raises(shoal.AlreadyExists, match='"one" is taken'):
        await cluster.containers.create("web", name="one")
    state.failures["GetContainer"] = [NotNow("etcd does not answer")]
    assert (await cluster.containers.get("one")).spec.name == "one"


async def test_a_node_that_is_down_is_not_waited_for(cluster: shoal.Cluster, state: State) -> None:
    await cluster.containers.create("web", name="one")
    down = shoal.Unavailable("node n1 has been down for 12 s", metadata={NODE_DOWN: "n1"})
    state.failures["TopContainer"] = [down] * 2
    with pytest.raises(shoal.Unavailable, match="has been down for 12 s"):
        await cluster.containers.top("one")
    assert state.failures["TopContainer"] == [down]


async def test_an_unreachable_controller_is_named_soon(context: shoal.Context, controller: FakeController) -> None:
    await controller.stop()
    async with asyncio.timeout(10), shoal.connect(context) as cluster:
        with pytest.raises(shoal.Unavailable, match=rf"{controller.address} does not answer: connection refused"):
            await cluster.containers.list()


async def test_certificates_are_looked_at_before_dialling(
    context: shoal.Context, authority: Authority, tmp_path: Path
) -> None:
    expired = authority.issue("expired", Role.ADMIN, days=-1)
    missing = dataclasses.replace(context, certificate=tmp_path / "none.pem")
    old = dataclasses.replace(context, certificate=expired[0], key=expired[1])
    for bad, words in ((missing, "none.pem can't be read"), (old, "expired.pem expired")):
        async with shoal.connect(bad) as cluster:
            with pytest.raises(shoal.Unauthenticated, match=words):
                await cluster.nodes.list()


async def test_another_cluster_is_told_from_a_dead_one(context: shoal.Context, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    async with shoal.connect(dataclasses.replace(context, ca=other.ca)) as cluster:
        with pytest.raises(shoal.Unavailable, match="a controller of another cluster"):
            await cluster.nodes.list()


async def test_a_role_that_may_not_is_refused(context: shoal.Context, authority: Authority) -> None:
    certificate, key = authority.issue("node", Role.NODE)
    async with shoal.connect(dataclasses.replace(context, certificate=certificate, key=key)) as cluster:
        with pytest.raises(shoal.PermissionDenied):
            await cluster.nodes.list()


async def test_wait_goes_on_after_a_restart(cluster: shoal.Cluster, controller: FakeController, state: State) -> None:
    await cluster.containers.run("web", name="one")
    seen = asyncio.Event()
    waiting = asyncio.create_task(cluster.containers.wait("one", on_change=lambda response: seen.set()))
    await seen.wait()
    await controller.stop()
    await controller.start()
    await state.end("one", 9)
    async with asyncio.timeout(10):
        assert (await waiting).exit_code == 9


async def test_followed_logs_lose_and_repeat_nothing(cluster: shoal.Cluster, state: State) -> None:
    await cluster.containers.run("web", name="one")
    state.lines, state.logs_complete = lines("a", "b", "c", "d"), False
    state.break_logs_after = [1, 2]
    seen: list[bytes] = []
    async with asyncio.timeout(10):
        async for entry in cluster.containers.logs("one", follow=True):
            seen.append(entry.data)
            if entry.data == b"d\n":
                state.lines += lines("e")
                state.logs_complete = True
                await state.changed()
    assert b"".join(seen) == b"a\nb\nc\nd\ne\n"
    assert [entry.data async for entry in cluster.containers.logs("one", tail=2)] == [b"d\n", b"e\n"]


async def test_pages_are_put_together(cluster: shoal.Cluster) -> None:
    for name in "abcde":
        await cluster.containers.create("web", name=name)
    assert [each.spec.name for each in await cluster.containers.list(all=True)] == list("abcde")


@pytest.mark.parametrize("chosen", [{"filters": ["status=exited"]}, {"last": 2}])
async def test_a_controller_that_does_not_filter_is_not_believed(cluster: shoal.Cluster, chosen: Any) -> None:
    # As one of version 0.2.0, the fake does not know these fields, and lists everything.
    await cluster.containers.create("web", name="one")
    with pytest.raises(shoal.Conflict, match="older version"):
        await cluster.containers.list(all=True, **chosen)


async def test_watch_makes_up_for_compacted_history(
    cluster: shoal.Cluster, controller: FakeController, state: State
) -> None:
    kept = await cluster.containers.create("web", name="kept")
    gone = await cluster.containers.create("web", name="gone")
    changes = cluster.containers.watch()
    async with asyncio.timeout(10):
        first = {(await anext(changes)).id, (await anext(changes)).id}
        assert first == {kept.spec.id, gone.spec.id}
        later = asyncio.ensure_future(anext(changes))
        async with state.condition:
            await state.condition.wait_for(lambda: any(name == "WatchContainers" for name, _ in state.calls))
        await controller.stop()
        await state.drop(gone.spec.id)
        state.events.clear()
        state.compacted = state.revision
        await controller.start()
        change = await later
        assert (change.id, change.container) == (gone.spec.id, None)
        later = asyncio.ensure_future(anext(changes))
        await state.end("kept", 0)
        assert (await later).container is not None
    await changes.aclose()


async def test_exec_has_both_outputs_input_and_exit_code(cluster: shoal.Cluster) -> None:
    await cluster.containers.run("web", name="one")
    async with cluster.containers.exec("one", ["both"]) as process:
        assert process.pid == 42
        assert await process.communicate() == (3, b"out\n", b"err\n")
    data = bytes(range(256)) * 2048
    async with cluster.containers.exec("one", ["cat"], stdin=True) as process:
        assert await process.communicate(data) == (0, data, b"")
    async with cluster.containers.exec("one", ["sleep"]) as process:
        await process.signal(15)
        assert await process.wait() == 143
    async with cluster.containers.exec("one", ["nothing"]) as process:
        assert await process.wait() == 127


async def test_exec_that_breaks_off_says_so(cluster: shoal.Cluster) -> None:
    await cluster.containers.run("web", name="one")
    with pytest.raises(shoal.Unavailable):
        async with cluster.containers.exec("one", ["lost"]) as process:
            await process.wait()
    with pytest.raises(shoal.NotFound):
        async with cluster.containers.exec("other", ["cat"]):
            pass


async def test_an_archive_arrives_whole(cluster: shoal.Cluster, state: State, tmp_path: Path) -> None:
    archive = tmp_path / "root.tar"
    archive.write_bytes(bytes(700_000))
    told: list[int] = []
    image = await cluster.images.import_archive(archive, "web:3", on_progress=told.append)
    assert image.reference == "web:3"
    assert state.archive == archive.read_bytes()
    assert told[-1] == 700_000
    assert (await cluster.images.get("web:3")).digest == image.digest
    with pytest.raises(shoal.InvalidSpec, match="can't be read"):
        await cluster.images.import_archive(tmp_path / "none.tar", "web:4")
    assert "web:4" not in state.images


async def test_half_an_archive_makes_no_image(cluster: shoal.Cluster, state: State) -> None:
    arrived = asyncio.Event()

    def on_progress(received: int) -> None:
        if received:
            arrived.set()

    async def breaking() -> AsyncIterator[bytes]:
        yield bytes(100_000)
        await arrived.wait()
        raise shoal.InvalidSpec("the disk is broken")

    async def endless() -> AsyncIterator[bytes]:
        yield bytes(100_000)
        await asyncio.Event().wait()

    with pytest.raises(shoal.InvalidSpec, match="disk is broken"):
        await cluster.images.import_archive(breaking(), "web:3", on_progress=on_progress)
    arrived.clear()
    importing = asyncio.create_task(cluster.images.import_archive(endless(), "web:4", on_progress=on_progress))
    await arrived.wait()
    importing.cancel()
    async with asyncio.timeout(10), state.condition:
        await state.condition.wait_for(lambda: [name for name, _ in state.calls] == ["ImportImage"] * 2)
    assert not state.images


async def test_the_way_of_a_request_shows_dead_endpoints_and_the_servers_share(
    context: shoal.Context, controller: FakeController, second: FakeController
) -> None:
    steps: list[shoal.Step] = []
    both = dataclasses.replace(context, endpoints=(controller.address, second.address))
    await controller.stop()
    async with shoal.connect(both, path=shoal.RequestPath(steps.append)) as cluster:
        with shoal.trace():
            await cluster.containers.run("web", name="one")
        with pytest.raises(shoal.NotFound):
            await cluster.containers.get("two")
    told = [(step.what, step.endpoint, bool(step.error)) for step in steps]
    assert told == [
        ("connect", controller.address, True),
        ("connect", second.address, False),
        ("CreateContainer", second.address, False),
        ("GetContainer", second.address, True),
    ]
    assert 0 < steps[2].server["total"] <= steps[2].seconds * 1000
    assert "not found" in steps[3].error
    steps.clear()
    async with shoal.connect(both, path=shoal.RequestPath(steps.append)) as cluster:
        await anext(cluster.containers.progress("one"))
    assert [(step.what, bool(step.error)) for step in steps] == [
        ("connect", True),
        ("connect", False),
        ("WaitContainer", False),
    ]


async def test_the_policy_is_read_and_changed(cluster: shoal.Cluster) -> None:
    assert list((await cluster.policy()).allowed) == ["devices"]
    assert list((await cluster.update_policy(["seccomp"], deny=["devices"])).allowed) == ["seccomp"]
