"""Mutants of what is written to etcd, and what is read and watched there."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_STATE: Final = "controller/shoal_controller/state"

STORE: Final = (
    Mutant(
        "own-revision-not-compared",
        f"{_STATE}/kv.py",
        "self.require(key, revision=expect)",
        "self._check_size()",
        "tests/unit/controller/state/test_txn.py::test_no_write_without_a_compare_on_itself",
        "a commit that lands late overwrites what was decided since",
    ),
    Mutant(
        "absence-not-compared",
        f"{_STATE}/wire.py",
        "for key, revision in txn.expected.items():",
        "for key, revision in filter(lambda each: each[1], txn.expected.items()):",
        "tests/contract/test_kv.py::test_a_transaction_repeated_after_no_answer_happens_once[etcd]",
        "a name, an address or a placement is given out twice",
    ),
    Mutant(
        "fence-left-out",
        f"{_STATE}/wire.py",
        "    if txn.leader is not None:\n",
        "    if txn.leader == 0:\n",
        "tests/contract/test_kv.py::test_lost_leadership_writes_nothing[etcd]",
        "a leader that was stopped and followed writes over its follower",
    ),
    Mutant(
        "late-renewal-revives-a-term",
        f"{_STATE}/leadership.py",
        "if self.lost.is_set() or self._clock() >= self._deadline:",
        "if self.lost.is_set():",
        "tests/unit/controller/state/test_leadership.py::test_a_late_renewal_revives_nothing",
        "two controllers believe that they lead",
    ),
    Mutant(
        "ended-term-fences",
        f"{_STATE}/kv.py",
        "if not leadership.valid():",
        "if leadership.lost.is_set():",
        "tests/unit/controller/state/test_txn.py::test_who_does_not_lead_any_more_fences_nothing",
        "a process that wakes up after its lease goes on planning until etcd refuses it",
    ),
    Mutant(
        "no-answer-taken-for-a-refusal",
        f"{_STATE}/wire.py",
        "return error.code() in _REFUSED or never_proposed(error)",
        "return error.code() in _REFUSED or error.code() is grpc.StatusCode.UNAVAILABLE",
        "tests/unit/controller/state/test_wire.py::test_a_write_counts_as_refused_only_if_etcd_said_so",
        "what was committed counts as not committed, and is done again",
    ),
    Mutant(
        "watch-repeats-after-a-reconnect",
        f"{_STATE}/etcd.py",
        "                            told = batch.revision\n",
        "",
        "tests/contract/test_kv.py::test_a_watch_goes_on_with_the_very_next_revision[etcd]",
        "the cache goes back to old states with every connection that breaks",
    ),
    Mutant(
        "watch-skips-after-a-reconnect",
        f"{_STATE}/etcd.py",
        "                failures += 1\n",
        "                failures += 1\n                told += 1\n",
        "tests/contract/test_kv.py::test_a_watch_goes_on_with_the_very_next_revision[etcd]",
        "the cache lacks a change for ever",
    ),
    Mutant(
        "watch-goes-on-after-a-compaction",
        f"{_STATE}/etcd.py",
        "            except Unavailable as error:\n                failures += 1\n",
        "            except Compacted:\n                told += 1\n"
        "            except Unavailable as error:\n                failures += 1\n",
        "tests/contract/test_kv.py::test_a_watch_from_before_a_compaction_says_so[etcd]",
        "the cache lacks all that was compacted, and nobody lists anew",
    ),
    Mutant(
        "pieces-taken-for-the-whole",
        f"{_STATE}/etcd.py",
        "if answer.fragment:",
        "if answer.fragment and not answer.events:",
        "tests/integration/state/test_etcd_faults.py::test_pieces_of_a_large_answer_are_put_together",
        "half of a transaction is seen, the other half is not",
    ),
    Mutant(
        "cache-goes-back",
        f"{_STATE}/cache.py",
        "if batch.revision <= self.revision:",
        "if batch.revision < 0:",
        "tests/unit/controller/state/test_cache.py::test_a_watch_that_was_overtaken_does_not_set_the_cache_back",
        "who has read a write sees the state before it again",
    ),
    Mutant(
        "environment-sealed-for-any-container",
        "common/shoal_common/containers/environment.py",
        'f"container {container} env".encode()',
        'b"container env"',
        "tests/unit/common/test_sealing.py::test_an_environment_opens_only_for_its_own_container",
        "who can write to etcd reads one container's secrets from within another",
    ),
)
