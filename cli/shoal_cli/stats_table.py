"""What containers use, in Docker's columns and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shoal_cli.formats import as_json, shown
from shoal_cli.rows import Columns
from shoal_common.ids import SHORT_ID
from shoal_proto.v1.container_pb2 import ContainerStats, StatsResponse

_HEADINGS: Final = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs", "Node")
_NOTHING: Final = "--"


class Board:
    """The newest that is known of each node's containers.

    Args:
        memories: bytes of memory of each node, by its name.
        form: "table" or a template, as of every list.
        whole: ids are not cut.
    """

    def __init__(self, memories: Mapping[str, int], form: str, *, whole: bool) -> None:
        self._memories = memories
        self._form = form
        self._whole = whole
        self._of_node: dict[str, list[ContainerStats]] = {}

    def take(self, answer: StatsResponse) -> None:
        """Take what a node tells, in place of what it told before."""
        self._of_node[answer.node_name] = list(answer.stats)

    def has_silent_nodes(self) -> bool:
        """Say whether there is a container of which its node has told nothing."""
        return any(each.problem for node, stats in self._of_node.items() if node for each in stats)

    def table(self) -> str:
        """Return all of it, in the order of the names."""
        found = sorted((each for stats in self._of_node.values() for each in stats), key=lambda each: each.name)
        return "\n".join(shown(found, self._form, self._columns(), _HEADINGS))

    def lines(self, answer: StatsResponse) -> str:
        """Return one answer as JSON, an object a line."""
        return "\n".join(as_json(each) for each in answer.stats)

    def _columns(self) -> Columns[ContainerStats]:
        def limit(stats: ContainerStats) -> int:
            return stats.memory_limit_bytes or self._memories.get(stats.node_name, 0)

        def share(stats: ContainerStats) -> str:
            most = limit(stats)
            return f"{100 * stats.memory_bytes / most:.2f}%" if most else _NOTHING

        columns: Columns[ContainerStats] = {
            "CPUPerc": ("CPU %", lambda s: f"{s.cpu_millis / 10:.2f}%"),
            "MemUsage": ("MEM USAGE / LIMIT", lambda s: f"{binary(s.memory_bytes)} / {binary(limit(s))}"),
            "MemPerc": ("MEM %", share),
            "NetIO": ("NET I/O", lambda s: f"{decimal(s.network_received_bytes)} / {decimal(s.network_sent_bytes)}"),
            "BlockIO": ("BLOCK I/O", lambda s: f"{decimal(s.block_read_bytes)} / {decimal(s.block_written_bytes)}"),
            "PIDs": ("PIDS", lambda s: str(s.pids)),
        }
        whole = self._whole
        return {
            "ID": ("CONTAINER ID", lambda s: s.id if whole else s.id[:SHORT_ID]),
            "Container": ("CONTAINER", lambda s: s.name),
            "Name": ("NAME", lambda s: s.name),
            **{
                name: (heading, lambda s, cell=cell: _NOTHING if s.problem else cell(s))  # type: ignore[misc]
                for name, (heading, cell) in columns.items()
            },
            "Node": ("NODE", lambda s: s.node_name or "-"),
        }


def binary(amount: int) -> str:
    """Return bytes as Docker writes memory, in units of 1024: "4.5MiB"."""
    return _amount(amount, 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"))


def decimal(amount: int) -> str:
    """Return bytes as Docker writes traffic, in units of 1000: "1.05kB"."""
    return _amount(amount, 1000, ("B", "kB", "MB", "GB", "TB", "PB"))


def _amount(amount: int, factor: int, units: tuple[str, ...]) -> str:
    value, unit = float(amount), 0
    while value >= factor and unit < len(units) - 1:
        value, unit = value / factor, unit + 1
    digits = 4 if factor == 1024 else 3
    return f"{value:.{digits}g}{units[unit]}"
