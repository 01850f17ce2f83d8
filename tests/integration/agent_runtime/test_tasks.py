"""Tasks with the real conmon, OCI runtimes and kernel."""

from collections.abc import Callable

import pytest

Inside = Callable[..., str]


@pytest.mark.parametrize(
    "case",
    [
        "exit_codes",
        "signals",
        "oom",
        "limits",
        "limits_that_the_host_lacks",
        "limits_while_it_runs",
        "failures",
        "foreign_network",
        "cancelled",
        "executes",
        "freezes",
        "probes",
        "under_an_init",
        "executes_in_terminals",
        "consoles",
        "logs",
        "rotated",
        "monitor_killed",
        "isolation",
        "confined_as_asked",
        "host_devices",
        "given_devices",
        "privileged",
        "ended_meanwhile",
    ],
)
def test_tasks(inside: Inside, case: str) -> None:
    inside(case)


@pytest.mark.parametrize(
    ("point", "outcome"),
    [
        ("before-conmon", "NoneType"),
        ("conmon-under-way", "NoneType"),
        ("created", "NoneType"),
        ("before-start", "NoneType"),
        ("after-start", "Running"),
    ],
)
def test_an_agent_killed_in_a_step_of_a_start(inside: Inside, point: str, outcome: str) -> None:
    assert inside("adopted", point).split() == [outcome]


@pytest.mark.parametrize("milliseconds", ["2", "8", "16", "24", "32", "40", "60"])
def test_an_agent_killed_at_any_time_of_a_start(inside: Inside, milliseconds: str) -> None:
    inside("adopted", milliseconds)
