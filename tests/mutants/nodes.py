"""Mutants of what becomes of nodes: cordons, removals, revocation, resets."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_CORE: Final = "controller/shoal_controller/core"
_LEADER: Final = "controller/shoal_controller/leader"
_AGENT: Final = "agent/shoal_agent"
_RPC_SERVER: Final = "common/shoal_common/rpc_server.py"

NODES: Final = (
    Mutant(
        "cordon-not-compared",
        f"{_LEADER}/commit.py",
        "        self._require(keys.node_spec(node), self._node(node).spec)\n",
        "",
        "tests/unit/controller/leader/test_commit.py::test_what_lands_late_books_nothing_on_a_node_that_was[cordoned]",
        "a placement that was on its way lands on a node that was cordoned, or is being removed",
    ),
    Mutant(
        "departure-passes-by-the-ledger",
        f"{_LEADER}/node_draft.py",
        "        self._put(keys.node_ledger(node), entry.ledger, None)\n",
        "",
        "tests/unit/controller/leader/test_commit.py::test_a_node_departs_only_if_nothing_was_booked_meanwhile",
        "a node is deleted under a container that was placed there meanwhile",
    ),
    Mutant(
        "superseded-copy-loses-its-container",
        f"{_LEADER}/node_draft.py",
        "if (placement.value.node, placement.value.generation) != (node, hold.generation):",
        "if placement.value.generation < hold.generation:",
        "tests/unit/controller/leader/test_commit.py::test_a_superseded_copy_is_given_up_and_nothing_is_lost",
        "a container that lives on elsewhere is given up with a node that it has left",
    ),
    Mutant(
        "anothers-name-freed",
        f"{_LEADER}/draft.py",
        "if taken is not None and taken.value == holder:",
        "if taken is not None:",
        "tests/unit/controller/leader/test_commit.py::test_a_name_that_was_freed_and_taken_is_not_freed_again",
        "two containers have one name",
    ),
    Mutant(
        "late-news-bring-a-node-back",
        f"{_LEADER}/node_draft.py",
        "        if self._node(node).spec is None:\n            return  #",
        "        if False:\n            return  #",
        "tests/unit/controller/leader/test_commit.py::test_news_of_a_node_that_is_gone_bring_nothing_back",
        "a removed node has a status and a ledger again, which nobody ever deletes",
    ),
    Mutant(
        "given-up-without-force",
        f"{_CORE}/removal.py",
        "        elif node.removal == NodeRemoval.NODE_REMOVAL_FORCED:\n",
        "        else:\n",
        "tests/unit/controller/core/test_removal.py::test_what_is_held_is_given_up_first_and_only_by_force",
        "containers are lost that nobody gave up",
    ),
    Mutant(
        "cordoned-node-is-a-candidate",
        f"{_CORE}/filters.py",
        "        return not node.cordoned\n",
        "        return True\n",
        "tests/unit/controller/core/test_removal.py::test_a_cordoned_node_takes_nothing_new_and_keeps_what_it_has",
        "a node that is to be worked on fills up again",
    ),
    Mutant(
        "open-calls-of-the-revoked-go-on",
        _RPC_SERVER,
        "                    task.cancel()\n",
        "                    pass\n",
        "tests/unit/common/test_rpc_server.py::test_an_open_stream_is_told_why_it_is_cut_off",
        "a removed node goes on with the session that it has",
    ),
    Mutant(
        "removal-not-compared-in-joining",
        "controller/shoal_controller/pki/join.py",
        "        txn.require(keys.revocation(Role.NODE, node), revision=0)\n",
        "",
        "tests/unit/controller/pki/test_join.py::test_a_removal_that_this_controller_has_not_heard_of_is_not_passed_by",
        "a removed host is a node again, with a certificate that is refused everywhere",
    ),
    Mutant(
        "agent-begins-in-half-a-reset",
        f"{_AGENT}/claims.py",
        "    if is_resetting(paths.data):\n",
        "    if False:\n",
        "tests/unit/agent/test_claims.py::test_no_agent_begins_where_a_reset_was_broken_off",
        "a host joins anew while containers of its former life still run on it",
    ),
)
