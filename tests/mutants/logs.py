"""Mutants of what becomes of what containers write."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_AGENT: Final = "agent/shoal_agent"
_ROTATION: Final = "tests/unit/agent/runtime/test_log_rotation.py"
_READING: Final = "tests/unit/agent/runtime/test_logs.py"
_KILLED: Final = f"{_ROTATION}::test_no_line_is_lost_or_doubled_wherever_an_agent_is_killed"

LOGS: Final = (
    Mutant(
        "log-opened-anew-while-it-was-asked-for-already",
        f"{_AGENT}/runtime/control.py",
        "                    os.write(ctl, _NOTHING)\n                    return await _read(ctl)\n",
        "                    return True\n",
        _KILLED,
        "an agent that is killed in the middle of a rotation costs what was written until the next one rotates",
    ),
    Mutant(
        "log-opened-anew-before-the-old-one-has-a-name",
        f"{_AGENT}/care/log_rotation.py",
        "    settle(directory, attempt)\n    if written",
        "    if written",
        _KILLED,
        "the same",
    ),
    Mutant(
        "old-logs-removed-before-that-is-known",
        f"{_AGENT}/runtime/log_files.py",
        "    os.rename(draft, directory / _REMOVED)\n",
        "",
        f"{_ROTATION}::test_what_is_gone_is_told_of_wherever_an_agent_is_killed",
        "a slow reader takes what it is shown for the whole",
    ),
    Mutant(
        "tail-of-the-newest-start-only",
        f"{_AGENT}/runtime/log_tail.py",
        "    for attempt in reversed(attempts):\n        #: Streams",
        "    for attempt in attempts[-1:]:\n        #: Streams",
        f"{_READING}::test_what_is_asked_for_is_the_end_of_what_was_written_then_over_all_attempts",
        "after a restart the last lines before a crash are not shown",
    ),
)
