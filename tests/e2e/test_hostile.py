"""Images, programs and nodes that mean harm: what they try fails, and leaves the node and the cluster at work."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Awaitable, Mapping
from pathlib import Path

import grpc
import grpc.aio
import pytest

from shoal_common.identity import CONTROLLER_NAME, node_server_name
from shoal_common.rpc_client import TlsFiles, secure_channel
from shoal_lab.image import root_filesystem
from shoal_proto.v1.agent_pb2 import AgentSignalRequest
from shoal_proto.v1.agent_pb2_grpc import AgentServiceStub
from shoal_proto.v1.container_pb2 import ListContainersRequest
from shoal_proto.v1.container_pb2_grpc import ContainerServiceStub
from tests.parts.lab import LabUnderTest, eventually

SECRET = "s3cr3t-9b1f62d04c"


def _import(lab: LabUnderTest, folder: Path, name: str, links: Mapping[str, str]) -> str:
    """Import the image with some of its names replaced by symbolic links."""
    buffer = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(root_filesystem())) as source,
        tarfile.open(fileobj=buffer, mode="w") as archive,
    ):
        for member in source:
            if not any(member.name == link or member.name.startswith(f"{link}/") for link in links):
                archive.addfile(member, source.extractfile(member) if member.isreg() else None)
        for link, target in links.items():
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    (folder / "root.tar").write_bytes(buffer.getvalue())
    reference = f"hostile/{name}:1"
    lab.run("image", "import", str(folder / "root.tar"), reference)
    return reference


@pytest.mark.parametrize("target", ["/tmp", "../../../../../../tmp", "/../../../../dev"])
@pytest.mark.parametrize("link", ["proc", "sys", "dev", "etc"])
def test_a_link_in_place_of_a_mount_point_leads_nowhere(
    clean_lab: LabUnderTest, tmp_path: Path, link: str, target: str
) -> None:
    before = set(Path("/tmp").iterdir()), set(Path("/dev").iterdir())
    image = _import(clean_lab, tmp_path, "link", {link: target})
    done = clean_lab.run(
        "run", "--rm", image, "/bin/busybox", "grep", "-c", "^sysfs /sys sysfs ro", "/proc/mounts", ok=None
    )
    # It is refused, or everything is mounted where it should be.
    assert done.returncode == 125 or done.stdout == "1\n", done.stderr
    assert {path.name for path in set(Path("/dev").iterdir()) - before[1]} == set()
    assert not {"hosts", "hostname", "resolv.conf", "null", "shm"} & {
        path.name for path in set(Path("/tmp").iterdir()) - before[0]
    }


def test_a_link_in_place_of_hosts_stays_in_the_container(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    image = _import(clean_lab, tmp_path, "hosts", {"etc/hosts": f"../../../../../../../..{victim}"})
    assert "localhost" in clean_lab.out("run", "--rm", image, "cat", "/etc/hosts")
    assert not victim.exists()


def test_a_link_in_place_of_passwd_is_not_followed_to_the_hosts(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    only_here = "daemon"
    image = _import(clean_lab, tmp_path, "passwd", {"etc/passwd": "../../../../../../../../../etc/passwd-"})
    done = clean_lab.run("run", "--rm", "-u", only_here, image, "id", ok=None)
    assert done.returncode == 125
    assert "is not in the image" in done.stderr


@pytest.mark.parametrize("trap", ["ln -s /proc/kmsg", "ln -s /proc/1/mem", "ln -s /dev/zero", "mkfifo"])
def test_a_trap_in_place_of_passwd_does_not_hold_up_an_exec(clean_lab: LabUnderTest, trap: str) -> None:
    """The agent looks users up as the host's root: it must not read for a container what that may not read itself."""
    clean_lab.run("run", "-d", "--name", "trap", clean_lab.image)
    clean_lab.run("exec", "trap", "sh", "-c", f"rm /etc/passwd && {trap} /etc/passwd")
    assert clean_lab.out("exec", "trap", "echo", "here", timeout=10) == "here"
    assert "is not in the image" in clean_lab.run("exec", "-u", "nobody", "trap", "true", ok=False).stderr


@pytest.mark.parametrize("descriptor", range(3, 12))
def test_a_descriptor_of_the_runtimes_is_no_working_directory(clean_lab: LabUnderTest, descriptor: int) -> None:
    script = "cat /proc/self/mountinfo >/dev/null; ls ../../../../../../etc/debian_version"
    done = clean_lab.run(
        "run", "--rm", "-w", f"/proc/self/fd/{descriptor}", clean_lab.image, "sh", "-c", script, ok=None
    )
    assert done.returncode != 0


def test_a_tree_of_any_depth_is_removed(clean_lab: LabUnderTest) -> None:
    """Python's own removal fails where directories are nested deeper than its stack."""
    script = "cd /tmp; i=0; while [ $i -lt 2000 ]; do mkdir d; cd d; i=$((i+1)); done; echo made; sleep 1000"
    clean_lab.run("run", "-d", "--name", "deep", clean_lab.image, "sh", "-c", script)
    eventually(lambda: clean_lab.out("logs", "deep") == "made", seconds=30, what="the tree")
    clean_lab.run("rm", "-f", "deep")
    eventually(lambda: not clean_lab.containers(), seconds=10, what="the container is gone")


def test_a_containers_own_files_do_not_fill_the_hosts_memory(clean_lab: LabUnderTest) -> None:
    for name in ("hosts", "hostname", "resolv.conf"):
        done = clean_lab.run(
            *("run", "--rm", clean_lab.image, "dd", "if=/dev/zero", f"of=/etc/{name}", "bs=64k", "count=100"), ok=None
        )
        assert done.returncode != 0
        assert "No space left" in done.stderr
    # Changing them is fine.
    assert clean_lab.out(
        "run", "--rm", clean_lab.image, "sh", "-c", "echo '1.2.3.4 x' >>/etc/hosts; tail -n 1 /etc/hosts"
    )


def test_a_secret_is_only_where_the_container_is(clean_lab: LabUnderTest) -> None:
    """An environment value is sealed in etcd, in logs and in every record, and on no command line."""
    lab = clean_lab
    data = lab.data("control1").parent
    script = 'test -n "$TOKEN" && sleep 1000'
    done = lab.run("run", "-d", "--name", "secret", "-e", f"TOKEN={SECRET}", lab.image, "sh", "-c", script)
    assert done.returncode == 0
    lab.run("exec", "-e", f"OTHER={SECRET}", "secret", "true")
    found = [path for path in data.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert not found
    command_lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert not any(SECRET.encode() in line for line in command_lines)
    for host in lab.nodes:
        files = lab.run(
            *(
                "lab",
                "exec",
                "--name",
                lab.name,
                host,
                "--",
                "grep",
                "-rls",
                "--exclude-dir=rootfs",
                SECRET,
                "/run/shoal",
            ),
            ok=None,
        ).stdout.split()
        for file in files:
            # What the runtime must have, on a tmpfs, for nobody else.
            assert Path(file).name in ("config.json", "task.json")
            assert lab.inside(host, "stat", "-c", "%a %u", file) in ("600 0", "700 0")


async def _code(call: Awaitable[object]) -> grpc.StatusCode:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_a_nodes_certificate_opens_neither_the_api_nor_another_node(lab: LabUnderTest) -> None:
    identity = lab.data("node2") / "shoal" / "identity"
    tls = TlsFiles(identity / "ca.pem", identity / "node.pem", identity / "node.key")
    nodes = {each["spec"]["name"]: each for each in lab.json_lines("node", "ls", "--format", "json")}
    other = nodes["node1"]
    address = other["status"]["description"]["address"]
    async with secure_channel(address, tls, node_server_name(other["spec"]["id"])) as channel:
        call = AgentServiceStub(channel).Signal(AgentSignalRequest(id="a" * 64, signal=9), timeout=5)
        assert await _code(call) is grpc.StatusCode.PERMISSION_DENIED
    own = nodes["node2"]["status"]["description"]["address"]
    controller = f"{lab.inside('control1', 'hostname', '-I').split()[0]}:7400"
    async with secure_channel(controller, tls, CONTROLLER_NAME) as channel:
        listing = ContainerServiceStub(channel).ListContainers(ListContainersRequest(), timeout=5)
        assert await _code(listing) is grpc.StatusCode.PERMISSION_DENIED
    # Nor can a node pass for a controller.
    async with secure_channel(own, tls, CONTROLLER_NAME) as channel:
        listing = ContainerServiceStub(channel).ListContainers(ListContainersRequest(), timeout=5)
        assert await _code(listing) is grpc.StatusCode.UNAVAILABLE


def test_the_runtimes_own_program_is_not_overwritten_by_what_it_executes(
    clean_lab: LabUnderTest, tmp_path: Path
) -> None:
    """CVE-2019-5736: a container that has the runtime execute itself, and writes to it meanwhile."""
    programs = [Path(name) for name in ("/usr/bin/crun", "/usr/sbin/runc", "/usr/bin/conmon")]
    before = [hashlib.sha256(program.read_bytes()).digest() for program in programs]
    image = _import(clean_lab, tmp_path, "self", {"bin/evil": "/proc/self/exe"})
    # Whatever appears beside it and is none of its own programs is the runtime on its way in.
    watch = (
        "while :; do for p in /proc/[0-9]*; do case $(readlink $p/exe) in */busybox|'') ;; "
        "*) echo seen; (exec 3>>$p/exe) 2>/dev/null && echo WROTE;; esac; done; done"
    )
    clean_lab.run("run", "-d", "--name", "a", image, "sh", "-c", f"{watch} & {watch}")
    for _ in range(20):
        clean_lab.run("exec", "a", "/bin/evil", "--version", ok=None)
        clean_lab.run("exec", "a", "true", ok=None)
    assert "WROTE" not in clean_lab.out("logs", "a")
    assert [hashlib.sha256(program.read_bytes()).digest() for program in programs] == before


def test_a_fork_bomb_stops_at_its_limit_and_hurts_nobody_else(clean_lab: LabUnderTest) -> None:
    where = ("--constraint", "node.labels.ssd==true")
    clean_lab.run("run", "-d", "--name", "neighbour", *where, clean_lab.image, "sleep", "1000")
    bomb = "sh -c 'while :; do sleep 1000 & done'; exec sleep 1000"
    clean_lab.run("run", "-d", "--name", "bomb", "--pids-limit", "64", *where, clean_lab.image, "sh", "-c", bomb)
    eventually(lambda: "can't fork" in clean_lab.run("logs", "bomb").stderr, seconds=30, what="the limit is met")
    processes = [name for name in clean_lab.out("exec", "bomb", "ls", "/proc").split() if name.isdecimal()]
    # And the one that looks.
    assert 50 < len(processes) <= 64 + 1
    assert clean_lab.out("exec", "neighbour", "echo", "works") == "works"
    clean_lab.run("rm", "-f", "bomb")
