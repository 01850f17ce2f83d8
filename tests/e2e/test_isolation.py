"""What a container can't do, tried from inside one that `shoal run` made; one test per denial.

Two containers run on the same node: `inside`, from which things are tried, and `other`, on which they are tried.
"""

from __future__ import annotations

import io
import re
import socket
import ssl
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoal_lab.image import root_filesystem
from tests.parts.lab import LabUnderTest
from tests.parts.raw_calls import CALLS, ENOENT, program

IMAGE = "test/probes:1"
#: Docker's fourteen.
CAPABILITIES = "00000000a80425fb"
#: A System V shared memory segment: key, and the flags IPC_CREAT | 0600.
_KEY, _CREATE = 0x5EA1, 0o1600

MASKED_DIRECTORIES = ("/proc/asound", "/proc/acpi", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap")
MASKED_FILES = (
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
#: Everything that is mounted, but for the masks above and the trees of control groups (version 1).
MOUNTS = {
    "/": "overlay",
    "/proc": "proc",
    "/dev": "tmpfs",
    "/dev/pts": "devpts",
    "/dev/shm": "tmpfs",
    "/dev/mqueue": "mqueue",
    "/sys": "sysfs",
    "/etc/hosts": "tmpfs",
    "/etc/hostname": "tmpfs",
    "/etc/resolv.conf": "tmpfs",
    **dict.fromkeys((f"/dev/{name}" for name in ("null", "zero", "full", "tty", "random", "urandom")), "devtmpfs"),
}


class Container:
    """A running container of the lab, and its first address."""

    def __init__(self, lab: LabUnderTest, name: str) -> None:
        self.lab = lab
        self.name = name
        found = lab.inspect(name)
        self.id = str(found["spec"]["id"])
        self.uid_base = int(found["status"]["uid_base"])
        self.ip = str(found["placement"]["addresses"][0]["ip"])

    def out(self, script: str, *options: str) -> str:
        """Return what a script prints, which must succeed."""
        return self.lab.out("exec", *options, self.name, "sh", "-c", script)

    def code(self, *command: str) -> int:
        """Return the exit code of a command."""
        return self.lab.run("exec", self.name, *command, ok=None).returncode

    def refuses(self, script: str, *said: str) -> None:
        """Assert that a script fails, and for one of the reasons in `said`."""
        done = self.lab.run("exec", self.name, "sh", "-c", script, ok=None)
        assert done.returncode != 0, f"{script} succeeded: {done.stdout}"
        assert any(words.lower() in done.stderr.lower() for words in said), done.stderr

    def connects(self, address: str, port: int) -> bool:
        """Return whether a TCP connection can be made, within two seconds."""
        return self.code("nc", "-w", "2", address, str(port)) == 0


def _image() -> bytes:
    buffer = io.BytesIO(root_filesystem())
    programs = {f"bin/call-{name}": (code, 0o755) for name, (code, _) in CALLS.items()}
    programs["bin/make-segment"] = (program(29, _KEY, 4096, _CREATE), 0o755)
    programs["bin/find-segment"] = (program(29, _KEY, 0, 0), 0o755)
    # Ends with the negative of its effective user, modulo 256.
    programs["bin/effective-user"] = (program(107), 0o4755)
    with tarfile.open(fileobj=buffer, mode="a") as archive:
        for name, (code, mode) in programs.items():
            info = tarfile.TarInfo(name)
            info.mode, info.size = mode, len(code)
            archive.addfile(info, io.BytesIO(code))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def pair(lab: LabUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Container, Container]]:
    archive = tmp_path_factory.mktemp("probes") / "root.tar"
    archive.write_bytes(_image())
    lab.run("image", "import", str(archive), IMAGE)
    names = ("inside", "other")
    try:
        for name in names:
            where = ("--name", name, "--constraint", "node.labels.ssd==true")
            lab.run("run", "-d", *where, IMAGE, "sh", "-c", "httpd -p 80 -h /www; exec sleep 98765")
        yield Container(lab, names[0]), Container(lab, names[1])
    finally:
        lab.run("rm", "-f", *names, ok=None)


@pytest.fixture(scope="module")
def inside(pair: tuple[Container, Container]) -> Container:
    return pair[0]


@pytest.fixture(scope="module")
def other(pair: tuple[Container, Container]) -> Container:
    return pair[1]


def _mounts(container: Container) -> dict[str, tuple[str, str, set[str]]]:
    """Return file-system type, root within it, and options of every mount by its mount point."""
    found = {}
    for line in container.out("cat /proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        found[fields[4]] = (right.split()[0], fields[3], set(fields[5].split(",")))
    return found


def _on_this_machine(paths: tuple[str, ...]) -> list[str]:
    return [path for path in paths if Path(path).exists()]


def _address(lab: LabUnderTest, host: str) -> str:
    """Return a host's address in the lab's own network."""
    return lab.inside(host, "hostname", "-I").split()[0]


# What is the host's


def test_devices_that_are_shared_with_the_host_stay_the_hosts(inside: Container) -> None:
    for name in ("null", "zero", "full", "tty", "random", "urandom"):
        inside.refuses(f"chmod 666 /dev/{name}", "not permitted")
        # Another that is just created may have it, for as long as it does not run.
        status = Path(f"/dev/{name}").stat()
        assert (status.st_uid != inside.uid_base, stat.S_IMODE(status.st_mode)) == (True, 0o666)
    # By way of the streams of the first process, and of what is executed, too.
    inside.refuses("chmod 666 /proc/1/fd/0", "not permitted")
    inside.out("chmod 666 /proc/self/fd/0 2>/dev/null || true")
    assert Path("/dev/null").stat().st_uid != inside.uid_base


# What of others can be seen


def test_no_foreign_process_is_visible(inside: Container, other: Container) -> None:
    assert other.out("pidof sleep")
    listed = inside.out("for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done").splitlines()
    foreign = [
        line for line in listed if line.strip() and not re.match(r"sleep 98765|httpd -p 80|sh -c for p|tr ", line)
    ]
    assert not foreign
    assert sum(line.startswith("sleep") for line in listed) == 1


def test_no_foreign_mount_is_visible(inside: Container) -> None:
    mounts = _mounts(inside)
    rest = {point: found[0] for point, found in mounts.items() if not point.startswith("/sys/fs/cgroup")}
    for point in (*MASKED_DIRECTORIES, *MASKED_FILES, *READ_ONLY):
        rest.pop(point, None)
    assert rest == MOUNTS
    for name in ("hosts", "hostname", "resolv.conf"):
        assert mounts[f"/etc/{name}"][1] == f"/{name}"
    assert mounts["/"][1] == "/"
    # Nor where the layers and the writable files lie.
    root = next(line for line in inside.out("cat /proc/mounts").splitlines() if line.split()[1] == "/")
    assert "/var" not in root
    assert "/run" not in root


def test_no_foreign_link_is_visible(inside: Container) -> None:
    assert inside.out("ls /sys/class/net").split() == ["eth0", "lo"]
    names = re.findall(r"^\d+: (\w+)", inside.out("ip link"), re.MULTILINE)
    assert sorted(names) == ["eth0", "lo"]


def test_no_foreign_socket_is_visible(inside: Container, other: Container) -> None:
    other.out("nc -l -p 4567 >/dev/null 2>&1 &")
    assert ":11D7 " in other.out("cat /proc/net/tcp /proc/net/tcp6")
    assert ":11D7 " not in inside.out("cat /proc/net/tcp /proc/net/tcp6")
    assert len(inside.out("cat /proc/net/unix").splitlines()) == 1


def test_no_foreign_ipc_is_visible(inside: Container, other: Container) -> None:
    other.code("make-segment")
    assert other.code("find-segment") != ENOENT
    assert inside.code("find-segment") == ENOENT
    for kind in ("shm", "msg", "sem"):
        assert len(inside.out(f"cat /proc/sysvipc/{kind}").splitlines()) == 1
    other.out("touch /dev/shm/theirs")
    assert inside.out("ls -A /dev/shm /dev/mqueue").split() == ["/dev/mqueue:", "/dev/shm:"]


def test_no_foreign_control_group_is_visible(inside: Container) -> None:
    assert {line.split(":", 2)[2] for line in inside.out("cat /proc/self/cgroup").splitlines()} == {"/"}
    assert not re.search("[0-9a-f]{64}", inside.out("find /sys/fs/cgroup -type d"))


def test_the_host_name_is_the_containers_own(inside: Container) -> None:
    assert inside.out("hostname; cat /etc/hostname").split() == [inside.id[:12]] * 2
    inside.refuses("hostname other", "not permitted")


# What the kernel is told to refuse


@pytest.fixture(scope="module")
def calls(inside: Container) -> dict[str, int]:
    text = inside.out("; ".join(f"call-{name} 2>/dev/null; echo {name} $?" for name in CALLS))
    return {line.split()[0]: int(line.split()[1]) for line in text.splitlines()}


@pytest.mark.parametrize("name", CALLS)
def test_system_call_is_refused(calls: dict[str, int], name: str) -> None:
    assert calls[name] == CALLS[name][1]


def test_mounting_is_denied(inside: Container) -> None:
    inside.refuses("mount -t tmpfs none /tmp", "permission denied", "not permitted")
    inside.refuses("mount -t proc proc /tmp", "permission denied", "not permitted")
    inside.refuses("mount -o bind /proc /tmp", "permission denied", "not permitted")
    inside.refuses("umount /proc/sys", "not permitted")


@pytest.mark.parametrize("path", ["/sys", "/proc/sys", "/sys/fs/cgroup/pids"])
def test_remounting_writable_is_denied(inside: Container, path: str) -> None:
    inside.refuses(f"mount -o remount,rw {path}", "permission denied", "not permitted", "can't find")


@pytest.mark.parametrize("flag", ["U", "m", "n", "p", "u", "i"])
def test_making_namespaces_is_denied(inside: Container, flag: str) -> None:
    inside.refuses(f"unshare -{flag} true", "not permitted")


@pytest.mark.parametrize("kind", ["mnt", "net", "pid", "user", "uts", "ipc"])
def test_entering_namespaces_is_denied(inside: Container, kind: str) -> None:
    inside.refuses(f"nsenter --{kind.replace('mnt', 'mount')}=/proc/1/ns/{kind} true", "not permitted")


@pytest.mark.parametrize(
    "file",
    ["kernel/hostname", "kernel/core_pattern", "kernel/randomize_va_space", "vm/drop_caches", "net/ipv4/ip_forward"],
)
def test_writing_sysctls_is_denied(inside: Container, file: str) -> None:
    inside.refuses(f"echo 1 >/proc/sys/{file}", "Read-only file system")


def test_sysrq_is_denied(inside: Container) -> None:
    inside.refuses("echo h >/proc/sysrq-trigger", "Read-only file system", "Permission denied", "nonexistent")


@pytest.mark.parametrize("device", ["b 254 0", "b 8 0", "b 7 0", "c 1 1", "c 1 11", "c 10 229"])
def test_making_devices_is_denied(inside: Container, device: str) -> None:
    inside.refuses(f"mknod /tmp/device {device}", "not permitted")


@pytest.mark.parametrize("device", ["mem", "kmem", "kmsg", "port", "sda", "vda", "loop-control", "fuse", "kvm"])
def test_raw_devices_are_not_there(inside: Container, device: str) -> None:
    inside.refuses(f"cat </dev/{device}", "nonexistent", "No such file")


def test_a_device_in_the_image_is_not_opened(lab: LabUnderTest, tmp_path: Path) -> None:
    """A block and a character device in a layer (the machine's first disks, and memory) can't be opened."""
    buffer = io.BytesIO(root_filesystem())
    with tarfile.open(fileobj=buffer, mode="a") as archive:
        for name, kind, major, minor in (("disk", tarfile.BLKTYPE, 254, 0), ("memory", tarfile.CHRTYPE, 1, 1)):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.devmajor, info.devminor = kind, 0o666, major, minor
            archive.addfile(info)
    (tmp_path / "root.tar").write_bytes(buffer.getvalue())
    lab.run("image", "import", str(tmp_path / "root.tar"), "test/devices:1")
    script = "for d in disk memory; do test -e /$d || exit 9; cat </$d >/dev/null && exit 8; done; exit 0"
    done = lab.run("run", "--rm", "test/devices:1", "sh", "-c", script, ok=None)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Permission denied") == 2


def test_writing_control_groups_is_denied(inside: Container) -> None:
    files = inside.out("find /sys/fs/cgroup -name cgroup.procs -o -name 'memory.limit_in_bytes' -o -name pids.max")
    assert files
    for file in files.split():
        inside.refuses(f"echo 1 >{file}", "Read-only file system", "Permission denied")
    for directory in {str(Path(file).parent) for file in files.split()}:
        inside.refuses(f"mkdir {directory}/own", "Read-only file system", "Permission denied")


def test_the_kernels_log_is_denied(inside: Container) -> None:
    inside.refuses("dmesg", "not permitted")


def test_changing_the_network_is_denied(inside: Container) -> None:
    inside.refuses("ip link set eth0 down", "not permitted")
    inside.refuses("ip addr add 10.88.0.99/16 dev eth0", "not permitted")
    inside.refuses("ip route add 1.2.3.4 dev eth0", "not permitted")


# What a process is given


@pytest.mark.parametrize("how", ["run", "exec"])
def test_a_process_has_the_confinement_that_was_designed(inside: Container, how: str) -> None:
    read = "cat /proc/1/status" if how == "run" else "cat /proc/self/status"
    seen = dict(line.split(":", 1) for line in inside.out(read).splitlines())
    names = ("CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb", "Seccomp", "NoNewPrivs")
    expected = [CAPABILITIES] * 3 + ["0" * 16] * 2 + ["2", "1"]
    assert [seen[name].strip() for name in names] == expected


def test_a_user_other_than_root_has_no_capability(inside: Container) -> None:
    text = inside.out("grep -E '^Cap(Prm|Eff|Inh|Amb)' /proc/self/status", "-u", "nobody")
    assert {line.split()[1] for line in text.splitlines()} == {"0" * 16}


def test_a_setuid_program_gives_nothing(inside: Container) -> None:
    assert inside.code("effective-user") == 0
    done = inside.lab.run("exec", "-u", "nobody", inside.name, "effective-user", ok=None)
    assert done.returncode == -65534 % 256


@pytest.mark.parametrize("kind", ["uid", "gid"])
def test_ids_are_one_range_of_its_own(inside: Container, other: Container, kind: str) -> None:
    bases = []
    for container in (inside, other):
        (line,) = container.out(f"cat /proc/self/{kind}_map").splitlines()
        first, base, count = map(int, line.split())
        assert (first, count) == (0, 65536)
        assert base >= 524288
        bases.append(base)
    assert abs(bases[0] - bases[1]) >= 65536
    inside.refuses(f"echo '0 0 1' >/proc/self/{kind}_map", "not permitted", "Permission denied")


# What is hidden, and what can't be changed


@pytest.mark.parametrize("path", _on_this_machine(MASKED_DIRECTORIES))
def test_directory_is_masked(inside: Container, path: str) -> None:
    kind, _, options = _mounts(inside)[path]
    assert (kind, "ro" in options) == ("tmpfs", True)
    assert inside.out(f"ls -A {path}") == ""


@pytest.mark.parametrize("path", _on_this_machine(MASKED_FILES))
def test_file_is_masked(inside: Container, path: str) -> None:
    kind, root, _ = _mounts(inside)[path]
    assert (kind, root) == ("devtmpfs", "/null")
    assert inside.out(f"cat {path}") == ""


@pytest.mark.parametrize("path", _on_this_machine(READ_ONLY))
def test_path_is_read_only(inside: Container, path: str) -> None:
    kind, root, options = _mounts(inside)[path]
    assert (kind, root, "ro" in options) == ("proc", path.removeprefix("/proc"), True)


def test_nothing_else_is_masked(inside: Container) -> None:
    """The kernel's own trees carry exactly the mounts of the design."""
    designed = {*_on_this_machine(MASKED_DIRECTORIES), *_on_this_machine(MASKED_FILES), *_on_this_machine(READ_ONLY)}
    found = {point for point in _mounts(inside) if re.match("/(proc|sys)/", point)}
    assert {point for point in found if not point.startswith("/sys/fs/cgroup")} == designed


def test_sys_is_the_sandboxs_own_and_read_only(inside: Container) -> None:
    kind, root, options = _mounts(inside)["/sys"]
    assert (kind, root) == ("sysfs", "/")
    assert {"ro", "nosuid", "nodev", "noexec"} <= options
    inside.refuses("echo 9000 >/sys/class/net/eth0/mtu", "Read-only file system")


# What of the host can be reached


def test_the_agents_port_is_unreachable(inside: Container) -> None:
    addresses = inside.out("ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p'").split()
    addresses.append(_address(inside.lab, "node1"))
    assert len(addresses) == 2
    # The controller's can be reached: what does not work below is not the network as such.
    assert inside.connects(_address(inside.lab, "control1"), 7400)
    for address in addresses:
        assert not inside.connects(address, 7410)


def test_etcd_serves_nobody_without_its_own_certificates(inside: Container) -> None:
    host = _address(inside.lab, "control1")
    # Not even with one of the cluster's, which a node has.
    identity = inside.lab.data("node1") / "shoal" / "identity"
    node = (identity / "node.pem", identity / "node.key")
    for port in (2379, 2380):
        assert inside.connects(host, port)
        for certificate in (None, node):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                _ask(host, port, certificate)


def _ask(host: str, port: int, certificate: tuple[Path, Path] | None) -> None:
    """Ask over HTTPS; etcd answers a handshake that it refuses only when it is spoken to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(*certificate)
    with (
        socket.create_connection((host, port), timeout=5) as plain,
        context.wrap_socket(plain) as connection,
    ):
        connection.sendall(b"GET /version HTTP/1.1\r\nHost: etcd\r\n\r\n")
        if not connection.recv(100):
            raise ConnectionError("closed without an answer")


def test_unix_sockets_of_the_host_are_unreachable(inside: Container) -> None:
    assert inside.out("find / -type s 2>/dev/null; true") == ""
    assert inside.out("ls -A /run 2>/dev/null; true") == ""


def test_files_of_the_host_are_unreachable(inside: Container) -> None:
    lab = inside.lab
    for path in (lab.data("node1"), Path(lab.env["SHOAL_CONFIG"]), Path("/run/shoal"), Path("/etc/debian_version")):
        for root in ("", "/proc/1/root", "/proc/self/root", "/proc/1/cwd", "/proc/self/cwd/../../../.."):
            assert inside.code("ls", f"{root}{path}") != 0, f"{root}{path}"
    # A descriptor that a runtime forgot to close would lead out.
    for process in ("1", "self"):
        targets = inside.out(f"ls -l /proc/{process}/fd | sed -n 's/.* -> //p'").splitlines()
        assert all(re.match(r"pipe:\[|/dev/null$|/proc/\d+/fd$|/proc$", target) for target in targets), targets


def test_roots_of_the_daemons_data_are_closed(inside: Container) -> None:
    lab = inside.lab
    for directory in (lab.data("node1") / "shoal", lab.data("control1") / "controller"):
        found = directory.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o700, 0), directory
    # The runtime walks to the container's root as the container's own root: it may pass, and list nothing.
    for passable in ("/run/shoal", "/run/shoal/tasks", "/run/shoal/rootfs"):
        assert lab.inside("node1", "stat", "-c", "%a %u", passable) == "711 0"
