"""A container's life beside its start and stop, as a person has it: paused, watched, renamed, pruned."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.parts.lab import LabUnderTest, eventually

COUNT = ("sh", "-c", "trap 'exit 7' TERM; i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done")


def last_line(lab: LabUnderTest, name: str) -> int:
    return int(lab.out("logs", "-n", "1", name))


def status(lab: LabUnderTest, name: str) -> str:
    return lab.out("ps", "-a", "--format", "{{.Names}}={{.Status}}").split(f"{name}=")[1].splitlines()[0]


def health(lab: LabUnderTest, name: str) -> str:
    found: str = lab.inspect(name)["status"]["health"]
    return found.removeprefix("HEALTH_STATE_").lower()


def test_what_is_paused_stands_still_until_it_is_let_go(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    lab.out("run", "-d", "--name", "web", lab.image, *COUNT)
    assert lab.out("pause", "web") == "web"
    assert status(lab, "web").endswith("(Paused)")
    stands = last_line(lab, "web")
    for words in (("exec", "web", "true"), ("pause", "web"), ("start", "web"), ("rm", "web")):
        assert "paused" in lab.run(*words, ok=False).stderr
    node = lab.inspect("web")["node_name"]
    lab.lab("kill", node)
    lab.lab("start", node)
    eventually(lambda: lab.node_state(node) == "READY", seconds=20, what="the node is back")
    assert last_line(lab, "web") == stands
    lab.out("unpause", "web")
    eventually(lambda: last_line(lab, "web") > stands, seconds=20, what="it counts on")
    assert "not paused" in lab.run("unpause", "web", ok=False).stderr
    # A stop lets it go first, so that it ends as it would have.
    lab.out("pause", "web")
    began = time.monotonic()
    lab.out("stop", "-t", "60", "web")
    assert time.monotonic() - began < 20
    assert lab.out("wait", "web") == "7"
    lab.out("start", "web")
    lab.out("pause", "web")
    lab.out("kill", "web")
    assert lab.out("wait", "web") == "137"
    lab.out("start", "web")
    lab.out("pause", "web")
    lab.out("rm", "-f", "web")
    told = [each["action"] for each in lab.json_lines("events", "--since", "5m", "--until", "0s", "--format", "json")]
    assert {"pause", "unpause"} <= set(told)


def test_health_is_found_out_told_and_kept(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    check = ("--health-cmd", "echo looked; test -e /tmp/well", "--health-interval", "100ms", "--health-retries", "2")
    lab.out("run", "-d", "--name", "web", *check, lab.image, "sleep", "1000")
    assert health(lab, "web") in ("starting", "unhealthy")
    eventually(lambda: health(lab, "web") == "unhealthy", seconds=20, what="it is unhealthy")
    assert lab.inspect("web")["status"]["health_output"] == "looked\n"
    assert status(lab, "web").endswith("(unhealthy)")
    lab.out("exec", "web", "touch", "/tmp/well")
    eventually(lambda: health(lab, "web") == "healthy", seconds=20, what="it is healthy")
    assert status(lab, "web").endswith("(healthy)")
    node = lab.inspect("web")["node_name"]
    lab.lab("kill", node)
    lab.lab("start", node)
    eventually(lambda: lab.node_state(node) == "READY", seconds=20, what="the node is back")
    assert health(lab, "web") == "healthy"
    # That it is back is known once it was missed; a command finds out sooner.
    remove = ("exec", "web", "rm", "-f", "/tmp/well")
    eventually(lambda: lab.run(*remove, ok=None).returncode == 0, seconds=20, what="the agent answers")
    eventually(lambda: health(lab, "web") == "unhealthy", seconds=20, what="the next agent looks as well")
    # By its id: tests before this one had containers of the same name.
    identifier = lab.inspect("web")["spec"]["id"]
    happened = ("events", "--since", "5m", "--until", "0s", "--format", "json")
    told = [
        each["attributes"]["health"]
        for each in lab.json_lines(*happened, "--filter", f"container={identifier}")
        if each["action"] == "health_status"
    ]
    assert told == ["unhealthy", "healthy", "unhealthy"]
    lab.out("restart", "-t", "0", "web")
    assert health(lab, "web") in ("starting", "unhealthy")


def test_an_image_brings_its_health_check_along(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    lab = clean_lab
    archive = tmp_path / "root.tar"
    archive.write_bytes(_root())
    lab.out("image", "import", str(archive), "checked:1", "--health-cmd", "true")
    often = ("--health-interval", "100ms")
    lab.out("run", "-d", "--name", "image", *often, "checked:1", "sleep", "1000")
    lab.out("run", "-d", "--name", "none", "--no-healthcheck", "checked:1", "sleep", "1000")
    eventually(lambda: health(lab, "image") == "healthy", seconds=20, what="the image's own check is made")
    assert health(lab, "none") == "unspecified"
    assert "health" not in status(lab, "none")


def _root() -> bytes:
    from shoal_lab.image import root_filesystem

    return root_filesystem()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--health-cmd", " "), "is empty"),
        (("--health-cmd", "true", "--no-healthcheck"), "exclude each other"),
        (("--health-interval", "5"), "duration"),
        (("--health-timeout", "-1s"), "duration"),
        (("--health-retries", "-1"), "range"),
    ],
)
def test_what_can_never_be_checked_is_refused_before_anything_is_made(
    clean_lab: LabUnderTest, words: tuple[str, ...], said: str
) -> None:
    done = clean_lab.run("run", *words, clean_lab.image, ok=None)
    assert (done.returncode, said in done.stderr, done.stderr.count("\n")) == (2, True, 1), done.stderr
    assert not clean_lab.containers()


def test_under_an_init_nothing_is_left_to_be_reaped(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    script = "(sleep 0.1 &); trap 'exit 5' TERM; while :; do sleep 0.05; done"
    lab.out("run", "-d", "--name", "web", "--init", lab.image, "sh", "-c", script)
    assert lab.out("exec", "web", "sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline").startswith("/dev/init -- sh -c")
    zombies = ("exec", "web", "sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z ' || true")
    eventually(lambda: lab.out(*zombies) == "0", seconds=10, what="what is left over is reaped")
    assert lab.out("ps", "--format", "{{.Command}}").startswith('"sh -c')
    lab.out("stop", "web")
    assert lab.out("wait", "web") == "5"


def test_a_container_is_renamed_changed_and_pruned(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    lab.out("run", "-d", "--name", "web", lab.image, "sleep", "1000")
    lab.out("run", "--name", "job", lab.image, "true")
    lab.out("create", "--name", "made", "--label", "keep", lab.image, "true")
    assert "taken" in lab.run("rename", "web", "job", ok=False).stderr
    lab.out("rename", "web", "www")
    assert set(lab.containers()) == {"www", "job", "made"}
    assert lab.run("rename", "web", "x", ok=False).returncode == 1
    lab.out("run", "-d", "--name", "web", "--restart", "always", lab.image, "false")
    eventually(lambda: status(lab, "web").startswith("Restarting"), seconds=20, what="it is started again")
    assert lab.out("update", "--restart", "no", "web") == "web"
    eventually(lambda: status(lab, "web").startswith("Exited"), seconds=20, what="it is left to itself")
    assert lab.run("update", "web", ok=False).returncode == 2
    assert lab.run("container", "prune", ok=False, input=b"n\n").returncode == 1
    assert len(lab.containers()) == 4
    assert lab.out("container", "prune", "-f", "--filter", "until=1h").split("\n")[-1] == "Total reclaimed space: 0 B"
    assert len(lab.containers()) == 4
    deleted = lab.out("container", "prune", "-f", "--filter", "label!=keep").splitlines()
    assert (deleted[0], deleted[3], len(deleted)) == ("Deleted Containers:", "", 5)
    assert deleted[4].startswith("Total reclaimed space: ")
    assert set(lab.containers()) == {"www", "made"}
