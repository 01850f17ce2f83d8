"""The digest by which an agent and the leader agree on what a node holds without sending it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from shoal_proto.v1.dispatcher_pb2 import Assignment


def set_digest(assignments: Iterable[Assignment]) -> bytes:
    """Return the digest of a set of assignments, whatever their order.

    Both sides must hash the same bytes: messages are serialised deterministically, in the order of their ids.
    """
    whole = hashlib.sha256()
    for assignment in sorted(assignments, key=lambda a: a.id):
        data = assignment.SerializeToString(deterministic=True)
        whole.update(len(data).to_bytes(4, "big"))
        whole.update(data)
    return whole.digest()
