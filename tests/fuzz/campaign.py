"""Tries, in rounds: what is asked, what came of it, what is wrong with that."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from shoal_proto.v1 import agent_pb2, cluster_pb2, container_pb2, event_pb2, image_pb2, node_pb2, volume_pb2
from tests.fuzz import answers, outcomes
from tests.fuzz.answers import Answer
from tests.fuzz.calling import make
from tests.fuzz.command_lines import Known, Line, Lines
from tests.fuzz.messages import Call, Calls, methods
from tests.fuzz.outcomes import Outcome
from tests.fuzz.places import TRY, Place, agent_channel
from tests.fuzz.runner import Runner, runners

#: Tries between two looks at the cluster.
ROUND: Final = 100
#: Command lines at a time: most of what they take is waiting.
WIDTH: Final = 6
#: Seconds after which a command that goes on is interrupted.
PATIENCE: Final = 1.5
#: What an administrator may call.
API: Final = methods(
    *(module.DESCRIPTOR for module in (container_pb2, node_pb2, image_pb2, volume_pb2, cluster_pb2, event_pb2))
)
#: What a controller may call of an agent.
AGENT: Final = methods(agent_pb2.DESCRIPTOR)
#: They end or rewrite what is tried on, as they are meant to.
_ENDING: Final = frozenset({"RemoveNode", "RecoverCluster"})


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something that must not be.

    Attributes:
        number: of the try; -1 if nobody knows which it was.
        asked: what was asked.
        what: is wrong.
    """

    number: int
    asked: str
    what: str

    def __str__(self) -> str:
        return f"{self.number}: {self.what}\n    {self.asked}"


@dataclass(slots=True)
class Result:
    """What tries came to: how often each way of ending, and what is wrong."""

    seed: int
    tries: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[Wrong] = field(default_factory=list)

    def text(self) -> str:
        """Return it for people."""
        ends = ", ".join(f"{how} {count}" for how, count in sorted(self.ends.items()))
        told = "\n".join(str(each) for each in self.wrong)
        return f"seed {self.seed}: {self.tries} tries ({ends}), {len(self.wrong)} wrong\n{told}".rstrip()


def rounds(tries: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield the tries between two looks at the cluster."""
    for begin in range(0, len(tries), ROUND):
        yield tries[begin : begin + ROUND]


async def try_commands(
    place: Place, folder: Path, *, seed: int, tries: Sequence[int], say: Callable[[str], None] = lambda line: None
) -> Result:
    """Carry out random command lines.

    Args:
        folder: for what they read and write; others must be able to come through to it.
        tries: their numbers, each of which makes one line of the seed.
    """
    result = Result(seed)
    lines = Lines(Known(place.known()))
    with runners(folder, place.config, WIDTH) as free:
        for numbers in rounds(tries):
            await place.prepare()
            drawn = {number: lines.line(Random(f"{seed} {number}")) for number in numbers}
            made = {number: _labelled(number, _spared(place, line)) for number, line in drawn.items()}
            ended: dict[int, Outcome] = {}
            waiting = iter(made.items())

            async def work(runner: Runner) -> None:
                for number, line in waiting:  # noqa: B023
                    ended[number] = await asyncio.to_thread(runner.run, line, seconds=PATIENCE)  # noqa: B023

            async with asyncio.TaskGroup() as group:
                for runner in free:
                    group.create_task(work(runner))
            for number, line in made.items():
                outcome = ended[number]
                result.ends[f"code {outcome.code}" + (" (interrupted)" if outcome.stopped else "")] += 1
                for what in outcomes.wrong(line, outcome):
                    told = outcome.stderr[-2500:] or outcome.stdout[-500:]
                    result.wrong.append(Wrong(number, f"{line}\n{told}", what))
            result.wrong += [
                Wrong(-1, f"one of {numbers}", what) for what in await asyncio.to_thread(lambda: list(place.faults()))
            ]
            result.tries += len(numbers)
            if place.died:
                break
            async for found in _made_by_refused(place, made, ended):
                result.wrong.append(found)
            say(f"{result.tries} command lines, {len(result.wrong)} wrong")
    return result


def _spared(place: Place, line: Line) -> Line:
    """Have a line not end what it is tried on, where there is more of that than a controller."""
    if place.lab is None or not {"rm", "recover"} & set(line.words):
        return line
    words = tuple("node9" if word in place.lab.nodes else word for word in line.words)
    return Line((*words, "--help") if "recover" in words else words, line.stdin)


def _labelled(number: int, line: Line) -> Line:
    """Have what a line makes say which line it was."""
    place = 1 + (line.words[:1] == ("container",))
    if line.words[place - 1 : place] in (("run",), ("create",)):
        return Line((*line.words[:place], "--label", f"{TRY}={number}", *line.words[place:]), line.stdin)
    return line


async def _made_by_refused(place: Place, made: dict[int, Line], ended: dict[int, Outcome]) -> AsyncIterator[Wrong]:
    """What was refused has made nothing."""
    for container in await place.containers():
        number = int(container.spec.config.labels.get(TRY, -1))
        # What ran may have ended with 2 as well.
        refused = number in ended and ended[number].code == 2 and ended[number].stderr.startswith("shoal: ")
        if refused and not ended[number].stopped:
            yield Wrong(number, str(made[number]), f"wrong usage made container {container.spec.name}")


async def try_messages(
    place: Place, *, seed: int, tries: Sequence[int], say: Callable[[str], None] = lambda line: None
) -> Result:
    """Make random calls: of the API, and where there are nodes of an agent."""
    result = Result(seed)
    async with AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(place.channel())]
        callable_ = [[each for each in API if each.path.rpartition("/")[2] not in _ENDING] if place.lab else API]
        if place.lab is not None:
            channels.append(await stack.enter_async_context(agent_channel(place, place.lab.nodes[0])))
            callable_.append(AGENT)
        for turn, numbers in enumerate(rounds(tries)):
            await place.prepare()
            known = place.known()
            ids = [each.spec.id for each in await place.containers()]
            mine = turn % len(channels)
            calls = Calls(callable_[mine], {**known, "container": ids if mine else [*known["container"], *ids[:3]]})
            made = {id(call): (number, call) for number in numbers for call in [calls.call(Random(f"{seed} {number}"))]}

            def ended(call: Call, answer: Answer) -> None:
                number, _ = made[id(call)]  # noqa: B023
                result.ends[answer.code.name] += 1
                for what in answers.wrong(answer):
                    result.wrong.append(Wrong(number, str(call), what))

            await make(channels[mine], [call for _, call in made.values()], ended)
            result.wrong += [
                Wrong(-1, f"one of {numbers}", what) for what in await asyncio.to_thread(lambda: list(place.faults()))
            ]
            result.tries += len(numbers)
            say(f"{result.tries} calls, {len(result.wrong)} wrong")
            if place.died:
                break
    return result
