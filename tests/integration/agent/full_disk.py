"""An agent whose disk is full: a small ext4 of the test's own. One function each; `scenarios` runs them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from shoal_common.registry import Registry
from shoal_proto.v1.agent_pb2 import (
    AgentExecRequest,
    AgentExecStart,
    AgentLogsRequest,
    AgentPullRequest,
    AgentUsageRequest,
)
from shoal_proto.v1.container_pb2 import ContainerState, DesiredState, ExecStart
from shoal_proto.v1.dispatcher_pb2 import Assignment
from tests.integration.agent.machine import Machine
from tests.integration.agent.restarts import last, restarting
from tests.integration.images.conftest import ImageMaker, tar_of

RUNNING: Final = ContainerState.CONTAINER_STATE_RUNNING
EXITED: Final = ContainerState.CONTAINER_STATE_EXITED
PREPARING: Final = ContainerState.CONTAINER_STATE_PREPARING
#: Size of the disk in MiB.
DISK: Final = 96
COUNT: Final = "i=0; while true; do i=$((i+1)); echo $i; sleep 0.1; done"


def fill(directory: Path) -> Path:
    """Write a file until nothing more fits: not a block is left."""
    path = directory / "filler"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    os.write(descriptor, b"x" * size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    assert os.statvfs(directory).f_bavail < 16
    return path


def _log(host: Machine, one: Assignment) -> bytes:
    return (host.paths.logs(one.id, 1) / "1.0.log").read_bytes()


def _problems(host: Machine) -> list[str]:
    return [each.kind for each in host.leader.descriptions[-1].problems]


async def survives_a_full_disk(host: Machine) -> None:
    """What runs runs on; stop, rm, exec and logs work; nothing new begins, and begins by itself once there is room."""
    counting = host.assignment("sh", "-c", COUNT)
    idle = host.assignment("sleep", "1000")
    gone = host.assignment("sleep", "1000")
    looping = restarting(host, "sleep", "1000")
    await host.leader.put(counting, idle, gone, looping)
    await host.leader.until(
        lambda: all(last(host, one).state == RUNNING for one in (counting, idle, gone, looping)), "four that run"
    )
    pid = last(host, counting).pid
    filler = fill(host.paths.data)
    await host.leader.until(lambda: _problems(host) == ["disk-full"], "the problem")
    message = host.leader.descriptions[-1].problems[0].message
    assert "free" in message
    assert "needed" in message
    late = host.assignment("sh", "-c", COUNT)
    await host.leader.put(late)
    async with host.service() as service:

        async def requests() -> AsyncIterator[AgentExecRequest]:
            start = ExecStart(args=["echo", "here"])
            yield AgentExecRequest(start=AgentExecStart(id=idle.id, generation=1, start=start))

        said = b"".join([each.stdout async for each in service.Exec(requests())])
        assert said == b"here\n"
        assert [each async for each in service.Logs(AgentLogsRequest(id=counting.id))]
    stopped = await host.change(idle, desired=DesiredState.DESIRED_STATE_STOPPED, stop_grace_ms=100)
    await host.leader.until(lambda: last(host, stopped).state == EXITED, "a stop on a full disk")
    # The next agent process comes up on the full disk, and finds everything as it was.
    host.kill_agent()
    host.start_agent()
    await host.leader.until(lambda: len(host.leader.processes) == 2, "a session")
    assert _problems(host) == ["disk-full"]
    os.kill(pid, 0)
    fill(host.paths.data)
    await host.remove(gone)
    os.kill(last(host, looping).pid, 9)
    await host.leader.until(lambda: last(host, looping).restarts > 0, "a restart by policy")
    assert not host.output(late)
    assert host.process is not None
    assert host.process.poll() is None
    os.kill(pid, 0)
    filler.unlink()
    await host.leader.until(lambda: _problems(host) == [], "room")
    await host.leader.until(lambda: last(host, late).state == RUNNING, "what waited")
    await host.eventually(lambda: len(host.output(late)) > 3, "its output")
    assert last(host, counting).pid == pid
    # It was not held up by output that found no room.
    written = len(_log(host, counting))
    await host.eventually(lambda: len(_log(host, counting)) > written, "output goes on")
    async with host.service() as service:
        logs = service.Logs(AgentLogsRequest(id=counting.id))
        numbers = [int(line) async for part in logs for entry in part.entries for line in entry.data.split()]
    assert numbers == sorted(set(numbers))
    assert host.starts == 2, "it took another agent process"
    await host.remove(counting, stopped, looping, late)
    host.check_clean()


async def refuses_images_that_fill_the_disk(host: Machine) -> None:
    """A pull for which there is no room leaves nothing; the container says why it waits, and what fits still comes."""
    first = host.assignment("true")
    await host.leader.put(first)
    await host.leader.until(lambda: last(host, first).state == EXITED, "the small image")
    left = _inventory(host)
    client = Registry(insecure=[host.registry.host])
    maker = ImageMaker(client, host.registry.host)
    # One says that it is large; the other only turns out to be while it is unpacked.
    large = await maker("large", [tar_of({"data": os.urandom(48 << 20)})])
    swelling = await maker("swelling", [tar_of({"data": bytes(200 << 20)})])
    await client.close()
    waiting = []
    for made in (large, swelling):
        one = host.assignment("true")
        one.image_repository, one.image_digest = f"{host.registry.host}/{made.repository}", made.digest
        waiting.append(one)
        await host.leader.put(one)
        await host.leader.until(lambda one=one: "no room on this node" in last(host, one).reason, "the reason")  # type: ignore[misc]
        assert last(host, one).state == PREPARING
        await host.eventually(lambda: not _half_made(host), "nothing half-made")
    assert _inventory(host) - left <= {large.digest, large.config, swelling.digest, swelling.config}
    again = host.assignment("true")
    await host.leader.put(again)
    await host.leader.until(lambda: last(host, again).state == EXITED, "what fits", seconds=40)
    await host.remove(first, again, *waiting)
    host.check_clean()


async def clears_its_disk_of_images_that_nobody_has(host: Machine) -> None:
    """At the high threshold images go that no container has, and old logs; what is used stays, and it is told."""
    client = Registry(insecure=[host.registry.host])
    maker = ImageMaker(client, host.registry.host)
    spare = await maker("spare", [tar_of({"data": os.urandom(4 << 20)})])
    await client.close()
    used = host.assignment("sleep", "1000")
    await host.leader.put(used)
    await host.leader.until(lambda: last(host, used).state == RUNNING, "one that runs")
    async with host.service() as service:
        pull = AgentPullRequest(repository=f"{host.registry.host}/{spare.repository}", digest=spare.digest)
        assert [each async for each in service.Pull(pull)][-1].done
        usage = await service.Usage(AgentUsageRequest(images=True))
        assert {each.digest: each.containers for each in usage.images} == {host.image.digest: 1, spare.digest: 0}
        assert usage.image_reclaimable_bytes > 8 << 20
    filler = _fill_to(host.paths.data, percent=90)
    await host.leader.until(lambda: bool(host.leader.descriptions[-1].cleanings), "what was cleared")
    told = host.leader.descriptions[-1].cleanings[0]
    assert (told.kind, told.count) == ("images", 1)
    assert "/spare@" in told.names[0]
    assert "85% is the most" in told.reason
    assert told.freed_bytes > 8 << 20
    await host.eventually(
        lambda: not {spare.digest, spare.config, *spare.layers, *spare.diff_ids} & _inventory(host), "its files"
    )
    assert {host.image.digest, *host.image.diff_ids} <= _inventory(host)
    await host.eventually(lambda: not _half_made(host), "nothing half-removed")
    # It goes on with what it has, and with an image that it had removed, once there is room.
    filler.unlink()
    again = host.assignment("true")
    await host.leader.put(again)
    await host.leader.until(lambda: last(host, again).state == EXITED, "a start afterwards")
    async with host.service() as service:
        assert [each async for each in service.Pull(pull)][-1].done
    await host.remove(used, again)
    host.check_clean()


async def ends_a_container_that_fills_the_disk(host: Machine) -> None:
    """A writer is ended before the disk is full, and says why; others run on, and new ones start once it is gone."""
    counting = host.assignment("sh", "-c", COUNT)
    await host.leader.put(counting)
    await host.leader.until(lambda: last(host, counting).state == RUNNING, "one that counts")
    pid = last(host, counting).pid
    _fill_to(host.paths.data, percent=70)
    writer = restarting(host, "sh", "-c", "while true; do cat /bin/busybox >> /tmp/hog; sleep 1; done")
    await host.leader.put(writer)
    await host.leader.until(lambda: last(host, writer).restart_at.seconds > 0, "its end", seconds=60)
    ended = last(host, writer)
    assert (ended.state, ended.exit_code, ended.oom_killed) == (EXITED, 137, False)
    assert ended.reason.startswith("evicted: the disk of its node is almost full (")
    assert "it wrote" in ended.reason
    # Its policy does not have it write on at once.
    assert ended.restart_at.seconds - ended.finished_at.seconds > 30
    stat = os.statvfs(host.paths.data)
    assert stat.f_bavail * stat.f_frsize > 1 << 20, "the disk was full before"
    assert last(host, counting).pid == pid
    os.kill(pid, 0)
    written = len(_log(host, counting))
    await host.eventually(lambda: len(_log(host, counting)) > written, "output goes on")
    await host.remove(writer)
    await host.leader.until(lambda: _problems(host) == [], "room", seconds=20)
    late = host.assignment("true")
    await host.leader.put(late)
    await host.leader.until(lambda: last(host, late).state == EXITED, "a new one")
    await host.remove(counting, late)
    host.check_clean()


def _fill_to(directory: Path, *, percent: int) -> Path:
    """Write a file until so much of the disk is taken."""
    path = directory / "filler"
    stat = os.statvfs(directory)
    more = stat.f_bavail * stat.f_frsize - stat.f_blocks * stat.f_frsize * (100 - percent) // 100
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, more)
    finally:
        os.close(descriptor)
    return path


def _half_made(host: Machine) -> list[Path]:
    return [path for name in ("ingest", "staging") for path in (host.paths.images / name).iterdir()]


def _inventory(host: Machine) -> set[str]:
    blobs = (host.paths.images / "blobs" / "sha256").iterdir()
    layers = (host.paths.images / "layers").iterdir()
    return {f"sha256:{path.name}" for path in (*blobs, *layers)}


FULL_DISK: Final[tuple[Callable[[Machine], Awaitable[None]], ...]] = (
    survives_a_full_disk,
    refuses_images_that_fill_the_disk,
    clears_its_disk_of_images_that_nobody_has,
    ends_a_container_that_fills_the_disk,
)
