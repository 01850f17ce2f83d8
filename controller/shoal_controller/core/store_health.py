"""Whether the store can be believed: what is wrong with it, in a line that says which command mends it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: A revision that no store reaches.
NEVER: Final = 2**63 - 1

FROM_NODES: Final = "shoal cluster recover --from-nodes"
ACCEPT_RESTORE: Final = "shoal cluster recover --accept-restore"


@dataclass(frozen=True, slots=True)
class Mark:
    """The furthest that one controller has seen its cluster's store, kept on its own disk.

    Attributes:
        epoch, revision: 0 before it has seen any.
        suspicion: how the store was found to have lost something, a line; empty if it wasn't. It holds until the
            cluster's epoch is above `epoch`: revisions of a store that was set back grow like any others, and would
            soon hide it.
    """

    epoch: int = 0
    revision: int = 0
    suspicion: str = ""


@dataclass(frozen=True, slots=True)
class StoreView:
    """The store as a controller sees it now. `cluster` is the id in it, empty for none."""

    cluster: str
    epoch: int
    revision: int
    recovering: bool


def is_behind(mark: Mark, view: StoreView) -> bool:
    """Say whether the store, which is the same cluster's, is at an earlier place than this controller has seen."""
    return (view.epoch, view.revision) < (mark.epoch, mark.revision)


def behind(mark: Mark, view: StoreView) -> str:
    """Return what is suspected of a store that is behind."""
    return (
        f"etcd was set back: it is at epoch {view.epoch}, revision {view.revision}, and was at epoch {mark.epoch}, "
        f"revision {mark.revision}"
    )


def ahead(node: str, epoch: int, revision: int, view: StoreView) -> str:
    """Return what is suspected of a store that is behind what a node has followed."""
    return (
        f"etcd was set back: it is at epoch {view.epoch}, revision {view.revision}, and node {node} has followed "
        f"epoch {epoch}, revision {revision}"
    )


def problem(own: str, mark: Mark, view: StoreView) -> str:
    """Return what is wrong with the store, with its remedy; empty if nothing.

    Args:
        own: id of the cluster that this controller belongs to.
    """
    if not view.cluster:
        if mark.epoch:
            return f"etcd has lost the cluster, it has no identity in it (bring it back from its nodes: {FROM_NODES})"
        return (
            f"the cluster has no identity in etcd (a new one: shoal controller init; if etcd has lost it: {FROM_NODES})"
        )
    if view.cluster != own:
        return (
            f"etcd holds cluster {view.cluster}, this controller belongs to {own} (start it with its own etcd, or give "
            f"this one over to it: {FROM_NODES})"
        )
    if mark.suspicion and view.epoch <= mark.epoch:
        return f"{mark.suspicion} (bring it up to date from its nodes: {ACCEPT_RESTORE})"
    if view.recovering:
        return f"a recovery of the cluster is under way, or was broken off (finish it: {ACCEPT_RESTORE})"
    return ""


def horizon(*, epoch: int, cluster_revision: int, recovering: bool, followed_epoch: int, followed_revision: int) -> int:
    """Return the revision of the store up to which a node has heard of changes; what is later is news to it.

    The history of a restored store begins like the one that the node has followed, so that revisions compare. In an
    emptied one they begin anew: then nothing is later. What was written since the last recovery is news to every node
    that has not followed since.

    Args:
        epoch: of the cluster, raised by the recovery.
        cluster_revision: of the cluster's object: of the end of the last recovery, unless one is under way.
        recovering: one is under way.
        followed_epoch, followed_revision: what the node's agent says it has followed.
    """
    told = followed_revision if followed_epoch == epoch - 1 else NEVER
    return told if recovering else min(told, cluster_revision)
