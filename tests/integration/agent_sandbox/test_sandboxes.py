"""Sandboxes, root file systems and the node's network, with the real kernel and the real crun."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    "scenario",
    [
        "container_has_its_own_port_80_ping_and_sysfs",
        "roots_files_are_uid_0_on_disk_and_layers_stay_untouched",
        "sixty_layers_and_none_are_mounted",
        "two_sandboxes_reach_each_other_and_the_outside_through_nat",
        "nobody_outside_opens_a_connection_to_a_container",
        "container_cannot_pretend_to_be_another",
        "container_cannot_reach_the_agent",
        "no_address_means_loopback_only",
        "everything_may_be_repeated",
        "next_agent_adopts_what_is_whole_and_clears_the_rest",
        "agent_killed_at_any_step_leaves_what_the_next_one_can_use",
        "dead_helper_is_replaced",
        "cancelled_acquire_leaves_nothing",
        "many_at_once_have_ranges_of_their_own",
        "data_root_that_others_may_enter_is_refused",
    ],
)
def test(scenario: str, private_host: Callable[[str], None]) -> None:
    private_host(scenario)
