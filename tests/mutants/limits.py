"""Mutants of what containers may use."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

LIMITS: Final = (
    Mutant(
        "a-runtime-that-a-node-lacks-is-ignored",
        "controller/shoal_controller/core/volumes.py",
        "        wanted.append(Runs(container.runtime))\n",
        "        pass\n",
        "tests/unit/controller/core/test_filters.py::test_a_runtime_that_a_node_does_not_have_sends_it_elsewhere",
        "a container goes where nobody can run it",
    ),
    Mutant(
        "limits-that-nobody-can-do-are-ignored",
        "controller/shoal_controller/core/volumes.py",
        "        wanted.append(Limiting(container.limits))\n",
        "        pass\n",
        "tests/unit/controller/core/test_filters.py::"
        "test_limits_that_a_node_can_not_hold_a_container_to_send_it_elsewhere",
        "a container runs without a limit that somebody counts on",
    ),
    Mutant(
        "weights-that-no-disk-goes-by-are-claimed",
        "agent/shoal_agent/runtime/abilities.py",
        """(parent / of_bfq).exists() and any("[bfq]" in text for text in _schedulers(devices))""",
        "(parent / of_bfq).exists()",
        "tests/unit/agent/runtime/test_abilities.py::test_weights_are_claimed_only_where_a_disk_goes_by_them",
        "a weight is taken, and has no effect",
    ),
    Mutant(
        "less-is-given-away-before-it-is-taken",
        "controller/shoal_controller/core/limiting.py",
        "    if status.limits_served < container.limits_changed:\n        return reserved\n",
        "",
        "tests/unit/controller/core/test_limiting.py::test_less_is_given_back_once_the_node_has_taken_it_away",
        "others get memory that a container still uses",
    ),
    Mutant(
        "what-is-more-is-not-booked",
        "controller/shoal_controller/api/containers/changing.py",
        "resources(amounts(ledger.reserved) + more)",
        "resources(amounts(ledger.reserved))",
        "tests/integration/api/test_altering.py::test_limits_are_changed_and_booked_in_one_transaction",
        "a node promises more memory than it has",
    ),
    Mutant(
        "an-update-kills",
        "agent/shoal_agent/runtime/live_limits.py",
        """change.file == "memory.max" and (used := kept_in_use(present)) > int(change.value)""",
        """change.file == "never" and (used := kept_in_use(present)) > int(change.value)""",
        "tests/unit/agent/runtime/test_live_limits.py::test_memory_in_use_is_not_taken_away_by_killing",
        "an update of the memory limit kills what runs, with version 2",
    ),
    Mutant(
        "a-node-is-asked-anew-with-every-container",
        "controller/shoal_controller/api/streams/stats.py",
        "            wanted = dict.fromkeys(wanted, frozenset())\n",
        "            pass\n",
        "tests/integration/api/test_stats.py::test_one_stream_for_each_node_however_many_containers",
        "every start or end breaks off the stream of its node, and all that it has told is reckoned from nothing",
    ),
)
