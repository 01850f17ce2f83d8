import os
import stat
from dataclasses import replace
from pathlib import Path

from shoal_agent.runtime.bundle import DEFAULT_PIDS, Json, configuration, process_section
from shoal_agent.runtime.confinement import Confinement
from shoal_agent.runtime.devices import DeviceNode
from shoal_agent.runtime.mounts import FileSystems
from shoal_agent.runtime.process import Process
from shoal_agent.runtime.seccomp import compile_profile
from shoal_agent.runtime.shared import ALONE, Namespace, Shared
from shoal_agent.runtime.users import User
from shoal_agent.sandbox.sandboxes import Sandbox
from shoal_common.containers import capabilities
from shoal_proto.v1.resources_pb2 import Resources

CONFINEMENT = Confinement(
    capabilities.DEFAULT,
    no_new_privileges=True,
    rlimits={"RLIMIT_NOFILE": (10, 20)},
    seccomp=compile_profile(capabilities.DEFAULT, "x86_64"),
)
ROOT = User(0, 0, (), "/root")


SANDBOX = Sandbox("k", Path("/s/user"), Path("/s/net"), 524288)


def build(
    resources: Resources,
    user: User = ROOT,
    *,
    limits_swap: bool = True,
    confinement: Confinement = CONFINEMENT,
    shared: Shared = ALONE,
    sandbox: Sandbox = SANDBOX,
    shm: Path | None = None,
) -> Json:
    return configuration(
        process=Process(("sh",), ("PATH=/bin",), "/", "", "box", 15),
        user=user,
        confinement=confinement,
        rootfs=Path("/run/shoal/rootfs/k"),
        sandbox=sandbox,
        systems=FileSystems(),
        files=Path("/t"),
        devices=Path("/d"),
        resources=resources,
        cgroup="/shoal/containers/k",
        limits_swap=limits_swap,
        shared=shared,
        shm=shm,
    )


def test_namespaces_are_made_or_joined() -> None:
    linux = build(Resources())["linux"]
    made = {entry["type"]: entry.get("path", "") for entry in linux["namespaces"]}
    assert made == {"pid": "", "ipc": "", "uts": "", "mount": "", "cgroup": "", "user": "/s/user", "network": "/s/net"}
    assert linux["uidMappings"] == linux["gidMappings"] == [{"containerID": 0, "hostID": 524288, "size": 65536}]


def test_namespaces_of_another_task_are_joined_by_their_paths() -> None:
    shared = Shared(joined={"pid": Namespace(Path("/proc/7/ns/pid"), (1, 2))}, shm=Path("/other/shm"))
    config = build(Resources(), shared=shared, shm=Path("/other/shm"))
    found = {entry["type"]: entry.get("path", "") for entry in config["linux"]["namespaces"]}
    assert (found["pid"], found["ipc"], found["uts"]) == ("/proc/7/ns/pid", "", "")
    (shm,) = [entry for entry in config["mounts"] if entry["destination"] == "/dev/shm"]
    assert (shm["type"], shm["source"]) == ("bind", "/other/shm")
    assert {"bind", "nosuid", "noexec", "nodev"} <= set(shm["options"])


def test_what_is_the_nodes_is_neither_made_nor_named() -> None:
    shared = Shared(host=frozenset({"user", "net", "pid", "ipc", "uts"}))
    config = build(Resources(), shared=shared, shm=Path("/dev/shm"), sandbox=Sandbox("k", Path("u"), Path("/n"), 0))
    # By its path, as ever: which network it is was decided when the sandbox was made.
    assert [entry["type"] for entry in config["linux"]["namespaces"]] == ["mount", "cgroup", "network"]
    assert {"uidMappings", "gidMappings"}.isdisjoint(config["linux"])
    # It would become the node's own name.
    assert "hostname" not in config
    (sys_,) = [entry for entry in config["mounts"] if entry["destination"] == "/sys"]
    assert "ro" in sys_["options"]


def test_limits() -> None:
    limits = build(Resources(memory_bytes=64 << 20, cpu_millis=1500, pids=7))["linux"]["resources"]
    assert limits["memory"] == {"limit": 64 << 20, "swap": 64 << 20}
    assert limits["cpu"] == {"quota": 150_000, "period": 100_000}
    assert limits["pids"] == {"limit": 7}
    unlimited = build(Resources())["linux"]["resources"]
    assert unlimited["pids"] == {"limit": DEFAULT_PIDS}
    assert unlimited.keys().isdisjoint({"memory", "cpu"})
    assert unlimited["devices"] == [{"allow": False, "access": "rwm"}]
    assert build(Resources(memory_bytes=8 << 20), limits_swap=False)["linux"]["resources"]["memory"] == {
        "limit": 8 << 20
    }
    assert build(Resources(cpu_millis=1))["linux"]["resources"]["cpu"]["quota"] == 1000


def test_every_limit_reaches_the_runtime() -> None:
    limits = Resources(
        memory_bytes=64 << 20,
        memory_swap_bytes=96 << 20,
        memory_reservation_bytes=32 << 20,
        cpu_shares=512,
        cpuset_cpus="0-1",
        cpuset_mems="0",
        blkio_weight=300,
    )
    section = build(limits)["linux"]["resources"]
    assert section["memory"] == {"limit": 64 << 20, "swap": 96 << 20, "reservation": 32 << 20}
    assert section["cpu"] == {"shares": 512, "cpus": "0-1", "mems": "0"}
    assert section["blockIO"] == {"weight": 300}
    endless = build(Resources(memory_bytes=64 << 20, memory_swap_bytes=-1))["linux"]["resources"]
    assert endless["memory"] == {"limit": 64 << 20, "swap": -1}


def test_devices_are_nodes_of_its_own_and_nothing_else_may_be_opened() -> None:
    node = DeviceNode("/dev/own", stat.S_IFCHR | 0o600, os.makedev(10, 229), "r")
    config = build(Resources(), confinement=replace(CONFINEMENT, devices=(node,)))
    assert config["linux"]["resources"]["devices"] == [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "r"},
    ]
    assert config["mounts"][-1]["destination"] == "/dev/own"
    assert config["mounts"][-1]["source"] == "/d/0"
    assert "devices" not in config["linux"]


def test_one_that_is_privileged_sees_all_of_proc_and_keeps_its_namespaces() -> None:
    linux = build(Resources(), confinement=replace(CONFINEMENT, privileged=True))["linux"]
    assert (linux["maskedPaths"], linux["readonlyPaths"]) == ([], [])
    assert linux["namespaces"] == build(Resources())["linux"]["namespaces"]


def test_root_has_the_fourteen_capabilities_and_others_have_none_at_once() -> None:
    assert capabilities.mask(capabilities.DEFAULT) == 0xA80425FB
    root = build(Resources())["process"]["capabilities"]
    assert root["bounding"] == root["effective"] == root["permitted"]
    assert capabilities.mask(root["bounding"]) == 0xA80425FB
    other = build(Resources(), User(33, 33, (50,), "/srv"))["process"]
    assert capabilities.mask(other["capabilities"]["bounding"]) == 0xA80425FB
    assert not any(other["capabilities"][kind] for kind in ("effective", "permitted", "inheritable", "ambient"))
    assert other["user"] == {"uid": 33, "gid": 33, "additionalGids": [50]}


def test_home_is_the_users_unless_it_is_said() -> None:
    def home(*env: str) -> list[str]:
        section = process_section(args=["x"], env=env, cwd="/", user=ROOT, confinement=CONFINEMENT)
        return [entry for entry in section["env"] if entry.startswith("HOME=")]

    assert home() == ["HOME=/root"]
    assert home("HOME=/x") == ["HOME=/x"]


def test_sys_and_cgroups_are_read_only_and_nothing_of_the_hosts_is_bound_but_own_files() -> None:
    mounts = {entry["destination"]: entry for entry in build(Resources())["mounts"]}
    for path in ("/sys", "/sys/fs/cgroup"):
        assert "ro" in mounts[path]["options"]
    assert {path: entry["source"] for path, entry in mounts.items() if entry["type"] == "bind"} == {
        "/etc/hosts": "/t/hosts",
        "/etc/hostname": "/t/hostname",
        "/etc/resolv.conf": "/t/resolv.conf",
    }
