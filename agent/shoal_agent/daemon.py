"""One agent process, from its checks to its last goodbye. Its containers live on."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import sys
from contextlib import AsyncExitStack
from typing import Final

from shoal_agent.care.clearing import Clearing
from shoal_agent.care.evicting import Evicting
from shoal_agent.care.log_rotation import LogRotation
from shoal_agent.care.measuring import Measurer
from shoal_agent.care.usage import DiskUsage
from shoal_agent.claims import HostUse, note_use, only_one
from shoal_agent.clock import Clock, read_boot_id
from shoal_agent.cluster.describe import describe
from shoal_agent.cluster.join import Membership, join_persistently, membership, parse_token
from shoal_agent.cluster.session import Session
from shoal_agent.cluster.watermark import Watermark
from shoal_agent.containers.node import Node
from shoal_agent.containers.records import Records
from shoal_agent.containers.runtime_host import RuntimeHost
from shoal_agent.containers.volume_removals import VolumeRemovals
from shoal_agent.containers.watching import Watching
from shoal_agent.copying.commits import Commits
from shoal_agent.copying.copies import Copies
from shoal_agent.copying.entrances import Entrances
from shoal_agent.disk import Disk, Spares
from shoal_agent.images.store import Images
from shoal_agent.network.node import NodeNetwork
from shoal_agent.runtime.abilities import abilities
from shoal_agent.runtime.tasks import Tasks
from shoal_agent.sandbox.host_checks import check_data_root, check_kernel
from shoal_agent.sandbox.rootfs import RootFilesystems
from shoal_agent.sandbox.sandboxes import Sandboxes
from shoal_agent.server import agent_server
from shoal_agent.service import AgentService
from shoal_agent.settings import Settings
from shoal_agent.volumes.container_mounts import ContainerMounts
from shoal_agent.volumes.store import VolumeStore
from shoal_common.errors import InvalidSpec, Unavailable
from shoal_common.registry import Registry
from shoal_common.sealing import Sealer, load_or_create_key
from shoal_common.version import VERSION

log = logging.getLogger(__name__)

#: Containers that are set up or started at a time, by cores: more only make each other slow.
_STARTS_PER_CORE: Final = 2
_LEAST_STARTS: Final = 4


async def serve(settings: Settings) -> None:
    """Run an agent until SIGTERM or SIGINT.

    Raises:
        ShoalError: it can't start, in a line for people.
    """
    if sys.version_info < (3, 12):
        # Its default is a thread per child.
        watcher = asyncio.PidfdChildWatcher()
        watcher.attach_loop(asyncio.get_running_loop())
        asyncio.get_event_loop_policy().set_child_watcher(watcher)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    paths = settings.paths
    for root in (paths.data, paths.run):
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"{root} can't be made: {error.strerror} (is it root who starts the agent?)") from error
    check_data_root(paths)
    if missing := check_kernel():
        raise Unavailable("this host can't run containers: " + "; ".join(missing))
    with only_one(paths.data):
        note_use(paths, HostUse(paths.run, settings.cgroup_parent, settings.runtimes))
        member = await _membership(settings)
        await _serve_node(settings, member, stopping)


async def _membership(settings: Settings) -> Membership:
    """Return the cluster this host belongs to, joining it if need be."""
    known = membership(settings.paths)
    if known is not None:
        return known
    if not settings.join or settings.token_file is None:
        raise InvalidSpec("this host belongs to no cluster yet (say which: --join HOST:PORT --token-file FILE)")
    try:
        text = settings.token_file.read_text()
    except OSError as error:
        raise InvalidSpec(f"token file {settings.token_file} can't be read: {error.strerror}") from error
    address = settings.listen.rpartition(":")[0].strip("[]")
    member = await join_persistently(
        settings.paths, controllers=settings.join, token=parse_token(text), name=settings.name, addresses=[address]
    )
    log.info("joined cluster %s as node %s (%s)", member.cluster, settings.name, member.node)
    return member


async def _serve_node(settings: Settings, member: Membership, stopping: asyncio.Event) -> None:
    paths, boot_id = settings.paths, read_boot_id(settings.paths.run)
    async with AsyncExitStack() as stack:
        watermark = Watermark(paths.data / "watermark.json")
        stack.callback(watermark.close)
        watermark.open()
        registry = Registry(
            insecure=settings.insecure_registries, own=dict.fromkeys(settings.own_registries, member.tls)
        )
        stack.push_async_callback(registry.close)
        spares = Spares(paths.spares)
        disk = Disk(paths.data, spares)
        stack.callback(disk.close)
        await disk.open()
        images = Images(paths, registry, check_room=disk.check_room)
        await images.open()
        stack.push_async_callback(images.close)
        network = NodeNetwork(guarded_ports=(int(settings.listen.rpartition(":")[2]),))
        stack.push_async_callback(network.close)
        if watermark.position.subnet:
            await network.configure(watermark.position.subnet, watermark.position.gateway)
        rootfs = RootFilesystems(paths)
        await rootfs.open()
        stack.push_async_callback(rootfs.close)
        sandboxes = Sandboxes(paths, network, uid_bases=settings.uid_bases)
        await sandboxes.open()
        stack.push_async_callback(sandboxes.close)
        tasks = Tasks(
            paths,
            cgroup_parent=settings.cgroup_parent,
            runtimes=settings.runtimes,
            default_runtime=next(iter(settings.runtimes)),
        )
        await tasks.open()
        stack.push_async_callback(tasks.close)
        at_once = max(_LEAST_STARTS, _STARTS_PER_CORE * len(os.sched_getaffinity(0)))
        starts = asyncio.Semaphore(at_once)
        volumes = VolumeStore(paths)
        stack.callback(volumes.close)
        host = RuntimeHost(
            paths,
            boot_id=boot_id,
            disk=disk,
            images=images,
            sandboxes=sandboxes,
            rootfs=rootfs,
            mounts=ContainerMounts(rootfs, volumes, settings.allowed_binds, groups=tasks.groups.helpers),
            tasks=tasks,
            starts=starts,
        )
        stack.callback(host.close)
        await host.open()
        records = Records(paths, Sealer(load_or_create_key(paths.identity / "seal.key")), spares)
        stack.callback(records.close)
        node = Node(host, records, Clock(), starts=starts, restarts=asyncio.Semaphore(at_once // 2))
        host.neighbours.node = node
        removals = VolumeRemovals(volumes, node)
        await node.open(left_behind=host.left_behind())
        described = await describe(settings, abilities(tasks.groups), boot_id=boot_id)
        session = Session(
            node=node,
            volumes=removals,
            network=network,
            watermark=watermark,
            cluster_id=member.cluster,
            controllers=member.controllers,
            tls=member.tls,
            process_id=secrets.token_hex(16),
            description=described,
            problems=lambda: [*disk.problems, *evicting.problems],
            cleanings=lambda: clearing.cleanings,
        )
        clearing = Clearing(paths, node, images, disk, Clock(), settings.clearing, tell=session.describe)
        stack.callback(clearing.close)
        disk.looked = clearing.looked
        # Of its own: whoever asks for sizes must not hold this one up.
        urgent = Measurer()
        stack.callback(urgent.close)
        evicting = Evicting(
            paths,
            node,
            tasks.groups,
            disk,
            urgent,
            Clock(),
            capacity=described.capacity.memory_bytes,
            tell=session.describe,
        )
        stack.callback(evicting.close)

        def disk_changed() -> None:
            session.describe()
            node.look_again()

        disk.changed = disk_changed
        entrances = Entrances(node, tasks, host)
        commits = Commits(entrances, registry, disk, paths.data)
        stack.callback(commits.close)
        measurer = Measurer()
        stack.callback(measurer.close)
        usage = DiskUsage(paths, node, images, measurer)
        stack.callback(usage.close)
        watcher = Watching(node, tasks.groups)
        stack.callback(watcher.close)
        service = AgentService(paths, node, tasks, images, Copies(entrances), commits, usage, clearing, watcher)
        stack.callback(service.close)
        rotation = LogRotation(paths, node, settings.log_limits)
        stack.callback(rotation.close)
        closing = asyncio.Event()
        async with (
            agent_server(listen=settings.listen, tls=member.tls, service=service),
            asyncio.TaskGroup() as group,
        ):
            group.create_task(node.run(closing), name="node")
            removing = group.create_task(removals.run(), name="volume-removals")
            watching = group.create_task(disk.watch(), name="disk")
            ending = group.create_task(evicting.run(), name="evicting")
            clearing_disk = group.create_task(clearing.run(), name="clearing")
            rotating = group.create_task(rotation.watch(), name="log-rotation")
            talking = group.create_task(session.run(), name="session")
            log.info("agent of Shoal %s serves node %s on %s", VERSION, settings.name, settings.listen)
            await stopping.wait()
            log.info("stopping; containers live on")
            talking.cancel()
            watching.cancel()
            clearing_disk.cancel()
            ending.cancel()
            removing.cancel()
            rotating.cancel()
            closing.set()
