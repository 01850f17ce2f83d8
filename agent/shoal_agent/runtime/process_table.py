"""The processes of a container, as the node sees them and as the container does. Source: proc(5)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from shoal_agent.runtime.users import ID_COUNT
from shoal_proto.v1.container_pb2 import Process

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_NS: Final = 1_000_000_000
#: Characters of a command line that are told, and bytes of it that are read.
_LONGEST: Final = 1024
_READ: Final = 4 * _LONGEST
#: Processes that are told of; a container may have as many as its limit lets it.
MOST: Final = 4096
#: Device numbers of pseudoterminals (Documentation/admin-guide/devices.txt).
_PTS: Final = range(136, 144)


def processes(pids: Iterable[int], *, uid_base: int, booted: float, proc: Path = Path("/proc")) -> list[Process]:
    """Return what is to be told of processes, in the order of their start; those that have ended are left out.

    Args:
        pids: on the node.
        uid_base: first of the container's user ids there.
        booted: Unix time at which the host was started.
        proc: where the kernel shows processes.
    """
    found = []
    for pid in list(pids)[:MOST]:
        try:
            stat, status = ((proc / str(pid) / file).read_bytes() for file in ("stat", "status"))
            cmdline = _beginning(proc / str(pid) / "cmdline")
        except OSError:
            continue
        found.append(_process(pid, stat, status, cmdline, uid_base=uid_base, booted=booted))
    return sorted(found, key=lambda each: (each.started_at.ToNanoseconds(), each.inner_pid))


def _process(pid: int, stat: bytes, status: bytes, cmdline: bytes, *, uid_base: int, booted: float) -> Process:
    # The name is in brackets, and may have any character in it, brackets too.
    name = stat[stat.index(b"(") + 1 : stat.rindex(b")")]
    fields = stat[stat.rindex(b")") + 2 :].split()
    told = {key: value.split() for key, _, value in (line.partition(b":") for line in status.splitlines())}
    uid = int(told[b"Uid"][1]) - uid_base
    # As its own namespaces see it: first the node's, then the container's.
    inner = [int(each) for each in told.get(b"NSpid", [])]
    began = Timestamp()
    began.FromNanoseconds(int((booted + int(fields[19]) / _TICKS) * _NS))
    return Process(
        pid=pid,
        parent=int(fields[1]),
        inner_pid=inner[min(1, len(inner) - 1)] if inner else pid,
        # One that is not the container's is nobody's there.
        inner_uid=uid if 0 <= uid < ID_COUNT else ID_COUNT - 2,
        cpu_ns=(int(fields[11]) + int(fields[12])) * _NS // _TICKS,
        memory_bytes=int(fields[21]) * _PAGE,
        started_at=began,
        state=fields[0].decode(errors="replace"),
        terminal=_terminal(int(fields[4])),
        command=_command(cmdline, name),
    )


def _beginning(cmdline: Path) -> bytes:
    """Return as much of a command line as is told.

    A process says itself where its command line is, and may say that it is all of its memory (prctl(2), PR_SET_MM_MAP).
    """
    with cmdline.open("rb", buffering=0) as file:
        return file.read(_READ) or b""


def _command(cmdline: bytes, name: bytes) -> str:
    if not cmdline.strip(b"\0"):
        return f"[{_shown(name)}]"
    return _shown(cmdline.rstrip(b"\0").replace(b"\0", b" "))


def _shown(text: bytes) -> str:
    decoded = text[:_READ].decode(errors="replace")
    return "".join(char if char.isprintable() else "?" for char in decoded)[:_LONGEST]


def _terminal(number: int) -> str:
    """Return "pts/0" for the number of a terminal's device; "" for none."""
    major, minor = number >> 8 & 0xFFF, number & 0xFF | number >> 12 & 0xFFF00
    if major in _PTS:
        return f"pts/{(major - _PTS.start) * 256 + minor}"
    return "console" if number else ""
