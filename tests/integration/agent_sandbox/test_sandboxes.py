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
def test(scenario: str, private_host: Callable[[str, str], None]) -> None:
    private_host("scenarios", scenario)


@pytest.mark.parametrize(
    "scenario",
    [
        "port_leads_to_its_sandbox_from_outside_and_from_the_host",
        "container_cannot_send_to_the_hosts_loopback",
        "port_that_leads_elsewhere_is_not_taken_over_nor_withdrawn",
        "port_of_a_program_of_the_host_is_left_to_it",
        "next_agent_publishes_what_it_adopts_and_nothing_else",
        "flows_from_before_and_after_are_led_anew",
    ],
)
def test_ports(scenario: str, private_host: Callable[[str, str], None]) -> None:
    private_host("port_scenarios", scenario)


@pytest.mark.parametrize(
    "scenario",
    [
        "an_empty_volume_is_filled_with_all_that_the_image_has_there",
        "no_link_of_an_image_leads_a_filling_out_of_it",
        "what_was_half_filled_is_filled_anew",
        "what_was_whole_is_moved_and_takes_nothing_away",
        "a_full_disk_fills_nothing_and_says_so",
        "a_path_of_the_node_is_mounted_and_no_link_leads_out_of_what_is_allowed",
        "a_link_that_changes_meanwhile_never_leads_out",
        "everything_attached_goes_with_the_root_file_system",
    ],
)
def test_volumes(scenario: str, private_host: Callable[[str, str], None]) -> None:
    private_host("volume_scenarios", scenario)


@pytest.mark.parametrize(
    "scenario",
    [
        "joined_network_is_the_same_and_outlives_neither_link_nor_ids",
        "joined_ids_with_a_network_of_its_own",
        "next_agent_adopts_what_joins_and_what_was_joined",
        "joining_that_is_cut_short_leaves_nothing",
    ],
)
def test_joining(scenario: str, private_host: Callable[[str, str], None]) -> None:
    private_host("joining_scenarios", scenario)
