"""The controller is killed; containers are not, and what was asked happens exactly once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.parts.lab import LabUnderTest, eventually


def _restart(lab: LabUnderTest) -> None:
    lab.lab("kill", "control1/controller")
    lab.lab("start", "control1/controller")


def _run(lab: LabUnderTest, name: str) -> None:
    """Run a container. A command that reaches no controller at first soon says so, and has done nothing: once more."""

    def runs() -> bool:
        done = lab.run("run", "-d", "--name", name, lab.image, "sh", "-c", "echo began; sleep 1000", ok=None)
        assert done.returncode == 0 or "does not answer" in done.stderr, done.stderr
        return done.returncode == 0

    eventually(runs, seconds=60, what=f"{name} running")


def test_creates_in_flight_end_exactly_once(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(_run, shoal, f"x{n}") for n in range(12)]
        for _ in range(2):
            eventually(lambda: len(shoal.containers()) >= 2, seconds=60, what="some containers")
            _restart(shoal)
        for run in runs:
            run.result(timeout=120)
    containers = shoal.containers()
    assert sorted(containers) == sorted(f"x{n}" for n in range(12))
    for name in containers:
        assert eventually(lambda name=name: shoal.out("logs", name), seconds=10, what="output") == "began"  # type: ignore[misc]


def test_a_run_that_ended_meanwhile_still_gives_its_exit_code(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    process = shoal.spawn(
        "run", "--rm", "--name", "brief", shoal.image, "sh", "-c", "echo in; sleep 2; echo out; exit 6"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"in\n"
    shoal.lab("kill", "control1/controller")
    node_processes = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
    eventually(
        lambda: all("sleep 2" not in shoal.inside(node, "sh", "-c", node_processes) for node in shoal.nodes),
        seconds=15,
        what="its end",
    )
    shoal.lab("start", "control1/controller")
    output, errors = process.communicate(timeout=60)
    assert (output, process.returncode) == (b"out\n", 6), errors
    assert not shoal.containers()


def test_running_containers_are_not_touched(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    shoal.run("run", "-d", "--name", "calm", shoal.image)
    before = shoal.inspect("calm")["status"]
    _restart(shoal)
    eventually(
        lambda: all(shoal.node_state(node) == "READY" for node in shoal.nodes), seconds=30, what="nodes ready again"
    )
    shoal.run("run", "--rm", shoal.image, "true")
    assert shoal.inspect("calm")["status"] == before
