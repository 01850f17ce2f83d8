"""Volumes as a person uses them: data that outlives containers, on the node that has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shoal_lab.image import root_filesystem
from tests.parts.lab import LabUnderTest, eventually


def volumes(lab: LabUnderTest) -> list[str]:
    return lab.out("volume", "ls", "-q").split()


def on_disk(lab: LabUnderTest) -> list[str]:
    """Return the ids of the volumes that any node has data of."""
    return sorted(each.name for node in lab.nodes for each in (lab.data(node) / "shoal/volumes").glob("*"))


@pytest.fixture
def shoal(clean_lab: LabUnderTest) -> LabUnderTest:
    clean_lab.run("volume", "prune", "-a", "-f")
    eventually(lambda: not on_disk(clean_lab), seconds=10, what="no volume left")
    return clean_lab


def test_data_outlives_its_containers_and_draws_them_to_its_node(shoal: LabUnderTest) -> None:
    assert shoal.out("volume", "create", "data") == "data"
    first = shoal.out("run", "--rm", "-v", "data:/d", shoal.image, "sh", "-c", "echo kept > /d/x; hostname")
    node = shoal.out("volume", "ls", "--format", "{{.Node}}")
    assert node in shoal.nodes
    for _ in range(4):
        assert shoal.out("run", "--rm", "-v", "data:/d", shoal.image, "cat", "/d/x") == "kept"
    assert first
    # It waits for that node, and says so.
    other = next(name for name in shoal.nodes if name != node)
    shoal.run("create", "--name", "astray", "-v", "data:/d", "--constraint", f"node.name=={other}", shoal.image)
    assert f"{other}: volume data is on {node}" in shoal.inspect("astray")["detail"]
    refused = shoal.run("volume", "rm", "data", ok=False)
    assert 'volume "data" is used by 1 container: astray' in refused.stderr
    shoal.run("rm", "-f", "astray")
    assert shoal.out("volume", "rm", "data") == "data"
    assert volumes(shoal) == []
    eventually(lambda: not on_disk(shoal), seconds=10, what="its data gone")


def test_an_empty_volume_has_what_the_image_has_there_once(shoal: LabUnderTest) -> None:
    look = "ls -ld /tmp /tmp/a | cut -c1-10; cat /tmp/a/b; readlink /tmp/l"
    make = "mkdir -m 700 /tmp/a; echo b > /tmp/a/b; chown nobody /tmp/a/b; ln -s /x /tmp/l"
    assert "drwxrwxrwt" in shoal.out("run", "--rm", "-v", "one:/tmp", shoal.image, "sh", "-c", f"{make}; {look}")
    assert shoal.out("run", "--rm", "-v", "one:/tmp", shoal.image, "sh", "-c", look).split() == [
        *("drwxrwxrwt", "drwx------", "b", "/x")
    ]
    count = "ls /bin | wc -l"
    assert (
        int(shoal.out("run", "--rm", "-v", "bin:/bin", shoal.image, "sh", "-c", f"{count}; rm /bin/wget").split()[0])
        > 9
    )
    assert shoal.run("run", "--rm", "-v", "bin:/bin", shoal.image, "ls", "/bin/wget", ok=None).returncode == 1
    assert shoal.out("run", "--rm", "-v", "none:/www:nocopy", shoal.image, "sh", "-c", "ls -A /www") == ""
    # Owners are the container's: root of one is root of the next.
    assert shoal.out("run", "--rm", "-v", "one:/t", shoal.image, "sh", "-c", "stat -c %U:%u /t/a/b /t/a") == (
        "nobody:65534\nroot:0"
    )


def test_a_volume_can_be_mounted_only_to_be_read(shoal: LabUnderTest) -> None:
    done = shoal.run("run", "--rm", "-v", "ro:/d:ro", shoal.image, "sh", "-c", "echo x > /d/x", ok=None)
    assert "Read-only file system" in done.stderr


def test_an_images_volumes_go_with_rm_v_and_stay_without(shoal: LabUnderTest, tmp_path: Path) -> None:
    archive = tmp_path / "db.tar"
    archive.write_bytes(root_filesystem())
    words = ("--volume", "/www", "--volume", "/var/db")
    shoal.run("image", "import", str(archive), "test/db:1", "--cmd", '["sleep", "1000"]', *words)
    shoal.run("run", "--rm", "test/db:1", "sh", "-c", "echo x > /var/db/x")
    eventually(lambda: not on_disk(shoal), seconds=10, what="those of --rm gone")
    assert volumes(shoal) == []
    shoal.run("run", "-d", "--name", "db", "-v", "/more", "test/db:1")
    assert len(volumes(shoal)) == 3
    mounts = {each["target"]: each for each in shoal.inspect("db")["spec"]["config"]["mounts"]}
    assert set(mounts) == {"/www", "/var/db", "/more"}
    shoal.run("rm", "-f", "db")
    assert len(volumes(shoal)) == 3
    shoal.run("run", "-d", "--name", "db2", "-v", "named:/n", "test/db:1")
    shoal.run("rm", "-f", "-v", "db2")
    eventually(lambda: len(volumes(shoal)) == 4, seconds=10, what="its own gone, the named one kept")
    shoal.run("volume", "rm", "named")
    pruned = shoal.out("volume", "prune", "-f").split()
    assert sorted(pruned) == sorted(each["volume_id"] for each in mounts.values())
    assert volumes(shoal) == []
    eventually(lambda: not on_disk(shoal), seconds=10, what="pruned data gone")


def test_restarts_of_agent_and_container_keep_what_is_mounted(shoal: LabUnderTest) -> None:
    shoal.run("run", "-d", "--name", "db", "-v", "data:/d", shoal.image, "sleep", "1000")
    shoal.run("exec", "db", "sh", "-c", "echo 1 > /d/x")
    node = shoal.inspect("db")["node_name"]
    shoal.lab("kill", node)
    shoal.lab("start", node)
    assert shoal.out("exec", "db", "cat", "/d/x") == "1"
    shoal.run("restart", "-t", "0", "db")
    assert shoal.out("exec", "db", "cat", "/d/x") == "1"
    shoal.run("rm", "-f", "db")
    shown = json.loads(shoal.out("volume", "inspect", "data"))[0]
    assert (shown["spec"]["name"], shown["node_name"], shown["containers"]) == ("data", node, [])


def test_a_removal_waits_for_its_node(shoal: LabUnderTest) -> None:
    shoal.run("run", "--rm", "-v", "data:/d", shoal.image, "true")
    node = shoal.out("volume", "ls", "--format", "{{.Node}}")
    shoal.lab("kill", node)
    shoal.run("volume", "rm", "data")
    # The name is another's at once, on a node that is there.
    assert on_disk(shoal)
    shoal.lab("start", node)
    eventually(lambda: not on_disk(shoal), seconds=20, what="the data gone once its node is back")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("-v", "x"), 2, "absolute path"),
        (("-v", "./x:/x"), 2, "relative"),
        (("-v", "data:/proc/x"), 2, "would cover"),
        (("--mount", "type=nfs,target=/x"), 2, "no type"),
        (("-v", "a:/x", "--tmpfs", "/x"), 125, "two mounts"),
    ],
)
def test_what_can_never_be_mounted_is_refused(
    shoal: LabUnderTest, words: tuple[str, ...], code: int, said: str
) -> None:
    done = shoal.run("run", *words, shoal.image, ok=None)
    assert (done.returncode, said in done.stderr, done.stderr.count("\n")) == (code, True, 1), done.stderr
    assert not shoal.containers()
    assert volumes(shoal) == []
