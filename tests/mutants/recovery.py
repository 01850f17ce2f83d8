"""Mutants of stores that went back, adoption and backups."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_STATE: Final = "controller/shoal_controller/state"
_CORE: Final = "controller/shoal_controller/core"
_ADOPTING: Final = "tests/unit/controller/core/test_adoption.py"

RECOVERY: Final = (
    Mutant(
        "lost-container-begun-anew",
        f"{_CORE}/adoption.py",
        "    status.ever_ready = True\n",
        "",
        f"{_ADOPTING}::test_what_its_node_has_nothing_of_is_lost_and_does_not_start",
        "what was removed after the snapshot runs again",
    ),
    Mutant(
        "lost-container-still-wanted",
        f"{_CORE}/adoption.py",
        "    spec.desired = _STOPPED\n    placed.run_admitted = max(placed.run_admitted, spec.run)\n",
        "    placed.run_admitted = max(placed.run_admitted, spec.run)\n",
        f"{_ADOPTING}::test_what_its_node_has_nothing_of_is_lost_and_does_not_start",
        "a restart policy starts what was removed after the snapshot",
    ),
    Mutant(
        "older-copy-is-current",
        f"{_CORE}/adoption.py",
        "return (generation, named,",
        "return (-generation, named,",
        f"{_ADOPTING}::test_of_two_copies_the_higher_generation_is_current_and_the_other_retired",
        "the copy that was superseded goes on, and the container stops",
    ),
    Mutant(
        "node-takes-back-what-it-has-not-heard-of",
        f"{_CORE}/adoption.py",
        "told=known.spec_revision <= horizon, copies=copies",
        "told=True, copies=copies",
        f"{_ADOPTING}::test_what_the_node_has_not_heard_of_is_not_taken_back",
        "a container that a user stopped runs again",
    ),
    Mutant(
        "runs-go-back",
        f"{_CORE}/adoption.py",
        "spec.run = max(spec.run, assignment.run_admitted, copy.status.run_served)",
        "spec.run = assignment.run_admitted",
        f"{_ADOPTING}::test_what_the_node_has_not_heard_of_is_not_taken_back",
        "the next start has the number of one that was served, and does nothing",
    ),
    Mutant(
        "anothers-container-taken-over",
        f"{_CORE}/adoption.py",
        "elif inventories.own_only and _is_anothers(world, found):",
        "elif False:",
        f"{_ADOPTING}::test_by_its_own_word_a_node_takes_nothing_that_the_store_has_elsewhere",
        "a node that was taken over is handed another node's container, with its environment",
    ),
    Mutant(
        "epoch-without-bound",
        "controller/shoal_controller/recovery/health.py",
        "        if epoch > self.newest_epoch + _MOST_EPOCHS:\n",
        "        if epoch > 1 << 64:\n",
        "tests/unit/controller/recovery/test_health.py::test_no_node_uses_up_the_epochs",
        "one node makes recovering the cluster impossible for ever",
    ),
    Mutant(
        "any-node-believed-against-the-store",
        "controller/shoal_controller/recovery/health.py",
        "            if node in self._accounted and (",
        "            if False and (",
        "tests/unit/controller/recovery/test_health.py::test_a_node_that_was_accounted_for_is_not_believed_against_the_store",
        "one node stops the cluster again and again",
    ),
    Mutant(
        "tombstone-ignored-on-adoption",
        f"{_CORE}/adoption.py",
        "if (found.assignment.namespace, container) in world.tombstones:",
        "if container in world.tombstones:",
        f"{_ADOPTING}::test_what_was_removed_is_not_brought_back_from_its_tombstone",
        "a removed container comes back",
    ),
    Mutant(
        "name-to-the-older-one",
        f"{_CORE}/claims.py",
        "return self.found, self.created, self.id",
        "return self.found, -self.created, self.id",
        f"{_ADOPTING}::test_of_a_name_taken_twice_who_was_made_later_has_it",
        "a name goes back to a container that had given it up",
    ),
    Mutant(
        "suspicion-outgrown",
        f"{_CORE}/store_health.py",
        "if mark.suspicion and view.epoch <= mark.epoch:",
        "if mark.suspicion and (view.epoch, view.revision) < (mark.epoch, mark.revision):",
        "tests/unit/controller/core/test_store_health.py"
        "::test_a_suspicion_holds_however_far_the_store_grows_until_the_epoch_is_raised",
        "a store that was set back is believed again after some writes",
    ),
    Mutant(
        "writes-into-a-store-that-lost-something",
        "controller/shoal_controller/recovery/guarded.py",
        "        self._health.check()\n        return await self._kv.commit(txn)",
        "        return await self._kv.commit(txn)",
        "tests/unit/controller/recovery/test_health.py::test_writes_of_the_api_are_refused_and_reads_served",
        "names are given out twice before the cluster is recovered",
    ),
    Mutant(
        "history-not-compared",
        f"{_STATE}/etcd.py",
        "if entry is None or (entry.mod_revision, entry.value) != (known.mod_revision, known.value):",
        "if entry is None:",
        "tests/integration/state/test_etcd_faults.py::test_a_watch_knows_a_store_that_was_set_back_and_has_grown_again",
        "changes of a restored store are added to what is known of the old one",
    ),
    Mutant(
        "end-of-a-backup-not-authenticated",
        "controller/shoal_controller/recovery/archive.py",
        'return prefix + number.to_bytes(4, "big") + (b"\\x01" if last else b"\\x00")',
        'return prefix + number.to_bytes(4, "big") + b"\\x00"',
        "tests/unit/controller/recovery/test_archive.py::test_a_backup_without_its_end_is_not_taken_for_whole",
        "half a backup is restored without a word",
    ),
    Mutant(
        "half-a-recovery-is-well",
        "controller/shoal_controller/recovery/recover.py",
        "            cluster.recovering = True\n",
        "",
        "tests/integration/leader/test_recovery.py::test_a_recovery_that_is_broken_off_anywhere_ends_the_same",
        "nodes are told of a set that is not all of theirs yet",
    ),
)
