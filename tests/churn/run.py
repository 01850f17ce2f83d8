"""Cycles of create, start, stop and remove, and what there is after some of them and after all."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import shoal
from shoal.configuration import Configuration
from shoal.waiting import Until
from shoal_lab.cluster import Lab
from tests.churn import lab_traces
from tests.churn.traces import Growth, grown, heavier
from tests.parts.lab import LabUnderTest
from tests.parts.leftovers import everywhere, stored
from tests.soak.growth import Watch

#: Cycles after which everything has been needed once: what there is then is what is compared with the end.
WARM: Final = 100
STEPS: Final = ("create", "start", "stop", "remove")
#: Seconds in which it comes to rest, and from one look at memory to the next.
_REST: Final = 30.0
_PAUSE: Final = 1.0
_LOOKS: Final = 5
#: Seconds from SIGTERM to SIGKILL.
_GRACE: Final = 2
_COMMAND: Final = ("sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait")


@dataclass(frozen=True, slots=True)
class Moment:
    """What there is while no container is.

    Attributes:
        memory: bytes of each agent and controller, by its name.
        machine: what belongs to the lab on this machine, by kind.
        keys: in etcd, but those that go by themselves.
    """

    memory: Mapping[str, int]
    machine: Mapping[str, set[str]]
    keys: set[str]


@dataclass
class Result:
    """What a run came to.

    Attributes:
        seconds: of each step of each cycle.
        growth: from the first look to the last, by kind.
    """

    cycles: int
    width: int
    seconds: float = 0.0
    steps: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in STEPS})
    before: Moment | None = None
    after: Moment | None = None
    growth: list[Growth] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


async def churn(lab: LabUnderTest, *, cycles: int, width: int, say: Callable[[str], None]) -> Result:
    """Have so many containers come and go in a lab, `width` at a time."""
    result = Result(cycles, width)
    context = Configuration.load(Path(lab.env["SHOAL_CONFIG"])).context(lab.name)
    async with shoal.connect(context=context) as cluster:
        await _cycles(cluster, lab, result, min(WARM, cycles))
        result.before = await _look(lab, result)
        say(f"{WARM} cycles: {_told(result.before)}")
        began, done = time.monotonic(), WARM
        for number in range(WARM, cycles, WARM):
            count = min(WARM, cycles - number)
            await _cycles(cluster, lab, result, count)
            done += count
            say(f"{done} cycles, {(done - WARM) / (time.monotonic() - began):.1f} a second")
        result.seconds = time.monotonic() - began
        result.after = await _look(lab, result)
        say(f"{cycles} cycles: {_told(result.after)}")
    result.growth = grown(result.before.machine, result.after.machine)
    result.growth += grown({"keys of etcd": result.before.keys}, {"keys of etcd": result.after.keys})
    result.wrong += [str(each) for each in result.growth if each.more]
    result.wrong += heavier(result.before.memory, result.after.memory, removed=cycles - WARM)
    return result


async def _cycles(cluster: shoal.Cluster, lab: LabUnderTest, result: Result, count: int) -> None:
    waiting = iter(range(count))

    async def work() -> None:
        for _ in waiting:
            await _cycle(cluster, lab.image, result)

    async with asyncio.TaskGroup() as group:
        for number in range(result.width):
            group.create_task(work(), name=f"churn-{number}")


async def _cycle(cluster: shoal.Cluster, image: str, result: Result) -> None:
    containers = cluster.containers
    times = [time.monotonic()]
    made = await containers.create(image, _COMMAND, volumes=["/data"])
    identifier = made.spec.id
    await containers.wait(identifier, until=Until.READY)
    times.append(time.monotonic())
    started = await containers.start(identifier)
    await containers.wait(identifier, until=Until.RUNNING, run=started.spec.run)
    times.append(time.monotonic())
    await containers.stop(identifier, timeout=_GRACE)
    end = await containers.wait(identifier, run=started.spec.run)
    times.append(time.monotonic())
    # The first process of a container hears no signal that it has set no trap for yet: it is killed after the grace.
    if end.exit_code not in (0, 137):
        result.wrong.append(f"{identifier[:12]} ended with {end.exit_code}: {end.detail}")
    await containers.remove(identifier, volumes=True)
    await containers.wait(identifier, until=Until.REMOVED)
    times.append(time.monotonic())
    for step, begin, over in zip(STEPS, times, times[1:], strict=False):
        result.steps[step].append(over - begin)


async def _look(lab: LabUnderTest, result: Result) -> Moment:
    """Wait until nothing is left of any container, and look at what there is then."""
    deadline = time.monotonic() + _REST
    while left := await asyncio.to_thread(everywhere, lab):
        if time.monotonic() > deadline:
            result.wrong.append(f"left of removed containers: {left}")
            break
        await asyncio.sleep(_PAUSE)
    watch, memory = Watch(Lab.load(lab.name)), list[dict[str, int]]()
    for _ in range(_LOOKS):
        await asyncio.sleep(_PAUSE)
        await watch.sample()
        memory.append({name: life.last.memory for name, life in watch.lives.items()})
    middle = {name: int(statistics.median(each[name] for each in memory)) for name in memory[0]}
    keys = {name for name, key in stored(lab).keys.items() if not key.lease}
    return Moment(middle, await asyncio.to_thread(lab_traces.look, Lab.load(lab.name)), keys)


def _told(moment: Moment) -> str:
    return ", ".join(f"{name} {bytes_ / (1 << 20):.1f} MiB" for name, bytes_ in sorted(moment.memory.items()))
