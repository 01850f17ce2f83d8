"""However a container goes, or does not come to be: nothing of it is left in etcd or on a node."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.parts.daemons import frozen
from tests.parts.lab import LabUnderTest, eventually
from tests.parts.leftovers import assert_nothing_left, on_node, stored
from tests.parts.pulls import about_to_pull


def test_what_is_refused_writes_nothing(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    shoal.run("create", "--name", "mine", shoal.image)
    eventually(lambda: shoal.inspect("mine")["phase"] == "CONTAINER_PHASE_CREATED", seconds=10, what="created")
    before = stored(shoal).keys
    refused = (
        ("run", "-d", "test/none:1"),
        ("run", "-d", "--name", "mine", shoal.image),
        ("run", "-d", "--name", "no spaces", shoal.image),
        ("run", "-d", "--memory", "1k", shoal.image),
        ("run", "-d", "--constraint", "ssd", shoal.image),
        ("run", "-d", "--stop-signal", "SIGNONE", shoal.image),
        ("rm", "nobody"),
    )
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda words: shoal.run(*words, ok=False), refused))
    assert stored(shoal).keys == before
    shoal.run("rm", "mine")
    assert_nothing_left(shoal)


def _run_rm(lab: LabUnderTest, *command: str, code: int) -> None:
    assert lab.run("run", "--rm", lab.image, *command, ok=None).returncode == code


def _removed(lab: LabUnderTest, name: str, *command: str, options: tuple[str, ...] = ()) -> None:
    lab.run("run", "-d", "--name", name, *options, lab.image, *command, ok=None)
    lab.run("wait", name)
    lab.run("rm", name)


def test_every_way_to_end(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab

    def stopped() -> None:
        shoal.run("run", "-d", "--name", "stopped", shoal.image)
        shoal.run("stop", "-t", "0", "stopped")
        shoal.run("start", "stopped")
        shoal.run("stop", "-t", "0", "stopped")
        shoal.run("rm", "stopped")

    def forced() -> None:
        shoal.run("run", "-d", "--name", "forced", shoal.image, "sh", "-c", "trap '' TERM; sleep 1000 & wait; wait")
        shoal.run(
            "exec",
            "forced",
            "sh",
            "-c",
            "sleep 1000 >/dev/null 2>&1 & mkdir /new; dd if=/dev/zero of=/new/file count=100",
        )
        shoal.run("rm", "-f", "forced")

    def created() -> None:
        shoal.run("create", "--name", "created", shoal.image)
        shoal.run("rm", "created")

    def interrupted() -> None:
        process = shoal.spawn("run", "--rm", "--name", "interrupted", shoal.image, "sh", "-c", "echo in; sleep 1000")
        assert process.stdout is not None
        assert process.stdout.readline() == b"in\n"
        process.send_signal(signal.SIGINT)
        shoal.run("kill", "interrupted", ok=None)
        process.communicate(timeout=30)

    ways: tuple[Callable[[], None], ...] = (
        lambda: _run_rm(shoal, "true", code=0),
        lambda: _run_rm(shoal, "sh", "-c", "exit 3", code=3),
        lambda: _run_rm(shoal, "no-such-program", code=127),
        lambda: _run_rm(shoal, "/etc/passwd", code=126),
        lambda: _removed(shoal, "ended", "sh", "-c", "exit 4"),
        lambda: _removed(shoal, "missing", "no-such-program"),
        lambda: _removed(shoal, "full", "tail", "/dev/zero", options=("--memory", "16m")),
        lambda: _removed(shoal, "alone", "true", options=("--network", "none")),
        stopped,
        forced,
        created,
        interrupted,
    )
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(way) for way in ways]:
            done.result()
    assert not shoal.containers()
    assert_nothing_left(shoal)


def test_removed_while_it_waits_for_room(clean_lab: LabUnderTest) -> None:
    waiting = clean_lab.spawn("run", "-d", "--name", "never", "--memory", "64g", clean_lab.image)
    eventually(lambda: "never" in clean_lab.containers(), seconds=10, what="a pending container")
    clean_lab.run("rm", "-f", "never")
    _, errors = waiting.communicate(timeout=30)
    assert waiting.returncode == 125, errors
    assert "removed before it ran" in errors.decode()
    assert_nothing_left(clean_lab)


def test_removed_while_its_image_is_pulled(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    shoal = clean_lab
    with about_to_pull(shoal, tmp_path) as (waiting, full), frozen(shoal, "control1", "registry"):
        shoal.run("rm", "-f", full)
        eventually(lambda: "containers" in on_node(shoal, "node3"), seconds=20, what="the node's knowing of it")
        shoal.run("rm", "-f", "pulls")
        _, errors = waiting.communicate(timeout=30)
        assert waiting.returncode == 125, errors
        assert_nothing_left(shoal)


def test_removed_while_the_agent_is_away(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    """One in each state is left to an agent that finds, when it starts, that all of them shall go."""
    shoal = clean_lab
    here = ("--constraint", "node.name==node3")
    states: dict[str, tuple[str, ...]] = {
        "runs": ("run", "-d", "--name", "runs", *here, shoal.image),
        "ended": ("run", "-d", "--name", "ended", *here, shoal.image, "true"),
        "ends": ("run", "-d", "--name", "ends", *here, shoal.image, "sleep", "3"),
        "stopped": ("run", "-d", "--name", "stopped", *here, shoal.image),
        "missing": ("run", "-d", "--name", "missing", *here, shoal.image, "no-such-program"),
        "made": ("create", "--name", "made", *here, shoal.image),
    }
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda words: shoal.run(*words, ok=None), states.values()))
    shoal.run("stop", "-t", "0", "stopped")
    with about_to_pull(shoal, tmp_path) as (waiting, full), frozen(shoal, "control1", "registry"):
        shoal.run("rm", "-f", full)
        eventually(lambda: shoal.inspect("pulls").get("status"), seconds=20, what="the node's word of the pull")
        shoal.lab("kill", "node3")
        remover = shoal.spawn("rm", "-f", "pulls", *states)
        eventually(
            lambda: all(each["phase"] == "CONTAINER_PHASE_REMOVING" for each in shoal.containers().values()),
            seconds=15,
            what="acceptance",
        )
        shoal.lab("start", "node3")
        _, errors = remover.communicate(timeout=60)
        assert remover.returncode == 0, errors
        waiting.communicate(timeout=30)
    assert_nothing_left(shoal)
