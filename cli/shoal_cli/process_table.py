"""The processes of a container, in the columns of ps(1).

Ids are those that the container sees, which a command executed in it can use; the node's are in the API's object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import click

from shoal_cli.formats import table
from shoal_proto.v1.container_pb2 import Process

_FULL: Final = ("uid", "pid", "ppid", "c", "stime", "tty", "time", "cmd")
_USER: Final = ("user", "pid", "%cpu", "rss", "tty", "stat", "start", "time", "command")
#: What a user may write instead of columns, and which it means.
_KNOWN: Final[Mapping[tuple[str, ...], tuple[str, ...]]] = {
    **dict.fromkeys([(), ("-ef",), ("-f",), ("-e", "-f"), ("ef",)], _FULL),
    **dict.fromkeys([("aux",), ("-aux",), ("au",), ("u",)], _USER),
    **dict.fromkeys([("-e",), ("-A",), ("ax",)], ("pid", "tty", "time", "comm")),
}
#: The same by other names.
_ALIASES: Final = {
    "args": "cmd",
    "command": "command",
    "tname": "tty",
    "tt": "tty",
    "pcpu": "%cpu",
    "state": "stat",
    "s": "stat",
    "start": "start",
    "cputime": "time",
    "ucmd": "comm",
    "rssize": "rss",
    "euid": "uid",
    "euser": "user",
}


def columns_of(options: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that options of ps(1) mean.

    Raises:
        click.UsageError: they are none that is known here.
    """
    words = tuple(options)
    if words in _KNOWN:
        return _KNOWN[words]
    text = ""
    if len(words) >= 2 and words[-2] in ("-o", "o", "-eo", "-Ao", "axo"):
        text = words[-1]
    elif len(words) == 1 and words[0].startswith("-o"):
        text = words[0][2:]
    names = [name.partition("=")[0].strip().lower() for name in text.split(",")] if text else []
    chosen = tuple(_ALIASES.get(name, name) for name in names)
    if not chosen or any(name not in _COLUMNS for name in chosen) or len(words) > 2:
        raise click.UsageError(
            f'options "{" ".join(words)[:80]}" of ps are not known here (use -ef, aux, or -o with some of: '
            f"{', '.join(_COLUMNS)})"
        )
    return chosen


def shown(processes: Sequence[Process], columns: Sequence[str], now: float) -> str:
    """Return the table."""
    inner = {process.pid: process.inner_pid for process in processes}
    rows = [[_COLUMNS[name][1](process, inner, now) for name in columns] for process in processes]
    return table([_COLUMNS[name][0] for name in columns], rows)


def _user(process: Process) -> str:
    return "root" if process.inner_uid == 0 else str(process.inner_uid)


def _seconds(process: Process) -> int:
    return process.cpu_ns // 1_000_000_000


def _time(process: Process) -> str:
    seconds = _seconds(process)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _age(process: Process, now: float) -> float:
    return max(now - process.started_at.ToNanoseconds() / 1e9, 0.001)


def _elapsed(process: Process, now: float) -> str:
    seconds = int(_age(process, now))
    hours, days = seconds // 3600 % 24, seconds // 86400
    text = f"{seconds // 60 % 60:02}:{seconds % 60:02}"
    text = f"{hours:02}:{text}" if hours or days else text
    return f"{days}-{text}" if days else text


def _percent(process: Process, now: float) -> float:
    return process.cpu_ns / 1e7 / _age(process, now)


def _began(process: Process, now: float) -> str:
    when = datetime.fromtimestamp(process.started_at.ToNanoseconds() / 1e9).astimezone()
    return f"{when:%H:%M}" if _age(process, now) < 86400 else f"{when:%b%d}"


def _name(process: Process) -> str:
    return process.command.split(" ")[0].rpartition("/")[2]


_Cell = Callable[[Process, Mapping[int, int], float], str]
_COLUMNS: Final[Mapping[str, tuple[str, _Cell]]] = {
    "pid": ("PID", lambda process, inner, now: str(process.inner_pid)),
    # What its parent is outside of the container is nothing to it.
    "ppid": ("PPID", lambda process, inner, now: str(inner.get(process.parent, 0))),
    "uid": ("UID", lambda process, inner, now: _user(process)),
    "user": ("USER", lambda process, inner, now: _user(process)),
    "c": ("C", lambda process, inner, now: str(min(99, int(_percent(process, now))))),
    "%cpu": ("%CPU", lambda process, inner, now: f"{_percent(process, now):.1f}"),
    "rss": ("RSS", lambda process, inner, now: str(process.memory_bytes >> 10)),
    "stime": ("STIME", lambda process, inner, now: _began(process, now)),
    "start": ("START", lambda process, inner, now: _began(process, now)),
    "etime": ("ELAPSED", lambda process, inner, now: _elapsed(process, now)),
    "time": ("TIME", lambda process, inner, now: _time(process)),
    "tty": ("TTY", lambda process, inner, now: process.terminal or "?"),
    "stat": ("STAT", lambda process, inner, now: process.state),
    "comm": ("COMMAND", lambda process, inner, now: _name(process)),
    "cmd": ("CMD", lambda process, inner, now: process.command),
    "command": ("COMMAND", lambda process, inner, now: process.command),
}
