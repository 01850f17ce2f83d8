"""Clients: each picks operations at random and carries them out through the SDK."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import shoal
from shoal_common.ids import new_container_id
from shoal_proto.v1.container_pb2 import Container
from tests.soak.history import GAVE_UP, Call, Event, History, Made, Program

T = TypeVar("T")

IMAGE: Final = "soak:1"
#: Containers that clients know of at a time; the names that they share are few enough to be taken now and then.
POPULATION: Final = 12
_NAMES: Final = tuple(f"s{number}" for number in range(4 * POPULATION))
#: Runs after which a container is only removed: the node tells of its last 16 attempts.
_RUNS: Final = 9
#: Seconds that a client waits for anything, longer than every fault lasts.
PATIENCE: Final = 60.0
#: What a program exits with when it is asked to end.
ASKED: Final = 77

_WEIGHTS: Final = {
    "run": 4,
    "run -d": 5,
    "create, start": 3,
    "start": 3,
    "stop": 3,
    "restart": 3,
    "kill": 2,
    "rm": 3,
    "rm -f": 3,
    "exec": 4,
    "logs": 3,
}
_MAKING: Final = frozenset({"run", "run -d", "create, start"})
_STARTING: Final = frozenset({"start", "restart"})
_UNTIL: Final = {
    Call.UNTIL_READY: shoal.Until.READY,
    Call.UNTIL_RUNNING: shoal.Until.RUNNING,
    Call.UNTIL_ENDED: shoal.Until.ENDED,
    Call.UNTIL_REMOVED: shoal.Until.REMOVED,
}


def command(made: Made) -> list[str]:
    """Return the arguments of a container: it says a line that no other start says, then does what it is to do."""
    seconds, code = (100000.0, 0) if made.program.code is None else (made.program.seconds, made.program.code)
    # The shell waits for a child, since only then does the signal reach its trap at once. The trap comes first, so that
    # whoever has read the line can ask it to end.
    began = f"echo began {made.id} $(cat /proc/sys/kernel/random/uuid)"
    return ["sh", "-c", f"trap 'exit {ASKED}' TERM; {began}; sleep {seconds:.1f} & wait; exit {code}"]


@dataclass(slots=True)
class Population:
    """The containers that clients may still act upon, with the highest run that each was told."""

    runs: dict[str, int] = field(default_factory=dict)


class _Told(Exception):
    """An operation ended early: with an error, which is recorded already."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class Client:
    """One client.

    Args:
        number: tells it from others.
        seed: of the whole run.
        history: everything that it is told goes there.
        population: shared with the other clients.
        zero: monotonic time of the beginning.
    """

    def __init__(
        self, number: int, seed: int, cluster: shoal.Cluster, history: History, population: Population, zero: float
    ) -> None:
        self._number = number
        self._random = random.Random(f"client {number} {seed}")
        self._containers = cluster.containers
        self._history = history
        self._population = population
        self._zero = zero

    async def act_until(self, deadline: float) -> None:
        """Do one operation after the other until a monotonic time."""
        while time.monotonic() < deadline:
            operation, container = self._choose()
            try:
                await self._do(operation, container)
                how = "done"
            except _Told as told:
                how = told.error
            self._history.operations[operation, how] += 1
            await asyncio.sleep(self._random.uniform(0, 0.4))

    def _choose(self) -> tuple[str, str]:
        """Return an operation, and the container to do it to: "" if it makes one."""
        known = sorted(self._population.runs)
        operations = [each for each in _WEIGHTS if known or each in _MAKING]
        if len(known) >= POPULATION:
            operations = [each for each in operations if each not in _MAKING]
        operation = self._random.choices(operations, [_WEIGHTS[each] for each in operations])[0]
        if operation in _MAKING:
            return operation, ""
        container = self._random.choice(known)
        if operation in _STARTING and self._population.runs[container] >= _RUNS:
            operation = "rm -f"
        return operation, container

    async def _do(self, operation: str, container: str) -> None:
        match operation:
            case "run":
                program = Program(self._random.randrange(70), self._random.uniform(0, 1.5))
                made = await self._make(Call.RUN, program, auto_remove=self._random.random() < 0.5)
                await self._wait(Call.UNTIL_ENDED, made.spec.id, made.spec.run)
                if made.spec.config.auto_remove:
                    await self._wait(Call.UNTIL_REMOVED, made.spec.id)
                    self._population.runs.pop(made.spec.id, None)
            case "run -d":
                made = await self._make(Call.RUN, self._program())
                await self._wait(Call.UNTIL_RUNNING, made.spec.id, made.spec.run)
            case "create, start":
                made = await self._make(Call.CREATE, self._program())
                if self._random.random() < 0.5:
                    await self._wait(Call.UNTIL_READY, made.spec.id)
                await self._raise(Call.START, made.spec.id)
            case "start":
                await self._raise(Call.START, container)
            case "restart":
                await self._raise(Call.RESTART, container)
            case "stop":
                await self._stop(container)
            case "kill":
                signal = self._random.choice(("SIGKILL", "SIGTERM"))
                await self._call(Call.KILL, container, lambda: self._containers.kill(container, signal))
            case "rm" | "rm -f":
                await self._remove(container, force=operation == "rm -f")
            case "exec":
                await self._exec(container)
            case "logs":
                await self._call(Call.LOGS, container, lambda: self._read(container), _with_lines)

    def _program(self) -> Program:
        if self._random.random() < 0.3:
            return Program(self._random.randrange(70), self._random.uniform(0, 4))
        return Program(None)

    async def _make(self, call: Call, program: Program, *, auto_remove: bool = False) -> Container:
        made = Made(new_container_id(), self._random.choice(_NAMES), program, auto_remove)
        self._history.made[made.id] = made
        options: shoal.ContainerOptions = {
            "memory": self._random.choice(("32m", "64m", "128m")),
            "cpus": self._random.choice((0.1, 0.5)),
            "auto_remove": auto_remove,
            "stop_timeout": 3,
        }
        if self._random.random() < 0.2:
            options["constraints"] = [f"node.name==node{self._random.randint(1, 3)}"]
        make = self._containers.run if call is Call.RUN else self._containers.create
        container = await self._call(
            call, made.id, lambda: make(IMAGE, command(made), name=made.name, id=made.id, **options), _with_run
        )
        self._population.runs[made.id] = container.spec.run
        return container

    async def _raise(self, call: Call, container: str) -> None:
        """Start or restart it, and wait until that run runs."""
        if call is Call.RESTART:
            seconds = self._random.choice((0, 2))
            raised = await self._call(
                call, container, lambda: self._containers.restart(container, timeout=seconds), _with_run
            )
        else:
            raised = await self._call(call, container, lambda: self._containers.start(container), _with_run)
        if container in self._population.runs:
            self._population.runs[container] = max(self._population.runs[container], raised.spec.run)
        await self._wait(Call.UNTIL_RUNNING, container, raised.spec.run)

    async def _stop(self, container: str) -> None:
        seconds = self._random.choice((0, 1, 4))
        stopped = await self._call(
            Call.STOP, container, lambda: self._containers.stop(container, timeout=seconds), _with_run
        )
        if stopped.spec.run:
            await self._wait(Call.UNTIL_ENDED, container, stopped.spec.run)

    async def _remove(self, container: str, *, force: bool) -> None:
        try:
            await self._call(Call.REMOVE, container, lambda: self._containers.remove(container, force=force))
        except _Told as told:
            if told.error == shoal.NotFound.__name__:
                self._population.runs.pop(container, None)
            raise
        self._population.runs.pop(container, None)
        await self._wait(Call.UNTIL_REMOVED, container)

    async def _exec(self, container: str) -> None:
        wanted = self._random.randrange(70)

        async def execute() -> int:
            async with self._containers.exec(container, ["sh", "-c", f"echo here; exit {wanted}"]) as process:
                code, _, _ = await process.communicate()
                return code

        def with_code(event: Event, code: int) -> Event:
            return replace(event, exit_code=code, wanted=wanted)

        await self._call(Call.EXEC, container, execute, with_code)

    async def _read(self, container: str) -> tuple[str, ...]:
        async with aclosing(self._containers.logs(container)) as entries:
            return tuple([entry.data.decode(errors="replace").strip() async for entry in entries])

    async def _wait(self, call: Call, container: str, run: int = 0) -> None:
        def with_code(event: Event, told: object) -> Event:
            code = getattr(told, "exit_code", None) if call is Call.UNTIL_ENDED else None
            return replace(event, run=run, exit_code=code)

        await self._call(
            call,
            container,
            lambda: self._containers.wait(container, until=_UNTIL[call], run=run),
            with_code,
        )

    async def _call(
        self,
        call: Call,
        container: str,
        ask: Callable[[], Awaitable[T]],
        note: Callable[[Event, T], Event] = lambda event, answer: event,
    ) -> T:
        """Make one call and record what was told.

        Raises:
            _Told: an error was.
        """
        began = time.monotonic() - self._zero
        # Until it is answered; a call that is broken off with the whole run stays like this.
        event = Event(self._number, call, container, began, math.inf, error=GAVE_UP)
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await ask()
            event = note(replace(event, error=""), answer)
        except TimeoutError:
            raise _Told(GAVE_UP) from None
        except shoal.ShoalError as error:
            event = replace(event, error=type(error).__name__, message=error.message)
            raise _Told(event.error) from None
        finally:
            self._history.events.append(replace(event, ended=time.monotonic() - self._zero))
        return answer


def _with_run(event: Event, container: Container) -> Event:
    return replace(event, run=container.spec.run)


def _with_lines(event: Event, lines: tuple[str, ...]) -> Event:
    return replace(event, lines=lines)
