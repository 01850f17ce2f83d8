"""`shoal run` as a person uses it."""

from __future__ import annotations

import hashlib
import json
import re
import signal
from pathlib import Path

import pytest

from shoal_lab.image import root_filesystem
from tests.parts.lab import LabUnderTest, eventually


def test_streams_go_where_they_belong_and_the_exit_code_is_the_containers(clean_lab: LabUnderTest) -> None:
    done = clean_lab.run("run", "--rm", clean_lab.image, "sh", "-c", "echo out; echo err >&2; exit 7", ok=None)
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)
    assert not clean_lab.containers()


def test_binary_output_comes_back_identical(clean_lab: LabUnderTest) -> None:
    program = "head -c 3000000 /dev/zero | sha256sum; dd if=/dev/zero bs=1000 count=3000 2>/dev/null"
    process = clean_lab.spawn("run", "--rm", clean_lab.image, "sh", "-c", program)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output.count(b"\0") == 3_000_000


@pytest.mark.parametrize(("command", "code"), [(["no-such-program"], 127), (["/etc/passwd"], 126)])
def test_codes_of_what_could_not_run(clean_lab: LabUnderTest, command: list[str], code: int) -> None:
    done = clean_lab.run("run", "--rm", clean_lab.image, *command, ok=None)
    assert done.returncode == code, done.stderr


def test_flags_reach_the_container(clean_lab: LabUnderTest) -> None:
    output = clean_lab.out(
        *("run", "--rm", "-e", "A=b c", "-w", "/tmp", "-u", "nobody", "--hostname", "hull", "--memory", "64m"),
        *("--entrypoint", "sh", clean_lab.image, "-c", 'echo "$A|$(pwd)|$(id -u)|$(hostname)"'),
    )
    assert output == "b c|/tmp|65534|hull"


def test_a_detached_container_lives_through_its_whole_life(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    container = shoal.out("run", "-d", "--name", "web", "--label", "tier=front", shoal.image)
    assert re.fullmatch("[0-9a-f]{64}", container)
    assert shoal.inspect("web")["phase"] == "CONTAINER_PHASE_RUNNING"
    assert "serving /www" in eventually(lambda: shoal.out("logs", "web"), seconds=20, what="output")
    assert shoal.out("exec", "web", "cat", "/www/index.html") == f"Hello from {container[:12]}"
    assert shoal.out("ps", "-q", "--no-trunc") == container
    shoal.run("stop", "-t", "0", "web")
    assert shoal.out("wait", "web") == "137"
    assert shoal.inspect("web")["phase"] == "CONTAINER_PHASE_EXITED"
    shoal.run("start", "web")
    eventually(lambda: shoal.inspect("web")["phase"] == "CONTAINER_PHASE_RUNNING", seconds=10, what="running again")
    first = shoal.inspect("web")["status"]["pid"]
    shoal.run("restart", "-t", "0", "web")
    eventually(lambda: shoal.inspect("web")["status"].get("pid", first) != first, seconds=15, what="another process")
    shoal.run("kill", "-s", "TERM", "web", ok=None)
    shoal.run("rm", "-f", "web")
    assert not shoal.containers()


def test_create_prepares_and_start_starts(clean_lab: LabUnderTest) -> None:
    clean_lab.run("create", "--name", "later", clean_lab.image, "sh", "-c", "echo started; sleep 1000")
    eventually(lambda: clean_lab.inspect("later")["phase"] == "CONTAINER_PHASE_CREATED", seconds=10, what="created")
    assert clean_lab.out("logs", "later") == ""
    clean_lab.run("start", "later")
    eventually(lambda: clean_lab.out("logs", "later") == "started", seconds=10, what="output")


def test_a_runtime_by_its_name_on_a_node_that_has_it(clean_lab: LabUnderTest) -> None:
    where = ("--constraint", "node.name==node2")
    for name, option in (("a", ("--runtime", "runc")), ("b", ())):
        clean_lab.run("run", "-d", "--name", name, *option, *where, clean_lab.image, "sleep", "1000")
        container = clean_lab.inspect(name)["spec"]["id"]
        there = clean_lab.inside("node2", "ls", f"/run/shoal/runtimes/{'runc' if option else 'crun'}")
        assert container in there, name
    assert clean_lab.out("inspect", "-f", "{{.HostConfig.Runtime}}", "a") == "runc"
    assert clean_lab.out("exec", "a", "echo", "well") == "well"
    done = clean_lab.run("run", "--runtime", "../runc", clean_lab.image, ok=None)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    waiting = clean_lab.spawn("run", "--runtime", "kata", *where, clean_lab.image)
    try:
        assert waiting.stderr is not None
        assert "node2: has no runtime kata (it has crun, runc)" in waiting.stderr.readline().decode()
    finally:
        waiting.send_signal(signal.SIGINT)
        waiting.communicate(timeout=30)


def test_a_signal_to_an_attached_run_reaches_the_container(clean_lab: LabUnderTest) -> None:
    program = "trap 'echo got it; exit 3' TERM; echo ready; while :; do sleep 0.1; done"
    process = clean_lab.spawn("run", "--rm", "--name", "sig", clean_lab.image, "sh", "-c", program)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert (output, process.returncode) == (b"got it\n", 3)


def test_a_window_of_another_size_is_told_to_a_program_without_a_terminal(clean_lab: LabUnderTest) -> None:
    program = "trap 'echo told; exit 4' WINCH; echo ready; while :; do sleep 0.1; done"
    process = clean_lab.spawn("run", "--rm", clean_lab.image, "sh", "-c", program)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGWINCH)
    output, _ = process.communicate(timeout=30)
    assert (output, process.returncode) == (b"told\n", 4)


def test_without_sig_proxy_a_signal_ends_the_client_and_not_the_container(clean_lab: LabUnderTest) -> None:
    program = "trap 'echo got it' INT TERM; echo ready; while :; do sleep 0.1; done"
    process = clean_lab.spawn("run", "--sig-proxy=false", "--name", "on", clean_lab.image, "sh", "-c", program)
    for _ in range(2):
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
        assert (output, process.returncode) == (b"", 128 + signal.SIGINT)
        assert clean_lab.inspect("on")["phase"] == "CONTAINER_PHASE_RUNNING"
        assert "got it" not in clean_lab.out("logs", "on")
        clean_lab.run("stop", "-t", "0", "on")
        process = clean_lab.spawn("start", "-a", "--sig-proxy=false", "on")
    process.kill()
    process.communicate()


def test_input_goes_into_an_exec(clean_lab: LabUnderTest) -> None:
    clean_lab.run("run", "-d", "--name", "cat", clean_lab.image)
    data = b"line\n" * 10_000
    done = clean_lab.run("exec", "-i", "cat", "sha256sum", input=data)
    assert done.stdout.split()[0] == hashlib.sha256(data).hexdigest()
    assert clean_lab.run("exec", "cat", "sh", "-c", "echo o; echo e >&2; exit 9", ok=None).returncode == 9


def test_inspect_says_from_where_a_container_is_reached(clean_lab: LabUnderTest) -> None:
    clean_lab.run("run", "-d", "--name", "near", clean_lab.image)
    assert clean_lab.inspect("near")["placement"]["addresses"][0]["reach"] == "REACH_NODE"


def test_no_network_means_none(clean_lab: LabUnderTest) -> None:
    output = clean_lab.out("run", "--rm", "--network", "none", clean_lab.image, "ls", "/sys/class/net")
    assert output == "lo"


def test_many_lines_arrive_once_and_in_order(clean_lab: LabUnderTest) -> None:
    output = clean_lab.out("run", "--rm", clean_lab.image, "seq", "1", "50000")
    assert output.split() == [str(number) for number in range(1, 50001)]


def test_an_image_is_listed_and_inspected(lab: LabUnderTest) -> None:
    listed = lab.json_lines("image", "ls", "--format", "json")
    assert lab.image in [each["reference"] for each in listed]
    inspected = json.loads(lab.out("image", "inspect", lab.image))[0]
    assert inspected["Id"].startswith("sha256:")
    assert inspected["Config"]["Cmd"][0] == "sh"


def test_images_are_chosen_by_filters(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    (tmp_path / "root.tar").write_bytes(root_filesystem())
    for name, label in (("pick/one:1", "a=1"), ("pick/two:1", "a=2"), ("pick/two:2", "b")):
        clean_lab.run("image", "import", str(tmp_path / "root.tar"), name, "--label", label)

    def listed(*filters: str) -> list[str]:
        options = [word for each in filters for word in ("-f", each)]
        return clean_lab.out("images", *options, "--format", "{{.Repository}}:{{.Tag}}").split()

    assert listed("reference=pick/*") == ["pick/one:1", "pick/two:1", "pick/two:2"]
    assert listed("reference=pick/*:1", "label=a") == ["pick/one:1", "pick/two:1"]
    assert listed("since=pick/one:1", "before=pick/two:2") == ["pick/two:1"]
    assert listed("dangling=true") == []
    for filters, code, said in ((("until=24h",), 2, "KEY one of"), (("before=no/such:1",), 1, "not found")):
        done = clean_lab.run("image", "ls", "-f", *filters, ok=None)
        assert (done.returncode, done.stderr.count("\n"), said in done.stderr) == (code, 1, True), done.stderr


def test_an_imported_image_keeps_what_was_said_of_it(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    (tmp_path / "root.tar").write_bytes(root_filesystem())
    words = ("image", "import", str(tmp_path / "root.tar"), "test/said:2")
    clean_lab.run(*words, "--entrypoint", '["echo", "said"]', "--cmd", '["so"]', "--env", "X=1", "--workdir", "/tmp")
    assert clean_lab.out("run", "--rm", "test/said:2") == "said so"
    assert clean_lab.out("run", "--rm", "--entrypoint", "sh", "test/said:2", "-c", "echo $X $PWD") == "1 /tmp"
