"""Mutants of how the leader writes down what it decided."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_LEADER: Final = "controller/shoal_controller/leader"

LEADER: Final = (
    Mutant(
        "leader-does-not-fence",
        f"{_LEADER}/draft.py",
        "            txn.fence(leadership)\n",
        "            pass\n",
        "tests/unit/controller/leader/test_commit.py::test_every_transaction_is_fenced",
        "a leader that was followed goes on placing",
    ),
    Mutant(
        "placement-passes-by-the-ledger",
        f"{_LEADER}/commit.py",
        "        self._book(node, decision.reserve)\n",
        "",
        "tests/unit/controller/leader/test_commit.py::test_placing_compares_all_that_it_rests_on",
        "two placements that each fit are both made where only one does",
    ),
    Mutant(
        "placement-without-a-reservation-passes-by-the-ledger",
        f"{_LEADER}/commit.py",
        "        self._book(node, decision.reserve)\n",
        "        if decision.reserve:\n            self._book(node, decision.reserve)\n",
        "tests/unit/controller/leader/test_commit.py::test_a_placement_goes_by_the_ledger_whatever_it_reserves",
        "a placement is made on a node whose capacity was lowered meanwhile",
    ),
    Mutant(
        "address-not-taken",
        f"{_LEADER}/commit.py",
        "            self._put(keys.address(found.network, found.ip), None, container)\n",
        "",
        "tests/unit/controller/leader/test_commit.py::"
        "test_a_placement_is_refused_if_anything_it_rests_on_changed[/shoal/v1/addresses/default/10.88.0.2]",
        "the same address is found free for the next container",
    ),
    Mutant(
        "report-of-an-older-process-stored",
        f"{_LEADER}/commit.py",
        "            self._require(keys.node_session(node), session)\n"
        "            self._require(keys.hold(node, entry.id), holds[entry.id])\n",
        "            self._require(keys.hold(node, entry.id), holds[entry.id])\n",
        "tests/unit/controller/leader/test_commit.py::test_a_status_rests_on_session_hold_and_placement",
        "an agent process that was replaced still has its say",
    ),
    Mutant(
        "end-keeps-the-reservation",
        f"{_LEADER}/commit.py",
        "if amounts(hold.reserved) and entry.placement is not None and _frees(entry, spec.value, status):",
        "if False:",
        "tests/unit/controller/leader/test_commit.py::test_an_end_gives_room_back_in_the_transaction_that_stores_it",
        "between two transactions of the leader a node looks full that is not",
    ),
    Mutant(
        "tombstone-not-written",
        f"{_LEADER}/commit.py",
        "        self._put(key, self._cache.tombstones.get((namespace, container)), tombstone)\n",
        "",
        "tests/unit/controller/leader/test_commit.py::test_removed_deletes_everything_with_the_last_hold",
        "who waits for the exit code of run --rm never gets it, and a create told again creates again",
    ),
)
