"""What waits for the leader's loop: news of nodes, and reports of containers, each until it is committed."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoal_common.status import order
from shoal_proto.v1.dispatcher_pb2 import StatusReport
from shoal_proto.v1.node_pb2 import NodeDescription, NodeState

if TYPE_CHECKING:
    from shoal_controller.leader.sessions import AgentSession


@dataclass(frozen=True, slots=True, eq=False)
class Opening:
    """An agent process wants to speak for a node; `epoch` gets its session's epoch, or what went wrong."""

    node: str
    process_id: str
    description: NodeDescription
    epoch: asyncio.Future[int]


@dataclass(frozen=True, slots=True)
class Described:
    """A node's resources, labels or addresses changed."""

    node: str
    description: NodeDescription


@dataclass(frozen=True, slots=True)
class StraysFound:
    """A node has containers that no hold names."""

    node: str
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StateSeen:
    """A node is heard of again, or no longer."""

    node: str
    state: NodeState
    reason: str


@dataclass(frozen=True, slots=True)
class VolumesGone:
    """A node has nothing any more of volumes that it was told to remove."""

    node: str
    ids: tuple[str, ...]


News = Opening | Described | StraysFound | StateSeen | VolumesGone
#: Node, container, generation, and whether it is the news that nothing is left.
ReportKey = tuple[str, str, int, bool]


@dataclass(frozen=True, slots=True)
class Reported:
    """A report, and the session that it came by, to which it and all up to number `last` are acknowledged."""

    session: AgentSession
    report: StatusReport
    last: int


class Inbox:
    """Coalesces reports: of one container only the newest waits, and acknowledging it acknowledges those before."""

    def __init__(self) -> None:
        #: Set when there is something new, here or in the cache.
        self.wake = asyncio.Event()
        self.news: deque[News] = deque()
        self._reports: dict[ReportKey, Reported] = {}

    def put_news(self, news: News) -> None:
        """Add news of a node, in the place of older ones of the same kind that still wait."""
        if isinstance(news, Described | StraysFound | VolumesGone):
            # Else a node could fill the memory with what it says while the store is away.
            for waiting in [each for each in self.news if type(each) is type(news) and each.node == news.node]:
                self.news.remove(waiting)
        self.news.append(news)
        self.wake.set()

    def settle_news(self, news: News) -> None:
        """Take away news that are committed, unless newer ones took their place."""
        with suppress(ValueError):
            self.news.remove(news)

    def put_report(self, session: AgentSession, report: StatusReport) -> None:
        """Add a report, in the place of an older one of the same container if it still waits."""
        key = (session.node, report.id, report.status.generation, report.removed)
        waiting = self._reports.get(key)
        last = report.status.report
        if waiting is not None and waiting.session is session:
            last = max(last, waiting.last)
            if order(report.status) < order(waiting.report.status):
                # Told again, or overtaken: what counts is the furthest, but both want their acknowledgement.
                report = waiting.report
        self._reports[key] = Reported(session, report, last)
        self.wake.set()

    def reports(self) -> list[Reported]:
        """Return what waits, oldest first. It stays until it is settled."""
        return list(self._reports.values())

    def settle(self, reported: Reported) -> None:
        """Take away a report that is committed, unless a newer one came meanwhile."""
        report = reported.report
        key = (reported.session.node, report.id, report.status.generation, report.removed)
        if self._reports.get(key) is reported:
            del self._reports[key]
