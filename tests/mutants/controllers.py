"""Mutants of clusters of several controllers."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_STATE: Final = "controller/shoal_controller/state"
_LEADER: Final = "controller/shoal_controller/leader"
_AGENT: Final = "agent/shoal_agent"

CONTROLLERS: Final = (
    Mutant(
        "registration-that-ended-stays-ended",
        f"{_STATE}/registration.py",
        "elif await self._kv.keep_alive(lease) <= 0:",
        "elif await self._kv.keep_alive(lease) < 0:",
        "tests/integration/state/test_registration.py::test_one_that_was_given_up_comes_back",
        "nobody is told any more of a controller that was suspended once",
    ),
    Mutant(
        "controllers-that-come-not-told",
        f"{_LEADER}/dispatcher.py",
        "            if change.membership:\n",
        "            if change.everything:\n",
        "tests/integration/leader/test_leading.py::test_agents_are_told_when_controllers_come_and_go",
        "agents don't find the leader among controllers that came after they had joined",
    ),
    Mutant(
        "silent-leader-waited-for",
        f"{_AGENT}/cluster/heartbeat.py",
        "                            self._reopen(True)\n",
        "",
        "tests/integration/agent/test_heartbeat.py::test_who_falls_silent_is_left",
        "an agent stays with a leader that was stopped in its tracks while another one leads",
    ),
    Mutant(
        "silence-waited-out-as-among-thousands",
        f"{_AGENT}/cluster/heartbeat.py",
        "    if interval <= AT_ONCE:\n",
        "    if interval < 0:\n",
        "tests/unit/agent/cluster/test_deadlines.py::test_among_few_one_that_answered_before_is_not_waited_for",
        "nothing new runs for 11 s after a leader was stopped in its tracks",
    ),
    Mutant(
        "no-patience-among-thousands",
        f"{_AGENT}/cluster/heartbeat.py",
        "    if interval <= AT_ONCE:\n",
        "    if interval > 0:\n",
        "tests/unit/agent/cluster/test_deadlines.py::test_among_thousands_patience_grows",
        "thousands of agents give up the handshakes that they wait for, and none gets through",
    ),
    Mutant(
        "client-waits-for-one-of-several",
        "sdk/shoal/transport.py",
        "ATTEMPT: Final = 1.0",
        "ATTEMPT: Final = 30.0",
        "tests/integration/sdk/test_calls.py::test_one_that_accepts_and_says_nothing_holds_nobody_up",
        "a controller that was stopped in its tracks hangs every client that has it first",
    ),
    Mutant(
        "silence-during-a-call-waited-out",
        "sdk/shoal/transport.py",
        "options = () if self._alone else rpc_client.QUICK_KEEPALIVE",
        "options = ()",
        "tests/integration/sdk/test_calls.py::test_one_that_falls_silent_during_a_call_holds_nobody_up",
        "a call through a controller that falls silent takes as long as its deadline",
    ),
)
