"""Whether what nodes have on record comes to be stored, once nothing is in its way. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from shoal_proto.v1.agent_pb2 import ContainerRecord
from tests.soak.chronicle import Chronicle
from tests.soak.history import Trouble
from tests.soak.schedule import Kind
from tests.soak.violation import Violation

#: Seconds of calm after which a report is stored: it is sent again every five.
LIMIT: Final = 9.0
#: Seconds that sessions take to be there again after a fault.
AGAIN: Final = 5.0
#: What keeps no node from reporting.
_HARMLESS: Final = frozenset(
    {Kind.REGISTRY_KILLED.value, Kind.REGISTRY_PAUSED.value, Kind.REGISTRY_WITHOUT_PULLS.value}
)


@dataclass(slots=True)
class Convergence:
    """Watches what lags behind.

    Attributes:
        since: when a node was first seen to know more than report N of a container, which is what is stored.
        looked: how many records were compared.
    """

    since: dict[tuple[str, str, int], float] = field(default_factory=dict)
    told: set[tuple[str, str, int]] = field(default_factory=set)
    looked: int = 0

    def look(
        self,
        now: float,
        records: Mapping[tuple[str, str], ContainerRecord],
        chronicle: Chronicle,
        troubles: Iterable[Trouble],
    ) -> list[Violation]:
        """Compare what nodes have on record with what is stored, and return what has lagged behind for too long.

        Args:
            now: in seconds since the beginning, as troubles are.
            records: by name of the node and id of the container.
        """
        calm = calm_since(now, troubles)
        ids = {spec.name: node for node, spec in chronicle.nodes.items()}
        behind: dict[tuple[str, str, int], float] = {}
        wrong = []
        for (node, container), record in records.items():
            hold = chronicle.holds.get(ids.get(node, ""), {}).get(container)
            if hold is None or hold.generation != record.status.generation:
                continue
            self.looked += 1
            status = chronicle.statuses.get(container)
            stored = status.report if status is not None and status.generation == hold.generation else 0
            if record.status.report <= stored:
                continue
            key = (node, container, stored)
            behind[key] = self.since.get(key, now)
            waited = now - max(behind[key], calm)
            if waited > LIMIT and key not in self.told:
                self.told.add(key)
                what = f"{node} has report {record.status.report} on record, {stored} is stored after {waited:.0f} s"
                wrong.append(Violation("convergence", f"{what} of calm", container))
        self.since = behind
        return wrong


def calm_since(now: float, troubles: Iterable[Trouble]) -> float:
    """Return since when nothing keeps nodes from reporting; the future while something does."""
    ends = (trouble.ended for trouble in troubles if trouble.kind not in _HARMLESS)
    last = max(ends, default=-math.inf)
    return math.inf if last > now else last + AGAIN
