"""What control groups and /proc say of containers, as numbers."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from shoal_agent.runtime.process_table import processes
from shoal_agent.runtime.statistics import FILES, NETWORK, Reading, millis, parse
from shoal_proto.v1.container_pb2 import ContainerStats

TICKS = os.sysconf("SC_CLK_TCK")
DEVICES = "\n".join(
    (
        "Inter-|   Receive                            |  Transmit",
        " face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier",
        "    lo:  999  1 0 0 0 0 0 0  999  1 0 0 0 0 0 0",
        "  eth0: 1234 10 0 0 0 0 0 0 5678 20 0 0 0 0 0 0",
    )
)


def test_version_one() -> None:
    texts = {
        "cpuacct.usage": "1500000000\n",
        "cpuacct.stat": f"user {TICKS}\nsystem {TICKS // 2}\n",
        "cpu.stat": "nr_periods 10\nnr_throttled 4\nthrottled_time 700\n",
        "memory.usage_in_bytes": "5000\n",
        "memory.limit_in_bytes": "9223372036854771712\n",
        "memory.stat": "cache 1\ntotal_cache 3000\ntotal_inactive_file 2000\ntotal_swap 77\n",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        "pids.current": "3\n",
        "pids.max": "4096\n",
        "blkio.throttle.io_service_bytes_recursive": "8:0 Read 10\n8:0 Write 20\n8:16 Read 5\nTotal 35\n",
        NETWORK: DEVICES,
    }
    assert set(texts) == {NETWORK, *(file for files in FILES[1].values() for file in files)}
    assert parse(texts, 1) == ContainerStats(
        cpu_ns=1_500_000_000,
        cpu_user_ns=1_000_000_000,
        cpu_system_ns=500_000_000,
        throttled_periods=4,
        throttled_ns=700,
        memory_bytes=3000,
        memory_cache_bytes=3000,
        swap_bytes=77,
        oom_kills=2,
        pids=3,
        pids_limit=4096,
        block_read_bytes=15,
        block_written_bytes=20,
        network_received_bytes=1234,
        network_sent_bytes=5678,
    )


def test_version_two() -> None:
    texts = {
        "cpu.stat": "usage_usec 15\nuser_usec 10\nsystem_usec 5\nnr_periods 9\nnr_throttled 4\nthrottled_usec 7\n",
        "memory.current": "5000\n",
        "memory.max": "64000\n",
        "memory.stat": "anon 1\nfile 3000\ninactive_file 2000\n",
        "memory.swap.current": "77\n",
        "memory.events": "oom 2\noom_kill 2\n",
        "pids.current": "3\n",
        "pids.max": "max\n",
        "io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n8:16 rbytes=5 wbytes=0\n",
    }
    assert set(texts) == {file for files in FILES[2].values() for file in files}
    assert parse(texts, 2) == ContainerStats(
        cpu_ns=15_000,
        cpu_user_ns=10_000,
        cpu_system_ns=5_000,
        throttled_periods=4,
        throttled_ns=7_000,
        memory_bytes=3000,
        memory_limit_bytes=64000,
        memory_cache_bytes=3000,
        swap_bytes=77,
        oom_kills=2,
        pids=3,
        block_read_bytes=15,
        block_written_bytes=20,
    )


@given(st.dictionaries(st.sampled_from([NETWORK, "memory.stat", "io.stat", "cpu.stat", "pids.max"]), st.text()))
def test_whatever_files_say_is_no_fault(texts: dict[str, str]) -> None:
    for version in (1, 2):
        parse(texts, version)


def test_rates_are_of_the_time_between_two_looks() -> None:
    first = Reading(10.0, ContainerStats(cpu_ns=1_000_000_000))
    second = Reading(12.0, ContainerStats(cpu_ns=2_000_000_000))
    assert millis(first, second) == 500
    assert millis(None, second) == 0
    assert millis(second, second) == 0
    # Started anew, it begins again from nothing.
    assert millis(second, Reading(13.0, ContainerStats(cpu_ns=5))) == 0


def play(
    proc: Path, pid: int, name: str, command: bytes, *, parent: int, uid: int, inner: str, terminal: int = 0
) -> None:
    (proc / str(pid)).mkdir()
    fields = ["0"] * 50
    fields[0], fields[1], fields[4] = "S", str(parent), str(terminal)
    fields[11], fields[12], fields[19], fields[21] = str(TICKS), str(TICKS), str(pid * TICKS), "2"
    (proc / str(pid) / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}")
    (proc / str(pid) / "status").write_text(f"Name:\tx\nUid:\t0\t{uid}\t0\t0\nNSpid:\t{inner}\n")
    (proc / str(pid) / "cmdline").write_bytes(command)


def test_processes_as_the_container_sees_them(tmp_path: Path) -> None:
    play(tmp_path, 100, "sh", b"sh\0-c\0sleep 9\0", parent=99, uid=500_000, inner="100 1", terminal=136 << 8 | 3)
    # A name that tries to pass for the end of the field, and a command that would move the cursor.
    play(tmp_path, 200, "a) R 1 (b", b"\x1b[2J\0", parent=100, uid=500_033, inner="200 7 1")
    play(tmp_path, 300, "idle", b"", parent=100, uid=4, inner="300 8")
    found = processes([300, 200, 100, 999], uid_base=500_000, booted=1000.0, proc=tmp_path)
    assert [(each.pid, each.parent, each.inner_pid, each.inner_uid) for each in found] == [
        (100, 99, 1, 0),
        (200, 100, 7, 33),
        (300, 100, 8, 65534),
    ]
    assert [each.command for each in found] == ["sh -c sleep 9", "?[2J", "[idle]"]
    assert [each.terminal for each in found] == ["pts/3", "", ""]
    assert (found[0].state, found[0].cpu_ns, found[0].started_at.seconds) == ("S", 2_000_000_000, 1100)


def test_of_a_command_line_no_more_is_read_than_told(tmp_path: Path) -> None:
    play(tmp_path, 100, "sh", b"sh\0-c\0", parent=99, uid=0, inner="100 1")
    # A process may say that all of its memory is its command line; here it has a terabyte.
    with (tmp_path / "100/cmdline").open("r+b") as file:
        file.truncate(1 << 40)
    (found,) = processes([100], uid_base=0, booted=1000.0, proc=tmp_path)
    assert found.command == "sh -c"
