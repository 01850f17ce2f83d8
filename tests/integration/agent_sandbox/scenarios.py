"""What the tests do, each inside namespaces made for it. Run as a module: scenarios NAME DIRECTORY."""

# One thing happens at a time here, so nothing waits while a command of the test blocks; conditions of the kernel have
# no event to wait for.
# ruff: noqa: ASYNC110, ASYNC220, ASYNC221

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from shoal_agent.kernel.mounts import mounts_below
from shoal_agent.network import plumbing
from shoal_agent.network.host_ports import HostPorts
from shoal_agent.network.links import mac_of
from shoal_agent.network.nftables import Nftables
from shoal_agent.network.node import NodeNetwork
from shoal_agent.paths import NodePaths
from shoal_agent.sandbox.helper_client import HelperClient
from shoal_agent.sandbox.host_checks import check_data_root, check_kernel
from shoal_agent.sandbox.host_uids import parse_uid_map
from shoal_agent.sandbox.rootfs import RootFilesystems
from shoal_agent.sandbox.sandboxes import Sandbox, Sandboxes
from shoal_common.errors import Conflict, InvalidSpec, Unavailable
from shoal_proto.v1.container_pb2 import PortBinding
from shoal_proto.v1.resources_pb2 import Address

SUBNET, GATEWAY = "10.88.0.0/16", "10.88.0.1"
KEY = "c0ffee-1"
CAPABILITIES = [f"CAP_{name}" for name in ("CHOWN", "DAC_OVERRIDE", "FOWNER", "NET_RAW", "NET_BIND_SERVICE", "SETUID")]


def sh(*command: str | Path, check: bool = True) -> str:
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, timeout=30)
    if check and result.returncode:
        raise AssertionError(f"{command} ended with {result.returncode}: {result.stdout}{result.stderr}")
    return result.stdout + result.stderr


def address(number: int) -> Address:
    ip = f"10.88.0.{number}"
    return Address(network="default", ip=ip, prefix_length=16, gateway=GATEWAY, mac=mac_of(ip))


def run_root(directory: Path) -> Path:
    """A place that a container's root gets to, unlike the directories of pytest."""
    return Path("/mnt") / directory.name


class Host:
    """The three parts of one node, below one directory."""

    def __init__(self, directory: Path, *, pool_size: int = 2) -> None:
        self.paths = NodePaths(directory / "data", run_root(directory))
        self.network = NodeNetwork()
        self.sandboxes = Sandboxes(self.paths, self.network, pool_size=pool_size)
        self.roots = RootFilesystems(self.paths)

    async def open(self) -> None:
        await self.network.configure(SUBNET, GATEWAY)
        await self.sandboxes.open()
        await self.roots.open()

    async def close(self) -> None:
        await self.sandboxes.close()
        await self.roots.close()
        await self.network.close()

    def layer(self, name: str = "base") -> Path:
        """A layer with busybox in it."""
        layer = self.paths.data / "layers" / name
        if not layer.exists():
            for directory in ("bin", "etc", "tmp", "proc", "sys", "dev", "root", "www"):
                (layer / directory).mkdir(parents=True)
            shutil.copy("/usr/bin/busybox", layer / "bin/busybox")
            for applet in (
                "sh",
                "cat",
                "ls",
                "ping",
                "httpd",
                "wget",
                "touch",
                "chown",
                "rm",
                "arping",
                "nc",
                "sleep",
                "timeout",
            ):
                (layer / "bin" / applet).symlink_to("busybox")
            (layer / "www/index.html").write_text("page of the image\n")
            (layer / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
        return layer

    async def container(self, key: str, number: int, *ports: PortBinding) -> tuple[Sandbox, Path]:
        """A sandbox with an address, and a root file system."""
        sandbox = await self.sandboxes.acquire(key, [address(number)] if number else [], ports)
        root = await self.roots.mount(key, layers=[self.layer()], writable=self.writable(key), sandbox=sandbox)
        return sandbox, root

    def writable(self, key: str) -> Path:
        return self.paths.data / "containers" / key

    async def remove(self, key: str) -> None:
        await self.roots.unmount(key)
        await self.sandboxes.release(key)


@contextlib.asynccontextmanager
async def host(directory: Path, *, pool_size: int = 2) -> AsyncIterator[Host]:
    """A node that at the end removes everything and shows that nothing is left."""
    made = Host(directory, pool_size=pool_size)
    await made.open()
    try:
        yield made
        for key in made.roots.mounted():
            await made.roots.unmount(key)
        await made.sandboxes.teardown()
        await made.network.teardown()
    finally:
        await made.close()
    assert nothing_is_left(made) == []


def nothing_is_left(made: Host) -> list[str]:
    left = [entry.target for entry in mounts_below(made.paths.run) if entry.target != str(made.paths.run)]
    left += [str(path) for path in (*made.paths.sandboxes.glob("*-*"), *made.paths.rootfs.iterdir())]
    left += [line for line in sh("ip", "-o", "link").splitlines() if "shl" in line or "shoal0" in line]
    return left + sh("nft", "list", "ruleset").splitlines()


def config(sandbox: Sandbox, root: Path, script: str, *, uid: int = 0) -> dict[str, object]:
    mapping = [{"containerID": 0, "hostID": sandbox.uid_base, "size": 65536}]
    user, net = {"type": "user", "path": str(sandbox.user_ns)}, {"type": "network", "path": str(sandbox.net_ns)}
    sets = dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES)
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": uid, "gid": uid},
            "args": ["/bin/sh", "-c", script],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": sets if uid == 0 else {},
            "noNewPrivileges": True,
        },
        "root": {"path": str(root)},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
        ],
        "linux": {
            "namespaces": [*({"type": kind} for kind in ("pid", "ipc", "uts", "mount")), user, net],
            "uidMappings": mapping,
            "gidMappings": mapping,
        },
    }


@contextlib.contextmanager
def running(made: Host, sandbox: Sandbox, root: Path, script: str, *, uid: int = 0) -> Iterator[subprocess.Popen[str]]:
    """The script as the first process of a container of crun."""
    bundle = made.paths.run / f"bundle-{sandbox.key}"
    bundle.mkdir()
    (bundle / "config.json").write_text(json.dumps(config(sandbox, root, script, uid=uid)))
    crun = ["crun", "--root", str(made.paths.run / "crun"), "--cgroup-manager=disabled"]
    process = subprocess.Popen(
        [*crun, "run", "--no-new-keyring", "-b", str(bundle), sandbox.key],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        subprocess.run([*crun, "delete", "-f", sandbox.key], capture_output=True, check=False)
        process.communicate(timeout=20)
        shutil.rmtree(bundle)


def output(made: Host, sandbox: Sandbox, root: Path, script: str, *, uid: int = 0) -> str:
    with running(made, sandbox, root, script, uid=uid) as process:
        return process.communicate(timeout=30)[0]


def inside(sandbox: Sandbox, *command: str, check: bool = True) -> str:
    return sh("nsenter", f"--net={sandbox.net_ns}", "--", *command, check=check)


def answers(sandbox: Sandbox, ip: str, *options: str) -> bool:
    """Whether a ping from inside the sandbox is answered."""
    said = inside(sandbox, "busybox", "ping", "-c1", "-W3", *options, ip, check=False)
    return " 0 packets received" not in said and "packets received" in said


def uids_under(base: int) -> set[int]:
    """Uids, as the host sees them, of the processes in the user namespace whose range starts at `base`."""
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            # Others of the machine come and go.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if base in parse_uid_map((process / "uid_map").read_text()):
                    lines = (process / "status").read_text().splitlines()
                    found |= {int(line.split()[1]) for line in lines if line.startswith("Uid:")}
    return found


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


async def container_has_its_own_port_80_ping_and_sysfs(directory: Path) -> None:
    assert check_kernel() == []
    async with host(directory) as made:
        sandbox, root = await made.container(KEY, 7)
        script = (
            "httpd -p 80 -h /www && wget -q -O- http://10.88.0.7/; ping -c1 -W2 10.88.0.1; ping -c1 -W2 127.0.0.1; "
            "ls /sys/class/net; cat /proc/self/uid_map; cat /proc/mounts"
        )
        said = output(made, sandbox, root, script)
        assert "page of the image" in said, said
        assert said.count("1 packets received") == 2, said
        assert "eth0\nlo\n" in said, said
        assert "shoal0" not in said
        assert ["0", str(sandbox.uid_base), "65536"] in [line.split() for line in said.splitlines()]
        assert [line.split()[0] for line in said.splitlines() if " /sys " in line] == ["sysfs"], said
        other = output(made, sandbox, root, "httpd -p 80 -h /www && wget -q -O- http://10.88.0.7/", uid=1000)
        assert "page of the image" in other, other


async def roots_files_are_uid_0_on_disk_and_layers_stay_untouched(directory: Path) -> None:
    async with host(directory) as made:
        sandbox, root = await made.container(KEY, 0)
        script = "touch /root/made && chown 33:34 /etc/passwd && rm /www/index.html; sleep 60"
        upper = made.writable(KEY) / "upper"
        with running(made, sandbox, root, script):
            await until(lambda: (upper / "www/index.html").exists())
            uids = uids_under(sandbox.uid_base)
        assert uids == {sandbox.uid_base}, uids
        assert (upper / "root/made").stat().st_uid == 0
        assert ((upper / "etc/passwd").stat().st_uid, (upper / "etc/passwd").stat().st_gid) == (33, 34)
        assert (root / "root/made").stat().st_uid == sandbox.uid_base
        layer = made.layer()
        assert (layer / "etc/passwd").stat().st_uid == 0
        assert (layer / "www/index.html").exists()
        assert not (layer / "root/made").exists()
        await made.remove(KEY)
        # The writable layer carries over to another range of ids.
        sandbox, root = await made.container("c0ffee-2", 0)
        again = await made.roots.mount("again-1", layers=[layer], writable=made.writable(KEY), sandbox=sandbox)
        assert (again / "root/made").stat().st_uid == sandbox.uid_base
        assert not (again / "www/index.html").exists()


async def sixty_layers_and_none_are_mounted(directory: Path) -> None:
    async with host(directory) as made:
        sandbox = await made.sandboxes.acquire(KEY, [])
        layers = []
        for number in range(64):
            layer = made.paths.data / f"layers/a-rather-long-name-of-a-layer-as-digests-are-{number:064}"
            layer.mkdir(parents=True)
            (layer / f"file{number}").write_text(str(number))
            (layer / "last").write_text(str(number))
            layers.append(layer)
        root = await made.roots.mount(KEY, layers=layers, writable=made.writable(KEY), sandbox=sandbox)
        assert len(list(root.glob("file*"))) == 64
        assert (root / "last").read_text() == "63"
        empty = await made.roots.mount("scratch-1", layers=[], writable=made.writable("s"), sandbox=sandbox)
        assert list(empty.iterdir()) == []
        assert empty.stat().st_uid == sandbox.uid_base


@contextlib.asynccontextmanager
async def outside(directory: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A network namespace behind a link of the node, with a page at 192.0.2.2 port 8080 and no way back to 10.88."""
    page = directory / "page"
    page.mkdir()
    (page / "index.html").write_text("page of the outside\n")
    command = ["unshare", "-n", "busybox", "httpd", "-f", "-p", "8080", "-h", str(page)]
    process = subprocess.Popen(command)
    try:
        own = os.readlink("/proc/self/ns/net")
        await until(lambda: os.readlink(f"/proc/{process.pid}/ns/net") != own)
        sh("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "up0", "netns", str(process.pid))
        sh("ip", "addr", "add", "192.0.2.1/24", "dev", "uplink")
        sh("ip", "link", "set", "uplink", "up")
        there = ("nsenter", "-t", str(process.pid), "-n", "ip")
        sh(*there, "addr", "add", "192.0.2.2/24", "dev", "up0")
        sh(*there, "link", "set", "up0", "up")
        yield process
    finally:
        process.kill()
        process.wait()


async def two_sandboxes_reach_each_other_and_the_outside_through_nat(directory: Path) -> None:
    async with host(directory) as made, outside(directory):
        one, one_root = await made.container("one-1", 7)
        two, two_root = await made.container("two-1", 8)
        with running(made, one, one_root, "httpd -f -p 80 -h /www"):
            await until(lambda: "LISTEN" in inside(one, "ss", "-ltn"))
            said = output(
                made, two, two_root, "wget -q -O- http://10.88.0.7/; timeout 5 wget -q -O- http://192.0.2.2:8080/"
            )
            assert "page of the image" in said, said
            assert "page of the outside" in said, said
            assert "page of the image" in sh("busybox", "wget", "-q", "-O-", "http://10.88.0.7/")
        assert "02:42:0a:58:00:01" in sh("ip", "link", "show", "shoal0")


async def nobody_outside_opens_a_connection_to_a_container(directory: Path) -> None:
    async with host(directory) as made, outside(directory) as there:
        one, root = await made.container("one-1", 7)
        enter = ("nsenter", "-t", str(there.pid), "-n")
        sh(*enter, "ip", "route", "add", SUBNET, "via", "192.0.2.1")
        with running(made, one, root, "httpd -f -p 80 -h /www"):
            await until(lambda: "LISTEN" in inside(one, "ss", "-ltn"))
            fetch = (*enter, "timeout", "1", "busybox", "wget", "-q", "-O-", "http://10.88.0.7/")
            assert "page of the image" not in sh(*fetch, check=False)
            # It is the rule that forbids it, nothing else.
            sh("nft", "flush", "chain", "inet", "shoal", "forward")
            assert "page of the image" in sh(*fetch)


async def container_cannot_pretend_to_be_another(directory: Path) -> None:
    async with host(directory) as made:
        one, _ = await made.container("one-1", 7)
        two, _ = await made.container("two-1", 8)
        assert answers(one, "10.88.0.8")
        # Another's IP address.
        inside(one, "ip", "addr", "add", "10.88.0.99/16", "dev", "eth0")
        assert not answers(one, "10.88.0.8", "-I", "10.88.0.99")
        assert "10.88.0.99" not in inside(two, "ip", "neigh")
        # Another's MAC address.
        inside(one, "ip", "link", "set", "eth0", "address", "02:42:0a:58:00:63")
        assert not answers(one, "10.88.0.8")
        inside(one, "ip", "link", "set", "eth0", "address", mac_of("10.88.0.7"))
        assert answers(one, "10.88.0.8")
        # The bridge learns nothing from a container, and sends it only what is for it.
        port = sh("bridge", "-d", "link", "show")
        assert port.count("learning off flood off") == 2, port
        assert "inet6" not in inside(one, "ip", "addr", "show", "eth0")


async def container_cannot_reach_the_agent(directory: Path) -> None:
    async with host(directory) as made, outside(directory):
        one, root = await made.container("one-1", 7)
        serve = "exec busybox nc -ll -p {} -e echo hello"
        servers = [subprocess.Popen(["sh", "-c", serve.format(port)]) for port in (7410, 7411)]
        try:
            await until(lambda: sh("ss", "-ltn").count("LISTEN") == 2)
            for ip in (GATEWAY, "192.0.2.1"):
                said = output(made, one, root, f"echo | nc -w 2 {ip} 7411; echo | nc -w 2 {ip} 7410")
                assert said.count("hello") == 1, said
                assert "refused" in said, said
        finally:
            for server in servers:
                server.kill()
                server.wait()


async def no_address_means_loopback_only(directory: Path) -> None:
    async with host(directory) as made:
        sandbox, root = await made.container(KEY, 0)
        said = output(made, sandbox, root, "ls /sys/class/net; ping -c1 -W1 127.0.0.1; ping -c1 -W1 10.88.0.1")
        assert said.startswith("lo\n"), said
        assert said.count("1 packets received") == 1, said
        assert "Network is unreachable" in said, said


async def everything_may_be_repeated(directory: Path) -> None:
    async with host(directory) as made:
        first, root = await made.container(KEY, 7)
        second, again = await made.container(KEY, 7)
        assert (first, root) == (second, again)
        assert made.sandboxes.find(KEY) == first
        await made.network.configure(SUBNET, GATEWAY)
        assert answers(first, GATEWAY)
        with pytest.raises(Conflict):
            await made.sandboxes.acquire(KEY, [address(8)])
        await made.remove(KEY)
        await made.remove(KEY)
        assert made.sandboxes.find(KEY) is None
        assert made.roots.mounted() == set()
        third, _ = await made.container(KEY, 7)
        assert third.uid_base != first.uid_base
        assert answers(third, GATEWAY)
        await made.network.teardown()
        await made.network.teardown()
        with pytest.raises(Unavailable):
            await made.sandboxes.acquire("other-1", [address(9)])


async def next_agent_adopts_what_is_whole_and_clears_the_rest(directory: Path) -> None:
    made = Host(directory)
    await made.open()
    whole, _ = await made.container("whole-1", 7)
    await made.container("half-1", 8)
    await made.close()
    (made.paths.sandboxes / "half-1/ready").unlink()
    (made.paths.sandboxes / "rubbish").mkdir()
    (made.paths.sandboxes / ".pool/12").mkdir()
    async with host(directory) as other:
        assert other.sandboxes.known() == {"whole-1"}
        assert other.sandboxes.find("whole-1") == whole
        assert other.roots.mounted() == {"whole-1", "half-1"}
        assert answers(whole, GATEWAY)
        assert sh("ip", "-o", "link").count("shl") == 1
        assert "10.88.0.8" not in sh("nft", "list", "ruleset")
        fresh = await other.sandboxes.acquire("fresh-1", [])
        assert fresh.uid_base != whole.uid_base


#: Everything that changes the host; a killed agent may have come to any of them.
STEPS: Sequence[tuple[object, str]] = (
    (HelperClient, "_request"),
    (Path, "mkdir"),
    (Path, "touch"),
    (Path, "rename"),
    (Path, "write_text"),
    (Path, "unlink"),
    (Path, "rmdir"),
    (shutil, "rmtree"),
    (plumbing, "_make_pair"),
    (plumbing, "_set_port"),
    (plumbing, "_configure"),
    (plumbing, "disconnect"),
    (Nftables, "apply"),
    (HostPorts, "take"),
)
PORT = PortBinding(host_port=8080, container_port=80, protocol="tcp")


def die_at(step: int) -> None:
    """Let this process kill itself before the given one of its steps."""
    done = [0]

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            if done[0] == step:
                os.kill(os.getpid(), signal.SIGKILL)
            done[0] += 1
            return function(*args, **kwargs)

        return call

    for owner, name in STEPS:
        setattr(owner, name, counted(getattr(owner, name)))


async def life(directory: Path, step: int) -> None:
    """What the agent that is killed does."""
    die_at(step)
    made = Host(directory, pool_size=0)
    await made.open()
    await made.container(KEY, 7, PORT)
    await made.remove(KEY)
    await made.close()


async def agent_killed_at_any_step_leaves_what_the_next_one_can_use(directory: Path) -> None:
    step = 0
    while True:
        process = subprocess.run([sys.executable, __file__, "life", str(directory), str(step)], check=False)
        async with host(directory, pool_size=0) as made:
            sandbox, root = await made.container(KEY, 7, PORT)
            assert answers(sandbox, GATEWAY)
            assert "tcp . 8080 : 10.88.0.7 . 80" in sh("nft", "list", "map", "inet", "shoal", "published")
            assert not os.statvfs(root).f_flag & os.ST_RDONLY
            assert root.stat().st_uid == sandbox.uid_base
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
        step += 1
    assert step >= 20, f"only {step} steps were counted"


async def dead_helper_is_replaced(directory: Path) -> None:
    async with host(directory, pool_size=0) as made:
        helper = made.sandboxes._helper
        assert helper.pid is not None
        os.kill(helper.pid, signal.SIGKILL)
        with pytest.raises(Unavailable):
            await made.sandboxes.acquire(KEY, [])
        sandbox = await made.sandboxes.acquire(KEY, [])
        assert inside(sandbox, "ip", "-o", "link").count("LOOPBACK,UP") == 1


async def cancelled_acquire_leaves_nothing(directory: Path) -> None:
    async with host(directory, pool_size=0) as made:
        for delay in range(0, 14, 2):
            task = asyncio.create_task(made.sandboxes.acquire(KEY, [address(7)]))
            await asyncio.wait([task], timeout=delay / 1000)
            task.cancel()
            await asyncio.wait([task])
            await made.sandboxes.release(KEY)
            assert list(made.paths.sandboxes.glob("*-*")) == []
            assert list((made.paths.sandboxes / ".pool").iterdir()) == []
            assert "shl" not in sh("ip", "-o", "link")


async def many_at_once_have_ranges_of_their_own(directory: Path) -> None:
    async with host(directory, pool_size=4) as made:
        keys = [f"many{number}-1" for number in range(20)]
        found = await asyncio.gather(*(made.container(key, 10 + number) for number, key in enumerate(keys)))
        assert len({sandbox.uid_base for sandbox, _ in found}) == 20
        for sandbox, _ in found:
            assert answers(sandbox, GATEWAY)
        assert len({os.stat(sandbox.user_ns).st_ino for sandbox, _ in found}) == 20
        await asyncio.gather(*(made.remove(key) for key in keys))


async def data_root_that_others_may_enter_is_refused(directory: Path) -> None:
    paths = NodePaths(directory / "data", run_root(directory))
    check_data_root(paths)
    paths.data.chmod(0o711)
    with pytest.raises(InvalidSpec, match="chmod 0700"):
        check_data_root(paths)


def prepare(directory: Path) -> None:
    """Make the namespaces that this process was started in look like a host's."""
    sh("ip", "link", "set", "lo", "up")
    if Path("/sys/fs/cgroup/unified").is_dir():
        # crun refuses to run where some controllers are of the first version and some of the second.
        sh("mount", "-t", "tmpfs", "shl-sandbox", "/sys/fs/cgroup/unified")
    sh("mount", "-t", "tmpfs", "-o", "mode=0755", "shl-sandbox", "/mnt")
    (directory / "data").mkdir(mode=0o700)
    run_root(directory).mkdir(mode=0o700)


def main() -> None:
    name, directory, *rest = sys.argv[1:]
    if name == "life":
        asyncio.run(life(Path(directory), int(rest[0])))
        return
    prepare(Path(directory))
    asyncio.run(globals()[name](Path(directory)))


if __name__ == "__main__":
    main()
