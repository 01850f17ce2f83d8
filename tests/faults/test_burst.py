"""Sixty starts while an agent and the controller are killed: each happens exactly once, and the loop keeps up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.parts.daemons import restart_controller, restart_timed_controller
from tests.parts.lab import LabUnderTest, eventually
from tests.parts.leftovers import assert_nothing_left

COUNT = 60
AT_ONCE = 12
#: Milliseconds of processor time that one callback of the controller's loop may take: longer ones starve leases.
LONGEST = 100


@pytest.fixture
def notes(clean_lab: LabUnderTest, tmp_path: Path) -> Iterator[Path]:
    """Where long callbacks of the controller are noted; the lab's controller is a timed one."""
    path = tmp_path / "callbacks"
    restart_timed_controller(clean_lab, path)
    yield path
    restart_controller(clean_lab)


def test_a_burst_with_a_killed_agent_and_controller(clean_lab: LabUnderTest, notes: Path) -> None:
    shoal = clean_lab
    names = [f"u{number}" for number in range(COUNT)]
    command = ("sh", "-c", "echo began; exec sleep 1000")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = [pool.submit(shoal.run, "run", "-d", "--name", name, shoal.image, *command) for name in names]
        eventually(lambda: len(shoal.containers()) >= COUNT // 6, seconds=60, what="some containers")
        shoal.lab("kill", "node2")
        shoal.lab("start", "node2")
        eventually(lambda: len(shoal.containers()) >= COUNT // 3, seconds=60, what="more containers")
        restart_timed_controller(shoal, notes)
        for run in runs:
            run.result(timeout=120)

    containers = shoal.containers()
    assert sorted(containers) == sorted(names)
    assert Counter(each["phase"] for each in containers.values()) == {"CONTAINER_PHASE_RUNNING": COUNT}
    spread = Counter(each["node_name"] for each in containers.values())
    # Without faults it is 20, 20, 20; a node that is not ready at the moment gets nothing.
    assert set(spread) == set(shoal.nodes)
    assert max(spread.values()) - min(spread.values()) <= 4, spread
    assert len({each["placement"]["addresses"][0]["ip"] for each in containers.values()}) == COUNT
    for node in shoal.nodes:
        assert _begins(shoal, node) == {
            each["spec"]["id"]: 1 for each in containers.values() if each["node_name"] == node
        }

    shoal.run("rm", "-f", *names)
    assert_nothing_left(shoal)
    long = [
        line for line in (notes.read_text().splitlines() if notes.exists() else ()) if int(line.split()[0]) > LONGEST
    ]
    assert not long, "\n".join(long)


def _begins(lab: LabUnderTest, node: str) -> dict[str, int]:
    """Return how often each container of a node said that it began, over all of its attempts."""
    logs = (lab.data(node) / "shoal" / "containers").glob("*/*/logs/*.log")
    begins: Counter[str] = Counter()
    for log in logs:
        begins[log.parts[-4]] += log.read_text().count(" began")
    return dict(begins)
