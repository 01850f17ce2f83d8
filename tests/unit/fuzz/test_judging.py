"""What is taken for wrong of a command line's end and of a call's, and what isn't."""

from __future__ import annotations

import grpc
import pytest

from tests.fuzz import answers, outcomes
from tests.fuzz.answers import Answer
from tests.fuzz.command_lines import Line
from tests.fuzz.outcomes import Outcome

TOLD = "shoal: there is none\n"


def _wrong(*words: str, code: int = 0, stderr: str = "", stopped: int = 0, files: tuple[str, ...] = ()) -> list[str]:
    return list(outcomes.wrong(Line(words), Outcome(code, stopped, 0.1, "", stderr, files)))


@pytest.mark.parametrize(
    "found",
    [
        _wrong("ps"),
        _wrong("rm", "x", code=1, stderr=TOLD),
        _wrong("rm", "x", "y", code=1, stderr=TOLD * 2),
        _wrong("run", "x", code=125, stderr=TOLD),
        _wrong("run", "x", "false", code=1),
        _wrong("run", "x", code=77, stderr="of its own\n"),
        _wrong("rm", code=2, stderr=TOLD),
        _wrong("events", code=130, stopped=1),
        _wrong("cluster", "recover", code=1, stderr="Go on? [y/N]: "),
        _wrong("prune", code=2, stderr="This removes:\n  all\nGo on? [y/N]: shoal: it is no text\n"),
        _wrong("run", "x", "cat", "--help", code=1, stderr="\t-A\n"),
    ],
)
def test_is_right(found: list[str]) -> None:
    assert found == []


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (_wrong("ps", code=1, stderr="Traceback (most recent call last):\n"), "insides"),
        (_wrong("run", "x", code=1, stderr="ValueError: no\n"), "insides"),
        (_wrong("ps", code=1, stderr="shoal: [Errno 2] no\n"), "insides"),
        (_wrong("ps", code=-11), "signal 11"),
        (_wrong("ps", code=7, stderr=TOLD), "exit code 7"),
        (_wrong("ps", code=-9, stopped=3), "Ctrl-C"),
        (_wrong("ps", code=2, stderr=TOLD * 2), "2 lines"),
        (_wrong("ps", code=2, stderr=""), "0 lines"),
        (_wrong("ps", code=1, stderr=""), "without a word"),
        (_wrong("ps", code=1, stderr="no such thing\n"), "nobody can tell"),
        (_wrong("ps", code=1, stderr="shoal: \x1b[31m\n"), "control"),
        (_wrong("export", code=2, stderr=TOLD, files=("out",)), "left out"),
        (_wrong("export", code=1, stderr=TOLD, files=(".out.part",)), "half-made"),
    ],
)
def test_is_wrong(found: list[str], what: str) -> None:
    assert what in "; ".join(found)


@pytest.mark.parametrize(
    ("code", "message", "what"),
    [
        (grpc.StatusCode.OK, "", ""),
        (grpc.StatusCode.NOT_FOUND, "no such thing", ""),
        (grpc.StatusCode.INTERNAL, "failed", "INTERNAL"),
        (grpc.StatusCode.UNKNOWN, "failed", "UNKNOWN"),
        (grpc.StatusCode.UNIMPLEMENTED, "Method not found!", "nobody serves"),
        (grpc.StatusCode.NOT_FOUND, "", "without a word"),
        (grpc.StatusCode.NOT_FOUND, "a\nb", "several lines"),
        (grpc.StatusCode.NOT_FOUND, "a" * 5000, "5000 characters"),
    ],
)
def test_answers(code: grpc.StatusCode, message: str, what: str) -> None:
    found = list(answers.wrong(Answer(code, message, 0.1)))
    assert (what in "; ".join(found)) if what else found == []
