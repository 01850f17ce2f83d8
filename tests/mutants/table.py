"""The mutants: one thing left out or turned round in the product, and the one test that must notice.

Each stands for a mistake that somebody could make while tidying up. A text that is not in its file any more fails the
run: bring the entry up to date with the code, or take it out together with what it guarded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file.

    Attributes:
        name: what the changed product does.
        file: from the top of the repository.
        original: text that is in the file exactly once.
        replacement: what it becomes.
        caught_by: the test that must fail, as pytest names it.
        why: what would happen to a cluster.
    """

    name: str
    file: str
    original: str
    replacement: str
    caught_by: str
    why: str


_STATE: Final = "controller/shoal_controller/state"
_CORE: Final = "controller/shoal_controller/core"
_LEADER: Final = "controller/shoal_controller/leader"
_AGENT: Final = "agent/shoal_agent"

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
        "common/shoal_common/environment.py",
        'f"container {container} env".encode()',
        'b"container env"',
        "tests/unit/common/test_sealing.py::test_an_environment_opens_only_for_its_own_container",
        "who can write to etcd reads one container's secrets from within another",
    ),
)

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
        "return (Readiness(), *admitting(need),",
        "return (*admitting(need),",
        "tests/unit/controller/core/test_invariants.py::test_never_against_a_constraint_nor_on_a_node_that_is_down",
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

LEADER: Final = (
    Mutant(
        "leader-does-not-fence",
        f"{_LEADER}/draft.py",
        "        txn.fence(leadership)\n",
        "",
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

AGENT: Final = (
    Mutant(
        "run-already-served-starts-again",
        f"{_AGENT}/core/planning.py",
        "asked = wanted.run_admitted > record.run_served",
        "asked = wanted.run_admitted >= record.run_served",
        "tests/unit/agent/core/test_lifecycle.py::test_starts_only_what_is_admitted",
        "what was run once is run again and again",
    ),
    Mutant(
        "what-vanished-starts-again",
        f"{_AGENT}/core/planning.py",
        "return NoteInterrupted() if record.start_pending else NoteEnd(EndCause.LOST)",
        "return NoteInterrupted()",
        "tests/unit/agent/core/test_lifecycle.py::test_what_vanished_has_ended_and_is_not_started_again",
        "a program that may have done all its work does it twice",
    ),
    Mutant(
        "started-before-it-is-on-record",
        f"{_AGENT}/worker.py",
        "await self._save(lifecycle.starting(self._record, run=run, boot_id=around.host.boot_id, now=stamp))",
        "self._record = lifecycle.starting(self._record, run=run, boot_id=around.host.boot_id, now=stamp)",
        "tests/unit/agent/test_worker.py::test_a_start_is_on_record_before_it_is_made",
        "an agent killed in the middle of a start makes it again beside what runs",
    ),
    Mutant(
        "older-generation-obeyed",
        f"{_AGENT}/core/planning.py",
        "obeys = observed.held and wanted.generation >= record.generation",
        "obeys = observed.held",
        "tests/unit/agent/core/test_lifecycle.py::test_never_acts_for_an_older_generation",
        "a word about an earlier placement stops or removes the present one",
    ),
    Mutant(
        "older-generation-taken",
        f"{_AGENT}/worker.py",
        "if assignment.generation < self._record.assignment.generation:",
        "if assignment.generation < 0:",
        "tests/unit/agent/test_worker.py::test_older_generation_is_refused_and_newer_supersedes",
        "the node forgets how far its container's placements had come",
    ),
    Mutant(
        "older-generation-not-stopped-first",
        f"{_AGENT}/core/planning.py",
        "        wanted.generation > record.generation\n        or wanted.role in",
        "        wanted.role in",
        "tests/unit/agent/core/test_lifecycle.py::test_newer_generation_stops_what_is_older_first",
        "the process of an earlier placement runs on in place of the new one",
    ),
    Mutant(
        "stray-stopped",
        f"{_AGENT}/core/planning.py",
        "record.removing or (obeys and _wants_stop(record, wanted))",
        "record.removing or not observed.held or (obeys and _wants_stop(record, wanted))",
        "tests/unit/agent/core/test_lifecycle.py::test_never_acts_on_absence",
        "an etcd restored from yesterday kills all that was started today",
    ),
    Mutant(
        "stray-removed",
        f"{_AGENT}/core/planning.py",
        "if record.removing or (obeys and wanted.role == HoldRole.HOLD_ROLE_REMOVE):",
        "if record.removing or not observed.held or (obeys and wanted.role == HoldRole.HOLD_ROLE_REMOVE):",
        "tests/unit/agent/core/test_lifecycle.py::test_never_acts_on_absence",
        "an etcd restored from yesterday deletes the data of all that was made today",
    ),
    Mutant(
        "lower-revision-accepted",
        f"{_AGENT}/watermark.py",
        "return (epoch, revision) < (self.position.epoch, self.position.revision)",
        "return epoch < self.position.epoch",
        "tests/unit/agent/test_node_files.py::test_watermark_never_goes_back_also_after_a_restart",
        "nodes follow an etcd that was restored to an earlier state",
    ),
    Mutant(
        "lower-epoch-accepted",
        f"{_AGENT}/watermark.py",
        "return (epoch, revision) < (self.position.epoch, self.position.revision)",
        "return revision < self.position.revision",
        "tests/unit/agent/test_node_files.py::test_watermark_never_goes_back_also_after_a_restart",
        "nodes follow a cluster that was given up when another was recovered",
    ),
    Mutant(
        "full-disk-keeps-records-out",
        f"{_AGENT}/records.py",
        "replace_file(path, data, on_full=self._spares.take)",
        "replace_file(path, data)",
        "tests/unit/agent/test_disk.py::test_a_record_finds_room_on_a_full_disk",
        "nothing can be stopped or removed on a full disk, so that it stays full",
    ),
    Mutant(
        "full-disk-wavers",
        f"{_AGENT}/core/disk.py",
        "factor = _AGAIN if full else 1.0",
        "factor = 1.0",
        "tests/unit/agent/core/test_disk.py::test_what_was_full_needs_more_before_it_has_room_again",
        "a node at the limit is full and not full every two seconds, each time news for the cluster",
    ),
    Mutant(
        "stopped-restarted",
        f"{_AGENT}/core/restarts.py",
        "or wanted.desired != DesiredState.DESIRED_STATE_RUNNING",
        "or wanted.desired == DesiredState.DESIRED_STATE_REMOVED",
        "tests/unit/agent/core/test_restarts.py::test_never_restarts_what_is_to_stop",
        "what a user stopped comes back by its policy",
    ),
    Mutant(
        "end-of-a-stop-restarted",
        f"{_AGENT}/core/restarts.py",
        "record.state == ContainerState.CONTAINER_STATE_STOPPING\n        or record.removing",
        "record.removing",
        "tests/unit/agent/core/test_restarts.py::test_never_restarts_what_ended_because_it_was_stopped",
        "a container that was stopped, and is to be started once there is room, runs without any",
    ),
    Mutant(
        "restart-before-its-pause-is-over",
        f"{_AGENT}/core/planning.py",
        "if now < record.restart_due_ms:",
        "if now < record.restart_due_ms and not observed.prepared:",
        "tests/unit/agent/core/test_restarts.py::test_waits_for_the_pause_then_restarts_the_same_run",
        "a crash loop takes a core of its node",
    ),
    Mutant(
        "pause-forgotten-with-every-restart",
        f"{_AGENT}/core/lifecycle.py",
        "restarts.unpaused(changed)\n        status.restarts += 1\n    else:",
        "changed.restart_pause_ms = changed.restart_due_ms = 0\n        status.restarts += 1\n    else:",
        "tests/unit/agent/test_worker.py::test_restarts_without_a_leader_after_pauses_that_double",
        "pauses never grow: a crash loop takes a core of its node",
    ),
    Mutant(
        "ran-well-by-the-wall-clock",
        f"{_AGENT}/worker.py",
        "            return self._seen_ms - began\n",
        "            return int((finished - self._record.status.started_at.ToNanoseconds() / 1e9) * 1000)\n",
        "tests/unit/agent/test_worker.py::test_what_runs_well_is_restarted_after_the_first_pause_again",
        "a clock that was set makes pauses grow under what runs well",
    ),
    Mutant(
        "first-start-that-fails-made-again",
        f"{_AGENT}/core/restarts.py",
        "or not (end.started or end.by_policy)",
        "or not (end.started or end.by_policy or end.run)",
        "tests/unit/agent/core/test_restarts.py::test_a_first_start_that_fails_is_told_and_a_restart_that_fails_is_made_again",
        "`run` of a command that does not exist never ends",
    ),
    Mutant(
        "interrupted-restart-counted-twice",
        f"{_AGENT}/core/lifecycle.py",
        "        status.restarts -= 1\n",
        "",
        "tests/unit/agent/core/test_restarts.py::test_an_interrupted_restart_is_made_again_at_once_and_counted_once",
        "an agent's end takes a restart away that a user allowed",
    ),
    Mutant(
        "restarts-take-all-starts",
        f"{_AGENT}/worker.py",
        "async with around.restarts if action.by_policy else contextlib.nullcontext(), around.starts:",
        "async with around.starts:",
        "tests/unit/agent/test_worker.py::test_crash_loops_leave_room_for_what_users_start",
        "users wait behind crash loops",
    ),
    Mutant(
        "new-boot-ignored",
        f"{_AGENT}/core/model.py",
        "this_boot=record.boot_id == boot_id,",
        "this_boot=True,",
        "tests/unit/agent/test_worker.py::test_reboot_means_everything_exited",
        "process ids from before a reboot are taken for containers",
    ),
    Mutant(
        "reader-brings-back-what-is-removed",
        f"{_AGENT}/runtime/logs.py",
        "                await ended.wait()\n                return\n",
        "                directory.mkdir(parents=True)\n                await stack.enter_async_context(bell)\n",
        "tests/unit/agent/runtime/test_logs.py::test_following_what_is_removed_does_not_bring_it_back",
        "who follows a log while its container is removed leaves a directory that the node can't get rid of",
    ),
    Mutant(
        "removal-forgotten-before-it-is-stored",
        f"{_AGENT}/core/planning.py",
        "settled = record.report_accepted >= record.report or not observed.held",
        "settled = record.report_accepted <= record.report or not observed.held",
        "tests/unit/agent/core/test_lifecycle.py::test_removal_is_forgotten_only_after_it_was_accepted",
        "the leader waits for ever for the news that a container is gone",
    ),
)

OBSERVATION: Final = (
    Mutant(
        "event-id-by-how-it-was-learnt",
        f"{_CORE}/events/containers.py",
        'which = f"{generation}.{attempt.number}"',
        'which = f"{len(known)}.{attempt.number}"',
        "tests/unit/controller/core/test_events.py::test_the_same_events_however_changes_are_merged",
        "whoever changes controllers is told the same event twice",
    ),
    Mutant(
        "missing-attempts-not-counted",
        f"{_CORE}/events/containers.py",
        "missing = max(0, attempt.number - highest - 1) if index == 0 else 0",
        "missing = 0",
        "tests/unit/controller/core/test_events.py"
        "::test_attempts_made_while_nobody_listened_come_with_their_own_times_and_are_counted",
        "a crash loop on a node that was cut off looks like sixteen restarts",
    ),
    Mutant(
        "label-passes-for-an-exit-code",
        f"{_CORE}/events/containers.py",
        "told.attributes[LABEL + label] = value",
        "told.attributes[label] = value",
        "tests/unit/controller/core/test_events.py::test_labels_do_not_pass_for_what_shoal_says",
        "a user's label is taken for what Shoal says",
    ),
    Mutant(
        "ring-that-forgot-passes-for-complete",
        "controller/shoal_controller/events/ring.py",
        "self.complete_after = max(self.complete_after, oldest.revision)",
        "self.complete_after = min(self.complete_after, oldest.revision)",
        "tests/unit/controller/test_event_log.py::test_the_ring_stays_within_its_bound",
        "who goes on at another controller misses events",
    ),
    Mutant(
        "control-characters-in-logs",
        "common/shoal_common/daemon_logging.py",
        "    if text.isprintable():\n",
        "    if text:\n",
        "tests/unit/common/test_daemon_logging.py::test_no_line_passes_for_two_or_moves_the_cursor",
        "a container's name forges lines in a daemon's log",
    ),
)

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

MUTANTS: Final = (*STORE, *CORE, *LEADER, *AGENT, *OBSERVATION, *RECOVERY)
