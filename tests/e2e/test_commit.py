"""`shoal diff`, `export` and `commit` as a person uses them."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.parts.lab import SHOAL, LabUnderTest, eventually

CHANGE = (
    "echo new > /www/new; rm /bin/awk; echo more >> /etc/passwd; mkdir -p /made/below; chmod 700 /www; "
    "rm -r /tmp; mkdir /tmp; ln -s /etc/shadow /link"
)


@pytest.fixture
def changed(clean_lab: LabUnderTest) -> LabUnderTest:
    """A lab with the running container "web", which has changed some of its files."""
    clean_lab.run("run", "-d", "--name", "web", "-e", "COLOUR=red", clean_lab.image, "sleep", "1000")
    assert clean_lab.out("diff", "web") == "", "a container that did nothing has changed something"
    clean_lab.run("exec", "web", "sh", "-c", CHANGE)
    return clean_lab


def test_diff_tells_what_was_added_changed_and_deleted(changed: LabUnderTest) -> None:
    expected = [
        *("C /bin", "D /bin/awk", "C /etc", "C /etc/passwd", "A /link", "A /made", "A /made/below", "C /tmp", "C /www"),
        "A /www/new",
    ]
    assert changed.out("diff", "web").splitlines() == expected
    assert changed.json_lines("diff", "--format", "json", "web")[1] == {
        "kind": "CHANGE_KIND_DELETED",
        "path": "/bin/awk",
    }
    changed.run("stop", "-t", "0", "web")
    assert changed.out("diff", "web").splitlines() == expected
    assert 'container "nobody" not found' in changed.run("diff", "nobody", ok=False).stderr


def test_an_export_is_an_image_to_be(changed: LabUnderTest, tmp_path: Path) -> None:
    changed.run("export", "-o", str(tmp_path / "web.tar"), "web")
    with tarfile.open(tmp_path / "web.tar") as archive:
        names = {member.name: member for member in archive}
    assert {"www/new", "made/below", "etc/passwd", "proc"} <= set(names)
    assert "bin/awk" not in names
    assert not [name for name in names if name.startswith(("proc/", "sys/", "dev/"))]
    assert names["link"].linkname == "/etc/shadow"
    piped = subprocess.run([SHOAL, "export", "web"], env={**os.environ, **changed.env}, capture_output=True, check=True)
    changed.run("image", "import", "-", "test/exported:1", "--cmd", "cat /www/new", input=piped.stdout)
    assert changed.out("run", "--rm", "test/exported:1") == "new"


def test_a_commit_is_the_image_and_what_was_changed_and_is_run_as_the_container_was(changed: LabUnderTest) -> None:
    digest = changed.out(
        *("commit", "-a", "me", "-m", "a fix", "-c", 'CMD ["sh", "-c", "cat /www/new; echo $COLOUR $SHAPE"]'),
        *("-c", "ENV SHAPE=round", "web", "other/fixed:2"),
    )
    image = changed.json_lines("image", "inspect", "--format", "json", "other/fixed:2")[0]
    assert image[0]["digest"] == digest  # type: ignore[index]
    assert len(image[0]["layers"]) == 2  # type: ignore[index]
    assert changed.out("run", "--rm", "other/fixed:2") == "new\nred round"
    looked = "ls /bin/awk; ls -d /made/below; readlink /link; tail -n 1 /etc/passwd"
    assert changed.run("run", "--rm", "other/fixed:2", "sh", "-c", looked, ok=None).stdout.split() == [
        *("/made/below", "/etc/shadow", "more")
    ]
    # What is made of it again, from a container that does not run, on another node.
    changed.run("create", "--name", "again", "other/fixed:2")
    eventually(lambda: changed.inspect("again")["phase"] == "CONTAINER_PHASE_CREATED", seconds=20, what="created")
    changed.run("commit", "again", "other/fixed:3")
    assert changed.out("run", "--rm", "other/fixed:3") == "new\nred round"


def test_a_container_runs_on_after_a_commit_and_stays_paused_if_it_was(changed: LabUnderTest) -> None:
    changed.run("commit", "web", "test/one:1")
    assert changed.out("exec", "web", "echo", "alive") == "alive"
    changed.run("pause", "web")
    changed.run("commit", "web", "test/one:2")
    assert changed.inspect("web")["phase"] == "CONTAINER_PHASE_PAUSED"
    changed.run("cp", "web:/www/new", "-")
    changed.run("unpause", "web")
    assert changed.out("exec", "web", "echo", "alive") == "alive"
    changed.run("commit", "--no-pause", "web", "test/one:3")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-c", "RUN x", "web", "test/x:1"], 2, "is no instruction that a commit takes"),
        (["web", "test/x@sha256:" + "0" * 64], 1, "has a digest"),
        (["web", "registry.example.org/x:1"], 1, "commits go into the cluster's own"),
        (["nobody", "test/x:1"], 1, 'container "nobody" not found'),
    ],
)
def test_what_can_not_be_committed_is_told_in_a_line(lab: LabUnderTest, words: list[str], code: int, said: str) -> None:
    if "web" not in lab.containers():
        lab.run("run", "-d", "--name", "web", lab.image, "sleep", "1000")
    done = lab.run("commit", *words, ok=None)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_name_that_would_hide_a_file_of_an_image_is_not_committed(clean_lab: LabUnderTest) -> None:
    clean_lab.run("run", "-d", "--name", "web", clean_lab.image, "sh", "-c", "touch /etc/.wh.passwd; exec sleep 1000")
    eventually(lambda: "/etc/.wh.passwd" in clean_lab.out("diff", "web"), seconds=10, what="the file")
    assert ".wh.passwd" in clean_lab.run("commit", "web", "test/hostile:1", ok=False).stderr
    assert clean_lab.out("exec", "web", "echo", "alive") == "alive"


def test_a_writable_layer_that_changes_all_the_time_leads_nowhere(clean_lab: LabUnderTest) -> None:
    """The writable layer is read with the host's rights: no link in it may be followed, at any moment."""
    swap = "mkdir -p /race/d; cd /race; while :; do mv d e; ln -s /etc d; rm d; mv e d; echo x > d/f; done"
    clean_lab.run("run", "-d", "--name", "web", clean_lab.image, "sh", "-c", swap)
    for _ in range(10):
        for path in clean_lab.out("diff", "web").splitlines():
            assert path[2:] in {"/race", "/race/d", "/race/e", "/race/d/f", "/race/e/f"}
    clean_lab.run("commit", "web", "test/race:1")
    done = subprocess.run(
        [SHOAL, "export", "web"], env={**os.environ, **clean_lab.env}, capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        assert not [name for name in archive.getnames() if name.startswith("race/d/") and not name.endswith("/f")]


def test_an_agent_killed_in_a_commit_leaves_nothing_frozen(changed: LabUnderTest) -> None:
    node = changed.inspect("web")["placement"]["node"]
    names = {each["spec"]["id"]: each["spec"]["name"] for each in changed.json_lines("node", "ls", "--format", "json")}
    changed.run("exec", "web", "sh", "-c", "head -c 200000000 /dev/urandom > /big")
    committing = changed.spawn("commit", "web", "test/cut:1")
    try:
        eventually(lambda: _is_frozen(changed), seconds=20, what="it is frozen")
        changed.lab("kill", names[node])
        _, said = committing.communicate(timeout=60)
        assert committing.returncode == 1
        assert said.decode().startswith("shoal: node")
    finally:
        committing.kill()
        changed.lab("start", names[node])
    eventually(lambda: changed.node_state(names[node]) == "READY", seconds=20, what="the agent is back")

    def alive() -> bool:
        return changed.run("exec", "web", "echo", "alive", ok=None).stdout == "alive\n"

    eventually(alive, seconds=30, what="it runs on")
    assert not [path for path in (changed.data(names[node]) / "shoal").iterdir() if path.name.startswith("tmp")]


def _is_frozen(lab: LabUnderTest) -> bool:
    """Say whether the container's processes are frozen, by its control group (cgroup v1 or v2)."""
    name = f"{lab.inspect('web')['spec']['id']}-*"
    groups = [*Path("/sys/fs/cgroup/freezer").rglob(name), *Path("/sys/fs/cgroup/shoal-lab").rglob(name)]
    states = [file for group in groups for file in (group / "freezer.state", group / "cgroup.freeze") if file.exists()]
    assert states, "the container has no group with a freezer"
    return any(state.read_text().strip() in ("FROZEN", "1") for state in states)
