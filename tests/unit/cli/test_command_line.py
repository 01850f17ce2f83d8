"""The command line without a cluster: what it loads, what it refuses, how it words things."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from shoal_cli import words
from shoal_cli.root import TABLE, shoal
from shoal_proto.v1 import container_pb2 as pb

HEAVY = ("grpc", "rich", "asyncio", "google.protobuf", "cryptography")
PROBE = f"""
import sys, atexit
atexit.register(lambda: print("LOADED", [m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr))
from shoal_cli.main import main
main()
"""


def probe(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "HOME": "/nonexistent", **env},
    )


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["completion", "bash"], ["context", "ls"]])
def test_light_commands_load_nothing_heavy(arguments: list[str]) -> None:
    done = probe(*arguments)
    assert done.returncode == 0, done.stderr
    assert "LOADED []" in done.stderr


@pytest.mark.parametrize("name", sorted(TABLE))
def test_help_of_every_command_is_light_and_has_examples(name: str) -> None:
    done = probe(name, "--help")
    assert (done.returncode, "LOADED []" in done.stderr) == (0, True), done.stderr
    command = TABLE[name].load()
    assert command.short_help == TABLE[name].summary
    for each in command.commands.values() if isinstance(command, click.Group) else [command]:
        assert "Examples:" in (each.help or "")


@pytest.mark.parametrize("words", [(), ("container",), ("volume",), ("image",)])
def test_a_group_without_a_command_shows_its_help(words: tuple[str, ...]) -> None:
    bare, asked, by_command = probe(*words), probe(*words, "--help"), probe("help", *words)
    assert (bare.returncode, bare.stdout) == (0, asked.stdout) == (by_command.returncode, by_command.stdout)
    assert bare.stdout.startswith("Usage: shoal ")
    assert "\nCommands:\n" in bare.stdout
    assert bare.stderr == "LOADED []\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("rnu",), "No such command 'rnu'. Did you mean 'run'? (see: shoal --help)"),
        (("volume", "craete"), "No such command 'craete'. Did you mean 'create'? (see: shoal volume --help)"),
        (("help", "rnu"), "No such command 'rnu'. Did you mean 'run'? (see: shoal --help)"),
        (("help", "run", "x"), "shoal run has no commands of its own (see: shoal run --help)"),
    ],
)
def test_what_is_no_command_is_told_with_what_may_be_meant(words: tuple[str, ...], told: str) -> None:
    done = probe(*words)
    assert (done.returncode, done.stdout, done.stderr.splitlines()[0]) == (2, "", f"shoal: {told}")


@pytest.mark.parametrize(
    "words", [("controller", "--data-root"), ("agent", "--listen", "127.0.0.1:1", "--data-root"), ("cp", "x:/y")]
)
def test_a_name_that_no_file_can_have_is_refused(words: tuple[str, ...], tmp_path: Path) -> None:
    done = probe(*words, "x" * 5000, SHOAL_CONFIG=str(tmp_path / "none"))
    assert (done.returncode, done.stdout) in ((1, ""), (2, "")), done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("shoal: ")]) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("shoal ", "controller"),
        ("shoal ima", "image"),
        ("shoal image im", "import"),
        ("shoal run --mem", "--memory"),
        ("shoal ps -f status=ex", "status=exited"),
    ],
)
def test_completion_is_light(typed: str, expected: str) -> None:
    parts = typed.split(" ")
    done = probe(_SHOAL_COMPLETE="bash_complete", COMP_WORDS=typed, COMP_CWORD=str(len(parts) - 1))
    assert expected in done.stdout
    assert "LOADED []" in done.stderr


def test_without_a_cluster_no_name_is_completed(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"current": "gone", "contexts": {}}))
    done = probe(_SHOAL_COMPLETE="bash_complete", COMP_WORDS="shoal stop ", COMP_CWORD="2", SHOAL_CONFIG=str(path))
    told = [line for line in done.stderr.splitlines() if not line.startswith("LOADED")]
    assert (done.returncode, done.stdout.strip(), told) == (0, "", [])


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--nonsense", "web"],
        ["run"],
        ["run", "--name", "bad name", "web"],
        ["run", "-m", "8x", "web"],
        ["run", "-m", "1k", "web"],
        ["create", "--cpus", "0", "web"],
        ["run", "UPPER"],
        ["run", "--pids-limit", "0", "web"],
        ["run", "--memory-swap", "-2", "web"],
        ["run", "--memory-reservation", "1k", "web"],
        ["run", "-c", "1", "web"],
        ["run", "--cpuset-cpus", "2-0", "web"],
        ["run", "--cpuset-mems", "", "web"],
        ["run", "--blkio-weight", "9", "web"],
        ["run", "-e", "=x", "web"],
        ["run", "--restart", "sometimes", "web"],
        ["run", "--restart", "always:3", "web"],
        ["run", "--rm", "--restart", "always", "web"],
        ["stop"],
        ["stop", "bad/name"],
        ["ps", "--filter", "colour=red"],
        ["ps", "--filter", "status=gone"],
        ["ps", "--last", "0"],
        ["ps", "--format", "{{.ID"],
        ["ps", "--format", "table {{nope}}"],
        ["inspect", "--format", "{{range .Mounts}}", "web"],
        ["events", "--format", "{{end}}"],
        ["info", "--format", "{{"],
        ["ps", "-l", "-n", "2"],
        ["nonsense"],
        ["image", "import", "x.tar", "web", "--cmd", "[1]"],
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: list[str]) -> None:
    done = probe(*arguments, SHOAL_CONFIG="/nonexistent/config.json")
    told = [line for line in done.stderr.splitlines() if not line.startswith("LOADED")]
    assert done.returncode == 2
    assert len(told) == 1
    assert told[0].startswith("shoal: ")
    assert "'grpc'" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [["run", "web", b"caf\xe9"], ["exec", "web", b"\xff"], ["kill", "-s", b"\xff", "a"]]
)
def test_words_that_are_no_text_are_named(arguments: list[str | bytes], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"current": "x", "contexts": {"x": {"socket": str(tmp_path / "none")}}}))
    words = [os.fsdecode(word) for word in arguments]
    done = probe(*words, SHOAL_CONFIG=str(config))
    told = [line for line in done.stderr.splitlines() if not line.startswith("LOADED")]
    assert done.returncode == 2
    assert len(told) == 1
    assert "is not UTF-8" in told[0]
    assert "\\udc" in told[0]


def test_no_cluster_is_one_line_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"current": "gone", "contexts": {}}))
    for arguments, code in ((["ps"], 1), (["run", "web"], 125), (["exec", "web", "true"], 125)):
        done = probe(*arguments, SHOAL_CONFIG=str(path))
        assert done.returncode == code
        assert done.stderr.startswith('shoal: context "gone" is not in ')


def test_a_plug_in_without_its_parts_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    from shoal_cli import plugins

    entry = metadata.EntryPoint("agent", "no_such_part.command:agent", plugins.GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [entry])
    with pytest.raises(click.ClickException, match=r"no_such_part.*pip install 'shoal\[agent\]'"):
        plugins.plugins()["agent"].load()


def test_unknown_commands_are_not_looked_up_twice() -> None:
    context = click.Context(shoal)
    assert shoal.get_command(context, "no-such-command") is None


@pytest.mark.parametrize(
    ("seconds", "worded"),
    [
        (0.2, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (300, "5 minutes"),
        (3600, "About an hour"),
        (5399, "About an hour"),
        (5400, "2 hours"),
        (86400, "24 hours"),
        (172800, "2 days"),
        (14 * 86400, "2 weeks"),
        (70 * 86400, "2 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_durations_are_docker_s(seconds: float, worded: str) -> None:
    assert words.duration(seconds) == worded


def container(phase: pb.ContainerPhase, detail: str = "", code: int = 0) -> pb.Container:
    made = pb.Container(phase=phase, detail=detail, status=pb.ContainerStatus(exit_code=code))
    made.status.started_at.FromSeconds(700)
    made.status.finished_at.FromSeconds(997)
    return made


def killed() -> pb.Container:
    made = container(pb.CONTAINER_PHASE_EXITED, code=137)
    made.status.oom_killed = True
    return made


@pytest.mark.parametrize(
    ("shown", "worded"),
    [
        (container(pb.CONTAINER_PHASE_RUNNING), "Up 5 minutes"),
        (container(pb.CONTAINER_PHASE_RUNNING, "node down 12 s"), "Up 5 minutes (node down 12 s)"),
        (container(pb.CONTAINER_PHASE_EXITED), "Exited (0) 3 seconds ago"),
        (killed(), "Exited (137) 3 seconds ago (OOMKilled)"),
        (container(pb.CONTAINER_PHASE_FAILED, "no such file", 127), "Failed (127) 3 seconds ago: no such file"),
        (
            container(pb.CONTAINER_PHASE_RESTARTING, "again in 5 s", 1),
            "Restarting (1) 3 seconds ago, again in 5 s",
        ),
        (container(pb.CONTAINER_PHASE_PENDING, "3 nodes: 3 lack memory"), "Pending: 3 nodes: 3 lack memory"),
    ],
)
def test_status_says_where_a_container_is_and_why(shown: pb.Container, worded: str) -> None:
    assert words.status(shown, 1000) == worded
