"""Mutants of what is removed from a node's disk, and of what stays."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_CORE: Final = "agent/shoal_agent/core"
_COLLECTING_TESTS: Final = "tests/unit/agent/core/test_collecting.py"
_EVICTION_TESTS: Final = "tests/unit/agent/core/test_eviction.py"

CARE: Final = (
    Mutant(
        "used-image-goes",
        f"{_CORE}/collecting.py",
        "free = (image for image in store.images if image.digest not in used)",
        "free = store.images",
        f"{_COLLECTING_TESTS}::test_never_names_an_image_that_is_used",
        "a container's image is removed while it runs",
    ),
    Mutant(
        "layer-of-a-pull-goes",
        f"{_CORE}/collecting.py",
        "if layer not in needed and layer not in pinned}",
        "if layer not in needed}",
        f"{_COLLECTING_TESTS}::test_no_layer_goes_that_an_image_or_a_pull_needs",
        "an image is recorded without a layer that was removed while the others were fetched",
    ),
    Mutant(
        "clearing-ends-where-it-begins",
        f"{_CORE}/collecting.py",
        "return taken(usage) < thresholds.low",
        "return taken(usage) < thresholds.high",
        f"{_COLLECTING_TESTS}::test_clearing_begins_at_the_high_threshold_and_ends_below_the_low_one",
        "a disk wavers about its threshold and is cleared all the time",
    ),
    Mutant(
        "reservation-protects-nobody",
        f"{_CORE}/eviction.py",
        "beyond = [each for each in running if each.memory > each.reserved]",
        "beyond = running",
        f"{_EVICTION_TESTS}::test_nobody_within_its_reservation_goes_before_one_beyond",
        "a container that uses what it reserved is killed for one that uses more",
    ),
    Mutant(
        "evicted-starts-into-the-same-hole",
        f"{_CORE}/planning.py",
        "if record.evicted and observed.tight:",
        "if False:",
        f"{_EVICTION_TESTS}::test_what_was_evicted_is_not_started_by_its_policy_while_the_node_is_short",
        "what was killed for want of memory is started again while there is none, and killed, and so on",
    ),
)
