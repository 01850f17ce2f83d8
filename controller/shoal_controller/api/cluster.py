"""`ClusterService`: the cluster as a whole."""

from __future__ import annotations

import asyncio
import hashlib
import platform
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Protocol

import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp

from shoal_common.errors import InvalidSpec, PermissionDenied, Unavailable
from shoal_common.identity import Role
from shoal_common.rpc_server import caller
from shoal_common.version import API, VERSION
from shoal_controller.api.containers.phases import phase_of
from shoal_controller.api.images.pruning import ImagePruning
from shoal_controller.api.nodes.disk_usage import SystemUsage
from shoal_controller.api.policy import Policies
from shoal_controller.api.views import is_ready
from shoal_controller.recovery.backup import Backup
from shoal_controller.recovery.health import StoreHealth
from shoal_controller.recovery.recover import Recovery
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import KV, Txn
from shoal_controller.state.maintenance import Maintenance
from shoal_controller.state.registration import Registration
from shoal_controller.state.store import SCHEMA, encode
from shoal_proto.v1 import cluster_pb2, cluster_pb2_grpc
from shoal_proto.v1.container_pb2 import ContainerPhase

#: Seconds.
DEFAULT_TOKEN_LIFE: Final = 24 * 3600
MIN_TOKEN_LIFE: Final = 10
MAX_TOKEN_LIFE: Final = 365 * 24 * 3600
#: Seconds for the store to say how it is.
_STORE_ANSWERS: Final = 2.0
#: What is said of a store that is out of space.
FULL: Final = "etcd is out of space and takes no writes (give space back with: shoal cluster compact)"

_Context = grpc.aio.ServicerContext[object, object]


class Store(KV, Protocol):
    """A store that can say what it is."""

    async def version(self) -> str:
        """Return its version.

        Raises:
            Unavailable: it does not answer.
        """
        ...

    async def full(self) -> bool:
        """Say whether it takes no writes for want of space.

        Raises:
            Unavailable: it does not answer.
        """
        ...


class ClusterService(cluster_pb2_grpc.ClusterServiceServicer):
    """Answers for the whole cluster, and lets hosts in.

    Args:
        ca_digest: SHA-256 of the CA's certificate (DER), in hexadecimal: what a join token pins.
        registration: knows which controllers run.
        controller: address of this controller's API.
        registry: host and port of the cluster's registry.
        maintenance: of the store.
        health: of the store.
        recovery: brings the cluster back when the store has lost it.
        backup: of the cluster.
        usage: of the nodes' disks.
        image_pruning: removes images from them.
    """

    def __init__(
        self,
        kv: Store,
        cache: ClusterCache,
        ca_digest: str,
        registration: Registration,
        controller: str,
        registry: str,
        maintenance: Maintenance,
        health: StoreHealth,
        recovery: Recovery,
        backup: Backup,
        usage: SystemUsage,
        image_pruning: ImagePruning,
    ) -> None:
        self._image_pruning = image_pruning
        self._backup = backup
        self._usage = usage
        self._health = health
        self._recovery = recovery
        self._kv = kv
        self._maintenance = maintenance
        self._cache = cache
        self._ca_digest = ca_digest
        self._registration = registration
        self._controller = controller
        self._registry = registry
        self._policies = Policies(kv, cache)

    async def GetInfo(self, request: cluster_pb2.GetInfoRequest, context: _Context) -> cluster_pb2.ClusterInfo:
        """See cluster.proto. Amounts are those of the nodes that are ready."""
        cache = self._cache
        info = cluster_pb2.ClusterInfo(
            version=VERSION,
            leader="" if cache.leader is None else cache.leader.value.address,
            registry=self._registry,
            controller=self._controller,
            revision=cache.revision,
            containers=len(cache.containers),
            containers_running=sum(
                phase_of(entry) == ContainerPhase.CONTAINER_PHASE_RUNNING for entry in cache.containers.values()
            ),
        )
        if cache.cluster is not None:
            cluster = cache.cluster.value
            info.cluster_id, info.epoch, info.subnet = cluster.id, cluster.epoch, cluster.subnet
        joined = [entry for entry in cache.nodes.values() if entry.spec is not None]
        ready = [entry for entry in joined if is_ready(entry)]
        info.nodes, info.nodes_ready = len(joined), len(ready)
        for entry in ready:
            if entry.ledger is None:
                continue
            ledger = entry.ledger.value
            info.capacity.memory_bytes += ledger.capacity.memory_bytes
            info.capacity.cpu_millis += ledger.capacity.cpu_millis
            info.reserved.memory_bytes += ledger.reserved.memory_bytes
            info.reserved.cpu_millis += ledger.reserved.cpu_millis
        info.controllers.extend(self._registration.running())
        info.store.extend(await self._maintenance.members())
        info.problems.extend(await self._problems(info))
        return info

    async def _problems(self, info: cluster_pb2.ClusterInfo) -> list[str]:
        problems = [problem] if (problem := self._health.problem) else []
        problems += [] if info.leader else ["no controller leads at the moment, and nothing is placed"]
        problems += [f"etcd member {member.address}: {member.reason}" for member in info.store if not member.healthy]
        if not any(member.healthy for member in info.store):
            return [*problems, "etcd takes no writes: what is known is served, and may be old"]
        try:
            # Whoever asks what is wrong must not wait for what is wrong.
            async with asyncio.timeout(_STORE_ANSWERS):
                if await self._kv.full():
                    problems.append(FULL)
        except TimeoutError:
            problems.append(f"etcd did not answer within {_STORE_ANSWERS:g} s (is it running?)")
        except Unavailable as error:
            problems.append(error.message)
        return problems

    def RecoverCluster(
        self, request: cluster_pb2.RecoverClusterRequest, context: _Context
    ) -> AsyncGenerator[cluster_pb2.RecoverClusterResponse, None]:
        """See cluster.proto."""
        return self._recovery.recover(request)

    async def GetVersion(
        self, request: cluster_pb2.GetVersionRequest, context: _Context
    ) -> cluster_pb2.GetVersionResponse:
        """See cluster.proto. Without an answer from etcd its version is left out: ours can still be told."""
        try:
            etcd = await self._kv.version()
        except Unavailable:
            etcd = ""
        return cluster_pb2.GetVersionResponse(version=VERSION, api=API, python=platform.python_version(), etcd=etcd)

    async def BackupCluster(
        self, request: cluster_pb2.BackupClusterRequest, context: _Context
    ) -> AsyncGenerator[cluster_pb2.BackupClusterResponse, None]:
        """See cluster.proto."""
        if caller().role is not Role.ADMIN:
            raise PermissionDenied(f"{caller()} may not have a backup, which has every key (an administrator may)")
        async with aclosing(self._backup.stream(request.passphrase)) as pieces:
            async for piece in pieces:
                yield cluster_pb2.BackupClusterResponse(data=piece)

    async def CompactStore(
        self, request: cluster_pb2.CompactStoreRequest, context: _Context
    ) -> cluster_pb2.CompactStoreResponse:
        """See cluster.proto."""
        done = await self._maintenance.compact()
        return cluster_pb2.CompactStoreResponse(
            size_before=done.size_before, size_after=done.size_after, alarm_cleared=done.alarm_cleared
        )

    async def GetPolicy(self, request: cluster_pb2.GetPolicyRequest, context: _Context) -> cluster_pb2.ClusterPolicy:
        """See cluster.proto."""
        return await self._policies.current()

    async def UpdatePolicy(
        self, request: cluster_pb2.UpdatePolicyRequest, context: _Context
    ) -> cluster_pb2.ClusterPolicy:
        """See cluster.proto."""
        if caller().role is not Role.ADMIN:
            raise PermissionDenied(f"{caller()} may not change the policy (an administrator may)")
        return await self._policies.update(request)

    async def GetSystemUsage(
        self, request: cluster_pb2.SystemUsageRequest, context: _Context
    ) -> cluster_pb2.SystemUsageResponse:
        """See cluster.proto."""
        return await self._usage.usage(request)

    async def PruneImages(
        self, request: cluster_pb2.PruneImagesRequest, context: _Context
    ) -> cluster_pb2.PruneImagesResponse:
        """See cluster.proto."""
        return await self._image_pruning.prune(request)

    async def CreateJoinToken(
        self, request: cluster_pb2.CreateJoinTokenRequest, context: _Context
    ) -> cluster_pb2.CreateJoinTokenResponse:
        """See cluster.proto. The token goes by itself when it expires: it is stored with a lease."""
        if caller().role is not Role.ADMIN:
            raise PermissionDenied(f"{caller()} may not make join tokens (an administrator may)")
        seconds = request.valid_seconds or DEFAULT_TOKEN_LIFE
        if not MIN_TOKEN_LIFE <= seconds <= MAX_TOKEN_LIFE:
            raise InvalidSpec(
                f"join token valid for {seconds} s is not possible (use {MIN_TOKEN_LIFE} to {MAX_TOKEN_LIFE} s)"
            )
        token_id, secret = secrets.token_hex(8), secrets.token_hex(24)
        expires = Timestamp(seconds=int(time.time()) + seconds)
        token = cluster_pb2.JoinToken(
            schema=SCHEMA,
            id=token_id,
            secret_sha256=hashlib.sha256(secret.encode()).digest(),
            role=Role.NODE.value,
            expires_at=expires,
        )
        txn = Txn()
        txn.put(keys.token(token_id), encode(token), expect=0, lease=await self._kv.grant(seconds))
        await self._cache.reached(await self._kv.commit(txn))
        return cluster_pb2.CreateJoinTokenResponse(
            token=f"SHOAL-1-{self._ca_digest}-{token_id}-{secret}", expires_at=expires
        )
