"""What a command line came to, and what is wrong with that. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.fuzz.command_lines import Line

_PREFIX: Final = "shoal: "
_DEBUG: Final = "debug: "
#: Exit codes of Shoal's own.
OWN: Final = frozenset({0, 1, 2, 125, 126, 127, 130})
#: Where the code is that of a container, or of a program in one.
_OF_OTHERS: Final = frozenset({"run", "start", "attach", "exec"})
#: Signals that were sent before it was killed.
_HUNG: Final = 3
#: What people are not to see of Python, gRPC and our own insides.
_INSIDES: Final = re.compile(
    r"Traceback \(most recent|fault of Shoal's own|StatusCode\.|<class '|object at 0x|\[Errno |Exception in |"
    r"AioRpcError|was never (awaited|retrieved)|Task was destroyed|\b[A-Z][a-z]+(Error|Exception|Warning): "
)
#: What asks on stderr; the answer may not be there.
_QUESTION: Final = re.compile(r"^.*(\[y/N\]:|[Pp]assphrase:|[Aa]gain:) *", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command line ended.

    Attributes:
        code: its exit code, negative for a signal.
        stopped: how often it was sent a signal, since it went on.
        seconds: that it took.
        files: that it left in its directory.
    """

    code: int
    stopped: int
    seconds: float
    stdout: str
    stderr: str
    files: tuple[str, ...] = ()


def wrong(line: Line, outcome: Outcome) -> Iterator[str]:
    """Say what is wrong with an outcome."""
    if found := _INSIDES.search(outcome.stderr) or _INSIDES.search(outcome.stdout):
        yield f"it shows its insides: {found[0]}"
    if outcome.stopped >= _HUNG:
        yield "it does not end by Ctrl-C"
    elif outcome.code < 0:
        yield f"it was killed by signal {-outcome.code}"
    elif outcome.code not in OWN and not _OF_OTHERS & set(line.words):
        yield f"exit code {outcome.code} means nothing"
    asked = bool(_QUESTION.search(outcome.stderr))
    told = [_QUESTION.sub("", said) for said in outcome.stderr.split("\n")]
    told = [said for said in told if said]
    if any(not said.isprintable() for said in told) and not _OF_OTHERS & set(line.words):
        yield "it writes control characters to stderr"
    if outcome.code == 2 and not outcome.stopped and not asked and not _OF_OTHERS & set(line.words):
        # Whether a template fits what is there is known only once that is found, and something else perhaps not.
        several = "inspect" in line.words and len(told) > 1
        if len([said for said in told if not said.startswith(_DEBUG)]) != 1 and not several:
            yield f"wrong usage is told in {len(told)} lines"
        if outcome.files:
            yield f"wrong usage left {', '.join(outcome.files)}"
    if outcome.code in (1, 2, 125) and not outcome.stopped:
        if not told and not asked and not _OF_OTHERS & set(line.words):
            yield "it failed without a word"
        ours = (_PREFIX, _DEBUG) if "--debug" in line.words else _PREFIX
        # A question may have lines of its own.
        if any(not said.startswith(ours) for said in told) and not asked and not _OF_OTHERS & set(line.words):
            yield "it failed with lines that nobody can tell from a program's"
    if any(name.endswith(".part") for name in outcome.files):
        yield f"it left something half-made: {', '.join(outcome.files)}"
