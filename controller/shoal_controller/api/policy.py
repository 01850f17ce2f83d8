"""The cluster's policy: read, changed once however often asked, and held against what is to be created."""

from __future__ import annotations

from typing import Final

from shoal_common.containers.permissions import missing, needs
from shoal_common.containers.policy import parse_permission
from shoal_common.errors import InvalidSpec, PermissionDenied, Unavailable
from shoal_common.ids import new_request_id
from shoal_common.messages import copied
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import KV, CompareFailed, OutcomeUnknown, Txn
from shoal_controller.state.store import SCHEMA, encode, read
from shoal_proto.v1.cluster_pb2 import ClusterPolicy, UpdatePolicyRequest
from shoal_proto.v1.container_pb2 import ContainerConfig

#: Times that an update is tried against a policy that others change at the same time.
_ATTEMPTS: Final = 10


class Policies:
    """Reads and changes the one policy there is."""

    def __init__(self, kv: KV, cache: ClusterCache) -> None:
        self._kv = kv
        self._cache = cache

    async def current(self) -> ClusterPolicy:
        """Return what is allowed now, by the store itself: whoever looks after a change sees it."""
        _, stored = await read(self._kv, ClusterPolicy, keys.policy())
        return _shown(stored.value if stored is not None else ClusterPolicy())

    async def update(self, request: UpdatePolicyRequest) -> ClusterPolicy:
        """Allow and deny; answer what is allowed now. A repeat of the last update changes nothing.

        Raises:
            InvalidSpec: a name is not known, or is both allowed and denied.
            Unavailable: the store does not answer, or others change the policy all the time.
        """
        allow = {parse_permission(name).value for name in request.allow}
        deny = {parse_permission(name).value for name in request.deny}
        if both := sorted(allow & deny):
            raise InvalidSpec(f'policy "{both[0]}" is allowed and denied in one request (say one of the two)')
        own_id = request.request_id or new_request_id()
        for _ in range(_ATTEMPTS):
            _, stored = await read(self._kv, ClusterPolicy, keys.policy())
            if stored is not None and stored.value.last_request_id == own_id:
                await self._cache.reached(stored.revision)
                return _shown(stored.value)
            policy = copied(stored.value) if stored is not None else ClusterPolicy(schema=SCHEMA)
            # What a newer version allows, and this one doesn't know, stays.
            policy.allowed[:] = sorted((set(policy.allowed) | allow) - deny)
            policy.last_request_id = own_id
            txn = Txn()
            txn.put(keys.policy(), encode(policy), expect=stored.revision if stored is not None else 0)
            try:
                await self._cache.reached(await self._kv.commit(txn))
            except (CompareFailed, OutcomeUnknown):
                # Read again: a late commit of this very request is told by its id.
                continue
            return _shown(policy)
        raise Unavailable("the policy is changed by others all the time, or etcd does not answer (try again)")


def held(cache: ClusterCache, name: str, config: ContainerConfig) -> int | None:
    """Check that the policy allows what a container asks for.

    Returns:
        The policy's revision (0: there is none), which the transaction that creates the container has to require: what
        was denied meanwhile is not created. None if it asks for nothing that needs to be allowed.

    Raises:
        PermissionDenied: the policy does not allow it.
    """
    if not needs(config):
        return None
    policy = cache.policy
    need = missing(config, policy.value.allowed if policy is not None else ())
    if need is not None:
        raise PermissionDenied(
            f'container "{name}" asks for {need.what}, which the cluster\'s policy does not allow '
            f"(an administrator allows it with: shoal cluster policy --allow {need.permission})"
        )
    return policy.revision if policy is not None else 0


def _shown(policy: ClusterPolicy) -> ClusterPolicy:
    return ClusterPolicy(schema=SCHEMA, allowed=policy.allowed)
