"""What is tried, each with one OCI runtime, in a private mount namespace (see `conftest.inside`)."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from shoal_agent.kernel import processes
from shoal_agent.runtime import conmon
from shoal_agent.runtime.consoles import Console
from shoal_agent.runtime.exec import ExecProcess, ExecSpec, Readable
from shoal_agent.runtime.failures import StartFailed
from shoal_agent.runtime.live_limits import Limited
from shoal_agent.runtime.logs import read_attempt
from shoal_agent.runtime.task import Streams
from shoal_agent.runtime.tasks import Exited, Running, TaskKey, Tasks
from shoal_common.containers.capabilities import NAMES, mask
from shoal_common.errors import Conflict
from shoal_proto.v1.container_pb2 import ContainerConfig, Device, Security, Ulimit
from shoal_proto.v1.resources_pb2 import Resources
from tests.integration.agent_runtime import life, rotating
from tests.integration.agent_runtime.node import (
    CONTAINER,
    UID_BASE,
    Node,
    kill_hard,
    line,
    next_exit,
    opened,
    refused,
    spawn,
)
from tests.parts.raw_calls import CALLS

KEY = TaskKey(CONTAINER, 1, 1)


async def exit_codes(node: Node) -> None:
    async with opened(node) as tasks:
        for attempt, (script, code) in enumerate(
            (("exit 7", 7), ("true", 0), ("kill -9 $$", 137), ("kill -TERM $$", 143)), start=1
        ):
            # A first process ignores its own signals without a handler: the child's end is passed on.
            await tasks.start(node.spec("sh", "-c", f"sh -c '{script}'; exit $?", attempt=attempt))
            key, exited = await next_exit(tasks)
            assert (key.attempt, exited.code, exited.oom_killed) == (attempt, code, False), exited
            assert abs(exited.finished_at - time.time()) < 5
            # Asked again, as by a next agent, it answers the same, and exits() is not told twice.
            assert await tasks.adopt(key) == exited
            await tasks.delete(key)
            await tasks.delete(key)
            assert await tasks.adopt(key) is None


async def signals(node: Node) -> None:
    async with opened(node) as tasks:
        running = await tasks.start(node.spec("sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 0.01; done"))
        assert processes.start_time(running.pid) == running.pid_start > 0
        assert processes.start_time(running.conmon_pid) == running.conmon_start > 0
        await line(node, "up")
        await tasks.signal(KEY, signal.SIGTERM)
        assert (await next_exit(tasks))[1].code == 9
        error = await refused(Conflict, tasks.signal(KEY, signal.SIGTERM))
        assert "not running" in error.message
        await tasks.start(node.spec("sh", "-c", "sleep 1000 & sleep 1000", attempt=2))
        key = TaskKey(CONTAINER, 1, 2)
        await tasks.signal(key, signal.SIGKILL)
        assert await next_exit(tasks) == (key, (await tasks.adopt(key)))
        assert tasks.groups.processes("containers", str(key)) == []


async def oom(node: Node) -> None:
    async with opened(node) as tasks:
        await tasks.start(node.spec("sh", "-c", "exec tail /dev/zero", memory_bytes=16 << 20))
        _, exited = await next_exit(tasks)
        assert (exited.code, exited.oom_killed) == (137, True), exited


async def limits(node: Node) -> None:
    script = (
        "for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done 2>&1; echo done; ulimit -n; "
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.cfs_quota_us"
    )
    async with opened(node) as tasks:
        await tasks.start(node.spec("sh", "-c", script, pids=6, memory_bytes=32 << 20, cpu_millis=250))
        await next_exit(tasks)
        text = node.log().read_text()
        assert "can't fork" in text, text
        group = Path("/sys/fs/cgroup")
        name = tasks.groups.container_path(str(KEY)).lstrip("/")
        assert (group / "memory" / name / "memory.limit_in_bytes").read_text().strip() == str(32 << 20)
        assert (group / "memory" / name / "memory.memsw.limit_in_bytes").read_text().strip() == str(32 << 20)
        assert (group / "cpu" / name / "cpu.cfs_quota_us").read_text().strip() == "25000"
        assert (group / "pids" / name / "pids.max").read_text().strip() == "6"
        await tasks.start(
            node.spec(
                *("sleep", "1000"),
                attempt=2,
                memory_bytes=32 << 20,
                memory_swap_bytes=48 << 20,
                memory_reservation_bytes=16 << 20,
                cpu_shares=512,
                cpuset_cpus="0",
                cpuset_mems="0",
            )
        )
        name = tasks.groups.container_path(str(TaskKey(CONTAINER, 1, 2))).lstrip("/")
        for file, value in (
            ("memory/{}/memory.memsw.limit_in_bytes", str(48 << 20)),
            ("memory/{}/memory.soft_limit_in_bytes", str(16 << 20)),
            ("cpu/{}/cpu.shares", "512"),
            ("cpuset/{}/cpuset.cpus", "0"),
            ("cpuset/{}/cpuset.mems", "0"),
        ):
            assert (group / file.format(name)).read_text().strip() == value, file


async def limits_that_the_host_lacks(node: Node) -> None:
    """Nothing is started that would run without a limit."""
    async with opened(node) as tasks:
        error = await refused(StartFailed, tasks.start(node.spec("true", cpuset_cpus="4000")))
        assert "this node has no cpus 4000" in error.message, error
        assert tasks.known() == set()


async def limits_while_it_runs(node: Node) -> None:
    """Held to all limits after it began is the same as having begun with them."""
    wanted = Resources(
        memory_bytes=64 << 20,
        memory_swap_bytes=96 << 20,
        memory_reservation_bytes=32 << 20,
        cpu_millis=500,
        cpu_shares=512,
        cpuset_cpus="0",
        cpuset_mems="0",
        pids=40,
    )
    async with opened(node) as tasks:
        await tasks.start(node.spec("sleep", "1000", memory_bytes=16 << 20, cpu_millis=2000, pids=20))
        whole = {field.name: value for field, value in wanted.ListFields()}
        await tasks.start(node.spec("sleep", "1000", attempt=2, **whole))
        assert await tasks.limit(KEY, wanted) == Limited(wanted)
        for controller, file in (
            *(("memory", f"memory.{name}_in_bytes") for name in ("limit", "memsw.limit", "soft_limit")),
            *(("cpu", "cpu.cfs_quota_us"), ("cpu", "cpu.shares"), ("cpuset", "cpuset.cpus"), ("cpuset", "cpuset.mems")),
            ("pids", "pids.max"),
        ):
            groups = [tasks.groups.group(controller, str(TaskKey(CONTAINER, 1, attempt))) for attempt in (1, 2)]
            texts = [(group / file).read_text() for group in groups if group is not None]
            assert len(set(texts)) == 1, (file, texts)
        # And down again.
        small = Resources(memory_bytes=8 << 20, cpu_millis=100)
        assert await tasks.limit(KEY, small) == Limited(small)
        # What is in use stays, and is told.
        await tasks.start(node.spec("sh", "-c", "x=$(yes | head -c 24m); echo full; sleep 1000; echo $x", attempt=3))
        await line(node, "full", attempt=3)
        key = TaskKey(CONTAINER, 1, 3)
        assert (await tasks.limit(key, Resources(memory_bytes=64 << 20))).warning == ""
        held = await tasks.limit(key, Resources(memory_bytes=16 << 20, pids=5))
        assert "memory stays as it was until the next start" in held.warning, held
        assert (held.limits.memory_bytes, held.limits.pids) == (64 << 20, 5)
        assert tasks.running(key)


async def failures(node: Node) -> None:
    junk = node.rootfs / "bin/junk"
    junk.write_text("junk")
    junk.chmod(0o755)
    async with opened(node) as tasks:
        for args, code, message in (
            (("nope",), 127, 'executable "nope" not found in the image\'s PATH'),
            (("/bin/nope",), 127, 'executable "/bin/nope" not found in the image'),
            (("/etc/passwd",), 126, '"/etc/passwd" can\'t be executed: permission denied (is it a program?)'),
            (("/etc",), 126, '"/etc" can\'t be executed: permission denied (is it a program?)'),
        ):
            error = await refused(StartFailed, tasks.start(node.spec(*args)))
            assert (error.code, error.message) == (code, message), error
            assert tasks.known() == set()
            assert not (node.paths.tasks / str(KEY)).exists()
        await tasks.start(node.spec("junk"))
        _, exited = await next_exit(tasks)
        assert exited.code == 126, exited
        assert "exec format error" in exited.reason
        await tasks.delete(KEY)
        error = await refused(StartFailed, tasks.start(node.spec("true", user="nobody")))
        assert error.code == 125
        assert 'user "nobody" is not in the image' in error.message
        for name in ("dev", "proc", "sys"):
            (node.rootfs / name).rmdir()
            (node.rootfs / name).symlink_to(node.paths.data)
            error = await refused(StartFailed, tasks.start(node.spec("true")))
            assert (error.code, error.message) == (125, f"/{name} of the image is a link (make it a directory)")
            (node.rootfs / name).unlink()
            (node.rootfs / name).mkdir()


async def foreign_network(node: Node) -> None:
    """A network namespace that the sandbox does not own: the host's /sys would be seen."""
    steal_network(node)
    async with opened(node) as tasks:
        error = await refused(StartFailed, tasks.start(node.spec("true")))
        assert error.code == 125
        assert "not owned by user namespace" in error.message


async def cancelled(node: Node) -> None:
    """A start that is cancelled at any time leaves nothing."""
    async with opened(node) as tasks:
        for delay in (0.0, 0.003, 0.01, 0.02, 0.03, 0.05):
            task = asyncio.create_task(tasks.start(node.spec("sleep", "1000")))
            await asyncio.wait([task], timeout=delay)
            task.cancel()
            await asyncio.wait([task])
            await tasks.delete(KEY)
            assert tasks.known() == set(), delay


async def executes(node: Node) -> None:
    async with opened(node) as tasks:
        await tasks.start(node.spec("sleep", "1000", cwd="/tmp"))

        async def run(*args: str, data: bytes | None = None, **options: object) -> tuple[int, bytes, bytes]:
            spec = ExecSpec(args=args, stdin=data is not None, **options)  # type: ignore[arg-type]
            process = await tasks.exec(KEY, spec)
            out, err, _ = await asyncio.gather(whole(process.stdout), whole(process.stderr), fed(process, data))
            return await process.wait(), out, err

        assert await run("sh", "-c", "echo out; echo err >&2; exit 5") == (5, b"out\n", b"err\n")
        assert await run("sh", "-c", "echo $COLOUR $SIZE $HOME; pwd", env=["SIZE=big"]) == (
            0,
            b"blue big /root\n/tmp\n",
            b"",
        )
        assert (await run("sh", "-c", "echo $HOME; id; pwd", user="web", cwd="/etc"))[1] == (
            b"/home\nuid=33(web) gid=34(www) groups=50(extra)\n/etc\n"
        )
        # The input ends while output is still to come.
        data = os.urandom(1 << 20)
        assert await run("sh", "-c", "cat; echo end", data=data) == (0, data + b"end\n", b"")
        assert (await run("sh", "-c", "kill -9 $$"))[0] == 137
        status = (await run("grep", "-E", "^(CapBnd|CapEff|NoNewPrivs|Seccomp):", "/proc/self/status"))[1].split()
        assert status[1::2] == [b"00000000a80425fb", b"00000000a80425fb", b"1", b"2"], status
        status = (await run("grep", "-E", "^(CapBnd|CapEff):", "/proc/self/status", user="web"))[1].split()
        assert status[1::2] == [b"0000000000000000", b"00000000a80425fb"], status
        for args, code in ((("nope",), 127), (("/etc/passwd",), 126)):
            error = await refused(StartFailed, tasks.exec(KEY, ExecSpec(args=args)))
            assert error.code == code
        process = await tasks.exec(
            KEY, ExecSpec(args=["sh", "-c", "trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done"])
        )
        assert await process.stdout.read(100) == b"up\n"
        process.signal(signal.SIGTERM)
        assert await process.wait() == 3
        # What it leaves in the background has its output, and does not keep who reads it.
        if node.runtime == "crun":
            process = await tasks.exec(KEY, ExecSpec(args=["sh", "-c", "sleep 1000 & echo done; exit 4"]))
            async with asyncio.timeout(10):
                _, output, errors = await asyncio.gather(
                    process.cut_off(), whole(process.stdout), whole(process.stderr)
                )
                assert (await process.wait(), output, errors) == (4, b"done\n", b"")
        # What runs beside the first process ends with it.
        process = await tasks.exec(KEY, ExecSpec(args=["sleep", "1000"]))
        await tasks.signal(KEY, signal.SIGKILL)
        assert await process.wait() == 137
        assert list((node.paths.tasks / str(KEY)).glob("exec-*")) == []
        await refused(Conflict, tasks.exec(KEY, ExecSpec(args=["true"])))


async def whole(output: Readable | None) -> bytes:
    pieces = []
    while output is not None and (piece := await output.read(1 << 16)):
        pieces.append(piece)
    return b"".join(pieces)


async def fed(process: ExecProcess, data: bytes | None) -> None:
    if data is not None:
        await process.write(data)
        process.close_input()


async def executes_in_terminals(node: Node) -> None:
    async with opened(node) as tasks:
        await tasks.start(node.spec("sleep", "1000"))
        process = await tasks.exec(KEY, ExecSpec(args=["sh", "-c", SIZES], stdin=True, tty=True, columns=91, rows=33))
        await until(process.stdout, b"33 91 /dev/pts/0 xterm\r\n")
        process.resize(120, 40)
        await until(process.stdout, b"40 120\r\n")
        await process.write(b"typed\r")
        seen = await whole(process.stdout)
        assert b"typed\r\ngot typed\r\n" in seen, seen
        assert await process.wait() == 6
        # Ctrl-C ends the program by the terminal's own rules.
        process = await tasks.exec(KEY, ExecSpec(args=["sh", "-c", "echo up; sleep 1000"], stdin=True, tty=True))
        await until(process.stdout, b"up\r\n")
        await process.write(b"\x03")
        assert await whole(process.stdout) == b"^C"
        assert await process.wait() == 130
        # Whoever is connected goes: the program is hung up on.
        process = await tasks.exec(
            KEY, ExecSpec(args=["sh", "-c", "trap 'exit 7' HUP; echo up; while :; do sleep 0.01; done"], tty=True)
        )
        await until(process.stdout, b"up\r\n")
        process.hang_up()
        assert await process.wait() == 7
        error = await refused(StartFailed, tasks.exec(KEY, ExecSpec(args=["nope"], tty=True)))
        assert error.code == 127
        # What it leaves in the background has its terminal, and does not keep who reads it.
        process = await tasks.exec(KEY, ExecSpec(args=["sh", "-c", "trap '' HUP; sleep 1000 & exit 4"], tty=True))
        async with asyncio.timeout(10):
            _, output = await asyncio.gather(process.cut_off(), whole(process.stdout))
            assert (await process.wait(), output) == (4, b"")


SIZES = "trap 'stty size' WINCH; echo $(stty size) $(tty) $TERM; while ! read -t 1 x; do :; done; echo got $x; exit 6"


async def until(output: Readable, expected: bytes) -> bytes:
    seen = b""
    try:
        async with asyncio.timeout(20):
            while expected not in seen:
                piece = await output.read(1 << 16)
                assert piece, seen
                seen += piece
    except TimeoutError:
        raise AssertionError(f"{expected!r} is not in {seen!r}") from None
    return seen


async def consoles(node: Node) -> None:
    """Terminals and inputs of first processes, with the real conmon."""
    async with opened(node) as tasks:
        streams = Streams(tty=True, stdin=True, stdin_once=True, columns=91, rows=33)
        await tasks.start(node.spec("sh", "-c", SIZES, streams=streams))
        console = tasks.consoles.find(KEY)
        assert console is not None
        output = Tty(console)
        await until(output, b"33 91 /dev/pts/0 xterm\r\n")
        await console.redraw(120, 40)
        await until(output, b"40 120\r\n")
        # A terminal's input does not end with its client.
        await console.end_input()
        await console.write(b"typed\r")
        seen = await whole(output)
        assert seen.endswith(b"got typed\r\n"), seen
        assert (await next_exit(tasks))[1].code == 6
        assert node.lines()[-1] == "got typed"
        await tasks.delete(KEY)
        # All of it is still there for a client that comes late.
        late = await whole(Tty(console))
        assert late.startswith(b"33 91"), late
        assert late.endswith(b"got typed\r\n"), late
        # Without a terminal: the input arrives whole, and ends.
        key = TaskKey(CONTAINER, 1, 2)
        once = Streams(stdin=True, stdin_once=True)
        await tasks.start(node.spec("sh", "-c", "sha256sum; echo end", attempt=2, streams=once))
        console = tasks.consoles.find(key)
        assert console is not None
        data = os.urandom(1 << 20)
        await console.write(data)
        await console.end_input()
        assert (await next_exit(tasks))[1].code == 0
        assert node.lines(attempt=2) == [f"{hashlib.sha256(data).hexdigest()}  -", "end"]
        await refused(Conflict, console.write(b"more"))


class Tty:
    """What a console gives, to be read by pieces."""

    def __init__(self, console: Console) -> None:
        self._pieces = console.read(0)

    async def read(self, limit: int, /) -> bytes:
        piece = await anext(self._pieces, None)
        return b"" if piece is None else piece.data


async def logs(node: Node) -> None:
    script = "echo out; echo err >&2; printf '\\377\\000\\n'; yes 0123456789 | head -n 20000; printf open"
    async with opened(node) as tasks:
        ended = asyncio.Event()
        directory = node.paths.logs(CONTAINER, 1)
        directory.mkdir(mode=0o700, parents=True)
        found: dict[int, bytes] = {1: b"", 2: b""}

        async def follow() -> None:
            stream = read_attempt(directory, generation=1, attempt=1, cursor=None, follow=True, ended=ended)
            async for batch in stream:
                for entry in batch.entries:
                    found[entry.stream] += entry.data

        async with asyncio.TaskGroup() as group:
            group.create_task(follow())
            await tasks.start(node.spec("sh", "-c", script))
            await next_exit(tasks)
            ended.set()
        assert found[1] == b"out\n\xff\x00\n" + b"0123456789\n" * 20000 + b"open"
        assert found[2] == b"err\n"


async def monitor_killed(node: Node) -> None:
    """Without conmon nobody could say how it ended: all of it ends, and that is said."""
    async with opened(node) as tasks:
        running = await tasks.start(node.spec("sleep", "1000"))
        os.kill(running.conmon_pid, signal.SIGKILL)
        key, exited = await next_exit(tasks)
        assert (key, exited.code, "conmon" in exited.reason) == (KEY, 137, True)
        assert processes.start_time(running.pid) == 0


async def confined_as_asked(node: Node) -> None:
    """Each by what it asked for: none gets the filter that crun compiled for another."""
    mount = "mount -t tmpfs x /tmp 2>/dev/null && echo mounted || echo refused"
    admin = Security(cap_add=["SYS_ADMIN"])
    asked = [Security(), admin, Security(), Security(cap_add=["SYS_ADMIN"], seccomp_unconfined=True), Security()]
    async with opened(node) as tasks:
        for attempt, security in enumerate(asked, start=1):
            config = ContainerConfig(security=security)
            await tasks.start(node.spec("sh", "-c", mount, attempt=attempt, config=config))
            assert (await next_exit(tasks))[1].code == 0
            assert node.lines(attempt=attempt) == ["mounted" if security.cap_add else "refused"], attempt
        config = ContainerConfig(
            security=Security(cap_drop=["ALL"], new_privileges=True),
            groups=["www"],
            sysctls={"net.core.somaxconn": "77"},
            # runc's exec raises the soft limit of open files to the hard one, so those are the same.
            ulimits=[Ulimit(name="nofile", soft=200, hard=200), Ulimit(name="core", soft=512, hard=1024)],
            resources=Resources(oom_score_adjust=321),
        )
        facts = (
            "grep -E '^(CapBnd|NoNewPrivs):' /proc/self/status; id -G; ulimit -Sn; ulimit -Sc; ulimit -Hc; "
            "cat /proc/sys/net/core/somaxconn /proc/self/oom_score_adj"
        )
        key = TaskKey(CONTAINER, 1, 6)
        script = f"{facts}; echo up; sleep 1000"
        await tasks.start(node.spec("sh", "-c", script, attempt=6, config=config))
        await line(node, "up", attempt=6)
        process = await tasks.exec(key, ExecSpec(["sh", "-c", facts]))
        output, _ = await asyncio.gather(whole(process.stdout), whole(process.stderr))
        assert await process.wait() == 0
        expected = ["CapBnd:\t0000000000000000", "NoNewPrivs:\t0", "0 34", "200", "1", "2", "77", "321"]
        assert output.decode().splitlines() == expected, output
        assert node.lines(attempt=6) == [*expected, "up"]
        too_many = ContainerConfig(groups=["nobody-knows"])
        error = await refused(StartFailed, tasks.start(node.spec("true", attempt=7, config=too_many)))
        assert "nobody-knows" in error.message


async def host_devices(node: Node) -> None:
    """The host's /dev/null stays root's, for whoever could chmod it could take it from everybody."""
    async with opened(node) as tasks:
        # To the mode that it has: what goes wrong here is no other test's trouble.
        take = "for each in /dev/null /proc/1/fd/0; do chmod 666 $each && echo taken; done"
        await tasks.start(node.spec("sh", "-c", f"{take}; echo up; sleep 1000"))
        await line(node, "up")
        assert "taken" not in node.lines()
        process = await tasks.exec(KEY, ExecSpec(["sh", "-c", f"{take}; cat; echo end"]))
        output, _ = await asyncio.gather(whole(process.stdout), whole(process.stderr))
        assert await process.wait() == 0
        assert output == b"end\n"
        status = Path("/dev/null").stat()
        assert (status.st_uid != UID_BASE, status.st_mode & 0o777) == (True, 0o666)


async def given_devices(node: Node) -> None:
    """Devices are the container's own nodes, to be used as far as was said; the host's stay as they are."""
    before = os.stat("/dev/fuse")
    facts = (
        "stat -c '%F %t:%T %u:%g %a' /dev/own; (exec 3</dev/own) && echo reads; (exec 3>/dev/own) 2>/dev/null || "
        "echo no writing; chmod 600 /dev/own && echo its own; ls /dev | wc -l"
    )
    async with opened(node) as tasks:
        await tasks.start(node.spec("sh", "-c", "ls /dev | wc -l"))
        await next_exit(tasks)
        config = ContainerConfig(devices=[Device(source="/dev/fuse", target="/dev/own", permissions="r")])
        await tasks.start(node.spec("sh", "-c", facts, attempt=2, config=config))
        assert (await next_exit(tasks))[1].code == 0
        number = f"{os.major(before.st_rdev):x}:{os.minor(before.st_rdev):x}"
        mode = f"{before.st_mode & 0o7777:o}"
        assert node.lines(attempt=2) == [
            f"character special file {number} 0:0 {mode}",
            *("reads", "no writing", "its own", str(int(node.lines()[0]) + 1)),
        ]
        await tasks.delete(TaskKey(CONTAINER, 1, 2))
    after = os.stat("/dev/fuse")
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert "shoal-devices" not in Path("/proc/self/mounts").read_text()


async def privileged(node: Node) -> None:
    """All of what is its own, and still nothing of the host's."""
    (node.paths.data / "secret").write_text("x")
    config = ContainerConfig(security=Security(privileged=True))
    allowed = {
        "mount": "mount -t tmpfs x /tmp",
        "unshare": "unshare -U true",
        "hostname": "hostname other",
        "forward": "echo 1 >/proc/sys/net/ipv4/ip_forward",
        "see": "grep -q . /proc/interrupts",
    }
    denied = {
        "panic": "echo 1 >/proc/sys/kernel/panic",
        "sysrq": "echo h >/proc/sysrq-trigger",
        "kernel-memory": "dd if=/proc/kcore of=/dev/null bs=1 count=1 2>&1 | grep -q '1+0 records in'",
        "uevent": "echo x >/sys/kernel/uevent_helper",
        "block-device": "mknod /root/b b 254 0 && dd if=/root/b of=/dev/null count=1",
        "clock": "date -s 2001-01-01; date +%Y | grep 2001",
        "escape": "ls /proc/1/root/" + str(node.paths.data).lstrip("/"),
    }
    tries = "; ".join(f"({command}) >/dev/null 2>&1; echo {name} $?" for name, command in (allowed | denied).items())
    async with opened(node) as tasks:
        script = f"grep -E '^(CapEff|Seccomp):' /proc/self/status; {tries}; grep ' /sys sysfs rw,' /proc/mounts"
        await tasks.start(node.spec("sh", "-c", script, config=config))
        assert (await next_exit(tasks))[1].code == 0, node.lines()
        lines = node.lines()
        assert int(lines[0].split()[1], 16) == mask(NAMES)
        assert lines[1].split()[1] == "0"
        found = {name: int(code) for name, code in (line.split() for line in lines[2:-1])}
        assert {name for name, code in found.items() if code == 0} == set(allowed), found


async def isolation(node: Node) -> None:
    for name, (program, _) in CALLS.items():
        file = node.rootfs / "bin" / f"call-{name}"
        file.write_bytes(program)
        file.chmod(0o755)
    (node.paths.data / "secret").write_text("x")
    calls = "; ".join(f"/bin/call-{name} 2>/dev/null; echo call {name} $?" for name in CALLS)
    denied = {
        "sysctl": "echo x >/proc/sys/kernel/hostname",
        "sysctl-net": "echo 1 >/proc/sys/net/ipv4/ip_forward",
        "sysrq": "echo h >/proc/sysrq-trigger",
        "cgroup-make": "mkdir /sys/fs/cgroup/pids/x",
        "cgroup-limit": "echo max >/sys/fs/cgroup/pids/pids.max",
        "cgroup-move": "echo 1 >/sys/fs/cgroup/pids/cgroup.procs",
        "sys": "echo x >/sys/kernel/uevent_helper",
        "remount": "mount -o remount,rw /sys",
        "mount": "mount -t tmpfs t /tmp",
        "block-device": "mknod /tmp/b b 254 0",
        "character-device": "mknod /tmp/c c 1 1",
        "memory": "dd if=/dev/mem of=/dev/null count=1",
        "kernel-memory": "dd if=/proc/kcore of=/dev/null bs=1 count=1 2>&1 | grep -q '1+0 records in'",
        "kernel-log": "dmesg",
        "unshare": "unshare -U true",
        "hostname": "hostname other",
        "route": "ip link add d type dummy",
        "chroot-escape": "ls /proc/1/root/" + str(node.paths.data).lstrip("/"),
    }
    tries = "; ".join(f"({command}) >/dev/null 2>&1; echo denied {name} $?" for name, command in denied.items())
    facts = (
        "grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp|SigIgn):' /proc/self/status; "
        "echo pids $(ls /proc | grep -E '^[0-9]+$' | wc -l); echo links $(ls /sys/class/net); "
        "echo keys $(wc -c </proc/keys); echo firmware $(ls /sys/firmware | wc -l); "
        "echo map $(cat /proc/self/uid_map); "
        "echo sysfs $(grep -c '^sysfs /sys sysfs ro,' /proc/mounts); "
        "echo cgroup $(cut -d: -f3 /proc/self/cgroup | sort -u); "
        "echo shm $(df -k /dev/shm | tail -1); echo dev $(ls /dev); echo host $(hostname) $(cat /etc/hostname); "
        f"echo mounts $(grep -c '{node.paths.data}' /proc/mounts); echo ipc $(ipcs -q 2>/dev/null | grep -c 0x)"
    )
    async with opened(node) as tasks:
        # The second gets the filter that crun compiled for the first.
        await tasks.start(node.spec("true", attempt=2))
        await next_exit(tasks)
        running = await tasks.start(node.spec("sh", "-c", f"touch /tmp/made; {calls}; {tries}; {facts}; sleep 1000"))
        for name in ("user", "pid", "mnt", "net", "ipc", "uts", "cgroup"):
            assert os.stat(f"/proc/{running.pid}/ns/{name}").st_ino != os.stat(f"/proc/self/ns/{name}").st_ino, name
        assert os.stat(f"/proc/{running.pid}").st_uid == UID_BASE
        await line(node, "ipc 0")
        lines = node.lines()
        assert (node.rootfs / "tmp/made").stat().st_uid == UID_BASE
        for name, (_, number) in CALLS.items():
            assert f"call {name} {number}" in lines, [one for one in lines if one.startswith(f"call {name}")]
        for name in denied:
            codes = [one.split()[2] for one in lines if one.startswith(f"denied {name} ")]
            assert len(codes) == 1, name
            assert codes[0] != "0", name
        seen = {
            one.replace("\t", " ").split(" ", 1)[0].rstrip(":"): one.replace("\t", " ").split(" ", 1)[1]
            for one in lines
        }
        # The two between the standard and the real-time signals are the C library's own: nobody else may touch them.
        assert not int(seen["SigIgn"], 16) & sum(1 << number - 1 for number in signal.valid_signals())
        bits = {"CapInh": "0" * 16, "CapAmb": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}
        bits |= dict.fromkeys(("CapPrm", "CapEff", "CapBnd"), "00000000a80425fb")
        assert {name: seen[name] for name in bits} == bits
        assert int(seen["pids"]) < 6
        assert seen["links"] == "lo"
        assert (seen["keys"], seen["firmware"], seen["mounts"], seen["sysfs"]) == ("0", "0", "0", "1")
        assert seen["map"].split() == ["0", str(UID_BASE), "65536"]
        assert seen["cgroup"] == "/"
        assert " 65536 " in seen["shm"]
        assert seen["host"] == "box box"
        devices = set(seen["dev"].split())
        standard = "console core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero"
        assert devices <= set(standard.split())


async def adopted(node: Node, point: str) -> None:
    """An agent is killed in the middle of a start; the next one finds out how far it came."""
    script = [sys.executable, "-m", "tests.integration.agent_runtime.cases", "starter", node.runtime, str(node.top)]
    starter = spawn([*script, node.parent, point])
    if point.isdecimal():
        assert starter.stdout is not None
        starter.stdout.readline()
        await asyncio.sleep(int(point) / 1000)
        kill_hard(starter)
    else:
        starter.wait()
    assert starter.stdout is not None
    starter.stdout.close()
    async with opened(node) as tasks:
        found = await tasks.adopt(KEY)
        print(type(found).__name__)
        if found is None:
            assert tasks.known() == set()
            groups = group_processes()
            assert f"{node.parent}/containers/" not in groups
            assert f"{node.parent}/supervisors/" not in groups
            found = await tasks.start(node.spec("sh", "-c", "echo again; exec sleep 1000"))
        assert isinstance(found, Running), found
        assert await tasks.adopt(KEY) == found
        assert tasks.groups.processes("containers", str(KEY)) == [found.pid]
        process = await tasks.exec(KEY, ExecSpec(args=["echo", "here"]))
        assert await whole(process.stdout) == b"here\n"
        assert await process.wait() == 0
        await tasks.signal(KEY, signal.SIGKILL)
        key, exited = await next_exit(tasks)
        assert (key, exited.code) == (KEY, 137)


async def ended_meanwhile(node: Node) -> None:
    """What ends while no agent runs is known to the next, once, with its output."""
    async with opened_without_clearing(node) as first:
        running = await first.start(node.spec("sh", "-c", "sleep 0.2; echo late; exit 4"))
    async with opened(node) as tasks:
        assert tasks.known() == {KEY}
        await processes.ended(running.conmon_pid)
        found = await tasks.adopt(KEY)
        assert isinstance(found, Exited)
        assert found.code == 4
        assert node.lines() == ["late"]
    async with opened(node) as tasks:
        assert await tasks.adopt(KEY) is None


async def starter(node: Node, point: str) -> None:
    """Start a task and die at a point: killed in one of the steps, or by who started us."""

    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    async def die_later(*_: object, **__: object) -> None:
        die()

    tasks = node.tasks()
    await tasks.open()
    if point == "before-conmon":
        conmon.create = die_later
    elif point == "conmon-under-way":
        conmon.answered = die_later
    elif point == "created":
        conmon.read_pid = die  # type: ignore[assignment]
    elif point == "before-start":
        conmon.spawn = die_later  # type: ignore[assignment]
    print(flush=True)
    await tasks.start(node.spec("sh", "-c", "echo first; exec sleep 1000"))
    if point.isdecimal():
        await asyncio.Event().wait()
    die()


def steal_network(node: Node) -> None:
    """Put a network namespace of the host's in place of the sandbox's own."""
    subprocess.run(["umount", str(node.sandbox.net_ns)], check=True)
    subprocess.run(["unshare", f"--net={node.sandbox.net_ns}", "true"], check=True)


@contextlib.asynccontextmanager
async def opened_without_clearing(node: Node) -> AsyncIterator[Tasks]:
    tasks = node.tasks()
    await tasks.open()
    try:
        yield tasks
    finally:
        await tasks.close()


def group_processes() -> str:
    """The control groups of all processes but our own."""
    texts = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                texts.append((entry / "cgroup").read_text())
    return "".join(texts)


async def main() -> None:
    name, runtime, top, parent, *arguments = sys.argv[1:]
    node = Node(Path(top), runtime, parent)
    if name not in ("starter", "rotator"):
        node.prepare()
    case = globals().get(name) or getattr(life, name, None) or getattr(rotating, name)
    async with asyncio.timeout(90):
        await case(node, *arguments)


if __name__ == "__main__":
    asyncio.run(main())
