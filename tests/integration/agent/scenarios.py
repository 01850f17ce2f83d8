"""What the agent must do, one function each; `python -m` runs one of them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc
import pytest

from shoal_common.errors import Conflict
from shoal_common.rpc_errors import from_rpc_error
from shoal_proto.v1.agent_pb2 import (
    AgentExecRequest,
    AgentExecStart,
    AgentLogsRequest,
    AgentPullRequest,
    AgentSignalRequest,
)
from shoal_proto.v1.container_pb2 import ContainerState, DesiredState, ExecRequest, ExecStart
from shoal_proto.v1.dispatcher_pb2 import Assignment
from tests.integration.agent.full_disk import DISK, FULL_DISK
from tests.integration.agent.leader import CLUSTER, Follower
from tests.integration.agent.machine import LEADER, Machine, machine, serve
from tests.integration.agent.restarts import RESTARTS

if TYPE_CHECKING:
    from shoal_proto.v1.agent_pb2_grpc import AgentServiceAsyncStub

RUNNING: Final = ContainerState.CONTAINER_STATE_RUNNING
EXITED: Final = ContainerState.CONTAINER_STATE_EXITED
FAILED: Final = ContainerState.CONTAINER_STATE_FAILED
READY: Final = ContainerState.CONTAINER_STATE_READY
#: Writes a line every tenth of a second, from 1 up.
COUNT: Final = "i=0; while true; do i=$((i+1)); echo $i; sleep 0.1; done"


async def _reached(host: Machine, state: int, *assignments: Assignment) -> None:
    await host.leader.until(
        lambda: all(host.leader.state(a.id) == state for a in assignments), f"state {state}", seconds=25
    )


async def serves_one_container(host: Machine) -> None:
    """Start, logs, exec, signal, stop, start again, remove."""
    one = host.assignment(
        "sh", "-c", "echo out $SECRET; echo err >&2; trap 'exit 5' TERM; while true; do sleep 0.1; done"
    )
    async with host.service() as service:
        # Asked before the node has heard of it.
        logs = service.Logs(AgentLogsRequest(id=one.id, follow=True, run=1))
        early = asyncio.create_task(_signalled(service, one), name="early-signal")
        assert not (await asyncio.wait({early}, timeout=0.3))[0]
        await host.leader.put(one)
        assert isinstance(await early, Conflict)
        await _reached(host, RUNNING, one)
        running = host.leader.statuses[one.id][-1]
        assert running.run_served == 1
        assert running.attempt == 1
        assert running.pid
        assert list(running.command)[:2] == ["sh", "-c"]
        code, output = await _exec(service, one, "sh", "-c", "cat; echo $SECRET; exit 3", stdin=b"hello\n")
        assert (code, output) == (3, b"hello\nfish\n")
        one = await host.change(one, desired=DesiredState.DESIRED_STATE_STOPPED)
        await _reached(host, EXITED, one)
        ended = host.leader.statuses[one.id][-1]
        assert (ended.exit_code, ended.run_served) == (5, 1)
        assert [a.exit_code for a in ended.attempts] == [5]
        entries = [entry async for response in logs for entry in response.entries]
        assert sorted((e.stream, e.data) for e in entries) == [(1, b"out fish\n"), (2, b"err\n")]
        one = await host.change(one, desired=DesiredState.DESIRED_STATE_RUNNING, run_admitted=2)
        await _reached(host, RUNNING, one)
        assert host.leader.statuses[one.id][-1].attempt == 2
        # It runs before it has written anything, and SIGKILL lets it write nothing more.
        again = service.Logs(AgentLogsRequest(id=one.id, follow=True, run=2))
        async for response in again:
            if any(entry.data == b"out fish\n" for entry in response.entries):
                break
        again.cancel()
        await service.Signal(AgentSignalRequest(id=one.id, generation=1, signal=9))
        await _reached(host, EXITED, one)
        assert host.leader.statuses[one.id][-1].exit_code == 137
        whole = [e.data async for r in service.Logs(AgentLogsRequest(id=one.id)) for e in r.entries]
        assert whole.count(b"out fish\n") == 2
        await host.remove(one)
        assert isinstance(await _signalled(service, one), Conflict)
    host.check_clean()


async def _signalled(service: AgentServiceAsyncStub, one: Assignment) -> Exception:
    """How a signal to what does not run is refused."""
    with pytest.raises(grpc.RpcError) as refusal:
        await service.Signal(AgentSignalRequest(id=one.id, generation=1, signal=9))
    return from_rpc_error(refusal.value, peer="agent")


async def _exec(service: AgentServiceAsyncStub, one: Assignment, *args: str, stdin: bytes = b"") -> tuple[int, bytes]:
    async def requests() -> AsyncIterator[AgentExecRequest]:
        start = ExecStart(args=args, stdin=bool(stdin))
        yield AgentExecRequest(start=AgentExecStart(id=one.id, generation=1, start=start))
        if stdin:
            yield AgentExecRequest(request=ExecRequest(stdin=stdin))
            yield AgentExecRequest(request=ExecRequest(close_stdin=True))

    code, output = -1, b""
    async for response in service.Exec(requests()):
        output += response.stdout
        if response.WhichOneof("message") == "exit_code":
            code = response.exit_code
    return code, output


async def survives_kill_in_a_burst(host: Machine) -> None:
    """kill -9 in the middle of a burst of starts: nothing is lost, nothing is started twice."""
    many = [host.assignment("sh", "-c", f"echo begun; {COUNT}", network=n % 2 == 0) for n in range(16)]
    await host.leader.put(*many)
    await host.leader.until(lambda: sum(host.leader.state(a.id) == RUNNING for a in many) >= 3, "three that run")
    host.kill_agent()
    before = {a.id: host.leader.statuses[a.id][-1].pid for a in many if host.leader.state(a.id) == RUNNING}
    assert len(before) < len(many), "the burst was over before the kill"
    host.start_agent()
    await _reached(host, RUNNING, *many)
    for one in many:
        status = host.leader.statuses[one.id][-1]
        assert before.get(one.id, status.pid) == status.pid
        await host.eventually(partial(_has_begun, host, one), "output")
        begun = _lines(host, one).count("begun")
        assert begun == 1, f"{one.id[:12]} began {begun} times"
    assert await asyncio.to_thread(_tasks_alive, host) == len(many)
    await host.remove(*many)
    host.check_clean()


def _has_begun(host: Machine, one: Assignment) -> bool:
    return "1" in _lines(host, one)


def _lines(host: Machine, one: Assignment) -> list[str]:
    """What all attempts of a container wrote."""
    attempts = range(1, host.leader.statuses[one.id][-1].attempt + 1)
    return [line for attempt in attempts for line in host.output(one, attempt)]


def _tasks_alive(host: Machine) -> int:
    tree = Path("/sys/fs/cgroup/memory") if Path("/sys/fs/cgroup/memory").exists() else Path("/sys/fs/cgroup")
    groups = (tree / host.cgroup.lstrip("/") / "containers").glob("*")
    return sum(bool((group / "cgroup.procs").read_text()) for group in groups if group.is_dir())


async def adopts_and_reports_exits(host: Machine) -> None:
    """An end while no agent was there, a stop under way, logs across the restart, and a clean goodbye."""
    ending = host.assignment("sh", "-c", "sleep 1; exit 7")
    counting = host.assignment("sh", "-c", COUNT)
    stubborn = host.assignment("sh", "-c", "trap '' TERM; while true; do sleep 0.1; done")
    await host.leader.put(ending, counting, stubborn)
    await _reached(host, RUNNING, ending, counting, stubborn)
    stubborn = await host.change(stubborn, desired=DesiredState.DESIRED_STATE_STOPPED, stop_grace_ms=2500)
    await _reached(host, ContainerState.CONTAINER_STATE_STOPPING, stubborn)
    async with host.service() as service:
        seen: list[bytes] = []
        cursor = None
        try:
            async for response in service.Logs(AgentLogsRequest(id=counting.id, follow=True)):
                seen += [entry.data for entry in response.entries]
                cursor = response.cursor
                if len(seen) >= 5 and host.process is not None and host.process.poll() is None:
                    host.kill_agent()
        except grpc.RpcError:
            pass
    assert cursor is not None
    await host.eventually(lambda: (host.paths.exits / f"{ending.id}-1-1").exists(), "the end")
    host.start_agent()
    await _reached(host, EXITED, ending, stubborn)
    assert host.leader.statuses[ending.id][-1].exit_code == 7
    assert host.leader.statuses[stubborn.id][-1].exit_code == 137
    assert host.leader.state(counting.id) == RUNNING
    assert host.leader.matches[-1], "the set was sent again though nothing had changed"
    async with host.service() as service:
        async for response in service.Logs(AgentLogsRequest(id=counting.id, follow=True, cursor=cursor)):
            seen += [entry.data for entry in response.entries]
            if len(seen) >= 40:
                break
    assert seen == [b"%d\n" % n for n in range(1, len(seen) + 1)]
    assert await asyncio.to_thread(host.stop_agent) == 0
    host.start_agent()
    await host.leader.until(lambda: len(host.leader.processes) == 3, "a third session")
    await host.leader.until(lambda: host.leader.heartbeats > 0, "heartbeats")
    assert host.leader.state(counting.id) == RUNNING
    assert host.process is not None
    memory = next(
        line for line in Path(f"/proc/{host.process.pid}/status").read_text().splitlines() if line.startswith("VmRSS")
    )
    assert int(memory.split()[1]) < 100 << 10, memory
    await host.remove(ending, counting, stubborn)
    host.check_clean()


async def refuses_what_it_must(host: Machine) -> None:
    """Strays live on; older sets are refused; failures say why; lost data is told."""
    living = host.assignment("sleep", "1000")
    missing = host.assignment("no-such-program")
    unknown = host.assignment("true")
    unknown.image_digest = "sha256:" + "0" * 64
    lost = host.assignment("true")
    lost.ever_ready = True
    created = host.assignment("true")
    created.desired, created.run_admitted = DesiredState.DESIRED_STATE_CREATED, 0
    await host.leader.put(living, missing, unknown, lost, created)
    await _reached(host, RUNNING, living)
    await _reached(host, FAILED, missing, unknown, lost)
    await _reached(host, READY, created)
    last = {
        name: host.leader.statuses[one.id][-1]
        for name, one in {"missing": missing, "unknown": unknown, "lost": lost}.items()
    }
    assert last["missing"].exit_code == 127
    assert last["unknown"].exit_code == 125
    assert unknown.image_digest[:20] in last["unknown"].reason
    assert "data lost" in last["lost"].reason
    async with host.service() as service:
        followed = [r async for r in service.Logs(AgentLogsRequest(id=missing.id, follow=True, run=1))]
        assert followed == []
        pulled = [
            p
            async for p in service.Pull(
                AgentPullRequest(repository=living.image_repository, digest=living.image_digest)
            )
        ]
        assert pulled[-1].done
    # A leader that has forgotten a container, then one of an emptied store.
    del host.leader.assignments[living.id]
    host.kill_agent()
    host.start_agent()
    await host.leader.until(lambda: host.leader.strays == [living.id], "the stray")
    host.leader.revision = 1
    host.kill_agent()
    host.start_agent()
    sessions = len(host.leader.processes)
    del host.leader.assignments[created.id]
    await host.leader.until(lambda: len(host.leader.processes) >= sessions + 2, "a refusal and another try")
    host.leader.revision = 500
    await host.leader.until(lambda: set(host.leader.strays) == {living.id, created.id}, "both strays")
    pid = host.leader.statuses[living.id][-1].pid
    os.kill(pid, 0)
    host.leader.revision += 1
    await host.leader.put(living, created)
    await host.leader.until(lambda: host.leader.strays == [], "no strays")
    await host.remove(living, missing, unknown, lost, created)
    host.check_clean()


async def gives_up_an_address_and_a_port_with_the_next_start(host: Machine) -> None:
    """A recovery may have given both to another: what runs keeps them, the next run has its new ones."""

    def led() -> str:
        listed = subprocess.run(["nft", "list", "map", "inet", "shoal", "published"], capture_output=True, check=True)
        return listed.stdout.decode()

    one = host.assignment("sleep", "1000", network=True)
    one.ports.add(host_port=8080, container_port=80, protocol="tcp")
    await host.leader.put(one)
    await _reached(host, RUNNING, one)
    assert f"tcp . 8080 : {one.addresses[0].ip} . 80" in led()
    other = host.assignment("sleep", "1000", network=True).addresses[0]
    one.addresses[0].CopyFrom(other)
    one.ports[0].host_port = 8081
    pid = host.leader.statuses[one.id][-1].pid
    one = await host.change(one, stop_grace_ms=0)
    one = await host.change(one, run_admitted=2)
    await host.leader.until(lambda: host.leader.statuses[one.id][-1].run_served == 2, "another run", seconds=25)
    await _reached(host, RUNNING, one)
    assert host.leader.statuses[one.id][-1].pid != pid
    assert f"tcp . 8081 : {other.ip} . 80" in led()
    assert "8080" not in led()
    await host.remove(one)
    assert "8081" not in led()
    host.check_clean()


async def follows_the_leader(host: Machine) -> None:
    """A controller that does not lead says who does; one of another cluster is refused; heartbeats find new leaders."""
    one = host.assignment("sleep", "1000")
    await host.leader.put(one)
    await _reached(host, RUNNING, one)
    follower = Follower(LEADER)
    server = await serve(follower, "127.0.0.1:7499", host.controller_tls)
    try:
        assert await asyncio.to_thread(host.stop_agent) == 0
        identity = host.paths.identity / "cluster.json"
        cluster = json.loads(identity.read_text())
        identity.write_text(json.dumps({**cluster, "controllers": ["127.0.0.1:7499"]}))
        host.start_agent()
        await host.leader.until(lambda: len(host.leader.processes) == 2, "a session by way of the follower")
        assert follower.asked == 1
        # The leader forgets the session: the next heartbeat brings a new one.
        host.leader.processes.append("somebody else")
        await host.leader.until(lambda: len(host.leader.processes) == 4, "another session")
        host.leader.cluster = "another-lake"
        host.leader.processes.append("somebody else")
        stopped = await host.change(one, desired=DesiredState.DESIRED_STATE_STOPPED, stop_grace_ms=0)
        await host.leader.until(lambda: len(host.leader.processes) >= 7, "sessions that are refused")
        assert host.leader.state(one.id) == RUNNING
        host.leader.cluster = CLUSTER
        await _reached(host, EXITED, stopped)
        await host.remove(stopped)
    finally:
        await server.stop(0)
    host.check_clean()


SCENARIOS: Final[dict[str, Callable[[Machine], Awaitable[None]]]] = {
    one.__name__: one
    for one in (
        serves_one_container,
        follows_the_leader,
        survives_kill_in_a_burst,
        adopts_and_reports_exits,
        refuses_what_it_must,
        gives_up_an_address_and_a_port_with_the_next_start,
        *RESTARTS,
        *FULL_DISK,
    )
}


async def _main(name: str, top: Path, cgroup: str) -> None:
    scenario = SCENARIOS[name]
    async with machine(top, cgroup, disk=DISK if scenario in FULL_DISK else 0) as host:
        await scenario(host)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
