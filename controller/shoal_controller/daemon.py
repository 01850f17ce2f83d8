"""One controller process, from its files to its last goodbye."""

from __future__ import annotations

import asyncio
import logging
import resource
import secrets
import signal

import grpc.aio

from shoal_common.errors import NotFound, ShoalError, first_cause
from shoal_common.registry import Registry
from shoal_common.rpc_client import checked
from shoal_common.sealing import Sealer, load_or_create_key
from shoal_common.version import VERSION
from shoal_controller.api.cluster import ClusterService
from shoal_controller.api.containers.service import ContainerService
from shoal_controller.api.images.pruning import ImagePruning
from shoal_controller.api.images.service import ImageService
from shoal_controller.api.nodes.disk_usage import NodeDisks, SystemUsage
from shoal_controller.api.nodes.service import NodeService
from shoal_controller.api.streams.relay import Agents
from shoal_controller.api.views import Views
from shoal_controller.api.volumes.service import VolumeService
from shoal_controller.events.log import EventLog
from shoal_controller.events.service import EventService
from shoal_controller.leader.dispatcher import Dispatcher
from shoal_controller.leader.loop import Leader
from shoal_controller.pki.authority import Authority, now
from shoal_controller.pki.join import JoinService
from shoal_controller.pki.revocation import Revocations
from shoal_controller.recovery.backup import Backup
from shoal_controller.recovery.guarded import GuardedStore
from shoal_controller.recovery.health import StoreHealth
from shoal_controller.recovery.mark import MarkFile
from shoal_controller.recovery.recover import Recovery
from shoal_controller.recovery.strays import Strays
from shoal_controller.server import api_server, join_server
from shoal_controller.settings import Settings
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.election import Election
from shoal_controller.state.etcd import EtcdKV
from shoal_controller.state.maintenance import Maintenance
from shoal_controller.state.registration import Registration
from shoal_controller.state.store import SCHEMA
from shoal_proto.v1 import (
    cluster_pb2_grpc,
    container_pb2_grpc,
    dispatcher_pb2_grpc,
    event_pb2_grpc,
    image_pb2_grpc,
    join_pb2_grpc,
    node_pb2_grpc,
    volume_pb2_grpc,
)
from shoal_proto.v1.cluster_pb2 import Controller

log = logging.getLogger(__name__)


async def serve(settings: Settings) -> None:
    """Run a controller until SIGTERM or SIGINT.

    Raises:
        ShoalError: it can't start (files, addresses), in a line for people.
    """
    _allow_many_connections()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    files = settings.files
    authority = Authority.load(files.root)
    checked(files.tls)
    if not files.seal_key.exists():
        # A new one would open nothing of what this cluster has sealed.
        raise NotFound(f"no seal key at {files.seal_key} (copy it from another controller of this cluster)")
    sealer = Sealer(load_or_create_key(files.seal_key))
    kv = EtcdKV(settings.store)
    cache = ClusterCache(kv)
    events = EventLog(cache)
    registry = Registry(
        insecure=settings.insecure_registries, own=dict.fromkeys(settings.own_registries, settings.files.tls)
    )
    agents = Agents(files.tls)
    images = ImageService(cache, registry, agents, settings.registry)
    name = secrets.token_hex(8)
    own = Controller(schema=SCHEMA, name=name, address=settings.advertise, version=VERSION)
    own.started_at.FromDatetime(now())
    registration = Registration(kv, cache, own)
    revocations = Revocations(cache)
    health = StoreHealth(kv, cache, authority.cluster_id, MarkFile(files.store_mark, authority.cluster_id))
    # What is not the leader's, nor recovery's, is written through this.
    store = GuardedStore(kv, health)
    maintenance = Maintenance(settings.store)
    recovery = Recovery(kv, cache, sealer, health, agents)
    dispatcher = Dispatcher(
        cache,
        sealer,
        address=settings.advertise,
        controllers=registration.addresses,
        health=health,
        reconcile=recovery.reconcile,
    )
    leader = recovery.leader = Leader(kv, cache, dispatcher, health)

    def add_services(server: grpc.aio.Server) -> None:
        disks = NodeDisks(cache, agents)
        strays = Strays(store, cache, sealer, health, agents)
        containers = ContainerService(store, cache, sealer, registry, agents, settings.registry)
        container_pb2_grpc.add_ContainerServiceServicer_to_server(containers, server)
        node_pb2_grpc.add_NodeServiceServicer_to_server(NodeService(store, cache, strays), server)
        volume_pb2_grpc.add_VolumeServiceServicer_to_server(VolumeService(store, cache, sealer, disks), server)
        image_pb2_grpc.add_ImageServiceServicer_to_server(images, server)
        cluster = ClusterService(
            store,
            cache,
            authority.digest,
            registration,
            settings.advertise,
            settings.registry,
            maintenance,
            health,
            recovery,
            Backup(cache, maintenance, files),
            SystemUsage(cache, disks, Views(cache, sealer)),
            ImagePruning(cache, disks, agents, registry, settings.registry),
        )
        cluster_pb2_grpc.add_ClusterServiceServicer_to_server(cluster, server)
        event_pb2_grpc.add_EventServiceServicer_to_server(EventService(cache, events), server)
        dispatcher_pb2_grpc.add_DispatcherServiceServicer_to_server(dispatcher, server)

    def add_join(server: grpc.aio.Server) -> None:
        join_pb2_grpc.add_JoinServiceServicer_to_server(
            JoinService(store, cache, authority, registration.addresses), server
        )

    election = Election(settings.store, address=settings.advertise, controller=name)
    try:
        async with asyncio.TaskGroup() as group:
            work = [
                group.create_task(cache.run(), name="cache"),
                group.create_task(events.run(), name="events"),
                group.create_task(health.run(), name="store-health"),
            ]
            stopped = asyncio.create_task(stopping.wait(), name="stopping")
            synced = asyncio.create_task(cache.synced.wait(), name="synced")
            members = ", ".join(settings.store.addresses)
            log.info("controller %s of Shoal %s waits for etcd at %s", name, VERSION, members)
            await asyncio.wait({stopped, synced}, return_when=asyncio.FIRST_COMPLETED)
            if not stopped.done():
                async with (
                    api_server(
                        listen=settings.listen,
                        socket=settings.socket,
                        tls=files.tls,
                        add_services=add_services,
                        refuse=revocations.refuse,
                    ) as interceptor,
                    join_server(listen=settings.join_listen, tls=files.tls, add_services=add_join),
                ):
                    log.info("serving the API on %s and %s", settings.listen, settings.socket)
                    following = revocations.follow(interceptor.cut_refused, agents.drop)
                    work.append(group.create_task(following, name="revocations"))
                    work.append(group.create_task(dispatcher.follow_leaders(), name="follow-leaders"))
                    work.append(group.create_task(registration.keep(), name="registration"))
                    work.append(group.create_task(election.run(leader.lead), name="election"))
                    await stopped
                    log.info("stopping")
                    work.pop().cancel()
            synced.cancel()
            for task in work:
                task.cancel()
    except BaseExceptionGroup as group:
        if isinstance(first := first_cause(group), ShoalError):
            raise first from None
        raise
    finally:
        images.close()
        await agents.close()
        await registry.close()
        await kv.close()


def _allow_many_connections() -> None:
    """Use all the file descriptors that this process may have: each node has two connections to the leader."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
