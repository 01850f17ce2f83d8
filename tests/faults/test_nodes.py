"""Nodes are drained, removed and reset while things go wrong around it; what is told is what happens."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.parts.lab import LabUnderTest, eventually

#: Ends a little after its stop signal, and has a file that tells whether its data is still there.
SLOW = "trap 'sleep 1; exit 0' TERM; echo kept > /data; while :; do sleep 0.1; done"


def _root(lab: LabUnderTest, host: str) -> str:
    return str(lab.data(host) / "shoal")


def _on(name: str) -> tuple[str, str]:
    return "--constraint", f"node.name=={name}"


def _alive(lab: LabUnderTest, host: str, pid: int) -> bool:
    return lab.inside(host, "sh", "-c", f"kill -0 {pid} 2>/dev/null && echo alive || echo ended") == "alive"


def _ids(lab: LabUnderTest) -> dict[str, str]:
    return {each["spec"]["name"]: each["spec"]["id"] for each in lab.json_lines("node", "ls", "--format", "json")}


def _log(lab: LabUnderTest, host: str) -> str:
    return (lab.data(host).parent / "logs" / f"{host}-agent.log").read_text()


def _left_on(lab: LabUnderTest, host: str) -> str:
    """What there is of Shoal on a host, a line each; nothing after a reset."""
    script = (
        f"ls -A {_root(lab, host)} /run/shoal | grep -vE '^lock$|:$|^$';"
        "ip -o link | grep -oE '(shl[0-9a-f]+|shoal0)';"
        "nft list tables | grep shoal;"
        "grep -E '/run/shoal/(rootfs|sandboxes)' /proc/self/mountinfo;"
        f"find /sys/fs/cgroup -mindepth 2 -path '*/shoal-lab/{lab.name}/{host}/*' -name cgroup.procs"
    )
    return lab.inside(host, "sh", "-c", script + "; true")


def _reset(lab: LabUnderTest, host: str) -> None:
    lab.inside(host, "shoal", "agent", "reset", "--data-root", _root(lab, host), "--yes")


@contextmanager
def _rejoining(lab: LabUnderTest, host: str) -> Iterator[None]:
    """Have the host be a ready node again afterwards, whatever was done to it."""
    try:
        yield
    finally:
        lab.lab("stop", host)
        if host in _ids(lab):
            lab.run("node", "rm", "--force", host)
        _reset(lab, host)
        lab.lab("start", host)
        eventually(lambda: host in _ids(lab) and lab.node_state(host) == "READY", seconds=20, what=f"{host} ready")


def test_a_drain_that_is_killed_goes_on_when_it_is_repeated(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    try:
        for name in ("one", "two", "three"):
            shoal.run("run", "-d", "--name", name, *_on("node1"), shoal.image, "sh", "-c", SLOW)
        shoal.run("run", "-d", "--rm", "--name", "job", *_on("node1"), shoal.image, "sleep", "1000")
        drain = shoal.spawn("node", "drain", "node1")
        assert drain.stderr is not None
        drain.stderr.readline()
        drain.kill()
        drain.communicate()
        again = shoal.run("node", "drain", "node1", ok=False)
        assert again.returncode == 1
        assert "job: left running; stopping it would remove it" in again.stderr
        assert "3 stopped containers stay there with their data" in again.stderr
        phases = {name: each["phase"] for name, each in shoal.containers().items()}
        assert phases.pop("job") == "CONTAINER_PHASE_RUNNING"
        assert set(phases.values()) == {"CONTAINER_PHASE_EXITED"}
        # Nothing new comes here, with the reason; what is here starts again, with its data.
        waiting = shoal.spawn("run", "-d", "--name", "new", *_on("node1"), shoal.image, "sleep", "1000")
        eventually(
            lambda: "node1: cordoned" in shoal.containers().get("new", {}).get("detail", ""), seconds=10, what="reason"
        )
        shoal.run("start", "one")
        assert shoal.out("exec", "one", "cat", "/data") == "kept"
        lines = shoal.json_lines("node", "drain", "--force", "--timeout", "0", "--format", "json", "node1")
        stopped = [each["container_name"] for each in lines if each["outcome"] == "DRAIN_OUTCOME_STOPPED"]
        assert sorted(stopped) == ["job", "one"]
        assert "Ready, cordoned" in shoal.out("node", "ls", "--format", "{{.Name}} {{.Status}}")
        shoal.run("node", "uncordon", "node1")
        waiting.communicate(timeout=30)
        assert waiting.returncode == 0
    finally:
        shoal.run("node", "uncordon", "node1")


def test_an_agent_that_comes_back_after_a_forced_removal_leaves_everything_alone(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    with _rejoining(shoal, "node2"):
        shoal.run("run", "-d", "--name", "web", *_on("node2"), shoal.image, "sleep", "1000")
        before = shoal.inspect("web")
        pid, old = before["status"]["pid"], _ids(shoal)["node2"]
        shoal.lab("kill", "node2")
        refused = shoal.run("node", "rm", "node2", ok=False)
        assert "holds 1 container: web" in refused.stderr
        removed = json.loads(shoal.out("node", "rm", "--force", "--format", "json", "node2"))
        assert removed == {"id": old, "lost": [before["spec"]["id"]]}
        assert "node2" not in _ids(shoal)
        # Its name is free at once; what is lost can only be removed.
        assert "CONTAINER_PHASE_LOST" in shoal.out("inspect", "--format", "{{.phase}}", removed["lost"][0])
        assert "was removed from the cluster by force" in shoal.run("start", removed["lost"][0], ok=False).stderr
        shoal.run("run", "-d", "--name", "web", shoal.image, "sleep", "1000")
        shoal.run("rm", removed["lost"][0])
        assert _alive(shoal, "node2", pid)
        shoal.lab("start", "node2")
        eventually(
            lambda: "node node2 was removed from the cluster" in _log(shoal, "node2"), seconds=15, what="word of it"
        )
        # It stays quiet, keeps what runs, and the cluster does not know it.
        length = len(_log(shoal, "node2"))
        time.sleep(3)
        assert _log(shoal, "node2")[length:] == ""
        assert _alive(shoal, "node2", pid)
        assert "node2" not in _ids(shoal)
        # Its certificate opens nothing any more, and its host is not reset under a running agent.
        root = _root(shoal, "node2")
        running = shoal.run(
            "lab", "exec", "--name", shoal.name, "node2", "--", "shoal", "agent", "reset", "--data-root", root, "--yes",
            ok=False,
        )  # fmt: skip
        assert "another agent works in" in running.stderr
        # The old key is of no use, whatever token comes with it.
        shoal.lab("stop", "node2")
        shoal.inside("node2", "rm", f"{root}/identity/cluster.json")
        shoal.lab("start", "node2")
        eventually(lambda: "this host can't join: node node2" in _log(shoal, "node2"), seconds=15, what="the refusal")
        _reset(shoal, "node2")
        assert not _alive(shoal, "node2", pid)
        assert _left_on(shoal, "node2") == ""
        _reset(shoal, "node2")
        shoal.lab("start", "node2")
        eventually(lambda: "node2" in _ids(shoal), seconds=20, what="another node2")
        assert _ids(shoal)["node2"] != old
        shoal.run("run", "-d", "--name", "fresh", *_on("node2"), shoal.image, "sleep", "1000")


@pytest.mark.parametrize("step", [0.12, 0.3])
def test_a_reset_that_is_killed_at_any_point_is_ended_by_the_next(clean_lab: LabUnderTest, step: float) -> None:
    shoal = clean_lab
    with _rejoining(shoal, "node3"):
        pids = []
        for name, network in (("a", "default"), ("b", "none"), ("c", "default")):
            shoal.run("run", "-d", "--name", name, "--network", network, *_on("node3"), shoal.image, "sleep", "1000")
            pids.append(shoal.inspect(name)["status"]["pid"])
        shoal.run("create", "--name", "d", *_on("node3"), shoal.image)
        shoal.run("node", "rm", "--force", "node3")
        shoal.lab("kill", "node3")
        root, delay, begun = _root(shoal, "node3"), step, False
        words = ("lab", "exec", "--name", shoal.name, "node3", "--", "timeout", "-s", "KILL")
        for _ in range(30):
            reset = ("shoal", "agent", "reset", "--data-root", root, "--yes")
            if shoal.run(*words, f"{delay:.2f}", *reset, ok=None).returncode == 0:
                break
            delay += 0.05
            if not begun and "resetting" in shoal.inside("node3", "ls", root).split():
                begun = True
                shoal.lab("start", "node3")
                eventually(lambda: "was broken off" in _log(shoal, "node3"), seconds=10, what="the agent's refusal")
        else:
            raise AssertionError("no reset ever came to its end")
        assert _left_on(shoal, "node3") == ""
        assert not any(_alive(shoal, "node3", pid) for pid in pids)


def test_a_forced_removal_outlives_its_controller(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    with _rejoining(shoal, "node3"):
        with ThreadPoolExecutor(4) as pool:
            runs = [
                pool.submit(shoal.run, "run", "-d", "--name", f"r{n}", *_on("node3"), shoal.image, "sleep", "1000")
                for n in range(12)
            ]
        ids = sorted(run.result().stdout.strip() for run in runs)
        removing = shoal.spawn("node", "rm", "--force", "--format", "json", "node3")
        eventually(
            lambda: (
                shoal.json_lines("node", "ls", "--format", "json")[-1]["spec"].get("removal", "x") != "x"
                or removing.poll() is not None
            ),
            seconds=10,
            what="the removal's beginning",
        )
        shoal.lab("kill", "control1/controller")
        shoal.lab("start", "control1/controller")
        output, errors = removing.communicate(timeout=60)
        assert removing.returncode == 0, errors
        assert sorted(json.loads(output)["lost"]) == ids
        eventually(lambda: "node3" not in _ids(shoal), seconds=20, what="the node's departure")
        assert {each["phase"] for each in shoal.containers().values()} == {"CONTAINER_PHASE_LOST"}
        shoal.run("rm", *ids)
        assert shoal.containers() == {}


def test_runs_beside_a_removal_are_elsewhere_or_lost(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    with _rejoining(shoal, "node1"):
        with ThreadPoolExecutor(6) as pool:
            runs = [
                pool.submit(shoal.run, "run", "-d", "--name", f"r{n}", shoal.image, "sleep", "1000", ok=None)
                for n in range(12)
            ]
            eventually(lambda: len(shoal.containers()) >= 3, seconds=30, what="some containers")
            shoal.run("node", "rm", "--force", "node1")
            ended = [run.result(timeout=60) for run in runs]
        found = shoal.json_lines("ps", "-a", "--format", "json")
        assert len(found) == 12
        for each in found:
            if each["node_name"] == "node1":
                assert each["phase"] == "CONTAINER_PHASE_LOST"
            else:
                assert each["phase"] == "CONTAINER_PHASE_RUNNING"
        # Whoever was told that it runs was told so before it was lost.
        assert all(run.returncode in (0, 125) for run in ended), [run.stderr for run in ended]
        shoal.run("rm", "-f", *(each["spec"]["id"] for each in found))


def test_a_name_is_free_at_once_though_the_node_is_down(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    shoal.run("run", "-d", "--name", "web", *_on("node2"), shoal.image, "sleep", "1000")
    first = shoal.inspect("web")
    shoal.lab("kill", "node2")
    eventually(lambda: shoal.node_state("node2") == "DOWN", seconds=20, what="node2 down")
    removed = shoal.run("rm", "-f", "web")
    assert 'what container "web" has on its node is removed once the node answers' in removed.stderr
    shoal.run("run", "-d", "--name", "web", *_on("node1"), shoal.image, "sleep", "1000")
    old = shoal.inspect(first["spec"]["id"])
    assert (old["phase"], old["detail"]) == ("CONTAINER_PHASE_REMOVING", "waits for node node2, which is down")
    assert _alive(shoal, "node2", first["status"]["pid"])
    shoal.lab("start", "node2")
    eventually(lambda: not _alive(shoal, "node2", first["status"]["pid"]), seconds=20, what="the end of the old one")
    eventually(lambda: len(shoal.json_lines("ps", "-a", "--format", "json")) == 1, seconds=20, what="its removal")
    assert shoal.inspect("web")["phase"] == "CONTAINER_PHASE_RUNNING"


def test_a_removed_node_is_cut_off_while_its_agent_runs(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    with _rejoining(shoal, "node3"):
        words = ("sh", "-c", "while :; do echo x; sleep 1; done")
        shoal.run("run", "-d", "--name", "talks", *_on("node3"), shoal.image, *words)
        follower = shoal.spawn("logs", "-f", "talks")
        assert follower.stdout is not None
        follower.stdout.readline()
        shoal.run("node", "rm", "--force", "node3")
        eventually(lambda: "was removed from the cluster" in _log(shoal, "node3"), seconds=20, what="word of it")
        _, errors = follower.communicate(timeout=20)
        assert follower.returncode == 1
        assert b"was removed from the cluster by force" in errors
        shoal.run("rm", *shoal.out("ps", "-aq").split())
