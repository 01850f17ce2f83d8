"""What a container may be after what its users were told, and what its log must say. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final

#: What every start writes first, and what comes after until it is asked to end. The shell waits for a child, since only
#: then does the signal reach its trap at once.
PROGRAM: Final = (
    "trap 'echo end $i; exit 7' TERM; i=0; read u </proc/sys/kernel/random/uuid; echo begin $u; "
    "while :; do echo line $i; i=$((i+1)); sleep 0.05 & wait $!; done"
)
_LINE: Final = re.compile(r"(begin|line|end) (\S+)")


class State(StrEnum):
    """Where a container is at rest."""

    ABSENT = "absent"
    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


class Operation(StrEnum):
    """What a user asks for."""

    CREATE = "create"
    START = "start"
    EXEC = "exec"
    STOP = "stop"
    REMOVE = "rm"
    FOLLOW = "logs -f"
    COPY_IN = "cp in"
    COPY_OUT = "cp out"
    ATTACH = "attach"


_LIVE: Final = frozenset({State.RUNNING})
_THERE: Final = frozenset({State.CREATED, State.RUNNING, State.EXITED})
#: Of what it is asked, and what comes of it (None: what was).
_ASKED: Final[dict[Operation, tuple[frozenset[State], State | None]]] = {
    Operation.CREATE: (frozenset({State.ABSENT}), State.CREATED),
    Operation.START: (frozenset({State.CREATED, State.EXITED}), State.RUNNING),
    Operation.EXEC: (_LIVE, None),
    Operation.STOP: (_LIVE, State.EXITED),
    Operation.REMOVE: (_THERE, State.ABSENT),
    Operation.FOLLOW: (_LIVE, None),
    Operation.COPY_IN: (_THERE, None),
    Operation.COPY_OUT: (_LIVE, None),
    Operation.ATTACH: (_LIVE, None),
}
_WEIGHTS: Final = {Operation.START: 3, Operation.EXEC: 2, Operation.REMOVE: 0.6}


@dataclass(slots=True)
class Subject:
    """One container, as its users know it.

    Attributes:
        name: of it.
        may: what it may be.
        least: starts that were told to have come about.
        most: starts that may have.
    """

    name: str
    may: frozenset[State] = frozenset({State.ABSENT})
    least: int = 0
    most: int = 0

    def told(self, operation: Operation, *, done: bool) -> None:
        """Take what a user was told: that it is done, or something else, which leaves both open."""
        _, then = _ASKED[operation]
        if then is None:
            return
        if operation is Operation.START:
            self.least += done
            self.most += 1
        self.may = frozenset({then}) if done else self.may | {then}

    def seen(self, state: State) -> str:
        """Take what it was found to be; returns what is wrong with that, or ""."""
        wrong = "" if state in self.may else f"{self.name} is {state}, and may be {', '.join(sorted(self.may))}"
        self.may = frozenset({state})
        if state is State.ABSENT:
            self.least = self.most = 0
        return wrong


def choose(random: Random, subjects: Sequence[Subject], count: int) -> list[tuple[Subject, Operation]]:
    """Return what is to be asked of which containers, each of them once. All must have been seen."""
    chosen = []
    for subject in random.sample(list(subjects), count):
        (state,) = subject.may
        fitting = [each for each, (of, _) in _ASKED.items() if state in of]
        weights = [_WEIGHTS.get(each, 1) for each in fitting]
        chosen.append((subject, random.choices(fitting, weights)[0]))
    return chosen


@dataclass(slots=True)
class Log:
    """What one run of a container wrote."""

    begins: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    end: int | None = None

    @classmethod
    def read(cls, text: str) -> Log:
        """Return what a text says; what is no line of the program's is a line with number -1."""
        log = cls()
        for line in text.splitlines():
            match = _LINE.fullmatch(line)
            kind, said = (match[1], match[2]) if match is not None else ("line", "-1")
            if kind == "begin":
                log.begins.append(said)
            elif kind == "end":
                log.end = int(said)
            else:
                log.lines.append(int(said))
        return log

    def wrong(self, *, whole: bool = True) -> Iterator[str]:
        """Say what is wrong with it; one that is not `whole` may begin anywhere, as what is looked at from then on."""
        if len(self.begins) > 1:
            yield f"it began {len(self.begins)} times"
        first = 0 if whole or not self.lines else self.lines[0]
        if self.lines != list(range(first, first + len(self.lines))):
            place = next(at for at, number in enumerate(self.lines) if number != first + at)
            yield f"after line {self.lines[place - 1] if place else 'none'} comes {self.lines[place]}"
        # The signal may come before the number of what was written last was counted up.
        if self.end is not None and self.lines and self.end - self.lines[-1] not in (0, 1):
            yield f"it ended after {self.end} lines, and the last there is {self.lines[-1]}"


def starts(subject: Subject, runs: Sequence[Log]) -> Iterator[str]:
    """Say what is wrong with the runs that a container was found to have had."""
    begun = [begin for run in runs for begin in run.begins]
    if len(set(begun)) != len(begun):
        yield f"{subject.name} has a start in two of its runs"
    if not subject.least <= len(begun) <= subject.most:
        yield f"{subject.name} began {len(begun)} times, and may have {subject.least} to {subject.most} times"
    for number, run in enumerate(runs, start=1):
        yield from (f"{subject.name}, run {number}: {what}" for what in run.wrong())
