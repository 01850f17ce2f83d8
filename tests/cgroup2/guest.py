"""What is tried in the guest, each case with one OCI runtime: `guest.py` is all that its process 1 starts.

The guest is emulated and 15 times slower: waits are on conditions, and have no other limit than the whole run's.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Final

from shoal_agent.runtime.abilities import abilities
from shoal_agent.runtime.exec import ExecSpec
from shoal_agent.runtime.live_limits import Limited
from shoal_agent.runtime.statistics import Reading, millis, read
from shoal_agent.runtime.tasks import TaskKey, Tasks
from shoal_proto.v1.container_pb2 import ContainerConfig
from shoal_proto.v1.resources_pb2 import Resources
from tests.integration.agent_runtime.node import CONTAINER, Node, line, next_exit, opened

MIB: Final = 1 << 20
RUNTIMES: Final = ("crun", "runc")
#: Said on the console once all cases have passed.
PASSED: Final = "ALL CASES PASSED"


def text(tasks: Tasks, controller: str, file: str, attempt: int = 1) -> str:
    """Return what a file of an attempt's control group says."""
    group = tasks.groups.group(controller, str(key(attempt)))
    assert group is not None
    return (group / file).read_text().strip()


def key(attempt: int) -> TaskKey:
    """Return the name of an attempt."""
    return TaskKey(CONTAINER, 1, attempt)


async def can_do_all_but_what_no_disk_does(node: Node) -> None:
    """A plain kernel of Debian's can do all limits but weights, for which no disk here is set up."""
    async with opened(node) as tasks:
        found = abilities(tasks.groups)
        wanted = {"cpu-shares", "cpuset-cpus", "cpuset-mems", "memory-reservation", "memory-swap"}
        assert set(found.limits) == {*wanted, "oom-score-adj", "update"}, found
        assert (found.cpus, found.mems) == ("0-1", "0"), found


async def a_memory_hog_is_killed_and_said_to_be(node: Node) -> None:
    """And its neighbour is well."""
    async with opened(node) as tasks:
        await tasks.start(node.spec("sleep", "100000", memory_bytes=64 * MIB))
        await tasks.start(node.spec("tail", "/dev/zero", attempt=2, memory_bytes=16 * MIB))
        which, exited = await next_exit(tasks)
        assert (which, exited.code, exited.oom_killed) == (key(2), 137, True), exited
        assert tasks.running(key(1))
        assert tasks.groups.oom_kills(str(key(1))) == 0


async def half_a_core_is_half_a_core(node: Node) -> None:
    """As measured by the statistics that users see."""
    async with opened(node) as tasks:
        busy = "while :; do :; done & while :; do :; done"
        running = await tasks.start(node.spec("sh", "-c", busy, cpu_millis=500))

        def look() -> Reading:
            return read(tasks.groups, str(key(1)), running.pid, time.monotonic)

        first = look()
        await asyncio.sleep(10)
        second = look()
        used = millis(first, second)
        assert 450 <= used <= 550, used
        assert second.stats.throttled_periods > first.stats.throttled_periods
        assert second.stats.pids == 2, second.stats


async def a_fork_bomb_stops_at_the_limit(node: Node) -> None:
    """And what is counted is told."""
    async with opened(node) as tasks:
        # The shell that can't fork any more ends; the one that started it needs no process for what follows.
        bomb = "sh -c 'while :; do sleep 100000 & done' 2>/dev/null; echo full; exec sleep 100000"
        running = await tasks.start(node.spec("sh", "-c", bomb, pids=20))
        await line(node, "full")
        assert int(text(tasks, "pids", "pids.current")) <= 20
        assert int(text(tasks, "pids", "pids.events").split()[1]) > 0
        seen = read(tasks.groups, str(key(1)), running.pid, time.monotonic).stats
        assert (seen.pids_limit, seen.pids <= 20) == (20, True), seen


async def changed_while_it_runs_is_as_if_it_had_begun_so(node: Node) -> None:
    """The conversions of the runtimes and ours are the same, file by file."""
    wanted = Resources(
        memory_bytes=64 * MIB,
        memory_swap_bytes=96 * MIB,
        memory_reservation_bytes=32 * MIB,
        cpu_millis=500,
        cpu_shares=512,
        cpuset_cpus="0",
        cpuset_mems="0",
        pids=9,
    )
    async with opened(node) as tasks:
        await tasks.start(node.spec("sleep", "100000", memory_bytes=16 * MIB, cpu_millis=2000, pids=4))
        whole = {field.name: value for field, value in wanted.ListFields()}
        await tasks.start(node.spec("sleep", "100000", attempt=2, **whole))
        assert await tasks.limit(key(1), wanted) == Limited(wanted)
        for controller, file in (
            *(("memory", f"memory.{name}") for name in ("max", "swap.max", "low")),
            *(("cpu", "cpu.max"), ("cpuset", "cpuset.cpus"), ("cpuset", "cpuset.mems"), ("pids", "pids.max")),
        ):
            one, other = (text(tasks, controller, file, attempt) for attempt in (1, 2))
            assert one == other, (file, one, other)
        # How shares become weights has changed in crun since.
        assert 1 < int(text(tasks, "cpu", "cpu.weight")) < 100


async def memory_in_use_is_not_taken_away(node: Node) -> None:
    """The kernel would kill, and is not asked."""
    async with opened(node) as tasks:
        hold = "x=$(yes | head -c 24m); echo full; sleep 100000; echo $x"
        await tasks.start(node.spec("sh", "-c", hold, memory_bytes=128 * MIB))
        await line(node, "full")
        found = await tasks.limit(key(1), Resources(memory_bytes=16 * MIB, pids=5))
        assert "memory stays as it was until the next start" in found.warning, found
        assert found.limits == Resources(memory_bytes=128 * MIB, pids=5), found
        assert text(tasks, "memory", "memory.max") == str(128 * MIB)
        assert tasks.groups.oom_kills(str(key(1))) == 0
        assert tasks.running(key(1))


async def a_score_below_the_agents_own_is_given(node: Node) -> None:
    """Though the runtime, within a user namespace, may not; and conmon has the least there is."""
    config = ContainerConfig(resources=Resources(oom_score_adjust=-500))
    look = ("cat", "/proc/self/oom_score_adj")
    async with opened(node) as tasks:
        await tasks.start(node.spec("sh", "-c", f"{' '.join(look)}; exec sleep 100000", config=config))
        await line(node, "-500")
        process = await tasks.exec(key(1), ExecSpec(look))
        assert (await process.stdout.read(100), await process.wait()) == (b"-500\n", 0)
        # Those beside it have what the agent has.
        await tasks.start(node.spec(*look, attempt=2))
        await next_exit(tasks)
        assert node.lines(attempt=2) == ["0"]


CASES: Final[tuple[Callable[[Node], Coroutine[None, None, None]], ...]] = (
    can_do_all_but_what_no_disk_does,
    a_memory_hog_is_killed_and_said_to_be,
    half_a_core_is_half_a_core,
    a_fork_bomb_stops_at_the_limit,
    changed_while_it_runs_is_as_if_it_had_begun_so,
    memory_in_use_is_not_taken_away,
    a_score_below_the_agents_own_is_given,
)


def main() -> int:
    """Try all cases; return how many failed."""
    failed = 0
    for number, (runtime, case) in enumerate((runtime, case) for runtime in RUNTIMES for case in CASES):
        top = Path(f"/tmp/n{number}")
        node = Node(top=top, runtime=runtime, parent=f"/shoal{number}")
        began = time.monotonic()
        try:
            node.prepare()
            asyncio.run(case(node))
        except BaseException:
            traceback.print_exc()
            failed += 1
            outcome = "FAILED"
        else:
            outcome = "ok"
        print(f"{outcome:6} {runtime} {case.__name__} ({time.monotonic() - began:.0f} s)", flush=True)
        shutil.rmtree(top, ignore_errors=True)
    if not failed:
        print(PASSED, flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
