"""`ContainerService`: what users ask of containers becomes one transaction on a spec; all else follows from that."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from signal import SIGKILL

import grpc.aio

from shoal_common.containers.namespaces import joined_id
from shoal_common.errors import Conflict, NotFound
from shoal_common.registry import Registry
from shoal_common.sealing import Sealer
from shoal_common.signals import signal_number
from shoal_common.tracing import current_trace, trace_metadata
from shoal_controller.api.containers import joining, pausing, stopping
from shoal_controller.api.containers.changing import Changing
from shoal_controller.api.containers.creation import Creation
from shoal_controller.api.containers.listing import Lister
from shoal_controller.api.containers.phases import is_going, is_live, is_restarting, is_wanted, phase_name, phase_of
from shoal_controller.api.containers.pruning import Pruning
from shoal_controller.api.containers.reading import Finder, name_of
from shoal_controller.api.containers.renaming import Renaming
from shoal_controller.api.containers.updating import SpecUpdates
from shoal_controller.api.containers.waiting import Waiter
from shoal_controller.api.images.committing import Committer
from shoal_controller.api.nodes.disk_usage import NodeDisks
from shoal_controller.api.streams.attaching import AttachRelay
from shoal_controller.api.streams.copying import CopyRelay
from shoal_controller.api.streams.execution import ExecRelay, require_process
from shoal_controller.api.streams.logs import LogRelay
from shoal_controller.api.streams.relay import CALL_TIMEOUT, Agents, node_of
from shoal_controller.api.streams.stats import StatsRelay
from shoal_controller.api.views import Views
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import KV, Txn
from shoal_controller.state.store import ContainerEntry
from shoal_proto.v1 import container_pb2, container_pb2_grpc
from shoal_proto.v1.agent_pb2 import AgentSignalRequest
from shoal_proto.v1.container_pb2 import ContainerPhase, ContainerSpec, DesiredState

_Context = grpc.aio.ServicerContext[object, object]


class ContainerService(container_pb2_grpc.ContainerServiceServicer):
    """Writes specs, reads the cache, and joins clients to agents.

    Args:
        default_registry: host and port of the registry that image names without one mean.
    """

    def __init__(
        self,
        kv: KV,
        cache: ClusterCache,
        sealer: Sealer,
        registry: Registry,
        agents: Agents,
        default_registry: str,
    ) -> None:
        self._cache = cache
        self._agents = agents
        self._views = Views(cache, sealer)
        self._finder = Finder(kv, cache)
        self._updates = SpecUpdates(kv, cache, self._finder)
        self._creation = Creation(kv, cache, sealer, registry, default_registry, self._views, self._finder)
        self._disks = NodeDisks(cache, agents)
        self._lister = Lister(kv, cache, self._views, self._disks)
        self._waiter = Waiter(cache, self._finder, self._views)
        self._logs = LogRelay(cache, self._finder, agents)
        self._renaming = Renaming(cache, self._finder, self._updates)
        self._pruning = Pruning(cache, self._finder, self._updates, self._disks)
        self._exec = ExecRelay(cache, self._finder, agents)
        self._stats = StatsRelay(cache, self._finder, agents)
        self._copies = CopyRelay(cache, self._finder, agents)
        self._committer = Committer(self._copies, agents, registry, sealer, default_registry)
        self._attach = AttachRelay(cache, self._finder, agents)

    async def CreateContainer(
        self, request: container_pb2.CreateContainerRequest, context: _Context
    ) -> container_pb2.CreateContainerResponse:
        """See container.proto."""
        return await self._creation.create(request)

    async def GetContainer(
        self, request: container_pb2.GetContainerRequest, context: _Context
    ) -> container_pb2.Container:
        """See container.proto."""
        entry = await self._finder.container(request.container)
        view = self._views.container(entry)
        if request.size:
            await self._disks.add_sizes((entry,), (view,))
        return view

    async def ListContainers(
        self, request: container_pb2.ListContainersRequest, context: _Context
    ) -> container_pb2.ListContainersResponse:
        """See container.proto."""
        return await self._lister.page(request)

    def WatchContainers(
        self, request: container_pb2.WatchContainersRequest, context: _Context
    ) -> AsyncGenerator[container_pb2.WatchContainersResponse, None]:
        """See container.proto."""
        return self._lister.watch(request)

    async def StartContainer(
        self, request: container_pb2.StartContainerRequest, context: _Context
    ) -> container_pb2.Container:
        """See container.proto."""

        def start(spec: ContainerSpec, entry: ContainerEntry) -> None:
            stopping.refuse_gone(entry, "started")
            going = spec.desired == DesiredState.DESIRED_STATE_RUNNING and is_going(entry)
            if going and spec.paused:
                name = name_of(entry)
                raise Conflict(
                    f'container "{name}" is paused and can\'t be started (let it go on: shoal unpause {name})'
                )
            if not going:
                joining.refuse_unjoinable(self._cache, spec.config)
                spec.desired = DesiredState.DESIRED_STATE_RUNNING
                spec.run += 1
                spec.paused = False

        await self._know_joined(request.container)
        return self._views.container(await self._updates.update(request.container, request.request_id, start))

    async def StopContainer(
        self, request: container_pb2.StopContainerRequest, context: _Context
    ) -> container_pb2.Container:
        """See container.proto."""
        stop = stopping.stop(_asked(request))
        return self._views.container(await self._updates.update(request.container, request.request_id, stop))

    async def RestartContainer(
        self, request: container_pb2.RestartContainerRequest, context: _Context
    ) -> container_pb2.Container:
        """See container.proto."""
        grace = stopping.grace(_asked(request))

        def restart(spec: ContainerSpec, entry: ContainerEntry) -> None:
            stopping.refuse_gone(entry, "restarted")
            joining.refuse_unjoinable(self._cache, spec.config)
            spec.desired = DesiredState.DESIRED_STATE_RUNNING
            spec.run += 1
            spec.paused = False
            spec.stop_grace_ms = grace(spec)

        await self._know_joined(request.container)
        return self._views.container(await self._updates.update(request.container, request.request_id, restart))

    async def _know_joined(self, ref: container_pb2.ContainerRef) -> None:
        """Wait, if a container joins another one, until this controller knows what that has come to."""
        entry = await self._finder.container(ref)
        if entry.spec is not None and joined_id(entry.spec.value.config):
            await self._finder.fresh()

    async def PauseContainer(
        self, request: container_pb2.PauseContainerRequest, context: _Context
    ) -> container_pb2.Container:
        """See container.proto."""
        # Who has seen it run at one controller may ask another, which is a little behind.
        await self._finder.fresh()
        return self._views.container(await self._updates.update(request.container, request.request_id, pausing.pause))

    async def UnpauseContainer(
        self, request: container_pb2.UnpauseContainerRequest, context: _Context
    ) -> container_pb2.Container:
        """See container.proto."""
        await self._finder.fresh()
        return self._views.container(await self._updates.update(request.container, request.request_id, pausing.unpause))

    async def RenameContainer(
        self, request: container_pb2.RenameContainerRequest, context: _Context
    ) -> container_pb2.Container:
        """See container.proto."""
        return self._views.container(await self._renaming.rename(request))

    async def UpdateContainer(
        self, request: container_pb2.UpdateContainerRequest, context: _Context
    ) -> container_pb2.Container:
        """See container.proto."""
        changing = Changing(request, self._cache)
        entry = await self._updates.update(request.container, request.request_id, changing.change, also=changing.book)
        return self._views.container(entry)

    async def PruneContainers(
        self, request: container_pb2.PruneContainersRequest, context: _Context
    ) -> container_pb2.PruneContainersResponse:
        """See container.proto."""
        return await self._pruning.prune(request)

    async def RemoveContainer(
        self, request: container_pb2.RemoveContainerRequest, context: _Context
    ) -> container_pb2.RemoveContainerResponse:
        """See container.proto. A container whose removal is under way can be removed again, by force if need be.

        A repeat is answered as the first request was, also when nothing but the tombstone is left.
        """
        done = self._finder.removed(request.container, request.request_id)
        if done is not None:
            return container_pb2.RemoveContainerResponse(id=done)

        def remove(spec: ContainerSpec, entry: ContainerEntry) -> None:
            if not request.force:
                _refuse_running(entry)
            spec.desired = DesiredState.DESIRED_STATE_REMOVED
            # Also of one whose removal is under way: once asked for, it holds.
            spec.remove_volumes |= request.volumes
            if request.force:
                spec.stop_grace_ms = 0

        def free_name(txn: Txn, entry: ContainerEntry) -> None:
            named = self._cache.names.get((entry.namespace, "container", name_of(entry)))
            if request.force and named is not None and named.value == entry.id:
                txn.delete(keys.name(entry.namespace, "container", name_of(entry)), expect=named.revision)

        try:
            entry = await self._updates.update(request.container, request.request_id, remove, also=free_name)
        except NotFound:
            # This controller's cache has only just heard of what the first request did, at another one.
            done = self._finder.removed(request.container, request.request_id)
            if done is None:
                raise
            return container_pb2.RemoveContainerResponse(id=done)
        return container_pb2.RemoveContainerResponse(id=entry.id)

    async def KillContainer(
        self, request: container_pb2.KillContainerRequest, context: _Context
    ) -> container_pb2.KillContainerResponse:
        """See container.proto."""
        sent = request.signal or "SIGKILL"
        number = signal_number(sent)
        entry = await self._finder.container(request.container)
        action = f'container "{name_of(entry)}" can\'t be sent signal {sent.strip().upper()}'
        require_process(entry, action)
        if pausing.is_paused(entry) and number == SIGKILL:
            # It dies when it is let go, and what its restart policy starts then is not to be frozen.
            by_id = container_pb2.ContainerRef(namespace=entry.namespace, ref=entry.id)
            await self._updates.update(by_id, "", _let_go)
        agent = self._agents.agent(node_of(self._cache, entry, action), action)
        generation = 0 if entry.placement is None else entry.placement.value.generation
        signal = AgentSignalRequest(id=entry.id, generation=generation, signal=number)
        try:
            await agent.stub.Signal(signal, timeout=CALL_TIMEOUT, metadata=trace_metadata(current_trace()))
        except grpc.aio.AioRpcError as error:
            raise agent.translated(error, action) from error
        return container_pb2.KillContainerResponse()

    def WaitContainer(
        self, request: container_pb2.WaitContainerRequest, context: _Context
    ) -> AsyncGenerator[container_pb2.WaitContainerResponse, None]:
        """See container.proto."""
        return self._waiter.wait(request)

    def ContainerLogs(
        self, request: container_pb2.LogsRequest, context: _Context
    ) -> AsyncGenerator[container_pb2.LogsResponse, None]:
        """See container.proto."""
        return self._logs.logs(request)

    def ExecContainer(
        self, request_iterator: AsyncIterator[container_pb2.ExecRequest], context: _Context
    ) -> AsyncGenerator[container_pb2.ExecResponse, None]:
        """See container.proto."""
        return self._exec.exec(request_iterator)

    async def StatPath(self, request: container_pb2.StatPathRequest, context: _Context) -> container_pb2.PathInfo:
        """See container.proto."""
        return await self._copies.stat(request)

    def CopyOut(
        self, request: container_pb2.CopyOutRequest, context: _Context
    ) -> AsyncGenerator[container_pb2.CopyOutResponse, None]:
        """See container.proto."""
        return self._copies.out(request)

    def CopyIn(
        self, request_iterator: AsyncIterator[container_pb2.CopyInRequest], context: _Context
    ) -> AsyncGenerator[container_pb2.CopyInResponse, None]:
        """See container.proto."""
        return self._copies.into(request_iterator)

    def DiffContainer(
        self, request: container_pb2.DiffRequest, context: _Context
    ) -> AsyncGenerator[container_pb2.DiffResponse, None]:
        """See container.proto."""
        return self._copies.diff(request)

    def ExportContainer(
        self, request: container_pb2.ExportRequest, context: _Context
    ) -> AsyncGenerator[container_pb2.ExportResponse, None]:
        """See container.proto."""
        return self._copies.export(request)

    def CommitContainer(
        self, request: container_pb2.CommitRequest, context: _Context
    ) -> AsyncGenerator[container_pb2.CommitProgress, None]:
        """See container.proto."""
        return self._committer.commit(request)

    def StatsContainers(
        self, request: container_pb2.StatsRequest, context: _Context
    ) -> AsyncGenerator[container_pb2.StatsResponse, None]:
        """See container.proto."""
        return self._stats.stats(request)

    async def TopContainer(self, request: container_pb2.TopRequest, context: _Context) -> container_pb2.TopResponse:
        """See container.proto."""
        return await self._stats.top(request)

    def AttachContainer(
        self, request_iterator: AsyncIterator[container_pb2.AttachRequest], context: _Context
    ) -> AsyncGenerator[container_pb2.AttachResponse, None]:
        """See container.proto."""
        return self._attach.attach(request_iterator)


def _asked(request: container_pb2.StopContainerRequest | container_pb2.RestartContainerRequest) -> int | None:
    return request.timeout_seconds if request.HasField("timeout_seconds") else None


def _let_go(spec: ContainerSpec, entry: ContainerEntry) -> None:
    spec.paused = False


def _refuse_running(entry: ContainerEntry) -> None:
    phase = phase_of(entry)
    # A run that was admitted may have begun before anybody heard of it.
    about_to = is_wanted(entry) and phase not in (
        ContainerPhase.CONTAINER_PHASE_PENDING,
        ContainerPhase.CONTAINER_PHASE_REMOVING,
    )
    if phase != ContainerPhase.CONTAINER_PHASE_REMOVING and (is_live(entry) or is_restarting(entry) or about_to):
        raise Conflict(
            f'container "{name_of(entry)}" is {phase_name(phase)} and can\'t be removed '
            f"(stop it first: shoal stop {name_of(entry)}, or use: shoal rm -f {name_of(entry)})"
        )
