"""What a container can share with its node: nothing without leave, and with it no more than it asked for."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.lab import LabUnderTest, eventually

NAMES = ("host-users", "host-network", "host-pid", "host-ipc", "host-uts")
ON_NODE1 = ("--constraint", "node.name==node1")


@pytest.fixture
def shared(clean_lab: LabUnderTest) -> Iterator[LabUnderTest]:
    """The lab with all that is the node's allowed, and nothing again after."""
    clean_lab.run("cluster", "policy", *(word for name in NAMES for word in ("--allow", name)))
    yield clean_lab
    clean_lab.run("cluster", "policy", *(word for name in NAMES for word in ("--deny", name)))


def out(lab: LabUnderTest, script: str, *options: str) -> str:
    return lab.out("run", "--rm", *ON_NODE1, "--userns", "host", *options, lab.image, "sh", "-c", script)


@pytest.mark.parametrize(
    ("words", "permission"),
    [
        (("--userns", "host"), "host-users"),
        (("--security-opt", "userns=host"), "host-users"),
        (("--userns", "host", "--network", "host"), "host-network"),
        (("--userns", "host", "--pid", "host"), "host-pid"),
        (("--userns", "host", "--ipc", "host"), "host-ipc"),
        (("--userns", "host", "--uts", "host"), "host-uts"),
    ],
)
def test_nothing_of_the_node_is_shared_without_leave(
    clean_lab: LabUnderTest, words: tuple[str, ...], permission: str
) -> None:
    others = [word for name in NAMES if name != permission for word in ("--allow", name)]
    try:
        clean_lab.run("cluster", "policy", *others)
        done = clean_lab.run("run", *words, clean_lab.image, "true", ok=None)
    finally:
        clean_lab.run("cluster", "policy", *(word for name in NAMES for word in ("--deny", name)))
    assert (done.returncode, done.stderr.count("\n")) == (125, 1), done.stderr
    assert f"shoal cluster policy --allow {permission})" in done.stderr
    assert not clean_lab.containers()


@pytest.mark.parametrize("words", [("--network", "host"), ("--pid", "host"), ("--ipc", "host"), ("--uts", "host")])
def test_what_is_the_nodes_takes_the_nodes_users(shared: LabUnderTest, words: tuple[str, ...]) -> None:
    done = shared.run("run", *words, shared.image, "true", ok=None)
    assert (done.returncode, "--userns host" in done.stderr) == (125, True), done.stderr


def test_root_of_the_node_is_confined_like_any_other_container(shared: LabUnderTest) -> None:
    """Its ids are the node's; its network, its processes, and what it may see and do are those of a container."""
    script = "cat /proc/self/uid_map; grep -E '^(CapEff|Seccomp|NoNewPrivs):' /proc/self/status; ls /sys/class/net; ps"
    found = out(shared, script)
    assert found.splitlines()[0].split() == ["0", "0", "4294967295"]
    assert "00000000a80425fb" in found
    assert "Seccomp:\t2" in found
    assert "NoNewPrivs:\t1" in found
    links, processes = found.split("NoNewPrivs:\t1", 1)[1].split("PID", 1)
    assert [line for line in links.split() if line not in ("Seccomp:", "2")] == ["eth0", "lo"]
    assert len(processes.splitlines()) <= 3
    denied = (
        "mount -t tmpfs x /tmp; echo 1 >/proc/sys/vm/drop_caches; echo h >/proc/sysrq-trigger; head -c 1 /proc/kcore"
        "; echo 9000 >/sys/class/net/eth0/mtu; mount -o remount,rw /sys; unshare -m true; dmesg; cat /proc/keys"
        "; mknod /tmp/disk b 254 0 && head -c 1 /tmp/disk"
    )
    assert out(shared, f"({denied}) 2>/dev/null; true") == ""
    # /sys is a sysfs of its own network, to be read.
    assert "sysfs /sys sysfs ro," in out(shared, "cat /proc/mounts")


def test_files_and_volumes_have_the_nodes_ids(shared: LabUnderTest) -> None:
    try:
        assert out(shared, "id -u; stat -c %u /bin/busybox; touch /v/mine; chown 7:7 /v/mine", "-v", "ids:/v") == "0\n0"
        # Another one, with ids of its own, sees the same.
        assert shared.out("run", "--rm", "-v", "ids:/v", shared.image, "stat", "-c", "%u", "/v/mine") == "7"
        # An empty volume is filled by a process that may do no more than with files.
        assert "busybox" in out(shared, "ls /bin", "-v", "filled:/bin")
        shared.run("run", "--name", "a", *ON_NODE1, "--userns", "host", shared.image, "sh", "-c", "echo a >/written")
        assert shared.out("diff", "a").splitlines()[-1] == "A /written"
        assert b"written" in shared.run("export", "a").stdout.encode()
    finally:
        shared.run("rm", "-f", "a", ok=None)
        shared.run("volume", "rm", "ids", "filled", ok=None)


def test_the_nodes_network_with_its_names_and_a_sys_that_is_not_written_to(shared: LabUnderTest) -> None:
    host = ("--network", "host")
    links = out(shared, "ls /sys/class/net; hostname; cat /etc/hosts", *host)
    nodes = re.findall(r"^\d+: (\w+)", shared.inside("node1", "ip", "-o", "link"), re.MULTILINE)
    assert set(nodes) <= set(links.split())
    assert "shoal0" in links
    assert shared.inside("node1", "hostname") in links.splitlines()
    assert out(shared, "echo 1400 >/sys/class/net/lo/mtu 2>/dev/null || echo refused", *host) == "refused"
    assert out(shared, "ip link set lo down 2>/dev/null || echo refused", *host) == "refused"
    refused = shared.run("run", "--userns", "host", *host, "-p", "80", shared.image, "true", ok=None)
    assert (refused.returncode, "leave out -p" in refused.stderr) == (125, True)
    where = ("--name", "a", *ON_NODE1, "--userns", "host", *host)
    shared.run("run", "-d", *where, shared.image, "httpd", "-f", "-p", "8111", "-h", "/etc")
    address = shared.inside("node1", "hostname", "-I").split()[0]
    page = ("busybox", "wget", "-q", "-O", "-", f"http://{address}:8111/passwd")
    eventually(
        lambda: shared.run("lab", "exec", "--name", shared.name, "node2", "--", *page, ok=None).stdout,
        seconds=10,
        what="the page",
    )
    # Nobody becomes root of the node by joining it.
    joined = shared.run("run", "--network", "container:a", shared.image, "true", ok=None)
    assert (joined.returncode, "its node's users" in joined.stderr) == (125, True)


def test_the_nodes_processes_and_nothing_of_it_left(shared: LabUnderTest) -> None:
    script = "sleep 87654 & ls -d /proc/$PPID >/dev/null; cat /proc/1/comm; exit 3"
    done = shared.run(
        "run", "--rm", *ON_NODE1, "--userns", "host", "--pid", "host", shared.image, "sh", "-c", script, ok=None
    )
    assert (done.returncode, done.stdout) == (3, shared.inside("node1", "cat", "/proc/1/comm") + "\n")
    eventually(lambda: not list(_running(b"sleep\x0087654\x00")), seconds=10, what="what it left is gone")


def _running(line: bytes) -> Iterator[str]:
    for process in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if process.isdecimal() and Path("/proc", process, "cmdline").read_bytes() == line:
                yield process


def test_the_nodes_memory_and_name(shared: LabUnderTest) -> None:
    look = "readlink /proc/self/ns/pid; readlink /proc/self/ns/ipc; readlink /proc/self/ns/uts"
    pid, ipc, uts = shared.inside("node1", "sh", "-c", look).split()
    found = out(shared, f"{look}; hostname; ls -d /dev/shm /dev/mqueue", "--ipc", "host", "--uts", "host").split()
    assert (found[0] != pid, found[1:4]) == (True, [ipc, uts, shared.inside("node1", "hostname")])
    assert not {pid, ipc, uts} & set(out(shared, look).split())


def test_all_privileges_with_the_nodes_users_are_the_agents(shared: LabUnderTest) -> None:
    shared.run("cluster", "policy", "--allow", "privileged")
    try:
        found = out(shared, "grep CapEff /proc/self/status; mount -t tmpfs x /tmp && echo mounted", "--privileged")
    finally:
        shared.run("cluster", "policy", "--deny", "privileged")
    own = re.search(r"CapPrm:\s+(\w+)", Path("/proc/self/status").read_text())
    assert own is not None
    assert found.split() == ["CapEff:", own[1], "mounted"]
