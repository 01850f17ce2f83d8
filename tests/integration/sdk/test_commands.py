"""The `shoal` command as a process of its own, against real gRPC."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import shoal
from shoal_proto.v1 import container_pb2 as pb
from tests.fakes.api import FakeController, State

Shoal = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
def command(configuration: Path) -> Shoal:
    async def start(*arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from shoal_cli.main import main; main()",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "SHOAL_CONFIG": str(configuration)},
        )

    return start


async def outcome(process: asyncio.subprocess.Process, data: bytes | None = None) -> tuple[int, str, str]:
    async with asyncio.timeout(30):
        stdout, stderr = await process.communicate(data)
    assert process.returncode is not None
    return process.returncode, stdout.decode(), stderr.decode()


def entries(*texts: tuple[str, str]) -> list[pb.LogEntry]:
    streams = {"out": pb.LOG_STREAM_STDOUT, "err": pb.LOG_STREAM_STDERR}
    return [pb.LogEntry(stream=streams[stream], data=text.encode()) for stream, text in texts]


async def calls(state: State, name: str) -> None:
    async with asyncio.timeout(20), state.condition:
        await state.condition.wait_for(lambda: any(each == name for each, _ in state.calls))


async def test_a_command_that_works_loads_nothing_it_can_do_without(configuration: Path, state: State) -> None:
    heavy = ("cryptography", "ssl", "grpc_status", "hashlib", "rich", "shoal.images", "shoal.nodes")
    probe = (
        "import sys; from shoal_cli.main import run; code = run(['version']); "
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", probe),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "SHOAL_CONFIG": str(configuration)},
    )
    code, _, stderr = await outcome(process)
    assert (code, stderr) == (0, "[]\n")


@pytest.mark.parametrize("words", [("run", "web"), ("run", "-d", "web")])
async def test_a_second_ctrl_c_ends_what_is_being_taken_back(
    words: tuple[str, ...], command: Shoal, state: State
) -> None:
    state.failures["CreateContainer"] = [shoal.Unavailable("the registry does not answer") for _ in range(10_000)]
    process = await command(*words)
    await calls(state, "CreateContainer")
    async with asyncio.timeout(10):
        while process.returncode is None:
            # Those that come at the same time are one.
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 0.3)
    code, _, stderr = await outcome(process)
    assert code == 130
    assert "may be there or come" in stderr


async def test_attached_run_keeps_streams_apart_and_ends_with_the_code(command: Shoal, state: State) -> None:
    state.lines = entries(("out", "out\n"), ("err", "err\n"), ("out", "no newline"))
    state.logs_complete = False
    process = await command("run", "--name", "one", "web", "sh", "-c", "exit 7")
    await calls(state, "WaitContainer")
    await state.end("one", 7)
    assert await outcome(process) == (7, "out\nno newline", "err\n")
    created = next(request for name, request in state.calls if name == "CreateContainer")
    assert list(created.config.args) == ["sh", "-c", "exit 7"]


async def test_rm_waits_and_a_removed_one_still_has_its_code(command: Shoal, state: State) -> None:
    state.new_phase, state.exit_code = pb.CONTAINER_PHASE_EXITED, 5
    code, _, _ = await outcome(await command("run", "--rm", "web"))
    assert code == 5
    assert not state.containers


async def test_signals_are_passed_on_and_the_second_ctrl_c_detaches(command: Shoal, state: State) -> None:
    state.logs_complete = False
    process = await command("run", "--name", "one", "web")
    await calls(state, "ContainerLogs")
    for number, expected in ((signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "SIGINT")):
        process.send_signal(number)
        async with asyncio.timeout(10), state.condition:
            await state.condition.wait_for(lambda: expected in state.signals)  # noqa: B023
    process.send_signal(signal.SIGINT)
    code, _, stderr = await outcome(process)
    assert code == 130
    assert "detached; container one runs on" in stderr
    assert state.containers


async def test_a_window_of_another_size_is_told_to_the_container_too(command: Shoal, state: State) -> None:
    state.new_phase, state.new_detail = pb.CONTAINER_PHASE_PENDING, "3 nodes: 3 lack memory"
    process = await command("run", "--name", "one", "web")
    assert process.stderr is not None
    async with asyncio.timeout(20):
        assert b"Waiting" in await process.stderr.readline()
    # Before anything of it runs it means nothing, and nothing is given up for it.
    process.send_signal(signal.SIGWINCH)
    container = state.find("one")
    container.phase = pb.CONTAINER_PHASE_RUNNING
    await state.put(container)
    async with asyncio.timeout(20), state.condition:
        while not state.signals:
            process.send_signal(signal.SIGWINCH)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(state.condition.wait(), 0.1)
    assert set(state.signals) == {"SIGWINCH"}
    await state.end("one", 3)
    assert (await outcome(process))[0] == 3


@pytest.mark.parametrize("words", [("run", "--name", "one", "--sig-proxy=false", "web"), ("start", "-a", "one")])
async def test_without_proxying_a_signal_ends_the_client_only(
    words: tuple[str, ...], command: Shoal, cluster: shoal.Cluster, state: State
) -> None:
    state.logs_complete = False
    if words[0] == "start":
        await cluster.containers.create("web", name="one")
        words = (*words, "--no-sig-proxy")
    process = await command(*words)
    await calls(state, "ContainerLogs")
    # Not one that is to end anything.
    process.send_signal(signal.SIGWINCH)
    process.send_signal(signal.SIGTERM)
    code, _, stderr = await outcome(process)
    assert (code, state.signals) == (128 + signal.SIGTERM, [])
    assert "detached; container one runs on" in stderr
    assert state.find("one").phase == pb.CONTAINER_PHASE_RUNNING


async def test_ctrl_c_ends_a_command_whichever_of_its_threads_takes_it(
    command: Shoal, cluster: shoal.Cluster, state: State
) -> None:
    await cluster.containers.run("web", name="one")
    process = await command("wait", "one")
    await calls(state, "WaitContainer")
    threads = [int(name) for name in os.listdir(f"/proc/{process.pid}/task") if int(name) != process.pid]
    assert ctypes.CDLL(None).tgkill(process.pid, threads[-1], signal.SIGINT) == 0
    code, _, _ = await outcome(process)
    assert code == 130


async def test_pending_says_why_and_ctrl_c_removes_it(command: Shoal, state: State) -> None:
    for flags in ([], ["-d"]):
        state.new_phase, state.new_detail = pb.CONTAINER_PHASE_PENDING, "3 nodes: 3 lack memory"
        process = await command("run", *flags, "web")
        assert process.stderr is not None
        async with asyncio.timeout(20):
            assert await process.stderr.readline() == b"shoal: Waiting: 3 nodes: 3 lack memory\n"
        process.send_signal(signal.SIGINT)
        code, stdout, _ = await outcome(process)
        assert (code, stdout) == (130, "")
        assert not state.containers


async def test_what_could_not_start_says_why(command: Shoal, state: State) -> None:
    state.new_phase, state.exit_code, state.new_detail = pb.CONTAINER_PHASE_FAILED, 127, '"nope" not found'
    for flags in ([], ["-d"]):
        code, _, stderr = await outcome(await command("run", *flags, "web", "nope"))
        assert (code, stderr) == (127, 'shoal: "nope" not found\n')


async def test_several_are_told_one_by_one(command: Shoal, cluster: shoal.Cluster, state: State) -> None:
    await cluster.containers.run("web", name="one")
    code, stdout, stderr = await outcome(await command("stop", "one", "two"))
    assert (code, stdout) == (1, "one\n")
    assert stderr == 'shoal: container "two" not found (list them with: shoal ps -a)\n'
    assert await outcome(await command("wait", "one")) == (0, "143\n", "")
    assert await outcome(await command("rm", "one")) == (0, "one\n", "")
    code, stdout, stderr = await outcome(await command("rm", "one"))
    assert (code, stdout) == (1, "")
    assert stderr.startswith('shoal: container "one" not found')
    assert await outcome(await command("rm", "-f", "one")) == (0, "", stderr)


async def test_ps_inspect_and_logs(command: Shoal, cluster: shoal.Cluster, state: State) -> None:
    container = await cluster.containers.run("web:3", ["sleep", "1000"], name="one")
    _, table, _ = await outcome(await command("ps"))
    assert table.startswith("CONTAINER ID   IMAGE ")
    assert [word in table for word in (container.spec.id[:12], '"sleep 1000"', "Up ", "n1", "one")] == [True] * 5
    assert await outcome(await command("ps", "-q", "--no-trunc")) == (0, container.spec.id + "\n", "")
    assert (await outcome(await command("ps", "--format", "{{.Names}} {{.spec.config.image}}")))[1] == "one web:3\n"
    _, text, _ = await outcome(await command("inspect", "--format", "json", "one"))
    assert json.loads(text)[0]["spec"]["id"] == container.spec.id
    state.lines = entries(("out", "a\n"), ("err", "b\n"))
    assert await outcome(await command("logs", "one")) == (0, "a\n", "b\n")


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("shoal stop on", ["one"]),
        ("shoal inspect ", ["n1", "one", "other"]),
        ("shoal ps -f node=", ["node=n1"]),
        ("shoal run --runtime r", ["runc"]),
        ("shoal stop x", []),
    ],
)
async def test_names_of_what_there_is_are_completed(
    configuration: Path, cluster: shoal.Cluster, typed: str, completed: list[str]
) -> None:
    for name in ("one", "other"):
        await cluster.containers.create("web", name=name)
    words = {"_SHOAL_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split(" ")) - 1)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from shoal_cli.main import main; main()"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **words, "SHOAL_CONFIG": str(configuration)},
    )
    code, stdout, stderr = await outcome(process)
    found = [line.partition(",")[2] for line in stdout.split()]
    assert (code, found, stderr) == (0, [*completed], "")


async def test_exec_pipes_input_and_ends_with_the_code(command: Shoal, cluster: shoal.Cluster) -> None:
    await cluster.containers.run("web", name="one")
    assert await outcome(await command("exec", "one", "both")) == (3, "out\n", "err\n")
    assert await outcome(await command("exec", "-i", "one", "cat"), b"x" * 100_000) == (0, "x" * 100_000, "")
    code, _, stderr = await outcome(await command("exec", "two", "cat"))
    assert code == 125
    assert stderr.startswith('shoal: container "two" not found')


async def test_who_stops_what_is_on_a_node_that_is_down_is_told_why_nothing_happens(
    command: Shoal, cluster: shoal.Cluster, state: State
) -> None:
    await cluster.containers.run("web", name="one")
    one = state.find("one")
    one.node_name = "node1"
    one.node_down_since.GetCurrentTime()
    _, stdout, stderr = await outcome(await command("restart", "one"))
    assert stdout == "one\n"
    assert stderr == 'shoal: container "one" is stopped once its node node1 is back (shoal node ls shows when it is)\n'


async def test_import_from_stdin(command: Shoal, state: State) -> None:
    arguments = ("image", "import", "-", "web:3", "--cmd", "httpd -f", "-e", "A=1", "-w", "/www")
    code, stdout, stderr = await outcome(await command(*arguments), b"tar" * 1000)
    assert (code, stdout, stderr) == (0, "sha256:" + "1" * 64 + "\n", "")
    assert state.archive == b"tar" * 1000
    assert list(state.images["web:3"].config.cmd) == ["httpd", "-f"]


async def test_images_are_chosen_by_the_controller_and_not_by_one_that_can_not(command: Shoal, state: State) -> None:
    code, _, _ = await outcome(await command("image", "ls", "-f", "reference=web:*", "-f", "label=a"))
    assert code == 0
    asked = next(request for name, request in state.calls if name == "ListImages")
    assert list(asked.filters) == ["reference=web:*", "label=a"]
    state.calls.clear()
    assert (await outcome(await command("images", "team/*:3", "-f", "label=a")))[0] == 0
    asked = next(request for name, request in state.calls if name == "ListImages")
    assert list(asked.filters) == ["label=a", "reference=team/*:3"]
    assert (await outcome(await command("images", "no name")))[0] == 2
    state.selects = False
    code, stdout, stderr = await outcome(await command("image", "ls", "-q", "-f", "label=a"))
    assert (code, stdout) == (1, "")
    assert "older version" in stderr
    assert (await outcome(await command("image", "ls")))[0] == 0


async def test_an_unreachable_controller_is_one_line(command: Shoal, controller: FakeController) -> None:
    await controller.stop()
    for arguments, expected in ((["ps"], 1), (["run", "web"], 125)):
        code, _, stderr = await outcome(await command(*arguments))
        assert code == expected
        assert stderr.count("\n") == 1
        assert f"controller {controller.address} does not answer: connection refused" in stderr


async def test_compact_says_what_it_gave_back_and_that_the_alarm_is_cleared(command: Shoal) -> None:
    code, output, _ = await outcome(await command("cluster", "compact"))
    said = ["etcd: 3 MiB before, 1 MiB now", "It was out of space and takes writes again"]
    assert (code, output.splitlines()) == (0, said)
    _, output, _ = await outcome(await command("cluster", "compact", "--format", "{{.size_after}}"))
    assert output.strip() == str(1 << 20)


async def test_recover_tells_its_progress_and_asks_before_it_begins(command: Shoal) -> None:
    words = ("cluster", "recover", "--from-nodes", "--nodes", "2")
    code, output, errors = await outcome(await command(*words, "--yes"))
    assert (code, output, errors) == (0, "the cluster is back\n", "shoal: waiting for 2 nodes\n")
    code, output, _ = await outcome(await command(*words, "--yes", "--format", "json"))
    assert [json.loads(line)["done"] for line in output.splitlines()] == [False, True]
    code, output, _ = await outcome(await command(*words), b"n\n")
    assert (code, output) == (1, "")
    assert (await outcome(await command("cluster", "recover", "--yes")))[0] == 2


async def test_a_backup_is_written_whole_or_not_at_all(command: Shoal, tmp_path: Path) -> None:
    passphrase, path = tmp_path / "passphrase", tmp_path / "backup"
    passphrase.write_text("breaks off\n")
    words = ("cluster", "backup", str(path), "--passphrase-file", str(passphrase))
    code, _, errors = await outcome(await command(*words))
    assert (code, errors) == (1, "shoal: etcd's snapshot is not whole (try again)\n")
    assert not path.exists()
    passphrase.write_text("correct horse\n")
    code, output, _ = await outcome(await command(*words))
    assert (code, output) == (0, f"{path}: 22 B\n")
    assert path.read_bytes() == b"correct horse and more"
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir() if "backup" in each.name) == ["backup"]
    code, _, errors = await outcome(await command("cluster", "backup", str(path)))
    assert code == 2
    assert "--passphrase-file" in errors


async def test_strays_are_listed_and_what_can_not_be_done_is_said(command: Shoal) -> None:
    code, output, _ = await outcome(await command("node", "strays", "n1"))
    assert code == 0
    assert output.splitlines()[1].split() == ["5" * 12, "web:3", "-", "web"]
    code, output, errors = await outcome(await command("node", "strays", "n1", "--adopt"))
    assert (code, output, errors) == (1, "web\n", f"shoal: stray {'6' * 12} of n1: no record\n")
    assert (await outcome(await command("node", "strays", "n1", "5555")))[0] == 2
    assert (await outcome(await command("node", "strays", "n1", "--adopt", "--rm")))[0] == 2


async def test_port_shows_where_a_container_is_reached(command: Shoal, cluster: shoal.Cluster, state: State) -> None:
    made = await cluster.containers.create("web:3", name="web", ports=["8080:80", "127.0.0.1:53:53/udp"])
    assert [(each.host_first, each.container_first, each.protocol) for each in made.spec.config.ports] == [
        (8080, 80, "tcp"),
        (53, 53, "udp"),
    ]
    stored = state.containers[made.spec.id]
    stored.node_address = "10.0.0.5"
    stored.placement.ports.add(host_port=8080, container_port=80, protocol="tcp")
    stored.placement.ports.add(host_ip="127.0.0.1", host_port=53, container_port=53, protocol="udp")
    assert [each.host_ip for each in await cluster.containers.ports("web")] == ["127.0.0.1", "10.0.0.5"]
    assert await outcome(await command("port", "web")) == (
        0,
        "53/udp -> 127.0.0.1:53\n80/tcp -> 10.0.0.5:8080\n",
        "",
    )
    assert await outcome(await command("port", "web", "80/tcp")) == (0, "10.0.0.5:8080\n", "")
    code, output, _ = await outcome(await command("port", "--format", "json", "web", "80"))
    assert code == 0
    assert json.loads(output) == {"host_ip": "10.0.0.5", "host_port": 8080, "container_port": 80, "protocol": "tcp"}
    assert await outcome(await command("port", "web", "81")) == (
        1,
        "",
        'shoal: port 81 of container "web" is not published (shoal port web lists those that are)\n',
    )
    assert (await outcome(await command("port", "web", "x")))[0] == 2
