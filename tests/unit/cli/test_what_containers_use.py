"""The tables of `stats` and `top`."""

from __future__ import annotations

import json

import click
import pytest

from shoal_cli.process_table import columns_of, shown
from shoal_cli.stats_table import Board, binary, decimal
from shoal_proto.v1.container_pb2 import ContainerStats, Process, StatsResponse

WEB = ContainerStats(
    id="ab" * 32,
    name="web",
    node_name="node1",
    cpu_millis=1234,
    memory_bytes=16 << 20,
    memory_limit_bytes=64 << 20,
    network_received_bytes=1_050,
    network_sent_bytes=0,
    block_read_bytes=4_100_000,
    pids=3,
)
DB = ContainerStats(id="cd" * 32, name="db", node_name="node2", memory_bytes=1 << 30)


def rows(board: Board) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("   ") if cell.strip()] for line in board.table().splitlines()]


def test_docker_s_columns_and_numbers() -> None:
    board = Board({"node2": 4 << 30}, "table", whole=False)
    board.take(StatsResponse(stats=[WEB], node_name="node1"))
    board.take(StatsResponse(stats=[DB], node_name="node2"))
    heading, db, web = rows(board)
    assert heading == [
        *("CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS", "NODE"),
    ]
    assert web == [
        *("abababababab", "web", "123.40%", "16MiB / 64MiB", "25.00%", "1.05kB / 0B", "4.1MB / 0B", "3", "node1"),
    ]
    # Without a limit of its own it is measured by its node.
    assert db[3:5] == ["1GiB / 4GiB", "25.00%"]


def test_what_a_node_tells_takes_the_place_of_what_it_told_before() -> None:
    board = Board({}, "{{.Name}} {{.CPUPerc}} {{.memory_bytes}}", whole=True)
    board.take(StatsResponse(stats=[WEB, DB], node_name="node1"))
    assert board.table() == "db 0.00% 1073741824\nweb 123.40% 16777216"
    board.take(StatsResponse(stats=[DB], node_name="node1"))
    assert board.table() == "db 0.00% 1073741824"
    board.take(StatsResponse(node_name="node1"))
    assert board.table() == ""


def test_what_is_not_known_is_not_zero() -> None:
    board = Board({}, "table", whole=False)
    board.take(StatsResponse(stats=[ContainerStats(id="ab" * 32, name="web", problem="it is exited, not running")]))
    assert rows(board)[1] == ["abababababab", "web", "--", "--", "--", "--", "--", "--", "-"]
    assert not board.has_silent_nodes()
    board.take(StatsResponse(stats=[ContainerStats(name="db", problem="node down")], node_name="node1"))
    assert board.has_silent_nodes()
    assert json.loads(board.lines(StatsResponse(stats=[WEB])))["cpu_millis"] == 1234


def test_amounts_as_docker_writes_them() -> None:
    assert [binary(amount) for amount in (0, 1023, 1536, 512 << 20, 1 << 40)] == [
        "0B",
        "1023B",
        "1.5KiB",
        "512MiB",
        "1TiB",
    ]
    assert [decimal(amount) for amount in (0, 999, 1_234, 10**9)] == ["0B", "999B", "1.23kB", "1GB"]


PROCESSES = [
    Process(pid=900, parent=1, inner_pid=1, command="/bin/sh -c x", cpu_ns=3_723_000_000_000, memory_bytes=1 << 20),
    Process(pid=901, parent=900, inner_pid=7, inner_uid=33, command="sleep 9", state="S", terminal="pts/0"),
]


def test_processes_as_ps_shows_them() -> None:
    for process in PROCESSES:
        process.started_at.FromSeconds(1_000)
    lines = [line.split() for line in shown(PROCESSES, columns_of(()), 11_000).splitlines()]
    assert lines[0] == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert [lines[1][i] for i in (0, 1, 2, 3, 5, 6)] == ["root", "1", "0", "37", "?", "01:02:03"]
    assert [lines[2][i] for i in (0, 1, 2, 5)] == ["33", "7", "1", "pts/0"]
    chosen = shown(PROCESSES, columns_of(("-o", "pid,rss,etime,comm,s")), 91_000).splitlines()
    assert [line.split() for line in chosen] == [
        ["PID", "RSS", "ELAPSED", "COMMAND", "STAT"],
        ["1", "1024", "1-01:00:00", "sh"],
        ["7", "0", "1-01:00:00", "sleep", "S"],
    ]


@pytest.mark.parametrize("options", [("-Z",), ("-o",), ("-o", "nope"), ("-o", "pid", "x"), ("--forest", "-ef")])
def test_options_of_ps_that_are_not_known_are_refused(options: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError, match="not known here"):
        columns_of(options)
    assert columns_of(("aux",))[0] == "user"
    assert columns_of(("-opid,args",)) == ("pid", "cmd")
