"""What a container may be after what its users were told, and what is wrong with a log."""

from __future__ import annotations

from random import Random

import pytest

from tests.kills.model import Log, Operation, State, Subject, choose, starts

WHOLE = "begin u1\nline 0\nline 1\nline 2\nend 3\n"


def _subject(*told: tuple[Operation, bool]) -> Subject:
    subject = Subject("k0")
    for operation, done in told:
        subject.told(operation, done=done)
    return subject


def test_what_was_told_is_the_only_thing_that_may_be() -> None:
    subject = _subject((Operation.CREATE, True), (Operation.START, True))
    assert subject.seen(State.RUNNING) == ""
    assert "is exited" in subject.seen(State.EXITED)


def test_what_failed_leaves_both_open() -> None:
    for state in (State.ABSENT, State.CREATED):
        assert _subject((Operation.CREATE, False)).seen(state) == ""
    assert _subject((Operation.CREATE, False)).seen(State.RUNNING)


def test_what_changes_nothing_changes_nothing() -> None:
    subject = _subject((Operation.CREATE, True), (Operation.COPY_IN, False), (Operation.EXEC, False))
    assert subject.may == {State.CREATED}


@pytest.mark.parametrize(
    ("told", "begun", "right"),
    [(True, 1, True), (True, 0, False), (False, 0, True), (False, 1, True), (False, 2, False), (True, 2, False)],
)
def test_starts_are_counted(told: bool, begun: int, right: bool) -> None:
    subject = _subject((Operation.CREATE, True), (Operation.START, told))
    runs = [Log.read("".join(f"begin u{number}\n" for number in range(begun)))]
    assert (not list(starts(subject, runs))) is right


def test_a_start_is_in_one_run() -> None:
    subject = _subject((Operation.START, True), (Operation.START, True))
    assert list(starts(subject, [Log.read(WHOLE), Log.read(WHOLE)])) == ["k0 has a start in two of its runs"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (WHOLE, ""),
        (WHOLE.replace("end 3", "end 2"), ""),
        ("begin u1\n", ""),
        (WHOLE.replace("line 1\n", ""), "after line 0 comes 2"),
        (WHOLE.replace("line 1\n", "line 1\nline 1\n"), "after line 1 comes 1"),
        (WHOLE.replace("line 0\n", ""), "after line none comes 1"),
        (WHOLE.replace("line 2\n", ""), "ended after 3 lines"),
        (WHOLE.replace("line 1", "li"), "comes -1"),
        ("begin u1\n" + WHOLE, "began 2 times"),
    ],
)
def test_logs(text: str, what: str) -> None:
    found = "; ".join(Log.read(text).wrong())
    assert what in found if what else not found


def test_what_is_looked_at_from_somewhere_may_begin_anywhere() -> None:
    assert list(Log.read("line 7\nline 8\n").wrong(whole=False)) == []
    assert list(Log.read("line 7\nline 9\n").wrong(whole=False))
    assert list(Log.read("line 7\nline 8\n").wrong())


def test_only_what_makes_sense_is_asked() -> None:
    random = Random(1)
    subjects = [Subject("a"), Subject("b", frozenset({State.RUNNING})), Subject("c", frozenset({State.EXITED}))]
    asked = {name: set[Operation]() for name in "abc"}
    for _ in range(200):
        for subject, operation in choose(random, subjects, 3):
            asked[subject.name].add(operation)
    assert asked["a"] == {Operation.CREATE}
    assert asked["c"] == {Operation.START, Operation.REMOVE, Operation.COPY_IN}
    assert asked["b"] == set(Operation) - {Operation.CREATE, Operation.START}
