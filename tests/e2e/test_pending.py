"""What fits nowhere waits, says why, and starts by itself when room appears."""

from __future__ import annotations

import signal

from tests.parts.lab import LabUnderTest, eventually


def _detail(lab: LabUnderTest, name: str) -> str:
    return str(lab.inspect(name).get("detail", ""))


def test_too_large_for_every_node_says_so_and_starts_when_room_appears(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    for node in shoal.nodes:
        shoal.run(
            "run", "-d", "--name", f"big-{node}", "--memory", "3g", "--constraint", f"node.name=={node}", shoal.image
        )
    waiting = shoal.spawn("run", "-d", "--name", "late", "--memory", "2g", shoal.image)
    reason = eventually(lambda: (shoal.containers().get("late") or {}).get("detail", ""), seconds=10, what="a reason")
    assert reason == "3 nodes: 3 lack memory (needs 2 GiB, most free 1 GiB)"
    assert reason in shoal.out("ps", "-a", "--no-trunc")
    assert reason in shoal.out("inspect", "late")
    shoal.run("rm", "-f", "big-node2")
    output, errors = waiting.communicate(timeout=30)
    assert waiting.returncode == 0, errors
    assert reason in errors.decode()
    assert shoal.inspect("late")["node_name"] == "node2"
    assert len(output.strip()) == 64


def test_reasons_are_counted_per_filter(clean_lab: LabUnderTest) -> None:
    clean_lab.run(
        *("create", "--name", "picky", "--memory", "64g", "--constraint", "node.labels.ssd==false", clean_lab.image),
        ok=None,
    )
    reason = eventually(lambda: _detail(clean_lab, "picky"), seconds=10, what="a reason")
    assert reason.startswith("3 nodes: ")
    assert "constraint node.labels.ssd==false" in reason or "lack memory" in reason


def test_a_constraint_is_kept(clean_lab: LabUnderTest) -> None:
    for number in range(4):
        clean_lab.run("run", "-d", "--name", f"s{number}", "--constraint", "node.labels.ssd==true", clean_lab.image)
    assert {each["node_name"] for each in clean_lab.containers().values()} == {"node1"}


def test_a_stopped_container_on_a_node_that_filled_up_waits(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    here = ("--constraint", "node.name==node3")
    shoal.run("run", "-d", "--name", "first", "--memory", "3g", *here, shoal.image)
    shoal.run("stop", "-t", "0", "first")
    shoal.run("run", "-d", "--name", "second", "--memory", "3g", *here, shoal.image)
    starting = shoal.spawn("start", "first")
    reason = eventually(lambda: _detail(shoal, "first"), seconds=10, what="a reason")
    assert "lack memory" in reason or "lacks memory" in reason
    assert "needs 3 GiB" in reason
    assert "most free 1 GiB" in reason or "1 GiB free" in reason or "free 1 GiB" in reason
    shoal.run("rm", "-f", "second")
    _, errors = starting.communicate(timeout=30)
    assert starting.returncode == 0
    assert "needs 3 GiB" in errors.decode()
    eventually(lambda: shoal.inspect("first")["phase"] == "CONTAINER_PHASE_RUNNING", seconds=10, what="running")


def test_interrupting_a_run_that_waits_leaves_nothing(clean_lab: LabUnderTest) -> None:
    waiting = clean_lab.spawn("run", "--name", "never", "--memory", "64g", clean_lab.image)
    eventually(lambda: "never" in clean_lab.containers(), seconds=10, what="a pending container")
    waiting.send_signal(signal.SIGINT)
    waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert not clean_lab.containers()
