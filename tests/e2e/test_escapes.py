"""Known ways out of containers, tried for real and seen to fail; each test is named for what it denies."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shoal_lab.image import root_filesystem
from tests.parts.lab import LabUnderTest, eventually

#: A file that every host has, and no container.
_OF_HOST = "etc/debian_version"
_ON_NODE1 = ("--constraint", "node.name==node1")


def _image(lab: LabUnderTest, folder: Path, name: str, links: dict[str, str], *options: str) -> str:
    """Import an image with links in it."""
    buffer = io.BytesIO(root_filesystem())
    with tarfile.open(fileobj=buffer, mode="a") as archive:
        for link, target in links.items():
            entry = tarfile.TarInfo(link)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    (folder / f"{name}.tar").write_bytes(buffer.getvalue())
    reference = f"escapes/{name}:1"
    lab.run("image", "import", str(folder / f"{name}.tar"), reference, *options)
    return reference


@contextmanager
def _racing(lab: LabUnderTest, container: str, script: str, sign: str) -> Iterator[None]:
    """Have a script run beside a container's first process; `sign` is there once it does."""
    racing = lab.spawn("exec", container, "sh", "-c", script)
    try:
        there = ("exec", container, "test", "-e", sign)
        eventually(lambda: lab.run(*there, ok=None).returncode == 0, seconds=10, what=sign)
        yield
        assert racing.poll() is None, racing.communicate()
    finally:
        racing.kill()
        racing.communicate()


# A working directory that is a descriptor of the runtime's (CVE-2024-21626)


def test_a_descriptor_of_the_runtimes_is_no_working_directory_of_a_command(
    clean_lab: LabUnderTest, tmp_path: Path
) -> None:
    links = {f"fd{number}": f"/proc/self/fd/{number}" for number in range(3, 12)}
    image = _image(clean_lab, tmp_path, "descriptors", links)
    clean_lab.run("run", "-d", "--name", "a", image, "sleep", "1000")
    look = "cat ../../../../../../../etc/debian_version || cat ./etc/debian_version"
    version = Path("/", _OF_HOST).read_text().strip()
    # Those that the runtimes have had open: 7 and 8, of late.
    for number in range(5, 10):
        for directory in (f"/proc/self/fd/{number}", f"/fd{number}"):
            done = clean_lab.run("exec", "-w", directory, "a", "sh", "-c", look, ok=None)
            assert (done.returncode != 0, version in done.stdout) == (True, False), (directory, done)
    assert clean_lab.out("exec", "a", "echo", "alive") == "alive"


def test_nor_does_an_image_have_one_for_its_own(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    for number in (7, 8):
        image = _image(clean_lab, tmp_path, f"cwd{number}", {"way": f"/proc/self/fd/{number}"}, "-w", "/way")
        done = clean_lab.run("run", "--rm", image, "sh", "-c", "cat ../../../../../../etc/debian_version", ok=None)
        assert done.returncode != 0
        assert not done.stdout


# The runtime's own program (CVE-2019-5736)


def test_a_program_that_is_the_runtime_itself_is_not_written_to(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    """By way of every command that has the runtime come in: exec, with a terminal too, and health checks."""
    image = _image(clean_lab, tmp_path, "self", {"bin/own": "/proc/self/exe"})
    watch = (
        "while :; do for p in /proc/[0-9]*; do case $(readlink $p/exe) in */busybox|'') ;; "
        "*) echo seen >>/seen; (exec 3>>$p/exe) 2>/dev/null && echo WROTE >>/wrote; "
        "(exec 3>>/proc/self/fd/9) 9<$p/exe 2>/dev/null && echo WROTE >>/wrote;; esac; done; done"
    )
    programs = [Path("/usr/bin/crun"), Path("/usr/sbin/runc"), Path("/usr/bin/conmon"), Path("/usr/bin/tini-static")]
    before = [(each.stat().st_mtime_ns, each.stat().st_size) for each in programs]
    health = ("--health-cmd", "/bin/own --version", "--health-interval", "100ms")
    clean_lab.run("run", "-d", "--name", "a", "--init", *health, image, "sh", "-c", f"{watch} & {watch}")
    for _ in range(5):
        clean_lab.run("exec", "a", "/bin/own", "--version", ok=None)
        clean_lab.run("exec", "-t", "a", "true", ok=None)
    assert clean_lab.out("exec", "a", "sh", "-c", "ls /wrote 2>/dev/null; true") == ""
    assert [(each.stat().st_mtime_ns, each.stat().st_size) for each in programs] == before


# Mounts over what the kernel shows (CVE-2019-16884, CVE-2019-19921)


@pytest.mark.parametrize(
    "words",
    [
        ("-v", "v:/proc"),
        ("-v", "v:/proc/self/attr"),
        ("-v", "v:/x/../proc/sys"),
        ("-v", "v:/sys/kernel"),
        ("--mount", "type=tmpfs,target=/proc/sys"),
        ("--tmpfs", "/proc/self/fd"),
        ("--tmpfs", "//proc/./1"),
        ("--tmpfs", "/sys/fs/cgroup"),
        ("-v", "v:/dev/pts"),
        ("--device", "/dev/null:/proc/kcore"),
    ],
)
def test_nothing_is_mounted_over_what_the_kernel_shows(clean_lab: LabUnderTest, words: tuple[str, str]) -> None:
    done = clean_lab.run("run", "--rm", *words, clean_lab.image, "true", ok=None)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert not clean_lab.containers()


@pytest.mark.parametrize("kind", ["--tmpfs", "-v"])
@pytest.mark.parametrize("target", ["/way", "/way/sys", "/up/self/attr", "/chain/fs"])
def test_no_link_leads_a_mount_over_what_the_kernel_shows(
    clean_lab: LabUnderTest, tmp_path: Path, kind: str, target: str
) -> None:
    image = _image(clean_lab, tmp_path, "ways", {"way": "/proc", "up": "../../proc", "chain": "/way"})
    what = target if kind == "--tmpfs" else f"v:{target}"
    try:
        done = clean_lab.run("run", "--rm", kind, what, image, "true", ok=None)
    finally:
        clean_lab.run("volume", "rm", "v", ok=None)
    assert (done.returncode, "mount target" in done.stderr) == (125, True), done.stderr


@pytest.mark.parametrize("over", ["/", "/proc", "/sys", "/dev"])
def test_no_link_in_a_volume_leads_another_mount_over_what_the_kernel_shows(clean_lab: LabUnderTest, over: str) -> None:
    lab = clean_lab
    try:
        lab.run("run", "--rm", *_ON_NODE1, "-v", "shared:/v", lab.image, "ln", "-s", over, "/v/at")
        mounts = ("-v", "shared:/v", "-v", "other:/v/at")
        done = lab.run("run", "--rm", *_ON_NODE1, *mounts, lab.image, "true", ok=None)
        assert (done.returncode, done.stderr.count("\n")) == (125, 1), done.stderr
    finally:
        lab.run("volume", "rm", "shared", "other", ok=None)


def test_what_is_hidden_can_not_be_moved_away_or_covered(clean_lab: LabUnderTest) -> None:
    clean_lab.run("run", "-d", "--name", "a", clean_lab.image, "sleep", "1000")
    for script in (
        "mount --move /proc /tmp",
        "umount -l /proc/sys",
        "mount -o bind /tmp /proc/self/attr",
        "mv /proc /moved",
        "rm -r /proc/kcore",
        "ln -sf /tmp /proc/sys",
    ):
        assert clean_lab.run("exec", "a", "sh", "-c", script, ok=None).returncode != 0, script


# A volume that another container changes while one starts (CVE-2021-30465)


def test_a_shared_volume_that_is_swapped_for_a_link_leads_no_mount_out(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    before = lab.inside("node1", "cat", "/proc/mounts").splitlines()
    lab.run("run", "-d", "--name", "evil", *_ON_NODE1, "-v", "shared:/v", lab.image, "sleep", "1000")
    swap = (
        "mkdir -p /v/at; ln -s / /v/link; ln -s /proc /v/proc; touch /v/begun; while :; do "
        "mv /v/at /v/away; mv /v/link /v/at; mv /v/at /v/link; "
        "mv /v/proc /v/at; mv /v/at /v/proc; mv /v/away /v/at; done"
    )
    look = "cat /proc/self/mountinfo || echo covered; ls /etc/debian_version"
    outcomes = set()
    try:
        with _racing(lab, "evil", swap, "/v/begun"):
            for _ in range(10):
                mounts = ("-v", "shared:/v", "-v", "other:/v/at", "--tmpfs", "/v/at/deep")
                done = lab.run("run", "--rm", *_ON_NODE1, *mounts, lab.image, "sh", "-c", look, ok=None)
                outcomes.add(done.returncode)
                points = [line.split()[4] for line in done.stdout.splitlines() if " - " in line]
                # Wherever it was led to, that is within the container, and covers nothing that hides or is read-only.
                assert points.count("/") <= 1
                assert points.count("/proc") <= 1
                assert points.count("/sys") <= 1
                assert "debian_version" not in done.stdout
                # Without /proc nobody could say what covers it.
                assert "covered" not in done.stdout
                assert done.returncode != 0
        assert outcomes <= {1, 125}
        now = lab.inside("node1", "cat", "/proc/mounts").splitlines()
        new = [line for line in now if line not in before and "/run/shoal/" not in line and "/v/at" in line]
        assert not new
    finally:
        lab.run("rm", "-f", "evil", ok=None)
        lab.run("volume", "rm", "shared", "other", ok=None)


def test_a_shared_volume_that_is_swapped_for_a_link_leads_no_copy_out(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    lab = clean_lab
    lab.run("run", "-d", "--name", "evil", *_ON_NODE1, "-v", "shared:/v", lab.image, "sleep", "1000")
    lab.run("create", "--name", "victim", *_ON_NODE1, "-v", "shared:/v", lab.image, "true")
    swap = (
        "mkdir -p /v/at/etc; ln -s / /v/link; touch /v/begun; while :; do "
        "mv /v/at /v/away; mv /v/link /v/at; mv /v/at /v/link; mv /v/away /v/at; done"
    )
    (tmp_path / "mark").write_text("written by a copy")
    try:
        with _racing(lab, "evil", swap, "/v/begun"):
            for name in ("evil", "victim") * 3:
                lab.run("cp", str(tmp_path / "mark"), f"{name}:/v/at/etc/shoal-mark", ok=None)
                out = lab.run("cp", f"{name}:/v/at/etc/debian_version", "-", ok=None)
                assert out.returncode != 0
        assert not Path("/etc/shoal-mark").exists()
        for host in lab.nodes:
            assert "shoal-mark" not in lab.inside(host, "ls", "/etc")
    finally:
        lab.run("rm", "-f", "evil", "victim", ok=None)
        lab.run("volume", "rm", "shared", ok=None)


# Copies that hang, and that take too much


@pytest.fixture
def hanging(clean_lab: LabUnderTest) -> Iterator[LabUnderTest]:
    """A container with a file system of its own that answers the kernel once, and then nothing ever."""
    allowed = ("capabilities", "devices", "seccomp")
    clean_lab.run("cluster", "policy", *(word for name in allowed for word in ("--allow", name)))
    # The answer to FUSE_INIT: length 80, no error, the request's number; version 7.31, and nothing else.
    answer = r"\120\000\000\000\000\000\000\000" + "%b" + r"\007\000\000\000\037\000\000\000" + r"\000" * 56
    script = (
        "mkdir -p /hangs; exec 3<>/dev/fuse; "
        "mount -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 none /hangs || exit 9; "
        "dd bs=65536 count=1 <&3 2>/dev/null >/tmp/request; "
        r"number=$(dd bs=1 skip=8 count=8 </tmp/request 2>/dev/null | od -An -tx1 | sed 's/ /\\x/g'); "
        f"printf '{answer}' \"$number\" | dd bs=80 count=1 >&3 2>/dev/null; echo ready; "
        "while dd bs=65536 count=1 <&3 2>/dev/null >/dev/null; do :; done"
    )
    clean_lab.run(
        *("run", "-d", "--name", "hangs", *_ON_NODE1, "--device", "/dev/fuse", "--cap-add", "SYS_ADMIN"),
        *(clean_lab.image, "sh", "-c", script),
    )
    eventually(lambda: clean_lab.out("logs", "hangs") == "ready", seconds=20, what="the file system")
    yield clean_lab
    clean_lab.run("rm", "-f", "hangs", ok=None)
    clean_lab.run("cluster", "policy", *(word for name in allowed for word in ("--deny", name)))


def _copying() -> set[str]:
    found = subprocess.run(["pgrep", "-f", "shoal_agent.copying.helper"], check=False, capture_output=True, text=True)
    return set(found.stdout.split())


def test_a_file_system_that_never_answers_holds_up_nobody_but_who_copies_from_it(hanging: LabUnderTest) -> None:
    before = _copying()
    copies = [hanging.spawn("cp", "hangs:/hangs/file", "-") for _ in range(3)]
    try:
        eventually(lambda: len(_copying() - before) >= 3, seconds=20, what="three that hang")
        begun = time.monotonic()
        assert hanging.run("cp", "hangs:/etc/passwd", "-").stdout
        assert hanging.out("run", "--rm", *_ON_NODE1, hanging.image, "echo", "alive") == "alive"
        assert time.monotonic() - begun < 20
    finally:
        for copy in copies:
            copy.terminate()
            copy.communicate(timeout=20)
    # With the file system the last of them goes, whether it could be killed or not.
    hanging.run("rm", "-f", "hangs")
    eventually(lambda: not _copying() - before, seconds=20, what="nothing copies any more")


def test_copying_processes_share_a_bound_of_memory(clean_lab: LabUnderTest) -> None:
    before = _copying()
    clean_lab.run("run", "-d", "--name", "a", *_ON_NODE1, clean_lab.image, "sleep", "1000")
    clean_lab.run("exec", "a", "dd", "if=/dev/zero", "of=/tmp/big", "bs=1M", "count=64")
    stalled = [clean_lab.spawn("cp", "a:/tmp/big", "-") for _ in range(2)]
    try:
        for copy in stalled:
            assert copy.stdout is not None
            assert copy.stdout.read(1)
        groups = set()
        for process in _copying() - before:
            for line in Path("/proc", process, "cgroup").read_text().splitlines():
                _, controllers, path = line.split(":", 2)
                if controllers in ("memory", "") and path.endswith("/helpers"):
                    groups.add((controllers, path))
            assert re.search(r"Max address space +\d+ ", Path("/proc", process, "limits").read_text())
        assert len(groups) == 1, groups
        ((controllers, path),) = groups
        group = Path("/sys/fs/cgroup", controllers, path[1:])
        files = [file for file in (group / "memory.limit_in_bytes", group / "memory.max") if file.exists()]
        assert [file.read_text().strip() for file in files] == [str(1 << 30)]
    finally:
        for copy in stalled:
            copy.kill()
            copy.communicate()


def test_what_is_copied_into_memory_counts_as_the_containers_own(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    (tmp_path / "some").write_bytes(bytes(24 << 20))
    (tmp_path / "more").write_bytes(bytes(80 << 20))
    clean_lab.run(
        "run", "-d", "--name", "a", *_ON_NODE1, "-m", "64m", "--tmpfs", "/t", clean_lab.image, "sleep", "1000"
    )
    clean_lab.run("cp", str(tmp_path / "some"), "a:/t/")
    (found,) = clean_lab.json_lines("stats", "--no-stream", "--format", "json", "a")
    assert int(found["memory_bytes"]) >= 24 << 20
    assert clean_lab.run("cp", str(tmp_path / "more"), "a:/t/", ok=None).returncode == 1
    # It is the copy that ends for it, and not the container.
    assert clean_lab.out("inspect", "--format", "{{.State.Status}} {{.RestartCount}}", "a") == "running 0"
