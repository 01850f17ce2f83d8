"""What must be true of a cluster after all that it was asked and told. Pure: each check returns what is wrong."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import pairwise
from typing import Final

from tests.soak.chronicle import Started
from tests.soak.found import Amounts, Attempt, Found, Record
from tests.soak.growth import Life
from tests.soak.history import (
    BEGAN,
    GAVE_UP,
    INTERFERING,
    LINE,
    MAKING,
    Call,
    Event,
    History,
    Limits,
    Made,
    Outcome,
    Trouble,
)
from tests.soak.operations import ASKED
from tests.soak.schedule import Kind
from tests.soak.violation import Violation

#: Attempts by container, then by generation and number.
Attempts = Mapping[str, Mapping[tuple[int, int], Started]]

#: What an end that somebody caused may look like: asked, killed, or stopped before it could start.
_CAUSED: Final = frozenset({ASKED, 137, 125})
_STARTS: Final = frozenset({Call.RUN, Call.START, Call.RESTART})
#: What needs nothing but that faults end.
_PATIENT: Final = frozenset({Call.UNTIL_REMOVED, Call.UNTIL_LIMITED, Call.STOP, Call.REMOVE})
#: Errors that a client with valid requests and certificates is never told.
_NEVER_TOLD: Final = frozenset({"Internal", "InvalidSpec", "Unauthenticated", "PermissionDenied", "Compacted"})
_NOT_FOUND: Final = "NotFound"
_OUTAGES: Final = frozenset({"Unavailable", "DeadlineExceeded"})
#: Seconds after a fault within which nobody is told of it any more.
RECOVERED: Final = 15.0
#: Exit code of what ran on a host that was rebooted.
REBOOTED: Final = 137
#: What a node has of a container that runs, among other things.
_OF_RUNNING: Final = frozenset({"containers", "mounts", "cgroups", "tasks"})

#: How much more than after its first minute a daemon may use at the end, for the same small population.
MEMORY_FACTOR: Final = 1.25
MEMORY_SLACK: Final = 8 << 20
FILES_SLACK: Final = 24
THREADS_SLACK: Final = 8


def existence(history: History, found: Found) -> list[Violation]:
    """What was made is there unless it was removed; what was removed or refused is not; nothing else is."""
    wrong = []
    for container, events in history.by_container().items():
        made = history.made[container]
        told = _outcome(events, MAKING)
        removal = _outcome(events, frozenset({Call.REMOVE}))
        present = container in found.containers
        if present and told is Outcome.REFUSED:
            wrong.append(Violation("existence", "exists, though its making was refused", container))
        if present and removal is Outcome.DONE:
            wrong.append(Violation("existence", "exists, though its removal was told", container))
        if not present and told is Outcome.DONE and removal in (None, Outcome.REFUSED) and not made.auto_remove:
            wrong.append(Violation("existence", "is gone, and nobody removed it", container))
    wrong += [
        Violation("existence", f"exists, and no client made it ({found.containers[container].name})", container)
        for container in found.containers.keys() - history.made.keys()
    ]
    return wrong


def _outcome(events: Iterable[Event], calls: frozenset[Call]) -> Outcome | None:
    """Return the best that was told of calls of these kinds; None if there were none."""
    told = {event.outcome for event in events if event.call in calls}
    return next((each for each in (Outcome.DONE, Outcome.UNKNOWN, Outcome.REFUSED) if each in told), None)


def starts(
    found: Found, begins: Mapping[str, Mapping[tuple[int, int], int]], attempts: Attempts, troubles: Iterable[Trouble]
) -> list[Violation]:
    """No run was started twice, nor more of them than were asked for; what runs did begin.

    Args:
        begins: how often each attempt of a container said that it began.
        attempts: those that were ever told of, by container, generation and number.
        troubles: on a disk that was full, what programs say may be lost.
    """
    wrong = doubled(begins, attempts)
    for container, counts in begins.items():
        record = found.containers.get(container) or found.tombstones.get(container)
        known = attempts.get(container, {})
        asked = sum(1 for attempt in counts if attempt not in known or not known[attempt].by_policy)
        if record is not None and asked > record.run and not any(each.by_policy for each in known.values()):
            wrong.append(Violation("starts", f"began {asked} times in {record.run} runs", container))
    if any(trouble.kind == Kind.DISK_FULL for trouble in troubles):
        return wrong
    for container, record in found.containers.items():
        newest = record.attempts[-1] if record.attempts else None
        if record.running and not (newest and begins.get(container, {}).get((record.generation, newest.number))):
            wrong.append(Violation("starts", "is told to run, and never began", container))
    return wrong


def doubled(begins: Mapping[str, Mapping[tuple[int, int], int]], attempts: Attempts) -> list[Violation]:
    """No attempt began twice, nor a run in two attempts; the restarts of a policy are no runs of their own."""
    wrong = []
    for container, counts in begins.items():
        known = attempts.get(container, {})
        of_run: Counter[int] = Counter()
        for attempt, count in counts.items():
            if count > 1:
                wrong.append(Violation("starts", f"attempt {attempt[1]} began {count} times", container))
            if attempt in known and not known[attempt].by_policy:
                of_run[known[attempt].run] += count
        wrong += [
            Violation("starts", f"run {run} began {count} times", container)
            for run, count in of_run.items()
            if count > 1
        ]
    return wrong


def restarts(
    history: History, begins: Mapping[str, Mapping[tuple[int, int], int]], attempts: Attempts
) -> list[Violation]:
    """Nodes restart by themselves what has a policy, and no more often than it says."""
    wrong = []
    for container, counts in begins.items():
        policy = history.made[container].restart if container in history.made else ""
        most = int(policy.partition(":")[2]) if policy.startswith("on-failure:") else math.inf if policy else 0
        of_run: Counter[int] = Counter()
        for attempt in counts:
            started = attempts.get(container, {}).get(attempt)
            if started is not None and started.by_policy:
                of_run[started.run] += 1
        wrong += [
            Violation("restarts", f"run {run} was restarted {count} times by policy {policy or 'no'}", container)
            for run, count in of_run.items()
            if count > most
        ]
    return wrong


def places(
    where: Mapping[tuple[str, int], Collection[str]], placed: Mapping[tuple[str, int], Collection[str]]
) -> list[Violation]:
    """Each generation of a container ran on one node, the one that it was placed on.

    Args:
        where: names of nodes that started something of a (container, generation).
        placed: names of nodes that it was given to.
    """
    wrong = []
    for (container, generation), nodes in where.items():
        if len(nodes) > 1:
            what = f"generation {generation} ran on {' and on '.join(sorted(nodes))}"
            wrong.append(Violation("places", what, container))
        if strange := set(nodes) - set(placed.get((container, generation), ())):
            what = f"generation {generation} ran on {' and on '.join(sorted(strange))}, where it was not placed"
            wrong.append(Violation("places", what, container))
    return wrong


def exit_codes(history: History, found: Found) -> list[Violation]:
    """An exit code that was told, or is stored, is the program's own, or of an end that somebody caused."""
    wrong = []
    for container, events in history.by_container().items():
        made = history.made[container]
        record = found.containers.get(container) or found.tombstones.get(container)
        stored = _stored_codes(record)
        excused = _excused_codes(history.troubles, made, events)
        for event in events:
            if event.call is not Call.UNTIL_ENDED or event.exit_code is None:
                continue
            if event.exit_code not in _possible_codes(made, events, event.run) | excused:
                wrong.append(Violation("exit codes", f"run {event.run} was told to exit {event.exit_code}", container))
            if event.run in stored and event.exit_code != stored[event.run]:
                what = f"run {event.run} was told to exit {event.exit_code}, and {stored[event.run]} is stored"
                wrong.append(Violation("exit codes", what, container))
        wrong += [
            Violation("exit codes", f"run {run} has exit code {code} stored", container)
            for run, code in stored.items()
            if code not in _possible_codes(made, events, run) | excused
        ]
    return wrong


def _stored_codes(record: Record | None) -> dict[int, int]:
    """Return the exit code of each run by its last attempt; an interrupted attempt is followed by another."""
    last: dict[int, Attempt] = {}
    for attempt in record.attempts if record is not None else ():
        last[attempt.run] = attempt
    return {run: attempt.exit_code for run, attempt in last.items() if attempt.exit_code is not None}


def _excused_codes(troubles: Iterable[Trouble], made: Made, events: Iterable[Event]) -> frozenset[int]:
    """Return the codes of ends that hosts caused: one that went away, one on which nothing can be written."""
    since = min((event.began for event in events), default=0.0)
    kinds = {trouble.kind for trouble in troubles if trouble.ended >= since}
    rebooted = {REBOOTED} if Kind.HOST_REBOOTED in kinds else frozenset()
    return frozenset(rebooted) | ({125} if Kind.DISK_FULL in kinds else frozenset())


def _possible_codes(made: Made, events: Iterable[Event], run: int) -> frozenset[int]:
    own = frozenset() if made.program.code is None else frozenset({made.program.code})
    return own | _CAUSED if _interfered(list(events), run) else own


def _interfered(events: list[Event], run: int) -> bool:
    """Say whether a client may have ended the run, or kept it from starting."""
    asking = [event for event in events if event.call in _STARTS and event.run == run and not event.error]
    # What was done before the run was asked for did not concern it. Who asked is not known if no answer came.
    since = min((event.began for event in asking), default=0.0)
    return any(
        event.call in INTERFERING
        and event.outcome is not Outcome.REFUSED
        and event not in asking
        and not (event.outcome is Outcome.DONE and event.ended <= since)
        for event in events
    )


def gone(found: Found, traces: Mapping[str, Mapping[str, Iterable[str]]]) -> list[Violation]:
    """Nothing is left of what does not exist: keys, and what nodes have."""
    wrong = [
        Violation("gone", f"name {name} is still taken", container)
        for name, container in found.names.items()
        if container not in found.containers
    ]
    wrong += [
        Violation("gone", f"address {ip} is still taken", container)
        for ip, container in found.addresses.items()
        if container not in found.containers
    ]
    for ledger in found.ledgers:
        wrong += [
            Violation("gone", f"{ledger.node} still holds it", container)
            for container in ledger.holds
            if container not in found.containers
        ]
    for record in found.containers.values():
        if not record.name:
            wrong.append(Violation("gone", "a part of it is left in etcd", record.id))
    holders = {ledger.node: ledger.holds for ledger in found.ledgers}
    for node, containers in traces.items():
        wrong += [
            Violation("gone", f"{node} has its {', '.join(kinds)}, and no hold says so", container)
            for container, kinds in containers.items()
            if container not in holders.get(node, {})
        ]
    return wrong


def present(found: Found, traces: Mapping[str, Mapping[str, Iterable[str]]]) -> list[Violation]:
    """What is told to run is there, on the node that holds it."""
    wrong = []
    for ledger in found.ledgers:
        for container in ledger.holds:
            record = found.containers.get(container)
            missing = _OF_RUNNING - set(traces.get(ledger.node, {}).get(container, ()))
            if record is not None and record.running and missing:
                what = f"is told to run, and {ledger.node} has no {' and no '.join(sorted(missing))} of it"
                wrong.append(Violation("present", what, container))
    return wrong


def unique(found: Found) -> list[Violation]:
    """Names and addresses are each one container's, and the keys say whose."""
    wrong = []
    names: dict[str, list[str]] = defaultdict(list)
    addresses: dict[str, list[str]] = defaultdict(list)
    for record in found.containers.values():
        # One that is being removed by force has given its name away.
        if record.name and found.names.get(record.name) == record.id:
            names[record.name].append(record.id)
        for ip in record.addresses:
            addresses[ip].append(record.id)
            if found.addresses.get(ip) != record.id:
                wrong.append(Violation("unique", f"address {ip} is not booked for it", record.id))
    for kind, taken in (("name", names), ("address", addresses)):
        wrong += [
            Violation("unique", f"{kind} {each} is that of {len(ids)} containers", ids[0])
            for each, ids in taken.items()
            if len(ids) > 1
        ]
    return wrong


def named(found: Found) -> list[Violation]:
    """When nothing is being removed, each container has the key of its name."""
    return [
        Violation("unique", f"name {record.name} is not its own", record.id)
        for record in found.containers.values()
        if record.name and found.names.get(record.name) != record.id
    ]


def ledgers(found: Found) -> list[Violation]:
    """No node has more reserved than it has, and each ledger is the sum of its holds."""
    wrong = []
    for ledger in found.ledgers:
        held = reduce(Amounts.__add__, ledger.holds.values(), Amounts(0, 0))
        if held != ledger.reserved:
            wrong.append(Violation("ledgers", f"{ledger.node} has {ledger.reserved} reserved, and holds of {held}"))
        if ledger.reserved.memory > ledger.capacity.memory or ledger.reserved.cpu > ledger.capacity.cpu:
            wrong.append(Violation("ledgers", f"{ledger.node} has {ledger.reserved} of {ledger.capacity} reserved"))
    return wrong


def limits(history: History, given: Mapping[str, Sequence[Limits]]) -> list[Violation]:
    """Limits are those of the newest update: each that was told is made, in its turn, and one that was refused is not.

    Args:
        given: the first limits of each container, and all that it was given instead, in their order.
    """
    wrong = []
    for container, events in history.by_container().items():
        steps = given.get(container, ())
        if steps and steps[0] != history.made[container].limits:
            wrong.append(Violation("limits", f"was made with {steps[0]}", container))
        updates = [event for event in events if event.asked is not None]
        wrong += [Violation("limits", each, container) for each in _updated(steps, updates)]
    return wrong


def _updated(steps: Sequence[Limits], updates: Sequence[Event]) -> Iterator[str]:
    """Yield what is wrong with the changes that came of updates, of which hardly two ever ask for the same."""
    made: list[Event] = []
    newest = 0.0
    for before, after in pairwise(steps):
        asking = [each for each in updates if each.asked is not None and each.asked.over(before) == after]
        # One that was repeated after another had come between may be made twice.
        found = next((each for each in asking if each.outcome is not Outcome.REFUSED), None)
        if found is None:
            yield f"was given {after}, which was refused" if asking else f"was given {after}, and nobody asked for that"
            continue
        if found.outcome is Outcome.DONE and found.ended <= newest:
            yield f"was given {after} after an update that began when that had been told"
        newest = max(newest, found.began)
        made.append(found)
    for event in updates:
        if event.outcome is Outcome.DONE and event not in made:
            yield f"was told to be given {event.asked}, and was not"
        if event.told is not None and event.told not in steps:
            yield f"was told to have {event.told}, and never had"


def held_to(found: Found, told: Mapping[str, Limits], kernel: Mapping[str, Limits]) -> list[Violation]:
    """At rest all say the same: what is stored, what a client is told, the node, and the kernel.

    Args:
        told: limits that each container is told to have.
        kernel: memory and processes that the kernel holds those that run to.
    """
    wrong = []
    for container, record in found.containers.items():
        if (seen := told.get(container, record.limits)) != record.limits:
            wrong.append(Violation("limits", f"is told to have {seen}, and {record.limits} is stored", container))
        if record.in_force is None:
            continue
        if record.in_force != record.limits and not record.warning:
            what = f"is held to {record.in_force}, is to have {record.limits}, and nothing says why"
            wrong.append(Violation("limits", what, container))
        real = kernel.get(container)
        wanted = Limits(record.in_force.memory, pids=record.in_force.pids)
        if real is not None and wanted.over(real) != real:
            wrong.append(Violation("limits", f"is held to {real} by the kernel, not to {wanted}", container))
    return wrong


def answers(history: History) -> list[Violation]:
    """No answer is one that can't be: a fault of Shoal's own, not found though there, a wrong code, a line twice."""
    wrong = []
    for container, events in history.by_container().items():
        made = history.made[container]
        for event in events:
            if event.error in _OUTAGES and not _troubled(history.troubles, event):
                what = f"{event.call} was told {event.error} with nothing wrong: {event.message}"
                wrong.append(Violation("answers", what, container))
            if event.error in _NEVER_TOLD:
                wrong.append(Violation("answers", f"{event.call} was told {event.error}: {event.message}", container))
            if event.error == _NOT_FOUND and not made.auto_remove and _must_exist(events, event):
                wrong.append(Violation("answers", f"{event.call} did not find it", container))
            if event.call in (Call.LOGS, Call.FOLLOW):
                full = any(each.kind == Kind.DISK_FULL for each in history.troubles)
                wrong += [Violation("answers", each, container) for each in _lines(event.lines, gaps=not full)]
            if event.call is Call.EXEC and not event.error and event.exit_code != event.wanted:
                # With the container the command ends too; where none ended it, it has its own code.
                if event.exit_code == 137 and (made.program.code is not None or _interfered(events, 0)):
                    continue
                what = f"a command was told to exit {event.exit_code}, not {event.wanted}"
                wrong.append(Violation("answers", what, container))
    return wrong


def _lines(lines: Iterable[str], *, gaps: bool) -> Iterator[str]:
    """Yield what is wrong with the lines of a log that were told from its beginning on."""
    began: set[str] = set()
    expected = 0
    for line in lines:
        if line.startswith(BEGAN):
            if line in began:
                yield "a start was told twice in its log"
            began.add(line)
            expected = 0
        elif line.startswith(LINE):
            number = int(line.removeprefix(LINE))
            if number < expected or (gaps and number > expected):
                yield f"line {number} of its log was told where {expected} was due"
            expected = number + 1


def _troubled(troubles: Iterable[Trouble], event: Event) -> bool:
    """Say whether something was done to the cluster during a call, or shortly before."""
    return any(each.began <= event.ended and each.ended + RECOVERED >= event.began for each in troubles)


def _must_exist(events: Iterable[Event], asked: Event) -> bool:
    """Say whether the container was there for as long as the call lasted."""
    before = [event for event in events if event.began < asked.ended]
    made = any(event.call in MAKING and not event.error and event.ended <= asked.began for event in before)
    removal = any(event.call is Call.REMOVE and event.outcome is not Outcome.REFUSED for event in before)
    return made and not removal


def patience(history: History) -> list[Violation]:
    """Nobody waited in vain for what needs nothing but that faults end: an end, a removal, limits."""
    return [
        Violation("patience", f"a client gave up: {event.call} run {event.run}", event.container)
        for event in history.events
        if event.error == GAVE_UP and event.call in _PATIENT
    ]


def growth(lives: Iterable[Life]) -> list[Violation]:
    """No daemon uses much more at the end than after its first minute."""
    wrong = []
    for life in lives:
        if (then := life.settled) is None:
            continue
        now = life.last
        if now.memory > then.memory * MEMORY_FACTOR + MEMORY_SLACK:
            grown = f"{then.memory >> 20} to {now.memory >> 20} MiB"
            wrong.append(Violation("growth", f"{life.daemon} grew from {grown} in {now.age:.0f} s"))
        if now.files > then.files + FILES_SLACK:
            wrong.append(Violation("growth", f"{life.daemon} went from {then.files} to {now.files} open files"))
        if now.threads > then.threads + THREADS_SLACK:
            wrong.append(Violation("growth", f"{life.daemon} went from {then.threads} to {now.threads} threads"))
    return wrong


def logged(daemon: str, log: str) -> list[Violation]:
    """No daemon logged a traceback: a fault that nobody foresaw."""
    lines = log.splitlines()
    found: Counter[str] = Counter()
    for number, line in enumerate(lines):
        if "Traceback (most recent call last)" in line:
            rest = lines[number + 1 :]
            found[next((each for each in rest if each and not each.startswith((" ", "|", "+"))), "?")] += 1
    return [Violation("logged", f"{daemon}: {count} tracebacks, {what[:200]}") for what, count in found.items()]
