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
        f"{_AGENT}/containers/worker.py",
        "frozen = task is TaskState.ALIVE and self._around.host.frozen(self._record)",
        "frozen = self._record.status.paused",
        "tests/unit/agent/containers/test_pausing.py::test_an_agent_killed_while_it_freezes_or_thaws",
        "a container that an agent froze just before it died stays frozen for ever",
    ),
    Mutant(
        "thawed-with-a-lost-spec",
        f"{_AGENT}/core/lifecycle.py",
        "        changed.assignment.paused = known.paused\n",
        "",
        "tests/unit/agent/containers/test_pausing.py::test_a_paused_one_whose_spec_is_lost_stays_as_it_is",
        "a lost store sets going what somebody had frozen",
    ),
    Mutant(
        "killed-and-still-to-be-paused",
        f"{_API}/containers/service.py",
        "if pausing.is_paused(entry) and number == SIGKILL:",
        "if False:",
        "tests/integration/api/test_containers.py::test_pause_and_unpause_are_wishes_that_others_take_back",
        "SIGKILL to a paused container does nothing where control groups are of version 1",
    ),
    Mutant(
        "name-taken-over-another",
        f"{_API}/containers/renaming.py",
        "txn.put(keys.name(entry.namespace, _KIND, name), encode(entry.id), expect=0)",
        "txn.require(keys.name(entry.namespace, _KIND, 'never'), revision=0)",
        "tests/integration/api/test_altering.py::test_of_two_that_want_a_name_one_gets_it",
        "two containers have one name, and what is done to it is done to either",
    ),
    Mutant(
        "repeat-renames-another",
        f"{_API}/containers/renaming.py",
        "        if done is not None:\n            return done\n        try:",
        "        try:",
        "tests/integration/api/test_altering.py::test_a_name_moves_with_its_keys_and_a_repeat_changes_nothing",
        "a request whose answer was lost renames the container that has the old name now",
    ),
    Mutant(
        "pruned-while-it-starts",
        f"{_API}/containers/pruning.py",
        "        and not is_going(entry)\n",
        "",
        "tests/integration/api/test_altering.py::test_prune_takes_only_what_does_not_run",
        "prune deletes what is about to be started again by its policy",
    ),
    Mutant(
        "restart-after-its-policy-was-taken-back",
        f"{_AGENT}/core/planning.py",
        "if wanted.desired != _RUNNING or wanted.restart_mode in _NO_RESTARTS:",
        "if wanted.desired != _RUNNING:",
        "tests/unit/agent/core/test_restarts.py::test_a_policy_that_is_taken_back_takes_back_the_restart_that_is_due",
        "a crash loop that was to end goes on for one more pause",
    ),
    Mutant(
        "failures-at-the-start-count",
        f"{_AGENT}/core/health.py",
        "    if health.state == STARTING and age_ms < check.start_period_ms:\n        return health\n",
        "",
        "tests/unit/agent/core/test_health.py::test_failures_in_the_start_period_do_not_count_until_one_has_succeeded",
        "what takes long to start is called unhealthy before it is there",
    ),
    Mutant(
        "health-told-with-every-check",
        f"{_AGENT}/containers/probing.py",
        "        if changed:\n            tell(now)\n",
        "        tell(now)\n",
        "tests/unit/agent/containers/test_probing.py::test_waits_between_checks_and_tells_changes_only",
        "every check of every container is a record, a report and a write to the store",
    ),
    Mutant(
        "health-told-a-thousand-times-a-second",
        f"{_AGENT}/core/health.py",
        "return max(pause, _AFTER_CHANGE_MS) if changed else pause",
        "return pause",
        "tests/unit/agent/containers/test_probing.py::test_what_changes_with_every_check_is_checked_once_a_second",
        "a container keeps the disk of its node and the store busy with its health",
    ),
    Mutant(
        "checks-that-hang-hold-up-others",
        f"{_AGENT}/runtime/probe.py",
        "                    await held.aclose()\n",
        "",
        "tests/unit/agent/containers/test_probes_of_many.py"
        "::test_checks_that_hang_keep_no_other_container_from_being_checked",
        "a few containers whose checks hang leave all others of their node unchecked",
    ),
    Mutant(
        "health-of-what-a-commit-froze",
        f"{_AGENT}/containers/runtime_host.py",
        "if answer.ok or key not in self._stalled:",
        "if True:",
        "tests/unit/agent/containers/test_probes_of_many.py"
        "::test_what_fails_while_processes_are_frozen_says_nothing_of_their_health",
        "whoever commits a container makes it unhealthy",
    ),
    Mutant(
        "health-of-the-attempt-before",
        f"{_AGENT}/core/lifecycle.py",
        '*("paused_at", "health", "health_output", "health_at"),',
        '*("paused_at", "health_output", "health_at"),',
        "tests/unit/agent/core/test_health.py::test_a_new_attempt_starts_anew_and_what_has_no_check_has_no_health",
        "what was healthy counts as healthy before it has started again",
    ),
)
