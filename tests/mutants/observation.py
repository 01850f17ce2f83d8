"""Mutants of what users are told: events and logs."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_CORE: Final = "controller/shoal_controller/core"

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
