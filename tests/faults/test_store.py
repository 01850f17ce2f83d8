"""etcd, the registry and the leader's grip on the store are taken away for a while."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess

from tests.parts.daemons import frozen
from tests.parts.lab import LabUnderTest, eventually
from tests.parts.leftovers import Stored, assert_nothing_left, stored
from tests.parts.pulls import about_to_pull

COMMAND = ("sh", "-c", "echo began; exec sleep 1000")


@contextmanager
def _gone(lab: LabUnderTest, daemon: str) -> Iterator[None]:
    """Kill a daemon, and start it again at the end."""
    lab.lab("kill", daemon)
    try:
        yield
    finally:
        lab.lab("start", daemon)


@contextmanager
def _starting(lab: LabUnderTest, count: int, *, prefix: str) -> Iterator[None]:
    """Have so many `run -d` under way, four at a time, the first accepted; at the end all have succeeded."""
    with ThreadPoolExecutor(4) as pool:
        runs: list[Future[CompletedProcess[str]]] = [
            pool.submit(lab.run, "run", "-d", "--name", f"{prefix}{number}", lab.image, *COMMAND)
            for number in range(count)
        ]
        eventually(lambda: len(lab.containers()) > 3, seconds=30, what="some containers")
        yield
        for run in runs:
            run.result(timeout=120)


def _check_started_once(lab: LabUnderTest, count: int, *, prefix: str) -> None:
    containers = {name: each for name, each in lab.containers().items() if name.startswith(prefix)}
    assert sorted(containers) == sorted(f"{prefix}{number}" for number in range(count))
    assert {each["phase"] for each in containers.values()} == {"CONTAINER_PHASE_RUNNING"}
    for name in containers:
        assert eventually(lambda name=name: lab.out("logs", name), seconds=10, what="output") == "began"  # type: ignore[misc]


def _leader(lab: LabUnderTest) -> int | None:
    """Return the revision at which the leader of now won; None without one."""
    key = stored(lab).keys.get("leader")
    return None if key is None else key.created


def test_etcd_is_killed_while_containers_run_and_start(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    log = shoal.data("logs") / "control1-controller.log"
    shoal.run("run", "-d", "--name", "calm", shoal.image)
    before = shoal.inspect("calm")["status"]
    with _starting(shoal, 6, prefix="e"):
        with _gone(shoal, "control1/etcd"):
            pass
        term = eventually(lambda: _leader(shoal), seconds=20, what="a leader")
        with _gone(shoal, "control1/etcd"):
            over = f"not leading any more (term of revision {term})"
            eventually(lambda: over in log.read_text(), seconds=10, what="the end of the term, without word from etcd")
            # What is known is served meanwhile, and what runs is reached.
            assert shoal.inspect("calm")["status"] == before
            assert shoal.out("exec", "calm", "echo", "here") == "here"
    _check_started_once(shoal, 6, prefix="e")
    assert shoal.inspect("calm")["status"] == before
    # Until its lease is given back or ends, the key of the old one is there.
    eventually(lambda: (_leader(shoal) or 0) > term, seconds=10, what="a later leader")
    shoal.run("rm", "-f", *shoal.containers())
    assert_nothing_left(shoal)


def test_the_registry_is_killed_during_a_pull(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    shoal = clean_lab
    here = ("--constraint", "node.name==node3")
    shoal.run("run", "-d", "--name", "had", *here, shoal.image, *COMMAND)
    shoal.run("stop", "-t", "0", "had")
    digest = shoal.inspect("had")["spec"]["image_digest"]
    with about_to_pull(shoal, tmp_path) as (waiting, full):
        with frozen(shoal, "control1", "registry"):
            shoal.run("rm", "-f", full)
            eventually(lambda: shoal.containers()["pulls"].get("node_name"), seconds=20, what="a place")
            # The node has asked by now, or is about to, and gets no answer; then its connection breaks.
            shoal.lab("kill", "control1/registry")
        try:
            reason = eventually(lambda: shoal.inspect("pulls").get("detail"), seconds=20, what="a reason")
            assert f"registry {shoal.control_address}:5000" in reason
            # Who has the image does not need the registry; what a tag means, only the registry knows.
            shoal.run("start", "had")
            same = f"{shoal.image.partition(':')[0]}@{digest}"
            shoal.run("run", "-d", "--name", "same", *here, same, *COMMAND)
            assert waiting.poll() is None
        finally:
            shoal.lab("start", "control1/registry")
        _, errors = waiting.communicate(timeout=60)
        assert waiting.returncode == 0, errors
        assert reason in errors.decode()
    for name in ("pulls", "had", "same"):
        assert shoal.inspect(name)["phase"] == "CONTAINER_PHASE_RUNNING"
    assert eventually(lambda: shoal.out("logs", "pulls"), seconds=10, what="output") == "began"
    shoal.run("rm", "-f", "pulls", "had", "same")
    assert_nothing_left(shoal)


def _of_leader(found: Stored) -> dict[str, object]:
    """Return what only a leader writes."""
    return {
        name: key
        for name, key in found.keys.items()
        if name.endswith(("/placement", "/status", "/ledger", "/session"))
        or name.startswith(("addresses/", "tombstones/"))
        or "/holds/" in name
    }


def test_a_controller_that_slept_past_its_lease_writes_nothing_as_the_old_leader(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    before = eventually(lambda: _leader(shoal), seconds=20, what="a leader")
    ends = [f"ends-{node}" for node in shoal.nodes]
    for node, name in zip(shoal.nodes, ends, strict=True):
        here = ("--constraint", f"node.name=={node}")
        shoal.run("run", "-d", "--name", name, *here, shoal.image, "sh", "-c", "sleep 3; exit 8")
    with _starting(shoal, 6, prefix="s"), frozen(shoal, "control1", "controller"):
        # In the middle of starts, and some end meanwhile: reports wait in its sockets when it wakes up.
        asleep = eventually(lambda: _leaderless(shoal), seconds=20, what="the end of its lease")
    _check_started_once(shoal, 6, prefix="s")
    after = eventually(lambda: _leader(shoal), seconds=20, what="a leader again")
    assert after > asleep.revision >= before
    awake = stored(shoal, revision=after)
    assert _of_leader(awake) == _of_leader(asleep)
    assert shoal.out("wait", *ends).split() == ["8", "8", "8"]
    shoal.run("rm", "-f", *shoal.containers())
    assert_nothing_left(shoal)


def _leaderless(lab: LabUnderTest) -> Stored | None:
    found = stored(lab)
    return None if "leader" in found.keys else found
