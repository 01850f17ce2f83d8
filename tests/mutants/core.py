"""Mutants of the controller's decisions."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_CORE: Final = "controller/shoal_controller/core"

CORE: Final = (
    Mutant(
        "readiness-inverted",
        f"{_CORE}/filters.py",
        "return node.ready",
        "return not node.ready",
        "tests/unit/controller/core/test_filters.py::test_each_filter_checks_and_explains",
        "containers are given to nodes that are down",
    ),
    Mutant(
        "readiness-not-asked",
        f"{_CORE}/filters.py",
        "        Readiness(),\n        Schedulable(),",
        "        Schedulable(),",
        "tests/unit/controller/core/test_removal.py::test_a_node_that_is_down_takes_nothing_new",
        "containers are given to nodes that are down",
    ),
    Mutant(
        "reserved-not-subtracted",
        f"{_CORE}/snapshot.py",
        "return self.booked_capacity - self.reserved",
        "return self.booked_capacity",
        "tests/unit/controller/core/test_invariants.py::test_never_above_any_capacity",
        "a node is booked above what it has, and the kernel kills containers",
    ),
    Mutant(
        "constraint-inverted",
        f"{_CORE}/filters.py",
        "return (found == wanted) is equal",
        "return (found == wanted) is not equal",
        "tests/unit/controller/core/test_filters.py::test_constraint",
        "containers go exactly where they must not",
    ),
    Mutant(
        "spread-reversed",
        f"{_CORE}/scheduler.py",
        "return self._counts[node], -view.free.memory",
        "return -self._counts[node], -view.free.memory",
        "tests/unit/controller/core/test_spread.py::test_fewest_containers_then_most_free_memory_then_name",
        "all containers pile up on one node",
    ),
    Mutant(
        "address-in-use-given-out",
        f"{_CORE}/allocation.py",
        "self._used = set(used)",
        "self._used: set[str] = set()",
        "tests/unit/controller/core/test_invariants.py::test_addresses_are_unique",
        "two containers that live answer for one address",
    ),
    Mutant(
        "smaller-status-accepted",
        f"{_CORE}/statuses.py",
        "order(reported) <= order(stored)",
        "order(reported) == order(stored)",
        "tests/unit/controller/core/test_lifecycle.py::test_status_is_accepted_by_its_order",
        "a report that was delayed brings back a state that has passed",
    ),
    Mutant(
        "generation-of-a-status-not-compared",
        f"{_CORE}/statuses.py",
        "if hold is None or reported.generation != hold.generation:",
        "if hold is None:",
        "tests/unit/controller/core/test_lifecycle.py::test_status_is_accepted_by_its_order",
        "what an earlier placement left behind counts as the container's state",
    ),
    Mutant(
        "removal-believed-unasked",
        f"{_CORE}/statuses.py",
        "return Verdict.STORE if asked else Verdict.REFUSE",
        "return Verdict.STORE",
        "tests/unit/controller/core/test_lifecycle.py::test_removal_is_believed_only_where_it_was_asked_for",
        "a node that lost its disk makes the cluster forget its containers",
    ),
    Mutant(
        "reservation-released-while-it-runs",
        f"{_CORE}/statuses.py",
        "if status is None or status.generation != generation or not status.ended:",
        "if status is None or status.generation != generation:",
        "tests/unit/controller/core/test_invariants.py::test_what_runs_keeps_its_reservation",
        "the room of what runs is given to others",
    ),
    Mutant(
        "full-disk-not-minded",
        f"{_CORE}/orchestrate.py",
        "not (node.removal or node.problem)",
        "not node.removal",
        "tests/unit/controller/core/test_filters.py::test_a_node_with_a_full_disk_takes_nothing_new_and_says_why",
        "runs are admitted to a node that can't begin them",
    ),
    Mutant(
        "reservation-released-in-a-pause",
        "common/shoal_common/status.py",
        "return is_terminal(status) and not restarts(status)",
        "return is_terminal(status)",
        "tests/unit/controller/leader/test_commit.py::test_what_its_policy_starts_again_keeps_its_room",
        "the room of what its policy starts again is given to others",
    ),
    Mutant(
        "reservation-released-before-an-admitted-run",
        f"{_CORE}/statuses.py",
        "return status.run_served >= run_admitted or desired in (",
        "return status.run_served <= run_admitted or desired in (",
        "tests/unit/controller/core/test_lifecycle.py::test_what_has_ended_gives_its_room_back",
        "a restart that was promised its room starts without any",
    ),
    Mutant(
        "finished-where-it-may-live",
        f"{_CORE}/orchestrate.py",
        "    if not holders:\n",
        "    if not any(node in snapshot.nodes and snapshot.nodes[node].ready for node in holders):\n",
        "tests/unit/controller/core/test_invariants.py::test_only_a_spec_removes",
        "a container that is out of reach runs on, and its name and address are given away",
    ),
    Mutant(
        "own-silence-blamed-on-nodes",
        f"{_CORE}/liveness.py",
        "if lag > MAX_LAG:",
        "if lag < 0:",
        "tests/unit/controller/core/test_liveness.py::test_the_leaders_own_silence_extends_all_terms",
        "a leader that was suspended calls all its nodes down",
    ),
)
