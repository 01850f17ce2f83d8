"""Containers in the namespaces of another one, as a person asks for it."""

from __future__ import annotations

import os

import pytest

from tests.parts.lab import LabUnderTest, eventually

#: Keeps a page on port 80, and shared memory; ends at once when asked.
_WEB = (
    "trap 'exit 0' TERM; echo page >/www/index.html; httpd -p 80 -h /www; echo shared >/dev/shm/theirs; "
    "while :; do sleep 1 & wait $!; done"
)


@pytest.fixture
def web(clean_lab: LabUnderTest) -> LabUnderTest:
    where = ("--constraint", "node.name==node2")
    clean_lab.run(
        *("run", "-d", "--name", "web", "--hostname", "www", "--ipc", "shareable", *where),
        *(clean_lab.image, "sh", "-c", _WEB),
    )
    return clean_lab


def test_one_network_and_its_names_on_the_same_node(web: LabUnderTest) -> None:
    where = ("--network", "container:web", web.image)
    assert web.out("run", "--rm", "--name", "a", *where, "sh", "-c", "hostname; cat /etc/hostname") == "www\nwww"
    page = "wget -q -O - http://127.0.0.1/"
    assert web.out("run", "--rm", *where, "sh", "-c", page) == web.out("exec", "web", "sh", "-c", page)
    web.run("run", "-d", "--name", "beside", *where, "sleep", "1000")
    found = web.containers()["beside"]
    assert found["node_name"] == "node2"
    assert not found["placement"]["addresses"]
    # Its processes, its files and its ipc are its own.
    assert "httpd" not in web.out("exec", "beside", "ps")
    assert web.out("exec", "beside", "ls", "/dev/shm") == ""
    # /sys is that of the network, as ever.
    assert web.out("exec", "beside", "ls", "/sys/class/net").split() == ["eth0", "lo"]


def test_one_process_namespace_and_one_memory(web: LabUnderTest) -> None:
    web.run(
        *("run", "-d", "--name", "beside", "--pid", "container:web", "--ipc", "container:web"),
        *(web.image, "sleep", "1000"),
    )
    assert "httpd -p 80" in web.out("exec", "beside", "ps")
    assert "sleep 1000" in web.out("exec", "web", "ps")
    assert web.out("exec", "beside", "cat", "/dev/shm/theirs") == "shared"
    web.run("exec", "beside", "sh", "-c", "echo mine >/dev/shm/mine; kill -0 1")
    assert web.out("exec", "web", "cat", "/dev/shm/mine") == "mine"
    # With a network of its own, in which its root may do what root may.
    own = web.containers()["beside"]["placement"]["addresses"][0]["ip"]
    assert own in web.out("exec", "beside", "ip", "addr")
    web.run("exec", "beside", "httpd", "-p", "80", "-h", "/www")
    # It ends with the first process of the other one, frozen or not.
    web.run("pause", "beside")
    web.run("kill", "web")
    eventually(lambda: web.inspect("beside")["status"]["state"] == "CONTAINER_STATE_EXITED", seconds=20, what="its end")
    assert web.inspect("beside")["status"]["exit_code"] == 137
    assert web.inspect("web")["status"]["exit_code"] == 137


def test_what_becomes_of_it_when_the_other_stops_starts_and_goes(web: LabUnderTest) -> None:
    where = ("--network", "container:web", web.image)
    web.run("run", "-d", "--name", "beside", *where, "sleep", "1000")
    web.run("stop", "web")
    refused = web.run("run", *where, "true", ok=None)
    assert (refused.returncode, refused.stderr.count("\n")) == (125, 1)
    assert 'container "web" is not running' in refused.stderr
    assert sorted(web.containers()) == ["beside", "web"]
    web.run("start", "web")
    # The network is the same as before, also for who stayed in it.
    page = ("wget", "-q", "-O", "-", "http://127.0.0.1/")
    eventually(lambda: web.run("exec", "beside", *page, ok=None).returncode == 0, seconds=10, what="the page")
    web.run("rm", "-f", "web")
    eventually(lambda: "web" not in web.containers(), seconds=10, what="it is gone")
    assert web.out("exec", "beside", "ls", "/sys/class/net") == "lo"
    web.run("stop", "-t", "0", "beside")
    again = web.run("start", "beside", ok=None)
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert "was removed" in again.stderr
    # Its files are its own all the same.
    assert web.run("cp", "beside:/etc/hostname", "-").stdout


def test_both_come_back_after_their_host_was_restarted(web: LabUnderTest) -> None:
    web.run("update", "--restart", "always", "web")
    web.run(
        "run", "-d", "--name", "beside", "--restart", "always", "--network", "container:web", web.image, "sleep", "9"
    )
    web.lab("reboot", "node2")

    def both() -> bool:
        return all(each["status"]["state"] == "CONTAINER_STATE_RUNNING" for each in web.containers().values())

    eventually(both, seconds=60, what="both run")
    page = ("exec", "beside", "wget", "-q", "-O", "-", "http://127.0.0.1/")
    eventually(lambda: web.run(*page, ok=None).stdout == "page\n", seconds=30, what="the page")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--network", "container:"), 2, "container"),
        (("--network", "nets"), 2, "default, bridge, none, host, container:NAME"),
        (("--pid", "shareable"), 2, "pid"),
        (("--network", "container:nobody"), 125, "nobody"),
        (("--network", "container:web", "-p", "80"), 125, "publish"),
        (("--network", "container:web", "--hostname", "a"), 125, "hostname"),
        (("--network", "container:web", "--dns", "1.1.1.1"), 125, "dns"),
        (("--network", "container:web", "--constraint", "node.name==node1"), None, "not where container web"),
    ],
)
def test_what_can_not_be_is_refused_in_one_line(
    web: LabUnderTest, words: tuple[str, ...], code: int | None, said: str
) -> None:
    if code is None:
        process = web.spawn("run", "--rm", *words, web.image, "true")
        try:
            assert process.stderr is not None
            assert said in process.stderr.readline().decode()
        finally:
            process.terminate()
            process.communicate(timeout=20)
        return
    done = web.run("run", *words, web.image, "true", ok=None)
    assert done.returncode == code, done.stderr
    assert said in done.stderr.splitlines()[-1]
    assert sorted(web.containers()) == ["web"]


def test_no_shared_memory_and_nobody_to_join_it(clean_lab: LabUnderTest) -> None:
    clean_lab.run("run", "-d", "--name", "a", "--ipc", "none", clean_lab.image, "sleep", "1000")
    ipc, *devices = clean_lab.out("exec", "a", "sh", "-c", "readlink /proc/self/ns/ipc; ls /dev").split()
    assert ("shm" in devices, "mqueue" in devices, ipc == os.readlink("/proc/self/ns/ipc")) == (False, True, False)
    assert clean_lab.out("inspect", "-f", "{{.HostConfig.IpcMode}}", "a") == "none"
    refused = clean_lab.run("run", "--ipc", "container:a", clean_lab.image, "true", ok=None)
    assert (refused.returncode, "keeps its ipc to itself" in refused.stderr) == (125, True), refused.stderr
    own = ("--ipc", "none", "--tmpfs", "/dev/shm:size=64k", clean_lab.image, "grep", "/dev/shm", "/proc/mounts")
    assert "size=64k" in clean_lab.out("run", "--rm", *own)
    both = clean_lab.run("run", "--ipc", "none", "--shm-size", "1m", clean_lab.image, "true", ok=None)
    assert (both.returncode, both.stderr.count("\n"), "there is none of" in both.stderr) == (125, 1, True), both.stderr
