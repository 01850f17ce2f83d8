"""etcd is emptied, restored from an older snapshot, replaced by another cluster's: what runs is not touched, and comes
back as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shoal_proto.v1.cluster_pb2 import Cluster
from tests.parts.lab import LabUnderTest, eventually
from tests.parts.leftovers import assert_nothing_left
from tests.parts.store_loss import StoreOfLab

ON = {node: ("--constraint", f"node.name=={node}") for node in ("node1", "node2", "node3")}


@pytest.fixture
def store(clean_lab: LabUnderTest) -> Iterator[StoreOfLab]:
    yield StoreOfLab(clean_lab)
    # Whatever a test left: the next one begins with a cluster that is well.
    info = json.loads(clean_lab.out("info", "--format", "json"))
    if info.get("problems"):
        clean_lab.run("cluster", "recover", "--from-nodes", "--nodes", "3", "--yes", ok=None)


def facts(lab: LabUnderTest, *names: str) -> dict[str, tuple[Any, ...]]:
    """Return what must not change: of each container, its id, process, address, ports, environment and runs."""
    found = {}
    for name in names:
        each = lab.inspect(name)
        status, spec = each["status"], each["spec"]
        address = each["placement"]["addresses"][0]["ip"]
        found[name] = (
            spec["id"],
            status["pid"],
            status["started_at"],
            address,
            each["placement"]["ports"],
            spec["config"]["env"],
            status["run_served"],
            each["node_name"],
        )
    return found


def daemons(lab: LabUnderTest) -> dict[str, str]:
    """Return the process ids of all daemons but etcd."""
    rows = [json.loads(line) for line in lab.lab("status", "--format", "json").splitlines()]
    return {
        row["host"]: ", ".join(each for each in row["daemons"].split(", ") if not each.startswith("etcd"))
        for row in rows
    }


def problem(lab: LabUnderTest, *, within: float = 20) -> str:
    """Return what `shoal cluster info` says is wrong, once it does."""
    said: list[str] = eventually(
        lambda: json.loads(lab.out("cluster", "info", "--format", "json"))["problems"],
        seconds=within,
        what="a problem that is said",
    )
    return said[0]


def refused(lab: LabUnderTest, *words: str) -> str:
    """Return the one line with which a command is refused."""
    lines = lab.run(*words, ok=False).stderr.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def assert_works(lab: LabUnderTest) -> None:
    """Check that the cluster does its work again: all nodes are ready, and a run runs, once."""
    eventually(lambda: all(lab.node_state(node) == "READY" for node in lab.nodes), seconds=30, what="ready nodes")
    assert lab.out("run", "--rm", lab.image, "echo", "once") == "once"
    assert json.loads(lab.out("info", "--format", "json"))["problems"] == []


def test_an_emptied_etcd_is_filled_again_from_the_nodes(store: StoreOfLab) -> None:
    shoal = store.lab
    for number, node in enumerate(ON, start=1):
        words = ("-e", f"SECRET={number}", "-m", "64m", "-p", "8080:80", "-p", "80", *ON[node])
        shoal.run("run", "-d", "--name", f"r{number}", *words, shoal.image)
    shoal.run("create", "--name", "waits", shoal.image)
    shoal.run("run", "-d", "--name", "ended", shoal.image, "sh", "-c", "exit 3")
    shoal.run("wait", "ended")
    before, processes = facts(shoal, "r1", "r2", "r3"), daemons(shoal)
    store.empty()
    said = problem(shoal)
    assert "shoal cluster recover --from-nodes" in said
    assert "etcd" in said
    # Reads are served, writes refused with the same line; nothing that runs is touched.
    assert shoal.containers() == {}
    assert said in refused(shoal, "run", "-d", "--name", "x", shoal.image)
    assert said in refused(shoal, "cluster", "token")
    assert "restore" in refused(shoal, "cluster", "recover", "--accept-restore", "--yes")
    done = shoal.run("cluster", "recover", "--from-nodes", "--nodes", "3", "--yes")
    assert "3 nodes, 5 containers adopted, 0 lost" in done.stdout
    assert facts(shoal, "r1", "r2", "r3") == before
    assert daemons(shoal) == processes
    assert_works(shoal)
    assert facts(shoal, "r1", "r2", "r3") == before
    assert shoal.inspect("waits")["phase"] == "CONTAINER_PHASE_CREATED"
    ended = shoal.inspect("ended")
    assert (ended["phase"], ended["status"]["exit_code"]) == ("CONTAINER_PHASE_EXITED", 3)
    reserved = {
        each["spec"]["name"]: each["ledger"]["reserved"]["memory_bytes"]
        for each in shoal.json_lines("node", "ls", "--format", "json")
    }
    assert reserved == dict.fromkeys(ON, str(64 << 20))
    # Names, addresses and ports are held, and freed.
    assert "taken" in refused(shoal, "run", "-d", "--name", "r1", shoal.image)
    shoal.run("create", "--name", "late", "-p", "8080:80", shoal.image)
    reason = eventually(lambda: shoal.inspect("late")["detail"], seconds=10, what="a reason")
    assert all(f"{node}: port 8080/tcp is taken by container" in reason for node in ON)
    shoal.run("rm", "late")
    assert "the store is well" in refused(shoal, "cluster", "recover", "--from-nodes", "--yes")
    shoal.run("start", "waits")
    shoal.run("restart", "-t", "0", "r1")
    assert shoal.inspect("r1")["status"]["run_served"] == "2"
    shoal.run("rm", "-f", *shoal.containers())
    assert_nothing_left(shoal)


def test_a_restored_etcd_is_brought_up_to_date_and_a_node_that_was_away_comes_back_unharmed(
    store: StoreOfLab, tmp_path: Path
) -> None:
    shoal = store.lab
    for name, node in (("keep", "node1"), ("later", "node3"), ("gone", "node2"), ("again", "node1")):
        shoal.run("run", "-d", "--name", name, *ON[node], shoal.image)
    shoal.run("stop", "-t", "0", "later", "again")
    store.snapshot(tmp_path / "old.db")
    shoal.run("start", "later", "again")
    shoal.run("rm", "-f", "gone")
    eventually(lambda: "gone" not in shoal.containers(), seconds=20, what="its removal")
    shoal.run("run", "-d", "--name", "gone", *ON["node2"], shoal.image)
    shoal.run("run", "-d", "--name", "new", *ON["node3"], "-e", "A=new", shoal.image)
    names = ("keep", "later", "gone", "again", "new")
    before, processes = facts(shoal, *names), daemons(shoal)
    shoal.lab("partition", "node3")
    store.restore(tmp_path / "old.db")
    said = problem(shoal)
    assert "set back" in said
    assert "shoal cluster recover --accept-restore" in said
    assert said in refused(shoal, "start", "keep")
    away = refused_last(shoal, "cluster", "recover", "--accept-restore", "--wait", "5", "--yes")
    assert "node3" in away
    assert "--nodes 2" in away
    done = shoal.run("cluster", "recover", "--accept-restore", "--nodes", "2", "--yes")
    assert 'its name "gone" is another\'s' in done.stderr
    assert "1 lost" in done.stdout
    assert facts(shoal, "keep", "gone", "again") == {name: before[name] for name in ("keep", "gone", "again")}
    (lost,) = (each for name, each in shoal.containers().items() if name.startswith("gone-"))
    assert lost["phase"] == "CONTAINER_PHASE_FAILED"
    assert "lost" in lost["detail"]
    # The node that was away: the store had "later" as stopped, and did not know "new".
    shoal.lab("heal", "node3")
    eventually(lambda: "new" in shoal.containers(), seconds=30, what="what node3 has")
    assert_works(shoal)
    assert facts(shoal, *names) == before
    assert daemons(shoal) == processes
    shoal.run("rm", "-f", *shoal.containers())
    assert_nothing_left(shoal)


def refused_last(lab: LabUnderTest, *words: str) -> str:
    """Return the last line of a command that tells its progress and fails."""
    return lab.run(*words, ok=False).stderr.strip().splitlines()[-1]


def test_another_clusters_etcd_is_not_touched_until_it_is_taken_over(store: StoreOfLab, tmp_path: Path) -> None:
    shoal = store.lab
    shoal.run("run", "-d", "--name", "calm", shoal.image)
    before = facts(shoal, "calm")
    store.empty()
    foreign = tmp_path / "cluster"
    foreign.write_bytes(Cluster(schema=1, id="f" * 32, epoch=9, subnet="10.99.0.0/16").SerializeToString())
    store.ctl("put", "/shoal/v1/cluster", stdin=foreign)
    for number in range(5):
        store.ctl("put", f"/shoal/v1/names/default/container/foreign{number}", "0" * 64)
    said = eventually(
        lambda: found if "f" * 32 in (found := problem(shoal)) else "", seconds=20, what="the other cluster's id"
    )
    assert "shoal cluster recover --from-nodes" in said
    assert said in refused(shoal, "run", "-d", "--name", "x", shoal.image)
    assert "f" * 32 in refused(shoal, "cluster", "recover", "--accept-restore", "--yes")
    shoal.run("cluster", "recover", "--from-nodes", "--nodes", "3", "--yes")
    assert facts(shoal, "calm") == before
    assert_works(shoal)
    assert "foreign" not in store.ctl("get", "--prefix", "--keys-only", "/shoal/v1/")
    shoal.run("rm", "-f", "calm")
    assert_nothing_left(shoal)


def test_a_controller_that_starts_on_a_store_that_was_set_back_places_nothing(
    store: StoreOfLab, tmp_path: Path
) -> None:
    shoal = store.lab
    store.snapshot(tmp_path / "old.db")
    shoal.run("run", "-d", "--name", "calm", shoal.image)
    before = facts(shoal, "calm")
    # Its mark is on disk within seconds, or with its end.
    shoal.lab("stop", "control1/controller")
    store.restore(tmp_path / "old.db")
    shoal.lab("start", "control1/controller")
    assert "set back" in problem(shoal)
    # Also over another restart, while the store grows.
    shoal.lab("kill", "control1/controller")
    shoal.lab("start", "control1/controller")
    assert "recover --accept-restore" in problem(shoal)
    assert "calm" not in shoal.containers()
    shoal.run("cluster", "recover", "--accept-restore", "--yes")
    assert facts(shoal, "calm") == before
    assert_works(shoal)
    shoal.run("rm", "-f", "calm")
    assert_nothing_left(shoal)


def test_strays_are_adopted_or_removed_when_somebody_says_so(store: StoreOfLab) -> None:
    shoal = store.lab
    for name in ("back", "away", "other"):
        shoal.run("run", "-d", "--name", name, "-e", f"WHO={name}", "-m", "64m", *ON["node1"], shoal.image)
    before = facts(shoal, "back", "away", "other")
    node = shoal.inspect("back")["placement"]["node"]
    ids = {name: each[0] for name, each in before.items()}
    for id_ in (ids["back"], ids["away"]):
        # As if the store had lost them, each part after the other.
        for key in (
            f"nodes/{node}/holds/{id_}",
            f"containers/default/{id_}/spec",
            f"containers/default/{id_}/placement",
            f"containers/default/{id_}/status",
        ):
            store.ctl("del", f"/shoal/v1/{key}")
    listed = eventually(
        lambda: found if len(found := shoal.json_lines("node", "strays", "node1", "--format", "json")) == 2 else None,
        seconds=20,
        what="two strays",
    )
    assert {each["id"]: each["name"] for each in listed} == {ids["back"]: "back", ids["away"]: "away"}
    assert "no stray" in refused(shoal, "node", "strays", "node1", "--rm", ids["other"])
    assert shoal.out("node", "strays", "node1", "--adopt", ids["back"][:12]) == "back"
    assert facts(shoal, "back", "other") == {name: before[name] for name in ("back", "other")}
    assert shoal.out("exec", "back", "sh", "-c", "echo $WHO") == "back"
    assert shoal.out("node", "strays", "node1", "--rm") == "away"
    eventually(
        lambda: not shoal.json_lines("node", "strays", "node1", "--format", "json"), seconds=30, what="no strays"
    )
    hold = f"/shoal/v1/nodes/{node}/holds/{ids['away']}"
    eventually(lambda: not store.ctl("get", "--keys-only", hold).strip(), seconds=20, what="its confirmation")
    assert "away" not in store.ctl("get", "--prefix", "--keys-only", "/shoal/v1/names/default/container/")
    shoal.run("rm", "-f", "back", "other")
    eventually(lambda: not shoal.containers(), seconds=20, what="the end of all")
    assert_nothing_left(shoal)
