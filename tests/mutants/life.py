"""Mutants of a container's life beside starts and stops: paused, watched for its health, renamed."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_AGENT: Final = "agent/shoal_agent"
_API: Final = "controller/shoal_controller/api"

LIFE: Final = (
    Mutant(
        "frozen-and-stopped",
        f"{_AGENT}/core/planning.py",
        "    if observed.frozen or record.paused:\n        # What is frozen hears",
        "    if False:\n        # What is frozen hears",
        "tests/unit/agent/core/test_pausing.py::test_what_is_frozen_is_let_go_before_anything_else",
        "a paused container can't be stopped, not even by SIGKILL",
    ),
    Mutant(
        "frozen-by-an-agent-before-is-not-seen",
        f"{_AGENT}/worker.py",
        "frozen = task is TaskState.ALIVE and self._around.host.frozen(self._record)",
        "frozen = self._record.status.paused",
        "tests/unit/agent/test_pausing.py::test_an_agent_killed_while_it_freezes_or_thaws",
        "a container that an agent froze just before it died stays frozen for ever",
    ),
    Mutant(
        "thawed-with-a-lost-spec",
        f"{_AGENT}/core/lifecycle.py",
        "        changed.assignment.paused = known.paused\n",
        "",
        "tests/unit/agent/test_pausing.py::test_a_paused_one_whose_spec_is_lost_stays_as_it_is",
        "a lost store sets going what somebody had frozen",
    ),
    Mutant(
        "killed-and-still-to-be-paused",
        f"{_API}/containers.py",
        "if pausing.is_paused(entry) and number == SIGKILL:",
        "if False:",
        "tests/integration/api/test_containers.py::test_pause_and_unpause_are_wishes_that_others_take_back",
        "SIGKILL to a paused container does nothing where control groups are of version 1",
    ),
)
