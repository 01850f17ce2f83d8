"""What containers are limited to and what they use, each test named for what it holds."""

from __future__ import annotations

import json

from tests.parts.lab import LabUnderTest, eventually

#: A node that all containers of a test share.
WHERE = ("--constraint", "node.name==node1")
#: Two processes that would have two cores.
BUSY = ("sh", "-c", "while :; do :; done & while :; do :; done")
#: Nanoseconds of a processor and seconds of the clock, twice.
LOOK = "cat /sys/fs/cgroup/cpuacct/cpuacct.usage /proc/uptime"


def cores(lab: LabUnderTest, name: str) -> float:
    """Return how many cores a container has had for three seconds."""
    told = lab.out("exec", name, "sh", "-c", f"{LOOK}; sleep 3; {LOOK}").split()
    used, began, _, still_used, ended, _ = (float(each) for each in told)
    return (still_used - used) / 1e9 / (ended - began)


def test_a_memory_hog_is_killed_and_said_to_be_while_its_neighbour_works_on(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    lab.run("run", "-d", "--name", "neighbour", "-m", "64m", *WHERE, lab.image, "sleep", "1000")
    done = lab.run("run", "--name", "hog", "-m", "16m", *WHERE, lab.image, "tail", "/dev/zero", ok=None)
    assert done.returncode == 137
    status = lab.inspect("hog")["status"]
    assert (status["exit_code"], status["oom_killed"]) == (137, True)
    assert "(OOMKilled)" in lab.out("ps", "-a", "--filter", "name=hog")
    assert "(OOMKilled)" not in lab.out("ps", "-a", "--filter", "name=neighbour")
    assert lab.out("exec", "neighbour", "echo", "works") == "works"
    # A child of the first process counts as well, as with Docker.
    child = "tail /dev/zero; exit 3"
    assert lab.run("run", "--name", "of", "-m", "16m", *WHERE, lab.image, "sh", "-c", child, ok=None).returncode == 3
    assert lab.inspect("of")["status"]["oom_killed"]


def test_half_a_core_is_half_a_core(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    lab.run("run", "-d", "--name", "half", "--cpus", "0.5", *WHERE, lab.image, *BUSY)
    seen: list[float] = []

    def half() -> bool:
        seen.append(cores(lab, "half"))
        assert seen[-1] <= 0.55, f"it had more: {seen}"
        # Others of the machine may have had its half.
        return seen[-1] >= 0.45

    eventually(half, seconds=60, what=f"half a core: {seen}")


def test_what_the_limits_are_is_in_its_control_groups(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    words = ("-m", "64m", "--memory-swap", "96m", "--memory-reservation", "32m", "-c", "512", "--cpuset-cpus", "0")
    lab.run("run", "-d", "--name", "held", *words, *WHERE, lab.image, "sleep", "1000")
    group = "/sys/fs/cgroup"
    files = ("memory/memory.limit_in_bytes", "memory/memory.memsw.limit_in_bytes", "memory/memory.soft_limit_in_bytes")
    shown = lab.out("exec", "held", "cat", *(f"{group}/{file}" for file in files)).split()
    assert shown == [str(64 << 20), str(96 << 20), str(32 << 20)]
    assert lab.out("exec", "held", "cat", f"{group}/cpu/cpu.shares", f"{group}/cpuset/cpuset.cpus").split() == [
        *("512", "0")
    ]
    assert lab.out("exec", "held", "grep", "Cpus_allowed_list", "/proc/self/status").split()[1] == "0"


def test_what_no_node_can_do_waits_and_says_why(clean_lab: LabUnderTest) -> None:
    clean_lab.run("create", "--name", "odd", "--cpuset-cpus", "4000", clean_lab.image, ok=None)
    detail = eventually(lambda: clean_lab.inspect("odd").get("detail", ""), seconds=10, what="a reason")
    assert detail.startswith("3 nodes: ")
    assert "has no cpus 4000" in detail


def memory_of(lab: LabUnderTest, name: str) -> int:
    return int(lab.out("exec", name, "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def booked(lab: LabUnderTest) -> tuple[int, int]:
    """Return what is reserved on node1: bytes of memory and thousandths of a core."""
    nodes = {each["spec"]["name"]: each for each in lab.json_lines("node", "ls", "--format", "json")}
    reserved = nodes["node1"]["ledger"]["reserved"]
    return int(reserved["memory_bytes"]), int(reserved["cpu_millis"])


def test_limits_are_changed_while_it_runs_and_last(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    lab.run("run", "-d", "--name", "db", "-m", "64m", "--cpus", "0.5", *WHERE, lab.image, "sleep", "1000")
    assert lab.out("update", "-m", "128m", "--cpus", "1.5", "--cpuset-cpus", "0", "db") == "db"
    files = [f"/sys/fs/cgroup/{file}" for file in ("cpu/cpu.cfs_quota_us", "cpuset/cpuset.cpus")]
    assert (memory_of(lab, "db"), lab.out("exec", "db", "cat", *files).split()) == (128 << 20, ["150000", "0"])
    assert booked(lab) == (128 << 20, 1500)
    # Its agent dies: what runs keeps its limits, and what is changed meanwhile is set by the next one.
    lab.lab("kill", "node1", "agent")
    lab.run("update", "-m", "96m", "db")
    lab.lab("start", "node1")
    eventually(lambda: lab.node_state("node1") == "READY", seconds=30, what="the next agent is heard of")
    eventually(lambda: memory_of(lab, "db") == 96 << 20, seconds=10, what="it sets what was changed meanwhile")
    lab.run("restart", "-t", "0", "db")
    assert memory_of(lab, "db") == 96 << 20
    # What the node took away is there for others.
    eventually(lambda: booked(lab)[0] == 96 << 20, seconds=10, what="less is booked")


def test_limits_that_a_node_has_no_room_for_are_refused(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    lab.run("run", "-d", "--name", "db", "-m", "64m", *WHERE, lab.image, "sleep", "1000")
    done = lab.run("update", "-m", "64g", "db", ok=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "lacks memory (needs 63.94 GiB, most free 3.938 GiB)" in done.stderr
    assert memory_of(lab, "db") == 64 << 20
    assert lab.run("update", "db", ok=None).returncode == 2


def test_memory_that_is_in_use_is_not_taken_away(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    hold = "x=$(yes | head -c 24m); echo full; sleep 1000; echo $x"
    lab.run("run", "-d", "--name", "db", "-m", "128m", *WHERE, lab.image, "sh", "-c", hold)
    eventually(lambda: lab.out("logs", "db") == "full", seconds=20, what="it holds its memory")
    done = lab.run("update", "-m", "16m", "db", ok=False)
    assert "memory stays as it was until the next start" in done.stderr
    found = lab.inspect("db")
    assert found["status"]["state"] == "CONTAINER_STATE_RUNNING"
    assert "in use" in found["status"]["warning"]
    assert memory_of(lab, "db") == 128 << 20


def test_limits_that_contradict_each_other_make_nothing(clean_lab: LabUnderTest) -> None:
    for words in (("-m", "64m", "--memory-swap", "32m"), ("-m", "8m", "--memory-reservation", "9m")):
        done = clean_lab.run("run", *words, clean_lab.image, "true", ok=None)
        assert (done.returncode, done.stderr.count("\n")) == (125, 1), done.stderr
    assert not clean_lab.containers()


def test_what_containers_use_on_several_nodes_is_one_table(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    lab.run("run", "-d", "--name", "busy", "--cpus", "0.5", "-m", "64m", *WHERE, lab.image, *BUSY)
    where = ("--constraint", "node.name==node2")
    hold = "x=$(yes | head -c 24m); echo full; sleep 1000; echo $x"
    lab.run("run", "-d", "--name", "full", *where, lab.image, "sh", "-c", hold)
    eventually(lambda: lab.out("logs", "full") == "full", seconds=20, what="it holds its memory")
    lab.run("create", "--name", "made", lab.image)
    heading, *rows = lab.out("stats", "--no-stream").splitlines()
    assert heading.split("   ")[0] == "CONTAINER ID"
    shown = {row.split()[1]: row for row in rows}
    assert set(shown) == {"busy", "full"}
    assert "64MiB" in shown["busy"]
    assert shown["busy"].split()[-1] == "node1"
    found = {each["name"]: each for each in lab.json_lines("stats", "--no-stream", "--format", "json", "busy", "full")}
    # Others of the machine may have had some of its half.
    assert 50 < found["busy"]["cpu_millis"] <= 600
    assert int(found["busy"]["throttled_periods"]) > 0
    assert int(found["full"]["memory_bytes"]) > 24 << 20
    assert found["busy"]["pids"] == "2"
    everything = lab.out("stats", "--no-stream", "--all", "--format", "{{.Name}} {{.CPUPerc}}").splitlines()
    assert "made --" in everything
    # As a stream: each line is an object, as soon as it is known.
    stream = lab.spawn("stats", "--format", "json", "busy")
    assert stream.stdout is not None
    looks = [json.loads(stream.stdout.readline()) for _ in range(3)]
    stream.terminate()
    stream.communicate()
    assert [each["name"] for each in looks] == ["busy"] * 3
    times = [int(each["cpu_ns"]) for each in looks]
    assert times == sorted(times)
    assert times[0] < times[-1]


def test_processes_are_shown_by_the_ids_that_the_container_knows(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    lab.run("run", "-d", "--name", "web", *WHERE, lab.image, "sh", "-c", "sleep 1000 & exec sleep 2000")
    heading, *rows = lab.out("top", "web").splitlines()
    assert heading.split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert rows[0].split()[0:2] == ["root", "1"]
    assert [" ".join(row.split()[7:]) for row in rows] == ["sleep 2000", "sleep 1000"]
    child = rows[1].split()[1]
    assert lab.out("top", "web", "-o", "pid,comm").splitlines()[1].split() == ["1", "sleep"]
    lab.run("exec", "web", "kill", "-9", child)
    eventually(lambda: len(lab.json_lines("top", "web", "--format", "json")) == 1, seconds=10, what="it is gone")
    assert lab.run("top", "web", "--forest", ok=None).returncode == 2
    lab.run("stop", "-t", "0", "web")
    assert "not running" in lab.run("top", "web", ok=False).stderr
