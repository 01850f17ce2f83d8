"""What happens in the cluster, without a gap: `cluster.events`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from shoal_proto.v1.event_pb2 import Event, WatchEventsRequest
from shoal_proto.v1.event_pb2_grpc import EventServiceStub

if TYPE_CHECKING:
    from shoal.transport import Transport

#: Ids that are remembered, so that what another controller tells again is told once.
_REMEMBERED: Final = 20_000


class Events:
    """Events of containers, nodes and the cluster, the same whichever controller tells them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def watch(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        filters: Iterable[str] = (),
        after_revision: int = 0,
    ) -> AsyncGenerator[Event, None]:
        """Yield each event once, whatever becomes of the controller that tells them.

            async with aclosing(cluster.events.watch(filters=["type=container", "action=die"])) as events:
                async for event in events:
                    print(event.name, event.attributes["exit_code"])

        Args:
            since: also what happened from then on, in the order of time, as far as it is remembered.
            until: end there; left out: go on for ever.
            filters: "key=value", key one of type, action, container, node, namespace, label, image. The same key
                several times: any of them; different keys: all of them.
            after_revision: go on after this revision, such as that of the last event of an earlier watch. Events of
                that revision may come again.

        Raises:
            InvalidSpec: a filter is malformed.
            Unavailable: no controller answered.
        """
        wanted = list(filters)
        reached, opened = after_revision, False
        told: OrderedDict[str, None] = OrderedDict()

        def request() -> WatchEventsRequest:
            asked = WatchEventsRequest(filters=wanted, after_revision=reached)
            if since is not None and not opened:
                asked.since.FromDatetime(since.astimezone(UTC))
            if until is not None:
                asked.until.FromDatetime(until.astimezone(UTC))
            return asked

        patience = self._transport.patience()
        while True:
            stream = self._transport.stream(lambda channel: EventServiceStub(channel).WatchEvents, request)
            async with aclosing(stream) as responses:
                async for response in responses:
                    for event in response.events:
                        if event.id in told:
                            continue
                        told[event.id] = None
                        if len(told) > _REMEMBERED:
                            told.popitem(last=False)
                        yield event
                    if response.revision:
                        reached, opened = max(reached, response.revision), True
            if until is not None:
                return
            await patience.unfinished("the watch for events")
