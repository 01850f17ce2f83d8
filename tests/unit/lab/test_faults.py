"""Faults of a lab's network, as commands, and what is remembered of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shoal_common.errors import InvalidSpec
from shoal_lab.daemons import Capacity
from shoal_lab.layout import Layout
from shoal_lab.network import Cut, Slowness, Way, firewall
from shoal_lab.plan import Plan

ADDRESSES = {"control1": "10.77.0.2", "control2": "10.77.0.3", "node1": "10.77.0.11"}


def test_a_cut_in_one_direction_loses_only_that() -> None:
    rules = firewall([Cut("node1", way=Way.OUT)], ADDRESSES)
    assert 'oifname "eth0" drop' in rules
    assert "iifname" not in rules


def test_a_cut_from_one_host_names_its_address_in_both_directions() -> None:
    rules = firewall([Cut("control1", "control2")], ADDRESSES)
    assert 'iifname "eth0" ip saddr 10.77.0.3 drop' in rules
    assert 'oifname "eth0" ip daddr 10.77.0.3 drop' in rules


def test_without_cuts_no_rule_is_left() -> None:
    # A cut cable is none of the firewall's.
    for cuts in ((), (Cut("node1"),)):
        assert firewall(cuts, ADDRESSES) == "table inet shoal_lab\ndelete table inet shoal_lab\n"


@pytest.mark.parametrize("rate", ["", "fast", "1", "1mb", "0mbit", "1mbit; reboot"])
def test_bad_rates_are_refused(rate: str) -> None:
    with pytest.raises(InvalidSpec, match="1mbit"):
        Slowness(rate)


def test_a_bucket_holds_a_packet_and_a_tick() -> None:
    assert "rate 1mbit burst 2000 latency 400ms" in Slowness("1mbit").qdisc("eth0")
    assert "burst 1250000 " in Slowness("1gbit").qdisc("eth0")


def _plan() -> Plan:
    return Plan(
        Layout("lab", "10.77.0.0/24", 2, controllers=3, members=5),
        Capacity(1 << 30, 500),
        {"node1": ["a=b"]},
        disk_bytes=1 << 30,
        cuts=(Cut("node1"), Cut("control1", "control2", Way.IN)),
        slowed={"node2": Slowness("1mbit", 100)},
    )


def test_a_lab_is_known_again(tmp_path: Path) -> None:
    plan = _plan()
    plan.write(tmp_path / "lab.json")
    assert Plan.read(tmp_path / "lab.json") == plan


def test_a_lab_of_an_older_version_is_known(tmp_path: Path) -> None:
    layout = {"name": "lab", "subnet": "10.77.0.0/24", "nodes": 2}
    capacity = {"memory_bytes": 1, "cpu_millis": 1}
    old = {"layout": layout, "capacity": capacity, "labels": {}}
    (tmp_path / "lab.json").write_text(json.dumps(old))
    assert Plan.read(tmp_path / "lab.json") == Plan(Layout(**layout), Capacity(1, 1))  # type: ignore[arg-type]


def test_a_host_says_how_it_is_connected() -> None:
    plan = _plan()
    states = {host: plan.network_state(host) for host in ("node1", "control1", "node2", "control2")}
    assert states == {
        "node1": "cut off",
        "control1": "cut off from control2 (in only)",
        "node2": "slow (1mbit)",
        "control2": "on",
    }


def test_disks_and_quotas_have_a_least_size() -> None:
    layout, capacity = Layout("lab", "10.77.0.0/24", 1), Capacity(1, 1)
    with pytest.raises(InvalidSpec, match="disk"):
        Plan(layout, capacity, disk_bytes=1 << 20)
    with pytest.raises(InvalidSpec, match="quota"):
        Plan(layout, capacity, quota_bytes=1)
