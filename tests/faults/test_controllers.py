"""Three controllers over three members of etcd: any of them may go, be stopped in its tracks or be cut off."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import clear, made_lab
from tests.parts.lab import LabUnderTest, eventually
from tests.parts.leftovers import Key, Stored, assert_nothing_left, stored

COMMAND = ("sh", "-c", "echo began; exec sleep 1000")
CONTROLLERS = ("control1", "control2", "control3")


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabUnderTest]:
    subnet = f"10.{200 + os.getpid() // 256 % 50}.{os.getpid() % 256}.0/24"
    options = ("--controllers", "3", "--etcd", "3")
    with made_lab(tmp_path_factory.mktemp("several"), f"v{os.getpid()}", subnet, *options) as made:
        yield made


@pytest.fixture
def shoal(several: LabUnderTest) -> Iterator[LabUnderTest]:
    """All controllers, members and nodes well, and one container that runs and that no test may touch."""
    _settle(several)
    several.run("run", "-d", "--name", "calm", several.image, *COMMAND)
    eventually(lambda: several.inspect("calm")["phase"] == "CONTAINER_PHASE_RUNNING", seconds=30, what="it runs")
    before = several.inspect("calm")["status"]
    try:
        yield several
        assert several.inspect("calm")["status"] == before
    finally:
        for host in CONTROLLERS:
            several.lab("heal", host)
            several.lab("start", host)
            several.lab("resume", host)
        _settle(several)
        clear(several)
    assert_nothing_left(several)


def _info(lab: LabUnderTest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab.out("info", "--format", "json"))
    return found


def _host(lab: LabUnderTest, address: str) -> str:
    return f"control{int(address.partition(':')[0].rpartition('.')[2]) - 1}"


def _leader(lab: LabUnderTest) -> str:
    """Return the host of the controller that leads."""
    return _host(lab, eventually(lambda: _info(lab).get("leader"), seconds=30, what="a leader"))


def _is_well(lab: LabUnderTest) -> bool:
    info = _info(lab)
    return (
        len(info["controllers"]) == len(CONTROLLERS)
        and all(member.get("healthy") for member in info["store"])
        and info["nodes_ready"] == len(lab.nodes)
        and not info.get("problems")
    )


def _settle(lab: LabUnderTest) -> None:
    eventually(lambda: _is_well(lab), seconds=60, what="all controllers, members and nodes")


def _check_started_once(lab: LabUnderTest, *names: str) -> None:
    containers = lab.containers()
    assert sorted(containers) == sorted(("calm", *names))
    assert {each["phase"] for each in containers.values()} == {"CONTAINER_PHASE_RUNNING"}
    for name in names:
        assert eventually(lambda name=name: lab.out("logs", name), seconds=10, what="output") == "began"  # type: ignore[misc]
        assert containers[name]["status"]["attempt"] == 1


def test_all_are_known(shoal: LabUnderTest) -> None:
    info = _info(shoal)
    addresses = [each["address"] for each in info["controllers"]]
    assert addresses == [shoal.subnet.replace(".0/24", f".{n}:7400") for n in (2, 3, 4)]
    assert info["leader"] in addresses
    assert [each.get("leads", False) for each in info["store"]].count(True) == 1
    for node in shoal.nodes:
        known = json.loads((shoal.data(node) / "shoal" / "watermark.json").read_text())["controllers"]
        assert set(known) == set(addresses)
    told = shoal.out("info")
    assert all(address in told for address in addresses)


@pytest.mark.parametrize("service", ["controller", "etcd"])
@pytest.mark.parametrize("leads", [True, False])
def test_any_one_may_be_killed(shoal: LabUnderTest, service: str, leads: bool) -> None:
    info = _info(shoal)
    if service == "controller":
        leading = _host(shoal, info["leader"])
    else:
        leading = _host(shoal, next(each["address"] for each in info["store"] if each.get("leads")))
    victim = leading if leads else next(host for host in CONTROLLERS if host != leading)
    names = [f"k{number}" for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(shoal.run, "run", "-d", "--name", name, shoal.image, *COMMAND) for name in names]
        eventually(lambda: len(shoal.containers()) > 2, seconds=30, what="the first of them")
        shoal.lab("kill", victim, service)
        for run in runs:
            run.result(timeout=120)
    # It is still gone.
    shoal.run("run", "-d", "--name", "new", shoal.image, *COMMAND)
    _check_started_once(shoal, *names, "new")


def test_two_failures_in_a_row(shoal: LabUnderTest) -> None:
    first = _leader(shoal)
    shoal.lab("kill", first, "controller")
    second = eventually(lambda: (found := _leader(shoal)) != first and found, seconds=30, what="another leader")
    shoal.lab("kill", str(second), "controller")
    shoal.run("run", "-d", "--name", "new", shoal.image, *COMMAND)
    assert _leader(shoal) not in (first, second)
    _check_started_once(shoal, "new")


def test_a_rolling_restart_of_all_controllers(shoal: LabUnderTest) -> None:
    names = [f"r{number}" for number in range(12)]
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(shoal.run, "run", "-d", "--name", name, shoal.image, *COMMAND) for name in names]
        for host in CONTROLLERS:
            shoal.lab("stop", host, "controller")
            shoal.lab("start", host, "controller")
            eventually(lambda: len(_info(shoal)["controllers"]) == 3, seconds=30, what="all controllers")
        for run in runs:
            run.result(timeout=120)
    _check_started_once(shoal, *names)


def _of_leader(found: Stored) -> dict[str, Key]:
    """Return what only a leader writes."""
    return {
        name: key
        for name, key in found.keys.items()
        if name.endswith(("/placement", "/status", "/ledger", "/session"))
        or name.startswith(("addresses/", "tombstones/"))
        or "/holds/" in name
    }


def test_a_leader_that_was_paused_and_followed_writes_nothing(shoal: LabUnderTest) -> None:
    leader = _leader(shoal)
    before = stored(shoal).keys["leader"].created
    log = shoal.data("logs") / f"{leader}-controller.log"
    names = [f"p{number}" for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        # In the middle of starts: what was planned, and what nodes report, waits in it when it wakes up.
        runs = [pool.submit(shoal.run, "run", "-d", "--name", name, shoal.image, *COMMAND) for name in names]
        eventually(lambda: len(shoal.containers()) > 2, seconds=30, what="the first of them")
        shoal.lab("pause", leader, "controller")
        for run in runs:
            run.result(timeout=120)
    eventually(
        lambda: (key := stored(shoal).keys.get("leader")) and key.created > before, seconds=30, what="a follower"
    )
    _check_started_once(shoal, *names)
    # Every report is in, so that nobody has anything left to write.
    eventually(lambda: all(shoal.node_state(node) == "READY" for node in shoal.nodes), seconds=30, what="all nodes")
    asleep = eventually(lambda: _at_rest(shoal), seconds=30, what="nothing is written")
    shoal.lab("resume", leader, "controller")
    eventually(lambda: f"(term of revision {before})" in log.read_text(), seconds=20, what="it knows that it is over")
    assert _leader(shoal) != leader
    assert _of_leader(stored(shoal)) == _of_leader(asleep)


def _at_rest(lab: LabUnderTest) -> Stored | None:
    """Return what is stored if the nodes have nothing left to report."""
    before = stored(lab)
    lab.run("ps", "-a")
    after = stored(lab)
    return after if _of_leader(before) == _of_leader(after) else None


def test_a_paused_controller_holds_nobody_up(shoal: LabUnderTest) -> None:
    # The client's first choice, and what goes on through it.
    shoal.run("run", "-d", "--name", "ends", shoal.image, "sh", "-c", "while [ ! -e /go ]; do sleep 0.1; done; exit 7")
    waiting = shoal.spawn("wait", "ends")
    following = shoal.spawn("logs", "-f", "calm")
    assert following.stdout is not None
    assert following.stdout.readline() == b"began\n"
    shoal.lab("pause", "control1", "controller")
    assert "calm" in shoal.out("ps", timeout=30)
    shoal.run("create", "--name", "made", shoal.image, timeout=30)
    shoal.run("exec", "ends", "touch", "/go", timeout=30)
    output, errors = waiting.communicate(timeout=60)
    assert (output, waiting.returncode) == (b"7\n", 0), errors
    shoal.run("rm", "ends", "made")
    assert following.poll() is None
    following.terminate()
    following.communicate(timeout=20)


def test_streams_outlast_their_controller_and_commands_say_what_became_of_them(shoal: LabUnderTest) -> None:
    count = "i=0; while [ $i -lt 160 ]; do i=$((i+1)); echo $i; sleep 0.05; done; exit 6"
    shoal.run("run", "-d", "--name", "counts", shoal.image, "sh", "-c", count)
    following, waiting = shoal.spawn("logs", "-f", "counts"), shoal.spawn("wait", "counts")
    assert following.stdout is not None
    assert following.stdout.readline() == b"1\n"
    command = shoal.spawn("exec", "calm", "sh", "-c", "echo in; sleep 100")
    assert command.stdout is not None
    assert command.stdout.readline() == b"in\n"
    # All of them go through the client's first choice.
    shoal.lab("kill", "control1", "controller")
    _, errors = command.communicate(timeout=60)
    assert command.returncode == 125
    assert b"may still run" in errors
    # Not by communicate, which passes over what was read ahead with the first line.
    with following:
        output = following.stdout.read()
    assert [b"1", *output.split()] == [str(number).encode() for number in range(1, 161)]
    assert following.returncode == 0
    output, errors = waiting.communicate(timeout=60)
    assert (output, waiting.returncode) == (b"6\n", 0), errors
    shoal.run("rm", "counts")


def test_without_a_majority_of_etcd_it_reads_and_says_why_it_does_not_write(shoal: LabUnderTest) -> None:
    for host in CONTROLLERS[:2]:
        shoal.lab("kill", host, "etcd")
    with shoal.spawn("create", "--name", "once", shoal.image) as making:
        assert making.stderr is not None
        assert "calm" in shoal.out("ps")
        assert shoal.out("exec", "calm", "echo", "here") == "here"
        assert any("etcd" in problem for problem in _info(shoal)["problems"])
        told = making.stderr.readline()
        assert b"etcd" in told
        assert b"trying again" in told
        for host in CONTROLLERS[:2]:
            shoal.lab("start", host, "etcd")
        assert making.wait(timeout=60) == 0
    shoal.run("run", "-d", "--name", "new", shoal.image, *COMMAND)
    eventually(lambda: shoal.inspect("new")["phase"] == "CONTAINER_PHASE_RUNNING", seconds=60, what="it runs")
    assert sorted(shoal.containers()) == ["calm", "new", "once"]


@pytest.mark.parametrize("way", ["in", "out"])
def test_a_leader_that_is_cut_off_one_way_is_followed(shoal: LabUnderTest, way: str) -> None:
    # Not on the registry's host, without which nothing new can be made.
    if _leader(shoal) == "control1":
        shoal.lab("kill", "control1", "controller")
        eventually(lambda: _leader(shoal) != "control1", seconds=30, what="another leader")
        shoal.lab("start", "control1", "controller")
        _settle(shoal)
    leader = _leader(shoal)
    shoal.lab("partition", leader, "--one-way", way)
    eventually(lambda: _leader(shoal) != leader, seconds=60, what="another leader")
    shoal.run("run", "-d", "--name", "new", shoal.image, *COMMAND)
    shoal.lab("heal", leader)
    _settle(shoal)
    _check_started_once(shoal, "new")
