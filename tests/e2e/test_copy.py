"""`shoal cp` as a person uses it, and as somebody in the container would like to misuse it."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.lab import SHOAL, LabUnderTest, eventually


@pytest.fixture
def web(clean_lab: LabUnderTest) -> Iterator[LabUnderTest]:
    """A lab with the running container "web"."""
    clean_lab.run("run", "-d", "--name", "web", clean_lab.image, "sleep", "1000")
    yield clean_lab
    assert not left_over(), "a copying process is left over"


def left_over() -> list[str]:
    """Return the copying processes that there are once those that are ending have ended."""
    running = ["pgrep", "-f", "shoal_agent.copying.helper"]

    def none() -> bool:
        return subprocess.run(running, check=False, capture_output=True).returncode == 1

    try:
        eventually(none, seconds=20, what="the end of copying processes")
    except AssertionError:
        return subprocess.run(running, check=False, capture_output=True, text=True).stdout.split()
    return []


def tar_of(lab: LabUnderTest, path: str) -> tarfile.TarFile:
    done = subprocess.run([SHOAL, "cp", path, "-"], env={**os.environ, **lab.env}, capture_output=True, check=True)
    return tarfile.open(fileobj=io.BytesIO(done.stdout))


def test_files_and_directories_go_both_ways(web: LabUnderTest, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "below").mkdir(parents=True)
    data = os.urandom(3_000_000)
    (source / "below" / "data").write_bytes(data)
    os.chown(source / "below" / "data", 1234, 1234)
    (source / "below" / "data").chmod(0o4640)
    (source / "link").symlink_to("below/data")
    web.run("cp", str(source), "web:/tmp")
    web.run("cp", f"{source}/.", "web:/tmp/made")
    assert web.out("exec", "web", "sha256sum", "/tmp/source/below/data").split()[0] == hashlib.sha256(data).hexdigest()
    assert web.out("exec", "web", "stat", "-c", "%u %a", "/tmp/made/below/data") == "0 4640"
    assert web.out("exec", "web", "readlink", "/tmp/made/link") == "below/data"
    web.run("cp", "-a", str(source / "below" / "data"), "web:/tmp/owned")
    assert web.out("exec", "web", "stat", "-c", "%u:%g", "/tmp/owned") == "1234:1234"
    web.run("cp", "web:/tmp/source", str(tmp_path / "back"))
    assert (tmp_path / "back" / "below" / "data").read_bytes() == data
    # It is ours now, and gives nobody our rights.
    assert stat.S_IMODE((tmp_path / "back" / "below" / "data").stat().st_mode) == 0o640
    assert (tmp_path / "back" / "below" / "data").stat().st_uid == os.getuid()
    assert (tmp_path / "back" / "link").is_symlink()
    web.run("cp", "-L", "web:/tmp/source/link", str(tmp_path / "followed"))
    assert (tmp_path / "followed").read_bytes() == data


def test_tars_come_from_stdin_and_go_to_stdout(web: LabUnderTest) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("sub/hello")
        info.size, info.uid, info.gid = 5, 1000, 1001
        archive.addfile(info, io.BytesIO(b"hello"))
    web.run("cp", "-", "web:/tmp", input=buffer.getvalue())
    assert web.out("exec", "web", "stat", "-c", "%u:%g", "/tmp/sub/hello") == "1000:1001"
    with tar_of(web, "web:/tmp/sub") as archive:
        assert archive.getnames() == ["sub", "sub/hello"]
    cut = web.run("cp", "-", "web:/tmp", input=buffer.getvalue()[:700], ok=False)
    assert "the tar can't be unpacked" in cut.stderr
    assert "is not there" in web.run("cp", "-", "web:/nowhere", input=buffer.getvalue(), ok=False).stderr
    assert "is no directory" in web.run("cp", "-", "web:/etc/passwd", input=buffer.getvalue(), ok=False).stderr


def test_a_container_that_does_not_run_has_files_too(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    lab = clean_lab
    (tmp_path / "conf").write_text("copied before the first start")
    lab.run("create", "--name", "later", lab.image, "cat", "/etc/conf")
    lab.run("cp", str(tmp_path / "conf"), "later:/etc/conf")
    lab.run("start", "later")
    assert lab.out("wait", "later") == "0"
    assert lab.out("logs", "later") == "copied before the first start"
    lab.run("cp", "later:/etc/conf", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "copied before the first start"


def test_volumes_of_a_container_that_does_not_run_are_seen(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    lab = clean_lab
    (tmp_path / "row").write_text("a row")
    volumes = ("-v", "copied:/new/data", "-v", "copied:/read:ro", "--tmpfs", "/memory")
    lab.run(
        "create", "--name", "later", *volumes, lab.image, "sh", "-c", "cat /new/data/row; echo more > /new/data/more"
    )
    try:
        # Nothing is there yet where it will be mounted.
        lab.run("cp", str(tmp_path / "row"), "later:/new/data/")
        assert "is read-only" in lab.run("cp", str(tmp_path / "row"), "later:/read/", ok=False).stderr
        lab.run("start", "later")
        assert lab.out("wait", "later") == "0"
        assert lab.out("logs", "later") == "a row"
        with tar_of(lab, "later:/read") as archive:
            assert archive.getnames() == ["read", "read/more", "read/row"]
        piped = subprocess.run(
            [SHOAL, "export", "later"], env={**os.environ, **lab.env}, capture_output=True, check=True
        )
        with tarfile.open(fileobj=io.BytesIO(piped.stdout)) as archive:
            assert not [name for name in archive.getnames() if name.startswith("new/data/")]
    finally:
        lab.run("rm", "-f", "later")
        lab.run("volume", "rm", "copied")


def test_files_of_a_stopped_container_outlive_its_agent(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    lab = clean_lab
    lab.run("run", "--name", "done", "--constraint", "node.name==node2", lab.image, "sh", "-c", "echo kept > /kept")
    lab.lab("kill", "node2")
    lab.lab("start", "node2")
    eventually(lambda: lab.node_state("node2") == "READY", seconds=20, what="the agent is back")
    lab.run("cp", "done:/kept", str(tmp_path / "kept"))
    assert (tmp_path / "kept").read_text() == "kept\n"
    assert lab.inspect("done")["phase"] == "CONTAINER_PHASE_EXITED"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["web:/nope", "."], 1, 'container "web": "/nope" is not there'),
        (["/nope", "web:/tmp"], 1, '"/nope" can\'t be copied'),
        (["/etc/hosts", "web:/nope/x"], 1, '"/nope" is not there'),
        (["/etc/hosts", "web:/nope/"], 1, 'directory "/nope/" is not there'),
        (["/etc", "web:/etc/passwd"], 1, "can't be copied onto it"),
        (["/etc/hosts", "web:/sys"], 1, '"/sys" is read-only'),
        (["/etc/hosts", "nobody:/tmp"], 1, 'container "nobody" not found'),
        (["/etc/hosts", "/tmp"], 2, "one of the two has to be in a container"),
        (["web:/a", "web:/b"], 2, "one of the two has to be in a container"),
        (["web:/a/" + "x" * 5000, "-"], 1, "is not valid"),
    ],
)
def test_what_can_not_be_copied_is_told_in_a_line(lab: LabUnderTest, words: list[str], code: int, said: str) -> None:
    if "web" not in lab.containers():
        lab.run("run", "-d", "--name", "web", lab.image, "sleep", "1000")
    done = lab.run("cp", *words, ok=None)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_links_of_a_container_lead_nowhere_but_into_it(web: LabUnderTest, tmp_path: Path) -> None:
    identifier = web.inspect("web")["spec"]["id"][:12]
    script = (
        "mkdir /trap; cd /trap; ln -s / root; ln -s ../../../../../../../../etc up; ln -s /proc/1/root magic; "
        "ln -s /proc/self/root self; ln -s /etc/shadow shadow; ln -s loop loop; mkfifo fifo"
    )
    web.run("exec", "web", "sh", "-c", script)
    for path in ("root/etc/hostname", "up/hostname", "../../../../../etc/hostname"):
        with tar_of(web, f"web:/trap/{path}") as archive:
            content = archive.extractfile("hostname")
            assert content is not None
            assert content.read().decode().strip() == identifier, "the host's own was read"
    for path in ("magic/etc/hostname", "self/etc/hostname", "loop/x", "shadow"):
        web.run("cp", "-L", f"web:/trap/{path}", str(tmp_path / "stolen"), ok=False)
        assert not (tmp_path / "stolen").exists()
    with tar_of(web, "web:/trap") as archive:
        assert {member.name for member in archive if member.issym()} == {
            f"trap/{name}" for name in ("root", "up", "magic", "self", "shadow", "loop")
        }
    (tmp_path / "mark").write_text("written through a link")
    web.run("cp", str(tmp_path / "mark"), "web:/trap/up/mark")
    assert not Path("/etc/mark").exists()
    assert web.out("exec", "web", "cat", "/etc/mark") == "written through a link"
    for way in ("magic/tmp", "self/tmp", "loop"):
        web.run("cp", str(tmp_path / "mark"), f"web:/trap/{way}/mark", ok=False)


def test_a_directory_that_turns_into_a_link_all_the_time_leads_nowhere(web: LabUnderTest, tmp_path: Path) -> None:
    swap = "mkdir -p /race/d /race/away; cd /race; while :; do mv d e; ln -s /../../../../../tmp d; rm d; mv e d; done"
    racing = web.spawn("exec", "web", "sh", "-c", swap)
    try:
        eventually(lambda: web.run("exec", "web", "ls", "/race", ok=None).returncode == 0, seconds=20, what="the race")
        name = f"shoal-race-{os.getpid()}"
        (tmp_path / name).write_text("x")
        for _ in range(12):
            web.run("cp", str(tmp_path / name), "web:/race/d/", ok=None)
            web.run("cp", "web:/race", str(tmp_path / "out"), ok=None)
    finally:
        racing.kill()
        racing.communicate()
    assert not Path("/tmp", name).exists()
    for host in web.nodes:
        assert name not in web.inside(host, "ls", "/tmp")


def test_a_hostile_tar_writes_nowhere_but_below_its_directory(web: LabUnderTest) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../../escaped"))
    done = web.run("cp", "-", "web:/tmp", input=buffer.getvalue(), ok=False)
    assert '".." in its path' in done.stderr
    assert not Path("/escaped").exists()


def test_files_under_way_are_whole_or_not_there(web: LabUnderTest, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"n" * 30_000_000)
    web.run("exec", "web", "sh", "-c", "echo old > /tmp/big")
    sending = subprocess.Popen(
        [SHOAL, "cp", "-", "web:/tmp"], env={**os.environ, **web.env}, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert sending.stdin is not None
    header = tarfile.TarInfo("big")
    header.size = 30_000_000
    sending.stdin.write(header.tobuf() + b"n" * 5_000_000)
    sending.stdin.flush()
    draft = "ls -a /tmp | grep shoal-copy"
    eventually(lambda: web.run("exec", "web", "sh", "-c", draft, ok=None).stdout, seconds=10, what="the file under way")
    assert web.out("exec", "web", "cat", "/tmp/big") == "old"
    sending.kill()
    sending.communicate()
    eventually(
        lambda: web.run("exec", "web", "sh", "-c", draft, ok=None).returncode == 1, seconds=10, what="the draft is gone"
    )
    assert web.out("exec", "web", "cat", "/tmp/big") == "old"


def test_a_disk_that_is_full_is_told_and_left_as_it_was(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    clean_lab.run("run", "-d", "--name", "web", "--tmpfs", "/small:size=1m", clean_lab.image, "sleep", "1000")
    (tmp_path / "big").write_bytes(b"x" * 3_000_000)
    clean_lab.run("exec", "web", "sh", "-c", "echo old > /small/big")
    done = clean_lab.run("cp", str(tmp_path / "big"), "web:/small", ok=False)
    assert 'container "web": there is no room for what is copied' in done.stderr
    assert clean_lab.out("exec", "web", "ls", "-a", "/small").split() == [".", "..", "big"]
    assert clean_lab.out("exec", "web", "cat", "/small/big") == "old"


def test_what_is_read_only_stays_so_also_when_it_does_not_run(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    clean_lab.run("run", "-d", "--name", "web", "--read-only", "--tmpfs", "/run", clean_lab.image, "sleep", "1000")
    clean_lab.run("cp", str(tmp_path / "file"), "web:/run")
    assert "is read-only" in clean_lab.run("cp", str(tmp_path / "file"), "web:/etc", ok=False).stderr
    clean_lab.run("stop", "-t", "0", "web")
    assert "is read-only" in clean_lab.run("cp", str(tmp_path / "file"), "web:/etc", ok=False).stderr
    with tar_of(clean_lab, "web:/etc/passwd") as archive:
        assert archive.getnames() == ["passwd"]


def test_an_agent_killed_in_a_copy_is_named_and_leaves_nothing_half_done(web: LabUnderTest) -> None:
    node = web.inspect("web")["placement"]["node"]
    names = {each["spec"]["id"]: each["spec"]["name"] for each in web.json_lines("node", "ls", "--format", "json")}
    sending = subprocess.Popen(
        [SHOAL, "cp", "-", "web:/tmp"], env={**os.environ, **web.env}, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert sending.stdin is not None
    header = tarfile.TarInfo("big")
    header.size = 30_000_000
    sending.stdin.write(header.tobuf() + b"n" * 5_000_000)
    sending.stdin.flush()
    draft = ("exec", "web", "sh", "-c", "ls -a /tmp | grep shoal-copy")
    eventually(lambda: web.run(*draft, ok=None).stdout, seconds=10, what="the file under way")
    try:
        web.lab("kill", names[node])
        _, said = sending.communicate(timeout=60)
        assert sending.returncode == 1
        assert f"node {names[node]}" in said.decode()
        assert len(said.splitlines()) == 1
    finally:
        sending.kill()
        web.lab("start", names[node])
    eventually(lambda: web.node_state(names[node]) == "READY", seconds=20, what="the agent is back")
    eventually(lambda: web.run(*draft, ok=None).returncode == 1, seconds=20, what="the draft is gone")


def test_the_copying_process_has_the_rights_of_the_containers_root_over_files_and_no_others(
    web: LabUnderTest,
) -> None:
    web.run("exec", "web", "dd", "if=/dev/zero", "of=/tmp/big", "bs=1M", "count=64")
    stalled = web.spawn("cp", "web:/tmp/big", "-")
    try:
        eventually(lambda: stalled.stdout is not None and stalled.stdout.read(1), seconds=20, what="it began")
        found = subprocess.run(
            ["pgrep", "-f", "shoal_agent.copying.helper"], check=True, capture_output=True, text=True
        )
        process = Path("/proc", found.stdout.split()[0])
        told = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
        # CHOWN, DAC_OVERRIDE, FOWNER, FSETID and SETFCAP, in a user namespace that is not the host's.
        assert [told[name].strip() for name in ("CapEff", "CapPrm", "CapBnd")] == ["000000008000001b"] * 3
        assert told["NoNewPrivs"].strip() == "1"
        assert int(told["Uid"].split()[0]) >= 524288
        assert (process / "ns/user").readlink() != Path("/proc/self/ns/user").readlink()
        assert (process / "ns/mnt").readlink() != Path("/proc/self/ns/mnt").readlink()
        # Nobody in the container sees it.
        assert "copying" not in web.out("exec", "web", "ps")
        assert sorted(os.listdir(process / "root")) == web.out("exec", "web", "ls", "/").split()
    finally:
        stalled.kill()
        stalled.communicate()


def test_a_reader_that_stalls_holds_up_nobody_else(web: LabUnderTest) -> None:
    web.run("exec", "web", "dd", "if=/dev/zero", "of=/tmp/big", "bs=1M", "count=64")
    stalled = web.spawn("cp", "web:/tmp/big", "-")
    try:
        eventually(lambda: stalled.stdout is not None and stalled.stdout.read(1), seconds=20, what="it began")
        assert web.out("exec", "web", "echo", "alive") == "alive"
        with tar_of(web, "web:/etc/passwd") as archive:
            assert archive.getnames() == ["passwd"]
    finally:
        stalled.kill()
        stalled.communicate()
