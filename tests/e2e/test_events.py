"""Events, traces and logs of a cluster with three controllers, one of which dies while somebody listens."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shoal_lab.image import root_filesystem
from tests.parts.lab import LabUnderTest, eventually

ENDED = ("--until", "0s", "--format", "json")


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabUnderTest]:
    """Three controllers and members of etcd, two nodes; daemons log all they have to say, as JSON."""
    folder: Path = tmp_path_factory.mktemp("events")
    # Beside the lab of the other tests, and of other test runs.
    name, subnet = f"e{os.getpid()}", f"10.{200 + os.getpid() // 256 % 50}.{os.getpid() % 256}.0/24"
    env = {"SHOAL_CONFIG": str(folder / "config.json"), "SHOAL_LOG_FORMAT": "json"}
    lab = LabUnderTest(name, subnet, env, "test/bb:1", ("node1", "node2"))
    lab.run("lab", "up", "--name", name, "--subnet", subnet, "--nodes", "2", "--controllers", "3", "--etcd", "3")
    try:
        archive = folder / "bb.tar"
        archive.write_bytes(root_filesystem())
        lab.run("image", "import", str(archive), lab.image)
        config = json.loads((folder / "config.json").read_text())
        everywhere = config["contexts"][name]
        for number, endpoint in enumerate(everywhere["endpoints"], 1):
            config["contexts"][f"c{number}"] = {**everywhere, "endpoints": [endpoint]}
        (folder / "config.json").write_text(json.dumps(config))
        yield lab
    finally:
        lab.run("lab", "down", "--name", name)


class Listener:
    """`shoal events` in the background."""

    def __init__(self, lab: LabUnderTest, *words: str) -> None:
        self.process: subprocess.Popen[bytes] = lab.spawn("events", "--format", "json", *words)
        self.events: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def of(self, name: str) -> list[str]:
        """Return what happened to an object."""
        return [event["action"] for event in self.events if event["name"] == name]

    def stop(self) -> int:
        """Press Ctrl-C, and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(10)
        self._thread.join(10)
        return code


@pytest.fixture
def listener(trio: LabUnderTest) -> Iterator[Listener]:
    listener = Listener(trio, "--since", "0s")
    try:
        yield listener
    finally:
        listener.process.kill()
        listener.process.communicate()


def history(lab: LabUnderTest, *words: str, context: str = "") -> list[dict[str, Any]]:
    at = ("--context", context) if context else ()
    return lab.json_lines(*at, "events", "--since", "1h", *ENDED, *words)


def leader_host(lab: LabUnderTest) -> str:
    address = lab.json_lines("info", "--format", "json")[0]["leader"]
    return f"control{int(address.split(':')[0].rsplit('.', 1)[1]) - 1}"


def logs(lab: LabUnderTest, daemon: str) -> list[str]:
    folder = Path("/var/lib/shoal-lab") / lab.name / "logs"
    return [line for path in folder.glob(f"*-{daemon}.log") for line in path.read_text().splitlines()]


def test_a_life_is_told(trio: LabUnderTest, listener: Listener) -> None:
    trio.run("run", "--rm", "--name", "brief", "-l", "tier=front", trio.image, "sh", "-c", "exit 3", ok=False)
    eventually(lambda: "remove" in listener.of("brief"), seconds=10, what="its removal")
    assert listener.of("brief") == ["create", "place", "start", "die", "remove"]
    told = trio.out("events", "--since", "1h", "--until", "0s", "--filter", "container=brief", "-f", "action=die")
    assert re.fullmatch(
        r"\S+T\S+\.\d{9}[+-]\d\d:\d\d container die [0-9a-f]{64} "
        r"\(attempt=1, exit_code=3, image=test/bb:1, name=brief, node=node[12], tier=front\)",
        told,
    )
    assert not history(trio, "--filter", "label=tier=back")
    assert listener.stop() == 130


def test_a_leader_that_dies_leaves_no_gap_and_no_event_comes_twice(trio: LabUnderTest, listener: Listener) -> None:
    trio.run("run", "-d", "--name", "before", trio.image, "sleep", "1000")
    eventually(lambda: "start" in listener.of("before"), seconds=10, what="the first start")
    dead = leader_host(trio)
    trio.lab("kill", dead, "controller")
    trio.run("run", "--name", "during", trio.image, "true")
    eventually(lambda: "die" in listener.of("during"), seconds=20, what="news from another controller")
    trio.lab("start", dead, "controller")
    trio.run("rm", "-f", "before", "during")
    eventually(lambda: "remove" in listener.of("before"), seconds=20, what="the last removal")
    eventually(lambda: "remove" in listener.of("during"), seconds=20, what="the last removal")
    told_of = [action for action in listener.of("during") if action != "pending"]
    assert told_of == ["create", "place", "start", "die", "remove"]
    ids = [event["id"] for event in listener.events]
    assert len(ids) == len(set(ids))
    eventually(lambda: [e for e in listener.events if e["action"] == "lead"], seconds=10, what="another leader")
    eventually(
        lambda: all(trio.run("--context", context, "info", ok=None).returncode == 0 for context in ("c1", "c2", "c3")),
        seconds=20,
        what="three controllers",
    )

    def told(context: str) -> dict[str, tuple[str, ...]]:
        found = history(trio, context=context)
        return {e["id"]: (e["time"], e["name"], e["node"], e["attributes"].get("exit_code", "")) for e in found}

    first, second, third = (told(context) for context in ("c1", "c2", "c3"))
    # One that was away tells from what is stored: a term that is over is not, whatever else happened is.
    full = max((first, second, third), key=len)
    for each in (first, second, third):
        assert each.items() <= full.items()
        assert {id_ for id_ in full.keys() - each.keys() if not id_.startswith("cluster/")} == set()


def test_restarts_while_a_node_is_cut_off_come_later_with_their_own_times(
    trio: LabUnderTest, listener: Listener
) -> None:
    trio.run("run", "-d", "--name", "loop", "--restart", "always", trio.image, "sh", "-c", "sleep 0.2; exit 4")
    node = trio.inspect("loop")["node_name"]
    trio.lab("partition", node)
    eventually(lambda: "down" in listener.of(node), seconds=30, what="the node down")
    known = len([event for event in listener.events if event["action"] == "restart"])
    trio.lab("heal", node)
    eventually(
        lambda: len([event for event in listener.events if event["action"] == "restart"]) > known + 1,
        seconds=30,
        what="restarts that were made meanwhile",
    )
    turns = [event for event in listener.events if event["name"] == node and event["action"] in ("down", "ready")]
    assert [event["action"] for event in turns] == ["down", "ready"] * (len(turns) // 2) + ["down"] * (len(turns) % 2)
    down = turns[0]
    late = [event for event in listener.events if event["action"] == "restart"][known]
    assert late["time"] < down["time"], "it was told after it, and happened before"
    numbers = [int(e["attributes"]["attempt"]) for e in listener.events if e["action"] in ("start", "restart")]
    missing = sum(int(e["attributes"].get("missing", 0)) for e in listener.events)
    assert len(numbers) + missing == max(numbers)
    trio.run("rm", "-f", "loop")


def test_one_trace_leads_through_all_logs(trio: LabUnderTest) -> None:
    done = trio.run("--debug", "run", "--rm", "--name", "traced", "-e", "TOKEN=canary-env-1", trio.image, "echo", "hi")
    (trace,) = re.findall(r"trace ([0-9a-f]{32})", done.stderr)
    assert done.stdout == "hi\n"
    assert re.search(r"connect 10\S+:7400: \d", done.stderr)
    phases = r"CreateContainer \S+: \S+ ms \(server \S+: validation \S+, image \S+, commit \S+, cache \S+\)"
    assert re.search(phases, done.stderr)
    way = re.findall(r"ms  (asked|created|placed|ready|starting|running|first output)", done.stderr)
    assert way == ["asked", "created", "placed", "ready", "starting", "running", "first output"]
    for daemon in ("controller", "agent"):
        lines = [json.loads(line) for line in logs(trio, daemon) if trace in line]
        assert lines, f"no {daemon} logged it"
        assert all(line["trace"] == trace and line["container"] for line in lines)
    (created,) = history(trio, "--filter", "container=traced", "--filter", "action=create")
    assert created["trace_id"] in ("", trace)


def test_no_log_has_a_secret(trio: LabUnderTest) -> None:
    token = trio.out("cluster", "token")
    trio.run("run", "--rm", "-e", "TOKEN=canary-env-2", trio.image, "true")
    trio.run("run", "--rm", "-e", "TOKEN=canary-env-3", trio.image, "/no/such/program", ok=False)
    trio.run("create", "-e", "TOKEN=canary-env-4", "-e", "=", trio.image, ok=False)
    for daemon in ("controller", "agent", "init"):
        text = "\n".join(logs(trio, daemon))
        assert "canary-env" not in text
        assert token.rpartition("-")[2] not in text
