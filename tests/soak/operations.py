"""Clients: each picks operations at random and carries them out through the SDK."""

from __future__ import annotations

import asyncio
import contextlib
import io
import math
import random
import tarfile
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

import shoal
from shoal.configuration import Context
from shoal.options.limits import Limits as UpdateOptions
from shoal_common.ids import new_container_id
from shoal_lab.image import root_filesystem
from shoal_proto.v1.container_pb2 import Container, LogCursor
from tests.soak.found import limits
from tests.soak.history import BEGAN, GAVE_UP, LINE, Call, Event, History, Limits, Made, Program

T = TypeVar("T")

IMAGE: Final = "soak:1"
#: Containers that clients know of at a time; the names that they share are few enough to be taken now and then.
POPULATION: Final = 20
_NAMES: Final = tuple(f"s{number}" for number in range(4 * POPULATION))
#: Runs after which a container is only removed: the node tells of its last 16 attempts.
_RUNS: Final = 9
#: Seconds that a client waits for anything, longer than every fault lasts.
PATIENCE: Final = 90.0
#: Lines that every program writes at once, and seconds between those that some go on to write.
LINES: Final = 20
PAUSE: Final = 0.7
#: What a program exits with when it is asked to end.
ASKED: Final = 77

_WEIGHTS: Final = {
    "run": 4,
    "run -d": 5,
    "run, client dies": 3,
    "create, start": 3,
    "start": 3,
    "stop": 3,
    "restart": 3,
    "kill": 2,
    "rm": 3,
    "rm -f": 3,
    "update": 3,
    "exec": 4,
    "logs": 3,
    "logs -f": 2,
    "image import": 1,
    "node cordon": 1,
}
_MAKING: Final = frozenset({"run", "run -d", "run, client dies", "create, start"})
_NOWHERE: Final = _MAKING | {"image import", "node cordon"}
_STARTING: Final = frozenset({"start", "restart"})
_UNTIL: Final = {
    Call.UNTIL_READY: shoal.Until.READY,
    Call.UNTIL_RUNNING: shoal.Until.RUNNING,
    Call.UNTIL_ENDED: shoal.Until.ENDED,
    Call.UNTIL_REMOVED: shoal.Until.REMOVED,
    Call.UNTIL_LIMITED: shoal.Until.LIMITED,
}


def command(made: Made) -> list[str]:
    """Return the arguments of a container: it says a line that no other start says, then does what it is to do."""
    seconds, code = (100000.0, 0) if made.program.code is None else (made.program.seconds, made.program.code)
    # The shell waits for a child, since only then does the signal reach its trap at once. The trap comes first, so that
    # whoever has read the line can ask it to end.
    began = f"read u </proc/sys/kernel/random/uuid; echo {BEGAN}{made.id} $u"
    lines = f"i=0; while [ $i -lt {LINES} ]; do echo {LINE}$i; i=$((i+1)); done"
    talk = f"while :; do sleep {PAUSE} & wait; echo {LINE}$i; i=$((i+1)); done; " if made.program.talks else ""
    return [
        "sh",
        "-c",
        f"trap 'exit {ASKED}' TERM; {began}; {lines}; {talk}sleep {seconds:.1f} & wait; exit {code}",
    ]


@dataclass(slots=True)
class Population:
    """The containers that clients may still act upon, with the highest run that each was told."""

    runs: dict[str, int] = field(default_factory=dict)
    images: list[str] = field(default_factory=lambda: [IMAGE])


@dataclass(frozen=True, slots=True)
class Place:
    """Where clients are and what they may use.

    Attributes:
        context: how the cluster is reached.
        nodes: names of the nodes.
        spool: directory for archives of images.
    """

    context: Context
    nodes: tuple[str, ...]
    spool: Path


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
        place: where it acts.
        history: everything that it is told goes there.
        population: shared with the other clients.
        zero: monotonic time of the beginning.
    """

    def __init__(
        self,
        number: int,
        seed: int,
        place: Place,
        history: History,
        population: Population,
        zero: float,
    ) -> None:
        self._number = number
        self._random = random.Random(f"client {number} {seed}")
        self._place = place
        # Each turns to another controller first.
        turn = number % len(place.context.endpoints)
        self._context = replace(
            place.context, endpoints=(*place.context.endpoints[turn:], *place.context.endpoints[:turn])
        )
        self._cluster = shoal.connect(context=self._context)
        self._containers = self._cluster.containers
        self._history = history
        self._population = population
        self._zero = zero
        self._imported = 0

    async def close(self) -> None:
        """Close the connections."""
        await self._cluster.close()

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
        operations = [each for each in _WEIGHTS if known or each in _NOWHERE]
        if len(known) >= POPULATION:
            operations = [each for each in operations if each not in _MAKING]
        operation = self._random.choices(operations, [_WEIGHTS[each] for each in operations])[0]
        if operation in _NOWHERE:
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
            case "run, client dies":
                made = await self._make(Call.RUN, self._program(), dies=True)
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
            case "update":
                await self._update(container)
            case "exec":
                await self._exec(container)
            case "logs":
                await self._call(Call.LOGS, container, lambda: self._read(container), _with_lines)
            case "logs -f":
                await self._call(Call.FOLLOW, container, lambda: self._follow(container), _with_lines)
            case "image import":
                await self.import_image()
            case "node cordon":
                await self._cordon()

    def _program(self) -> Program:
        if self._random.random() < 0.3:
            return Program(self._random.randrange(70), self._random.uniform(0, 4))
        return Program(None, talks=self._random.random() < 0.4)

    def _restart(self, program: Program) -> str:
        """Return a policy with which it comes to rest at last, or "" for none."""
        if self._random.random() < 0.75:
            return ""
        if program.code is None:
            return self._random.choice(("always", "unless-stopped"))
        return f"on-failure:{self._random.randint(1, 2)}"

    async def _cordon(self) -> None:
        """Let a node take nothing new for some seconds."""
        node = self._random.choice(self._place.nodes)
        mark = {"soak": str(self._random.randrange(100))}
        nodes = self._cluster.nodes
        await self._call(Call.CORDON, "", lambda: nodes.update(node, cordoned=True, labels=mark))
        await asyncio.sleep(self._random.uniform(0.5, 4))
        await self._call(Call.UNCORDON, "", lambda: nodes.update(node, cordoned=False))

    async def make_unpulled(self, node: str) -> None:
        """Have containers of images that no node has placed on a node that does not pull now.

        Raises:
            ShoalError: that a client was told.
        """
        try:
            for _ in range(2):
                image = await self.import_image()
                await self._make(Call.RUN, Program(None), image=image, node=node)
        except _Told:
            pass

    async def import_image(self) -> str:
        """Import an image that nobody has, and return its name."""
        self._imported += 1
        name = f"soak-{self._number}:{self._imported}"
        archive = self._place.spool / name
        mark = f"{name} {self._random.random()}".encode()
        archive.write_bytes(await asyncio.to_thread(marked_root, mark))
        try:
            await self._call(Call.IMPORT, "", lambda: self._cluster.images.import_archive(archive, name))
        finally:
            archive.unlink()
        self._population.images.append(name)
        return name

    async def _make(
        self,
        call: Call,
        program: Program,
        *,
        auto_remove: bool = False,
        dies: bool = False,
        image: str = "",
        node: str = "",
    ) -> Container:
        restart = "" if auto_remove else self._restart(program)
        given = Limits(self._random.choice((32, 64, 128)) << 20, self._random.choice((100, 500)))
        made = Made(new_container_id(), self._random.choice(_NAMES), program, auto_remove, restart, given)
        self._history.made[made.id] = made
        options: shoal.ContainerOptions = {
            "memory": given.memory,
            "cpus": given.cpu / 1000,
            "auto_remove": auto_remove,
            "stop_timeout": 3,
        }
        if restart:
            options["restart"] = restart
        if node or self._random.random() < 0.2:
            options["constraints"] = [f"node.name=={node or self._random.choice(self._place.nodes)}"]
        # One of the newest: not all nodes have it.
        image = image or self._random.choice(self._population.images[-4:])
        if dies:
            await self._die(made, image, options)
        make = self._containers.run if call is Call.RUN else self._containers.create
        container = await self._call(
            call, made.id, lambda: make(image, command(made), name=made.name, id=made.id, **options), _with_run
        )
        self._population.runs[made.id] = container.spec.run
        return container

    async def _die(self, made: Made, image: str, options: shoal.ContainerOptions) -> None:
        """Be a client of one controller that ends in the middle of its call, whatever has become of it."""
        # Another one than it is repeated at.
        others = self._context.endpoints[1:] or self._context.endpoints
        context = replace(self._context, endpoints=(self._random.choice(others),))
        async with shoal.connect(context=context) as cluster:
            with contextlib.suppress(shoal.ShoalError, TimeoutError):
                await cluster.info()
                async with asyncio.timeout(self._random.uniform(0, 0.06)):
                    await cluster.containers.run(image, command(made), name=made.name, id=made.id, **options)

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

    async def _update(self, container: str) -> None:
        """Give it other limits, and wait until it is held to them."""
        asked = self._limits()
        options: UpdateOptions = {}
        if asked.memory:
            options["memory"] = asked.memory
        if asked.cpu:
            options["cpus"] = asked.cpu / 1000
        if asked.pids:
            options["pids_limit"] = asked.pids

        def with_limits(event: Event, told: Container) -> Event:
            return replace(event, told=limits(told.spec.config.resources))

        await self._call(
            Call.UPDATE, container, lambda: self._containers.update(container, **options), with_limits, asked=asked
        )
        await self._wait(Call.UNTIL_LIMITED, container)

    def _limits(self) -> Limits:
        """Return limits that hardly anybody else asks for, some of them more than a node has room for."""
        scarce = self._random.random() < 0.3
        # Pages of memory: the kernel counts in nothing less.
        memory = (32 << 20) + (self._random.randrange((320 if scarce else 96) << 8) << 12)
        cpu = 100 + self._random.randrange(1800 if scarce else 400)
        pids = self._random.randrange(64, 4096)
        what = self._random.sample(("memory", "cpu", "pids"), self._random.randint(1, 3))
        return Limits(memory * ("memory" in what), cpu * ("cpu" in what), pids * ("pids" in what))

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

    async def _follow(self, container: str) -> tuple[str, ...]:
        """Follow its log for some seconds, and go on from the cursor several times as another reader would."""
        lines: list[str] = []
        cursor: LogCursor | None = None
        for _ in range(self._random.randint(2, 4)):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._random.uniform(0.2, 2.5)):
                    async with aclosing(self._containers.log_batches(container, follow=True, cursor=cursor)) as batches:
                        async for batch in batches:
                            lines += [entry.data.decode(errors="replace").strip() for entry in batch.entries]
                            cursor = batch.cursor if batch.HasField("cursor") else cursor
        return tuple(lines)

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
        *,
        asked: Limits | None = None,
    ) -> T:
        """Make one call and record what was told.

        Raises:
            _Told: an error was.
        """
        began = time.monotonic() - self._zero
        # Until it is answered; a call that is broken off with the whole run stays like this.
        event = Event(self._number, call, container, began, math.inf, error=GAVE_UP, asked=asked)
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


def marked_root(mark: bytes) -> bytes:
    """Return the tar of a root file system that is like no other with another mark."""
    buffer = io.BytesIO(root_filesystem())
    with tarfile.open(fileobj=buffer, mode="a") as archive:
        info = tarfile.TarInfo("etc/mark")
        info.size = len(mark)
        archive.addfile(info, io.BytesIO(mark))
    return buffer.getvalue()


def _with_run(event: Event, container: Container) -> Event:
    return replace(event, run=container.spec.run)


def _with_lines(event: Event, lines: tuple[str, ...]) -> Event:
    return replace(event, lines=lines)
