"""Each check of the soak passes what is right, and fails for what it is there to find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.soak import model
from tests.soak.chronicle import Started
from tests.soak.found import Amounts, Attempt, Found, Ledger, Record
from tests.soak.growth import Life, Usage
from tests.soak.history import GAVE_UP, Call, Event, History, Limits, Made, Program, Trouble
from tests.soak.schedule import Kind
from tests.soak.violation import Violation

ID, OTHER = "a" * 64, "b" * 64
IP = "10.88.0.2"
HELD = Amounts(64, 100)
RECORD = Record(ID, "s1", 1, generation=1, attempts=(Attempt(1, 1, 5),), addresses=(IP,))
LEDGER = Ledger("node1", Amounts(100, 200), HELD, {ID: HELD})
FOUND = Found({ID: RECORD}, {}, {"s1": ID}, {IP: ID}, (LEDGER,))
EMPTY = Found({}, {}, {}, {}, ())
USAGE = Usage(age=60, memory=100 << 20, files=30, threads=10)


def history(*events: Event, program: Program | None = None, auto_remove: bool = False) -> History:
    """A history of one container that ends with 5."""
    return History({ID: Made(ID, "s1", program or Program(5, 1.0), auto_remove)}, list(events))


def event(call: Call, began: float, *, error: str = "", run: int = 0, code: int | None = None) -> Event:
    """A call that took a second."""
    return Event(1, call, ID, began, began + 1, error, run, code)


RUN = event(Call.RUN, 0, run=1)
REMOVE = event(Call.REMOVE, 5)


def checks(violations: list[Violation]) -> list[str]:
    """What was found, without the containers."""
    return [each.what for each in violations]


# Existence


def test_what_was_made_must_exist() -> None:
    assert not model.existence(history(RUN), FOUND)
    assert checks(model.existence(history(RUN), EMPTY)) == ["is gone, and nobody removed it"]
    refused = event(Call.REMOVE, 5, error="Conflict")
    assert checks(model.existence(history(RUN, refused), EMPTY)) == ["is gone, and nobody removed it"]


@pytest.mark.parametrize("error", ["Unavailable", "DeadlineExceeded", GAVE_UP])
def test_nothing_is_known_of_what_was_not_answered(error: str) -> None:
    for found in (FOUND, EMPTY):
        assert not model.existence(history(replace(RUN, error=error)), found)
        assert not model.existence(history(RUN, replace(REMOVE, error=error)), found)


def test_what_was_removed_or_refused_must_not_exist() -> None:
    assert not model.existence(history(RUN, REMOVE), EMPTY)
    assert checks(model.existence(history(RUN, REMOVE), FOUND)) == ["exists, though its removal was told"]
    taken = history(replace(RUN, error="AlreadyExists"))
    assert checks(model.existence(taken, FOUND)) == ["exists, though its making was refused"]


def test_what_removes_itself_may_be_gone() -> None:
    assert not model.existence(history(RUN, auto_remove=True), EMPTY)


def test_what_nobody_made_must_not_exist() -> None:
    assert checks(model.existence(History(), FOUND)) == ["exists, and no client made it (s1)"]


# Starts


ONCE = {ID: {(1, 1): Started(1, by_policy=False)}}


def test_a_run_begins_once() -> None:
    assert not model.starts(FOUND, {ID: {(1, 1): 1}}, ONCE, ())
    twice = checks(model.starts(FOUND, {ID: {(1, 1): 2}}, ONCE, ()))
    assert twice == ["attempt 1 began 2 times", "run 1 began 2 times"]


def test_a_run_begins_once_over_all_of_its_attempts() -> None:
    record = replace(RECORD, run=9)
    attempts = {ID: {(1, number): Started(1, by_policy=False) for number in (1, 2)}}
    twice = {ID: {(1, 1): 1, (1, 2): 1}}
    for found in (replace(FOUND, containers={ID: record}), replace(EMPTY, tombstones={ID: record})):
        assert checks(model.starts(found, twice, attempts, ())) == ["run 1 began 2 times"]


def test_restarts_by_policy_are_counted_apart() -> None:
    attempts = {ID: {(1, 1): Started(1, by_policy=False), (1, 2): Started(1, by_policy=True)}}
    assert not model.starts(FOUND, {ID: {(1, 1): 1, (1, 2): 1}}, attempts, ())
    assert checks(model.starts(FOUND, {ID: {(1, 2): 2}}, attempts, ())) == ["attempt 2 began 2 times"]


def test_a_policy_restarts_no_more_often_than_it_says() -> None:
    attempts = {ID: {(1, number): Started(1, by_policy=number > 1) for number in (1, 2, 3)}}
    begins = {ID: {(1, number): 1 for number in (1, 2, 3)}}

    def said(restart: str) -> list[str]:
        made = Made(ID, "s1", Program(5, 1.0), restart=restart)
        return checks(model.restarts(History({ID: made}), begins, attempts))

    assert not said("always")
    assert not said("on-failure:2")
    assert said("on-failure:1") == ["run 1 was restarted 2 times by policy on-failure:1"]
    assert said("") == ["run 1 was restarted 2 times by policy no"]


def test_attempts_that_nobody_ever_told_of_are_counted_too() -> None:
    found = replace(EMPTY, tombstones={ID: replace(RECORD, run=2)})
    assert not model.starts(found, {ID: {(1, 1): 1, (1, 2): 1}}, {}, ())
    assert "attempt 1 began 2 times" in checks(model.starts(found, {ID: {(1, 1): 2}}, {}, ()))
    three = {ID: {(1, 1): 1, (1, 2): 1, (1, 3): 1}}
    assert checks(model.starts(found, three, {}, ())) == ["began 3 times in 2 runs"]


def test_what_runs_has_begun() -> None:
    found = replace(FOUND, containers={ID: replace(RECORD, running=True)})
    assert not model.starts(found, {ID: {(1, 1): 1}}, ONCE, ())
    assert checks(model.starts(found, {}, ONCE, ())) == ["is told to run, and never began"]
    assert not model.starts(found, {}, ONCE, [Trouble(Kind.DISK_FULL, "node1", 0, 1)])


def test_a_generation_runs_where_it_was_placed() -> None:
    placed = {(ID, 1): {"node1"}}
    assert not model.places({(ID, 1): {"node1"}}, placed)
    assert checks(model.places({(ID, 1): {"node1", "node2"}}, placed)) == [
        "generation 1 ran on node1 and on node2",
        "generation 1 ran on node2, where it was not placed",
    ]


# Exit codes


def told(code: int) -> Event:
    """An answer that the first run ended."""
    return event(Call.UNTIL_ENDED, 2, run=1, code=code)


def test_a_told_exit_code_is_the_programs_own() -> None:
    assert not model.exit_codes(history(RUN, told(5)), EMPTY)
    assert checks(model.exit_codes(history(RUN, told(6)), EMPTY)) == ["run 1 was told to exit 6"]
    assert checks(model.exit_codes(history(RUN, told(137)), EMPTY)) == ["run 1 was told to exit 137"]


def test_a_run_that_somebody_ended_may_end_differently() -> None:
    stopped = event(Call.STOP, 1.5)
    for code in (5, 77, 137, 125):
        assert not model.exit_codes(history(RUN, stopped, told(code)), EMPTY)
    assert checks(model.exit_codes(history(RUN, stopped, told(6)), EMPTY)) == ["run 1 was told to exit 6"]


def test_what_was_done_before_a_run_does_not_excuse_its_end() -> None:
    again = event(Call.START, 4, run=2)
    end = event(Call.UNTIL_ENDED, 6, run=2, code=137)
    before, unknown = event(Call.STOP, 2), event(Call.STOP, 2, error="Unavailable")
    assert checks(model.exit_codes(history(RUN, before, again, end), EMPTY)) == ["run 2 was told to exit 137"]
    assert not model.exit_codes(history(RUN, unknown, again, end), EMPTY)
    restarted = event(Call.RESTART, 4, run=2)
    assert checks(model.exit_codes(history(RUN, restarted, end), EMPTY)) == ["run 2 was told to exit 137"]


def test_the_end_of_what_runs_on_has_a_cause() -> None:
    on = Program(None)
    assert checks(model.exit_codes(history(RUN, told(0), program=on), EMPTY)) == ["run 1 was told to exit 0"]


def test_what_is_stored_is_what_was_told() -> None:
    assert not model.exit_codes(history(RUN, told(5)), FOUND)
    killed = event(Call.KILL, 1)
    differs = "run 1 was told to exit 137, and 5 is stored"
    assert checks(model.exit_codes(history(RUN, killed, told(137)), FOUND)) == [differs]
    record = replace(RECORD, attempts=(Attempt(1, 1, 9),))
    stored = replace(FOUND, containers={ID: record})
    assert checks(model.exit_codes(history(RUN), stored)) == ["run 1 has exit code 9 stored"]


def test_an_interrupted_attempt_is_not_the_end_of_its_run() -> None:
    record = replace(RECORD, attempts=(Attempt(1, 1, 125), Attempt(2, 1, 5)))
    assert not model.exit_codes(history(RUN, told(5)), replace(FOUND, containers={ID: record}))


def test_a_host_that_went_away_has_its_own_exit_code() -> None:
    rebooted = history(RUN, told(137))
    assert checks(model.exit_codes(rebooted, EMPTY)) == ["run 1 was told to exit 137"]
    rebooted.troubles.append(Trouble(Kind.HOST_REBOOTED, "node1", 1, 2))
    assert not model.exit_codes(rebooted, EMPTY)


# What is gone


def test_nothing_is_left_of_what_does_not_exist() -> None:
    assert not model.gone(FOUND, {"node1": {ID: ["containers"]}})
    left = replace(FOUND, containers={})
    assert checks(model.gone(left, {})) == [
        "name s1 is still taken",
        f"address {IP} is still taken",
        "node1 still holds it",
    ]
    part = replace(FOUND, containers={ID: replace(RECORD, name="")})
    assert checks(model.gone(part, {})) == ["a part of it is left in etcd"]


def test_a_node_has_nothing_that_it_does_not_hold() -> None:
    here = {"node1": {OTHER: ["mounts", "processes"]}, "node2": {ID: ["cgroups"]}}
    assert checks(model.gone(FOUND, here)) == [
        "node1 has its mounts, processes, and no hold says so",
        "node2 has its cgroups, and no hold says so",
    ]


def test_what_is_told_to_run_is_there() -> None:
    found = replace(FOUND, containers={ID: replace(RECORD, running=True)})
    kinds = ["cgroups", "containers", "mounts", "tasks"]
    assert not model.present(found, {"node1": {ID: kinds}})
    assert not model.present(FOUND, {})
    told = ["is told to run, and node1 has no mounts and no tasks of it"]
    assert checks(model.present(found, {"node1": {ID: kinds[:2]}})) == told


# What is unique


def test_names_and_addresses_are_unique() -> None:
    assert not model.unique(FOUND)
    other = replace(RECORD, id=OTHER)
    both = replace(FOUND, containers={ID: RECORD, OTHER: other})
    assert f"address {IP} is that of 2 containers" in checks(model.unique(both))
    assert f"address {IP} is not booked for it" in checks(model.unique(both))
    assert checks(model.unique(replace(FOUND, addresses={}))) == [f"address {IP} is not booked for it"]
    assert checks(model.named(both)) == ["name s1 is not its own"]
    assert not model.named(FOUND)


# Ledgers


def test_ledgers_are_the_sum_of_the_holds_and_not_above_capacity() -> None:
    assert not model.ledgers(FOUND)

    def wrong(ledger: Ledger) -> int:
        return len(model.ledgers(replace(FOUND, ledgers=(ledger,))))

    assert wrong(replace(LEDGER, holds={})) == 1
    assert wrong(replace(LEDGER, reserved=Amounts(65, 100))) == 1
    assert wrong(replace(LEDGER, capacity=Amounts(63, 200))) == 1
    assert wrong(replace(LEDGER, capacity=Amounts(100, 99))) == 1


# Limits


def given(*steps: Limits, updates: tuple[Event, ...] = ()) -> list[str]:
    """What the check says of a container that was made without limits and then given these."""
    return checks(model.limits(history(RUN, *updates), {ID: (Limits(), *steps)}))


def update(asked: Limits, began: float = 2, *, error: str = "", told: Limits | None = None) -> Event:
    return replace(event(Call.UPDATE, began, error=error), asked=asked, told=told)


def test_what_was_told_to_be_given_is() -> None:
    one, two = update(Limits(memory=64), 2), update(Limits(pids=100), 4)
    both = Limits(64, 0, 100)
    assert not given(Limits(64), both, updates=(one, two))
    assert given(Limits(64), updates=(one, two)) == [f"was told to be given {two.asked}, and was not"]
    assert given(Limits(65)) == [f"was given {Limits(65)}, and nobody asked for that"]
    assert checks(model.limits(history(RUN), {ID: (Limits(1),)})) == [f"was made with {Limits(1)}"]


def test_what_was_refused_is_not_given() -> None:
    refused = update(Limits(memory=64), error="Conflict")
    assert not given(updates=(refused,))
    assert given(Limits(64), updates=(refused,)) == [f"was given {Limits(64)}, which was refused"]


@pytest.mark.parametrize("error", ["Unavailable", GAVE_UP])
def test_what_nobody_knows_of_may_be_given_or_not(error: str) -> None:
    unknown = update(Limits(memory=64), error=error)
    later = update(Limits(memory=65), 9)
    assert not given(Limits(65), updates=(unknown, later))
    assert not given(Limits(64), Limits(65), updates=(unknown, later))
    assert not given(Limits(65), Limits(64), updates=(unknown, later))


def test_limits_are_given_in_the_order_in_which_they_were_told() -> None:
    first, beside, last = update(Limits(memory=64), 2), update(Limits(memory=65), 2.5), update(Limits(memory=66), 4)
    assert not given(Limits(65), Limits(64), Limits(66), updates=(first, beside, last))
    # One is repeated after the other has come between.
    assert not given(Limits(64), Limits(65), Limits(64), Limits(66), updates=(first, beside, last))
    late = f"was given {Limits(64)} after an update that began when that had been told"
    assert given(Limits(65), Limits(66), Limits(64), updates=(first, beside, last)) == [late]
    assert given(Limits(64), Limits(65), Limits(66), Limits(64), updates=(first, beside, last)) == [late]


def test_limits_that_are_told_were_given() -> None:
    asked = Limits(memory=64)
    assert not given(asked, updates=(update(asked, told=asked),))
    assert given(asked, updates=(update(asked, told=Limits(63)),)) == [f"was told to have {Limits(63)}, and never had"]


def test_at_rest_all_tell_the_same_limits() -> None:
    asked, lower, kept = Limits(64, 100, 9), Limits(63, 100, 9), Limits(64, 0, 9)

    def said(record: Record, told: Limits = asked, kernel: Limits = kept) -> list[str]:
        found = replace(FOUND, containers={ID: record})
        return checks(model.held_to(found, {ID: told}, {ID: kernel}))

    still, runs = replace(RECORD, limits=asked), replace(RECORD, limits=asked, in_force=asked)
    assert not said(still)
    assert not said(runs)
    assert said(still, told=lower) == [f"is told to have {lower}, and {asked} is stored"]
    late = replace(runs, in_force=lower)
    assert f"is held to {lower}, is to have {asked}, and nothing says why" in said(late)
    assert not said(replace(late, warning="memory is in use"), kernel=Limits(63, 0, 9))
    for kernel in (Limits(63, 0, 9), Limits(64, 0, 8)):
        assert said(runs, kernel=kernel) == [f"is held to {kernel} by the kernel, not to {kept}"]
    # What nobody asked for is not the kernel's to keep.
    assert not said(replace(runs, limits=Limits(64), in_force=Limits(64)), told=Limits(64), kernel=Limits(64, 0, 4096))


# Answers


@pytest.mark.parametrize("error", ["Internal", "InvalidSpec", "PermissionDenied"])
def test_some_errors_are_never_told(error: str) -> None:
    assert len(model.answers(history(RUN, event(Call.STOP, 2, error=error)))) == 1


def test_an_outage_is_told_only_while_there_is_one() -> None:
    out = history(RUN, event(Call.STOP, 20, error="Unavailable"))
    assert checks(model.answers(out)) == ["stop was told Unavailable with nothing wrong: "]
    out.troubles.append(Trouble(Kind.MEMBER_KILLED, "control1", 30, 31))
    assert len(model.answers(out)) == 1
    out.troubles.append(Trouble(Kind.MEMBER_KILLED, "control1", 2, 12))
    assert not model.answers(out)


def test_what_is_there_is_found() -> None:
    missed = event(Call.STOP, 2, error="NotFound")
    assert checks(model.answers(history(RUN, missed))) == ["stop did not find it"]
    assert not model.answers(history(RUN, event(Call.REMOVE, 1), missed))
    assert not model.answers(history(replace(RUN, error=GAVE_UP), missed))
    assert not model.answers(history(RUN, missed, auto_remove=True))


def test_a_command_has_its_own_exit_code() -> None:
    on = Program(None)

    def executed(code: int) -> Event:
        return replace(event(Call.EXEC, 2, code=code), wanted=3)

    assert not model.answers(history(RUN, executed(3), program=on))
    assert len(model.answers(history(RUN, executed(137), program=on))) == 1
    assert not model.answers(history(RUN, event(Call.KILL, 2), executed(137), program=on))
    assert len(model.answers(history(RUN, event(Call.KILL, 2), executed(0), program=on))) == 1


def logs(*lines: str) -> list[str]:
    """What the check says of these lines of a log."""
    return checks(model.answers(history(RUN, replace(event(Call.FOLLOW, 2), lines=lines))))


def test_a_line_of_a_log_is_told_once_and_none_is_left_out() -> None:
    assert not logs("began 1", "line 0", "line 1", "began 2", "line 0")
    assert logs("began 1", "began 1") == ["a start was told twice in its log"]
    assert logs("began 1", "line 0", "line 0") == ["line 0 of its log was told where 1 was due"]
    assert logs("began 1", "line 0", "line 2") == ["line 2 of its log was told where 1 was due"]


def test_a_removal_ends() -> None:
    late = event(Call.UNTIL_REMOVED, 2, error=GAVE_UP)
    assert len(model.patience(history(RUN, late))) == 1
    assert not model.patience(history(RUN, event(Call.UNTIL_RUNNING, 2, error=GAVE_UP)))


# Daemons


def grown(change: Mapping[str, int]) -> list[Violation]:
    """What the check says of a daemon that uses so much at the end."""
    last = replace(USAGE, age=600, **{"memory": USAGE.memory, **change})
    return model.growth([Life("node1/agent", USAGE, last, last.memory)])


@pytest.mark.parametrize("change", [{"memory": 140 << 20}, {"files": 60}, {"threads": 20}])
def test_a_daemon_does_not_grow(change: Mapping[str, int]) -> None:
    assert not grown({})
    assert len(grown(change)) == 1


def test_a_young_daemon_is_not_judged() -> None:
    assert not model.growth([Life("node1/agent", None, USAGE, USAGE.memory)])


def test_no_traceback_is_logged() -> None:
    log = 'began\nTraceback (most recent call last):\n  File "x", line 1\n    1 / 0\nZeroDivisionError: no\nwent on\n'
    assert not model.logged("agent", "began\n")
    assert checks(model.logged("agent", log * 2)) == ["agent: 2 tracebacks, ZeroDivisionError: no"]
