"""Mutants of what containers may use."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

LIMITS: Final = (
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
)
