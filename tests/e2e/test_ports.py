"""Published ports: who reaches a container by them, from where, and that none is given away twice."""

from __future__ import annotations

import sys

import pytest

from tests.parts.lab import LabUnderTest, eventually

_FETCH = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as peer:
    peer.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    answer = b""
    while data := peer.recv(65536):
        answer += data
    sys.stdout.write(answer.decode())
"""
#: A program of the host's that serves two pages and ends.
_TWO_PAGES = """
import socket, sys
with socket.create_server(("0.0.0.0", int(sys.argv[1]))) as server:
    for _ in range(2):
        peer, _ = server.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
"""
_ON_NODE1 = ("--constraint", "node.name==node1")


def address(lab: LabUnderTest, node: str) -> str:
    """Return the address of a node's host."""
    listed = {each["spec"]["name"]: each for each in lab.json_lines("node", "ls", "--format", "json")}
    return str(listed[node]["status"]["description"]["address"]).rpartition(":")[0]


def fetched(lab: LabUnderTest, host: str, ip: str, port: int) -> bool:
    """Say whether a host of the lab gets a page."""
    words = ("lab", "exec", "--name", lab.name, host, "--", sys.executable, "-c", _FETCH, ip, str(port))
    done = lab.run(*words, ok=None)
    return done.returncode == 0 and "200 OK" in done.stdout


def reached(lab: LabUnderTest, container: str, ip: str, port: int) -> bool:
    """Say whether a container gets a page."""
    script = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 5 nc {ip} {port}"
    done = lab.run("exec", container, "sh", "-c", script, ok=None)
    return "200 OK" in done.stdout


def serve(lab: LabUnderTest, name: str, *options: str) -> None:
    lab.run("run", "-d", "--name", name, *options, lab.image)


def test_a_port_is_reached_from_everywhere_and_keeps_the_clients_address(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    node = address(shoal, "node1")
    serve(shoal, "web", "-p", "8080:80", *_ON_NODE1)
    serve(shoal, "near", *_ON_NODE1)
    serve(shoal, "far", "--constraint", "node.name==node2")
    assert shoal.out("port", "web") == f"80/tcp -> {node}:8080"
    assert shoal.out("port", "web", "80") == f"{node}:8080"
    assert shoal.out("ps", "--format", "{{.Names}} {{.Ports}}").splitlines()[-1] == f"web {node}:8080->80/tcp"
    eventually(lambda: fetched(shoal, "control1", node, 8080), seconds=10, what="the page from outside")
    assert fetched(shoal, "node1", node, 8080), "the node itself, by its address"
    assert fetched(shoal, "node1", "127.0.0.1", 8080), "the node itself, by its loopback"
    assert fetched(shoal, "node2", node, 8080), "another node"
    assert reached(shoal, "web", node, 8080), "the container itself"
    assert reached(shoal, "near", node, 8080), "a container of the same node"
    assert reached(shoal, "far", node, 8080), "a container of another node"
    eventually(lambda: f"{shoal.control_address}]:" in shoal.run("logs", "web").stderr, seconds=20, what="the client")


def test_nobody_reaches_what_is_not_published(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    node = address(shoal, "node1")
    serve(shoal, "web", "-p", "127.0.0.1:8080:80", *_ON_NODE1)
    eventually(lambda: fetched(shoal, "node1", "127.0.0.1", 8080), seconds=10, what="the page on the loopback")
    assert not fetched(shoal, "control1", node, 8080)
    assert not fetched(shoal, "node1", node, 8080)
    assert not fetched(shoal, "node1", node, 80)
    # The host's loopback is the host's: neither its own address nor the bridge leads a container there.
    assert not reached(shoal, "web", "127.0.0.1", 8080)
    assert not reached(shoal, "web", node, 8080)


def test_a_taken_port_sends_the_next_elsewhere_and_then_makes_it_wait(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    for name in ("a", "b", "c"):
        serve(shoal, name, "-p", "8080:80")
    assert {each["node_name"] for each in shoal.containers().values()} == set(shoal.nodes)
    waiting = shoal.spawn("run", "-d", "--name", "late", "-p", "8080:80", shoal.image)
    reason = eventually(lambda: (shoal.containers().get("late") or {}).get("detail", ""), seconds=10, what="a reason")
    first = shoal.inspect("a")
    assert f"{first['node_name']}: port 8080/tcp is taken by container {first['spec']['id'][:12]}" in reason
    # One that is stopped keeps its port: it has it when it is started again.
    shoal.run("stop", "-t", "0", "a")
    shoal.run("start", "a")
    shoal.run("rm", "-f", "a")
    _, errors = waiting.communicate(timeout=30)
    assert waiting.returncode == 0, errors
    assert reason in errors.decode()
    assert shoal.inspect("late")["node_name"] == first["node_name"]
    eventually(
        lambda: fetched(shoal, "control1", address(shoal, first["node_name"]), 8080), seconds=10, what="the new page"
    )


def test_the_agents_own_port_is_nobody_elses(clean_lab: LabUnderTest) -> None:
    waiting = clean_lab.spawn("run", "--name", "thief", "-p", "7410:80", *_ON_NODE1, clean_lab.image)
    found = eventually(lambda: clean_lab.containers().get("thief"), seconds=10, what="a container")
    assert "node1: port 7410/tcp is taken by its agent" in str(found["detail"])
    waiting.terminate()
    waiting.communicate(timeout=30)


def test_ports_outlast_the_agent_and_a_reboot(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    node = address(shoal, "node1")
    serve(shoal, "web", "-p", "8080:80", "--restart", "always", *_ON_NODE1)
    eventually(lambda: fetched(shoal, "control1", node, 8080), seconds=10, what="the page")
    shoal.lab("kill", "node1")
    assert fetched(shoal, "control1", node, 8080), "no agent is needed"
    shoal.lab("start", "node1")
    eventually(lambda: shoal.node_state("node1") == "READY", seconds=20, what="the agent is back")
    assert fetched(shoal, "control1", node, 8080), "adopted"
    shoal.lab("reboot", "node1")
    eventually(lambda: fetched(shoal, "control1", node, 8080), seconds=30, what="the page after a reboot")
    shoal.run("rm", "-f", "web")
    assert not fetched(shoal, "control1", node, 8080)
    assert "elements" not in shoal.inside("node1", "nft", "list", "map", "inet", "shoal", "published")


def test_ranges_free_ports_and_all_that_is_exposed(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    node = address(shoal, "node1")
    serve(shoal, "range", "-p", "8000-8001:79-80", *_ON_NODE1)
    assert shoal.out("ps", "--format", "{{.Ports}}") == f"{node}:8000-8001->79-80/tcp"
    eventually(lambda: fetched(shoal, "control1", node, 8001), seconds=10, what="the second of the range")
    # The first that is free, on each node anew.
    serve(shoal, "one", "-p", "8000-8010:80", *_ON_NODE1)
    assert shoal.out("port", "one", "80") == f"{node}:8002"
    serve(shoal, "all", "-P", "--expose", "80", "--expose", "53/udp", *_ON_NODE1)
    ports = {each["container_port"]: each for each in shoal.json_lines("port", "all", "--format", "json")}
    assert {(each["container_port"], each["protocol"]) for each in ports.values()} == {(80, "tcp"), (53, "udp")}
    assert all(30000 <= each["host_port"] <= 32767 for each in ports.values())
    eventually(lambda: fetched(shoal, "control1", node, ports[80]["host_port"]), seconds=10, what="the page")
    assert f"{ports[80]['host_port']}" in shoal.out("port", "all", "80/tcp")
    done = shoal.run("port", "all", "81", ok=False)
    assert done.returncode == 1
    assert 'port 81 of container "all" is not published' in done.stderr


def test_a_port_of_the_hosts_own_program_is_not_taken_from_it(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    node = address(shoal, "node1")
    server = shoal.spawn("lab", "exec", "--name", shoal.name, "node1", "--", sys.executable, "-c", _TWO_PAGES, "8088")
    eventually(lambda: fetched(shoal, "control1", node, 8088), seconds=20, what="the host's own page")
    done = shoal.run("run", "-d", "--name", "late", "-p", "8088:80", *_ON_NODE1, shoal.image, ok=False)
    assert done.returncode == 125
    assert "port 8088/tcp of this node is in use by a program of its own" in done.stderr
    assert fetched(shoal, "control1", node, 8088), "the host's own page still"
    server.communicate(timeout=20)
    shoal.run("start", "late")
    eventually(lambda: fetched(shoal, "control1", node, 8088), seconds=10, what="the container's page")


def test_names_are_the_containers_own(clean_lab: LabUnderTest) -> None:
    names = ("--dns", "10.9.9.9", "--dns-search", "a.example", "--dns-option", "ndots:2")
    hosts = ("--add-host", "db:10.0.0.7", "--add-host", "node:host-gateway", "--hostname", "web")
    told = clean_lab.out(
        *("run", "--rm", *names, *hosts, clean_lab.image, "sh", "-c"), "cat /etc/resolv.conf /etc/hosts; hostname"
    ).splitlines()
    assert [line for line in told if line.startswith("nameserver")] == ["nameserver 10.9.9.9"]
    for line in ("search a.example", "options ndots:2", "10.0.0.7\tdb", "10.88.0.1\tnode", "127.0.1.1\tweb", "web"):
        assert line in told
    done = clean_lab.run("run", "--add-host", "db", clean_lab.image, ok=False)
    assert done.returncode == 2
    assert "NAME:IP" in done.stderr


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("-p", "99999:80"), "65535"),
        (("-p", "web"), "write"),
        (("-p", "80/sctp"), "tcp or udp"),
        (("-p", "8080:80", "-p", "8080:81"), "8080/tcp"),
        (("-p", "80", "--network", "none"), "--network"),
    ],
)
def test_what_can_never_be_published_makes_no_container(
    clean_lab: LabUnderTest, options: tuple[str, ...], named: str
) -> None:
    done = clean_lab.run("run", "-d", *options, clean_lab.image, ok=False)
    assert done.returncode in (2, 125)
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not clean_lab.containers()
