"""Volumes as a person uses them: data that outlives containers, on the node that has it."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
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
    pruned = [word for word in shoal.out("volume", "prune", "-f").split() if len(word) == 64]
    assert sorted(pruned) == sorted(each["volume_id"] for each in mounts.values())
    assert volumes(shoal) == []
    eventually(lambda: not on_disk(shoal), seconds=10, what="pruned data gone")


def test_restarts_of_agent_and_container_keep_what_is_mounted(shoal: LabUnderTest) -> None:
    shoal.run("run", "-d", "--name", "db", "-v", "data:/d", shoal.image, "sleep", "1000")
    shoal.run("exec", "db", "sh", "-c", "echo 1 > /d/x")
    node = shoal.inspect("db")["node_name"]
    shoal.lab("kill", node)
    shoal.lab("start", node)
    look = ("exec", "db", "cat", "/d/x")
    eventually(lambda: shoal.run(*look, ok=None).returncode == 0, seconds=15, what="the agent back")
    assert shoal.out(*look) == "1"
    shoal.run("restart", "-t", "0", "db")
    assert shoal.out("exec", "db", "cat", "/d/x") == "1"
    shoal.run("rm", "-f", "db")
    shown = json.loads(shoal.out("volume", "inspect", "data"))[0]
    assert (shown["Name"], shown["Node"], shown["Containers"]) == ("data", node, [])


def test_files_are_copied_into_the_volumes_of_a_container_that_does_not_run(
    shoal: LabUnderTest, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("of mine")
    shoal.run("create", "--name", "c", "-v", "data:/d", "-v", "ro:/r:ro", shoal.image, "true")
    shoal.run("cp", str(tmp_path / "config"), "c:/d/config")
    assert shoal.run("cp", str(tmp_path / "config"), "c:/r/config", ok=None).returncode == 1
    shoal.run("rm", "c")
    assert shoal.out("run", "--rm", "-v", "data:/x", shoal.image, "cat", "/x/config") == "of mine"


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


@pytest.fixture
def shared(shoal: LabUnderTest) -> Iterator[Path]:
    """A directory that node1 lets containers mount, and node2 only to be read; the cluster's policy allows it."""
    directory = shoal.shared
    (directory / "page").write_text("of the node")
    shoal.run("cluster", "policy", "--allow", "bind-mounts")
    yield directory
    shoal.run("cluster", "policy", "--deny", "bind-mounts")
    shutil.rmtree(directory)
    directory.mkdir()


def test_paths_of_a_node_need_its_own_leave_and_the_clusters(shoal: LabUnderTest) -> None:
    done = shoal.run("run", "--rm", "-v", f"{shoal.shared}:/w", shoal.image, "true", ok=None)
    assert done.returncode == 125
    assert "shoal cluster policy --allow bind-mounts" in done.stderr
    shoal.run("cluster", "policy", "--allow", "bind-mounts")
    try:
        shoal.run("create", "--name", "etc", "-v", "/etc:/w:ro", shoal.image)
        assert "don't let containers mount /etc" in shoal.inspect("etc")["detail"]
    finally:
        shoal.run("cluster", "policy", "--deny", "bind-mounts")
    assert not [name for name in shoal.containers() if name != "etc"]


def test_paths_of_a_node_are_mounted_where_it_lets_them(shoal: LabUnderTest, shared: Path) -> None:
    script = "cat /w/page; echo back > /w/made; hostname > /dev/null"
    assert shoal.out("run", "--rm", "-v", f"{shared}:/w", shoal.image, "sh", "-c", script) == "of the node"
    made = shared / "made"
    assert (made.read_text(), made.stat().st_uid) == ("back\n", 0)
    # To be read on the other node as well, file by file too.
    there = ("--constraint", "node.name==node2")
    mounted = f"type=bind,source={shared}/page,target=/etc/page,readonly"
    assert shoal.out("run", "--rm", *there, "--mount", mounted, shoal.image, "cat", "/etc/page") == "of the node"
    done = shoal.run("run", "--rm", "-v", f"{shared}:/w:ro", shoal.image, "touch", "/w/x", ok=None)
    assert "Read-only file system" in done.stderr
    shoal.run("create", "--name", "w", *there, "-v", f"{shared}:/w", shoal.image)
    assert f"node2 doesn't let containers mount {shared} to write" in shoal.inspect("w")["detail"]


def test_a_path_that_leads_out_or_is_not_there_is_refused(shoal: LabUnderTest, shared: Path) -> None:
    (shared / "out").symlink_to("/etc")
    for name, said in (("out", "leads out of"), ("out/passwd", "leads out of"), ("nothing", "is not there")):
        done = shoal.run("run", "--rm", "-v", f"{shared}/{name}:/w:ro", shoal.image, "ls", "/w", ok=None)
        assert (done.returncode, said in done.stderr) == (125, True), done.stderr


def test_a_file_that_was_replaced_is_seen_after_a_restart(shoal: LabUnderTest, shared: Path) -> None:
    shoal.run("run", "-d", "--name", "web", "-v", f"{shared}/page:/page:ro", shoal.image, "sleep", "1000")
    (shared / "new").write_text("another")
    (shared / "new").rename(shared / "page")
    assert shoal.out("exec", "web", "cat", "/page") == "of the node"
    shoal.run("restart", "-t", "0", "web")
    assert shoal.out("exec", "web", "cat", "/page") == "another"


def test_no_link_of_an_image_leads_a_volume_over_proc(shoal: LabUnderTest, tmp_path: Path) -> None:
    archive = tmp_path / "evil.tar"
    archive.write_bytes(root_filesystem())
    with tarfile.open(archive, "a") as tar:
        for name, target in (("data", "/proc"), ("up", "../../proc/self")):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    shoal.run("image", "import", str(archive), "test/evil:1", "--cmd", '["true"]')
    for target in ("/data", "/data/sys", "/up/attr"):
        done = shoal.run("run", "--rm", "-v", f"v:{target}", "test/evil:1", ok=None)
        assert (done.returncode, f"mount target {target} " in done.stderr) == (125, True), done.stderr
