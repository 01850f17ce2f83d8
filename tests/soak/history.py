"""What clients asked, and what they were told. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from shoal_common.errors import AlreadyExists, Conflict, InvalidSpec, NotFound, PermissionDenied, Unauthenticated


class Outcome(StrEnum):
    """What a client knows of a call that is over."""

    #: It was told that it is done.
    DONE = "done"
    #: It was told that nothing was done.
    REFUSED = "refused"
    #: It was told neither: it may have been done, or may still be.
    UNKNOWN = "unknown"


class Call(StrEnum):
    """Calls of the SDK; the waits are told apart by what they wait for."""

    CREATE = "create"
    RUN = "run"
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    KILL = "kill"
    REMOVE = "remove"
    EXEC = "exec"
    LOGS = "logs"
    FOLLOW = "logs -f"
    IMPORT = "image import"
    CORDON = "node cordon"
    UNCORDON = "node uncordon"
    UPDATE = "update"
    UNTIL_READY = "wait until ready"
    UNTIL_RUNNING = "wait until running"
    UNTIL_ENDED = "wait until ended"
    UNTIL_REMOVED = "wait until removed"
    UNTIL_LIMITED = "wait until limited"


#: Calls that bring a container into being.
MAKING = frozenset({Call.CREATE, Call.RUN})
#: Calls after which a run may end in another way than by itself.
INTERFERING = frozenset({Call.STOP, Call.RESTART, Call.KILL, Call.REMOVE})

#: How the lines of a program begin: the one that each start says once, with what no other start says, and the others,
#: counted from 0.
BEGAN: Final = "began "
LINE: Final = "line "

#: What a client gave up waiting for has this instead of the class of an error.
GAVE_UP = "gave up"
_REFUSALS = frozenset(
    kind.__name__ for kind in (AlreadyExists, Conflict, InvalidSpec, NotFound, PermissionDenied, Unauthenticated)
)


@dataclass(frozen=True, slots=True)
class Program:
    """What a container does: says that it began, then ends by itself or not at all.

    Attributes:
        code: it ends with, by itself; None: it runs until it is stopped.
        seconds: until that end.
        talks: goes on to write lines.
    """

    code: int | None
    seconds: float = 0.0
    talks: bool = False

    @property
    def shown(self) -> str:
        """What it does, for people."""
        return "runs on" if self.code is None else f"exits {self.code} after {self.seconds:.1f} s"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of memory, thousandths of a core, processes; 0: not said."""

    memory: int = 0
    cpu: int = 0
    pids: int = 0

    def over(self, before: Limits) -> Limits:
        """Return what holds when these are put over others."""
        return Limits(self.memory or before.memory, self.cpu or before.cpu, self.pids or before.pids)


NO_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Made:
    """One container that a client asked for; `restart` is its policy, as the SDK takes it, "" for none."""

    id: str
    name: str
    program: Program
    auto_remove: bool = False
    restart: str = ""
    limits: Limits = NO_LIMITS


@dataclass(frozen=True, slots=True)
class Event:
    """One call and its answer.

    Attributes:
        began: seconds since the beginning, as is `ended`.
        error: class of the error that was told, or `GAVE_UP`; "" without one.
        run: that was told, or waited for; 0 if none was.
        exit_code: that was told.
        wanted: exit code that a command was to end with.
        lines: of the log that was read.
        message: of the error.
        asked: limits that were.
        told: those that the container was told to have by that.
    """

    client: int
    call: Call
    container: str
    began: float
    ended: float
    error: str = ""
    run: int = 0
    exit_code: int | None = None
    wanted: int | None = None
    lines: tuple[str, ...] = ()
    message: str = ""
    asked: Limits | None = None
    told: Limits | None = None

    @property
    def outcome(self) -> Outcome:
        """What the client knows."""
        if not self.error:
            return Outcome.DONE
        return Outcome.REFUSED if self.error in _REFUSALS else Outcome.UNKNOWN

    def __str__(self) -> str:
        run = f" run {self.run}" if self.run else ""
        asked = f" {self.asked}" if self.asked is not None else ""
        code = "" if self.exit_code is None else f", exit code {self.exit_code}"
        told = f"{self.error}: {self.message}" if self.error else "done"
        return f"{self.began:.2f}-{self.ended:.2f} client {self.client} {self.call}{run}{asked}: {told}{code}"


@dataclass(slots=True)
class Trouble:
    """A fault as it was: `kind` in words, and seconds since the beginning."""

    kind: str
    target: str
    began: float
    ended: float = math.inf

    def __str__(self) -> str:
        return f"{self.began:.1f}-{self.ended:.1f} {self.kind}{f' ({self.target})' if self.target else ''}"


@dataclass(slots=True)
class History:
    """All of it, in the order of the answers.

    Attributes:
        made: the containers, by id.
        operations: how often each operation of a client ended in which way.
        troubles: what was done to the cluster.
    """

    made: dict[str, Made] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    operations: Counter[tuple[str, str]] = field(default_factory=Counter)
    troubles: list[Trouble] = field(default_factory=list)

    def of(self, container: str) -> list[Event]:
        """Return the calls on one container."""
        return [event for event in self.events if event.container == container]

    def by_container(self) -> dict[str, list[Event]]:
        """Return the calls on each container, in the order of the answers."""
        grouped: dict[str, list[Event]] = {container: [] for container in self.made}
        for event in self.events:
            if event.container:
                grouped[event.container].append(event)
        return grouped

    def story(self, container: str) -> Iterator[str]:
        """Yield what is known of one container, a line each."""
        if (made := self.made.get(container)) is not None:
            removed = ", removed when it ends" if made.auto_remove else ""
            restart = f", restarts {made.restart}" if made.restart else ""
            yield f"{made.id} {made.name}: {made.program.shown}{removed}{restart}"
        for event in self.of(container):
            yield str(event)
