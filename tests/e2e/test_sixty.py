"""Sixty containers of one image on three nodes: spread, isolated, answering."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from shoal_lab.image import SERVE
from tests.parts.lab import LabUnderTest
from tests.parts.pulls import other_root

COUNT = 60
#: Of this module alone: no node has had it before.
IMAGE = "test/sixty:1"


@pytest.fixture(scope="module")
def sixty(lab: LabUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    archive: Path = tmp_path_factory.mktemp("sixty") / "root.tar"
    archive.write_bytes(other_root())
    lab.run("image", "import", str(archive), IMAGE, "--cmd", json.dumps(["sh", "-c", SERVE]))
    existing = list(lab.containers())
    if existing:
        lab.run("rm", "-f", *existing)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: lab.run("run", "-d", "--name", f"c{n}", IMAGE), range(COUNT)))
    yield lab.containers()
    lab.run("rm", "-f", *(f"c{n}" for n in range(COUNT)))


def test_all_run_and_are_spread_evenly(sixty: dict[str, dict[str, Any]]) -> None:
    assert Counter(each["phase"] for each in sixty.values()) == {"CONTAINER_PHASE_RUNNING": COUNT}
    assert sorted(Counter(each["node_name"] for each in sixty.values()).values()) == [20, 20, 20]


def test_addresses_and_uid_ranges_are_their_own(sixty: dict[str, dict[str, Any]]) -> None:
    assert len({each["placement"]["addresses"][0]["ip"] for each in sixty.values()}) == COUNT
    bases = [int(each["status"]["uid_base"]) for each in sixty.values()]
    assert len(set(bases)) == COUNT
    assert all(base >= 524288 and base % 65536 == 0 for base in bases)


def test_each_serves_its_page(lab: LabUnderTest, sixty: dict[str, dict[str, Any]]) -> None:
    for node in lab.nodes:
        here = [each for each in sixty.values() if each["node_name"] == node]
        script = "; ".join(
            f"timeout 5 busybox wget -qO- http://{each['placement']['addresses'][0]['ip']}/" for each in here
        )
        pages = lab.inside(node, "sh", "-c", script).splitlines()
        assert sorted(pages) == sorted(f"Hello from {each['spec']['id'][:12]}" for each in here)


def test_namespaces_are_their_own(lab: LabUnderTest, sixty: dict[str, dict[str, Any]]) -> None:
    for node in lab.nodes:
        pids = [str(each["status"]["pid"]) for each in sixty.values() if each["node_name"] == node]
        kinds = ("mnt", "net", "pid", "ipc", "uts", "user", "cgroup")
        script = "; ".join(f"readlink /proc/{pid}/ns/{kind}" for pid in ["1", *pids] for kind in kinds)
        found = lab.inside(node, "sh", "-c", script).splitlines()
        assert len(found) == (len(pids) + 1) * len(kinds)
        assert len(set(found)) == len(found)


def test_processes_run_under_uids_of_their_own_range(lab: LabUnderTest, sixty: dict[str, dict[str, Any]]) -> None:
    for node in lab.nodes:
        here = [each for each in sixty.values() if each["node_name"] == node]
        script = "; ".join(f"grep ^Uid: /proc/{each['status']['pid']}/status" for each in here)
        uids = [int(line.split()[1]) for line in lab.inside(node, "sh", "-c", script).splitlines()]
        assert uids == [int(each["status"]["uid_base"]) for each in here]


def test_what_root_in_a_container_makes_belongs_to_root_on_disk(
    lab: LabUnderTest, sixty: dict[str, dict[str, Any]]
) -> None:
    lab.run("exec", "c0", "sh", "-c", "touch /root/made; chown 33:44 /root/made; touch /root/mine")
    container = sixty["c0"]
    root = lab.data(container["node_name"]) / "shoal" / "containers" / container["spec"]["id"]
    made = next(root.rglob("upper/root/made")).stat()
    mine = next(root.rglob("upper/root/mine")).stat()
    assert (made.st_uid, made.st_gid, mine.st_uid, mine.st_gid) == (33, 44, 0, 0)


def test_each_layer_was_fetched_once_per_node(lab: LabUnderTest, sixty: dict[str, dict[str, Any]]) -> None:
    image = json.loads(lab.out("image", "inspect", "--format", "json", IMAGE))[0]
    log = (lab.data("logs") / "control1-registry.log").read_text()
    for layer in image["layers"]:
        fetched = re.findall(rf'^(\S+).*"GET /v2/test/sixty/blobs/{layer["digest"]} HTTP', log, re.MULTILINE)
        counts = Counter(fetched)
        nodes = {address: count for address, count in counts.items() if not address.endswith(".2")}
        assert sorted(nodes.values()) == [1, 1, 1], nodes


def test_the_data_root_is_roots_alone(lab: LabUnderTest) -> None:
    for node in lab.nodes:
        stat = (lab.data(node) / "shoal").stat()
        assert (stat.st_uid, stat.st_mode & 0o777) == (0, 0o700)


def test_the_outside_is_reached_through_the_node(lab: LabUnderTest, sixty: dict[str, dict[str, Any]]) -> None:
    # What listens there wants TLS, and says so to who comes without.
    done = lab.run("exec", "c0", "timeout", "5", "wget", "-O-", f"http://{lab.control_address}:5000/v2/", ok=False)
    assert "400 Bad Request" in done.stderr


def test_the_registry_serves_nobody_without_a_certificate(lab: LabUnderTest, sixty: dict[str, dict[str, Any]]) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((lab.control_address, 5000), timeout=5) as plain,
        context.wrap_socket(plain) as connection,
    ):
        # TLS 1.3 tells a client that it is refused with the first answer.
        connection.sendall(b"GET /v2/ HTTP/1.1\r\nHost: registry\r\n\r\n")
        with pytest.raises(ssl.SSLError, match="certificate"):
            connection.recv(1)
