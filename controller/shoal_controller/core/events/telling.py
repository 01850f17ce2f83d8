"""How an event is put together: its id, and what all of them have."""

from __future__ import annotations

from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from shoal_proto.v1.event_pb2 import Event

CONTAINER: Final = "container"
NODE: Final = "node"
CLUSTER: Final = "cluster"
#: What the names of labels begin with among attributes, so that none can pass for one of ours.
LABEL: Final = "label."


def event(
    type_: str, obj: str, action: str, time: Timestamp, which: object = "", *, name: str = "", node: str = ""
) -> Event:
    """Return an event of an object.

    Args:
        time: when it happened, as it is stored.
        which: tells it from others of the same action and object.
        name: of the object.
        node: name of the node where it happened.
    """
    told = Event(id=f"{type_}/{obj}/{action}" + (f"/{which}" if which != "" else ""), type=type_, action=action)
    told.object, told.name, told.node = obj, name, node
    told.time.CopyFrom(time)
    return told
