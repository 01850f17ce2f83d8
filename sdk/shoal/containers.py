"""Containers: made, started, stopped, removed, waited for, listened to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, Unpack

from shoal import logs, ports, watching
from shoal.attachment import Attachment, attach_start
from shoal.container_use import ContainerUse
from shoal.execution import ExecProcess, exec_start
from shoal.logs import Moment
from shoal.names import random_name
from shoal.transport import COUNTING, DEADLINE
from shoal.waiting import CONDITIONS, Until
from shoal_common.errors import InvalidSpec, NotFound, Unavailable
from shoal_common.ids import check_container_id, check_name, new_container_id, new_request_id
from shoal_proto.v1.container_pb2 import (
    Container,
    ContainerPhase,
    ContainerSpec,
    ContainerState,
    CreateContainerRequest,
    CreateContainerResponse,
    GetContainerRequest,
    KillContainerRequest,
    ListContainersRequest,
    LogCursor,
    LogEntry,
    LogsResponse,
    PauseContainerRequest,
    PortBinding,
    PruneContainersRequest,
    PruneContainersResponse,
    RemoveContainerRequest,
    RenameContainerRequest,
    RestartContainerRequest,
    StartContainerRequest,
    StopContainerRequest,
    UnpauseContainerRequest,
    UpdateContainerRequest,
    WaitContainerRequest,
    WaitContainerResponse,
)
from shoal_proto.v1.container_pb2_grpc import ContainerServiceStub

if TYPE_CHECKING:
    from shoal.options import ContainerOptions
    from shoal.options.limits import Limits

#: Seconds for one attempt to create a container: its image is looked up in a registry.
CREATE_DEADLINE: Final = 60.0


class Containers(ContainerUse):
    """The containers of a cluster: `cluster.containers`.

    `ref` always is a container's name, its id, or the beginning of its id if no other has it. Everything raises
    `Unavailable` if no controller answers, and `NotFound` if there is no such container.
    """

    async def run(
        self,
        image: str,
        args: Iterable[str] = (),
        *,
        name: str | None = None,
        id: str | None = None,
        **options: Unpack[ContainerOptions],
    ) -> Container:
        """Create a container and ask for it to be started; returns before it runs (see `wait`).

        Args:
            image: such as "web:3".
            args: the command and its arguments; none means the image's.
            name: unique in the cluster; left out, one is made up.
            id: 64 hexadecimal digits; left out, random.
            options: see `ContainerOptions`.

        Raises:
            AlreadyExists: the name is taken.
            InvalidSpec: something can never be right.
            NotFound: there is no such image.
        """
        return await self._create(image, args, options, name=name, id=id, start=True)

    async def create(
        self,
        image: str,
        args: Iterable[str] = (),
        *,
        name: str | None = None,
        id: str | None = None,
        **options: Unpack[ContainerOptions],
    ) -> Container:
        """Create a container without starting it; otherwise as `run`."""
        return await self._create(image, args, options, name=name, id=id, start=False)

    async def _create(
        self,
        image: str,
        args: Iterable[str],
        options: ContainerOptions,
        *,
        name: str | None,
        id: str | None,
        start: bool,
    ) -> Container:
        # Not with the module: `exec` and `ps` need nothing of what checks options.
        from shoal.options import configure

        request = CreateContainerRequest(
            namespace=self._namespace,
            id=check_container_id(id) if id is not None else new_container_id(),
            name=check_name("container", name) if name is not None else random_name(),
            config=configure(image, args, options),
            start=start,
        )
        response = await self._transport.unary(
            lambda channel: ContainerServiceStub(channel).CreateContainer, request, deadline=CREATE_DEADLINE
        )
        return response.container if response.HasField("container") else _ended(response)

    async def get(self, ref: str, *, size: bool = False) -> Container:
        """Return a container.

        Args:
            ref: the container.
            size: with the bytes of its writable layer and its root, which its node counts for this; left out if it
                does not answer.

        Raises:
            InvalidSpec: the beginning of an id fits several.
        """
        request = GetContainerRequest(container=self._ref(ref), size=size)
        return await self._transport.unary(
            lambda channel: ContainerServiceStub(channel).GetContainer, request, deadline=COUNTING if size else DEADLINE
        )

    async def ports(self, ref: str, port: str = "") -> list[PortBinding]:
        """Return by which addresses and ports of its node a container is reached; none before it is placed.

        Args:
            ref: the container.
            port: one of its ports, such as "80" or "53/udp"; left out: all that are published.

        Raises:
            InvalidSpec: `port` is none, or the beginning of an id fits several.
            NotFound: `port` is not published.
        """
        container = await self.get(ref)
        return ports.of_one(container, port) if port else ports.published(container)

    async def list(
        self,
        *,
        all: bool = False,
        labels: Iterable[str] = (),
        node: str = "",
        filters: Iterable[str] = (),
        last: int = 0,
        size: bool = False,
    ) -> list[Container]:
        """Return containers in the order of their creation.

        Args:
            all: also those that do not run.
            labels: "key" or "key=value" that all must match.
            node: only those of this node (name or id).
            filters: as `docker ps --filter` has them, such as "status=exited"; see `shoal_common.containers.filters`.
                The same key twice lets any of its values through (of labels all must fit), different keys must all fit.
            last: only so many that were created last, also those that do not run; 0: all.
            size: with their bytes, as `get` has them.

        Raises:
            Conflict: the controller is of an older version, which can't choose so.
            InvalidSpec: a filter is malformed.
            NotFound: a filter names a node or a container that does not exist.
        """
        request = ListContainersRequest(
            namespace=self._namespace,
            all=all,
            labels=list(labels),
            node=node,
            filters=list(filters),
            last=last,
            size=size,
        )
        async with aclosing(watching.pages(self._transport, request)) as pages:
            return [container async for page in pages for container in page.containers]

    async def start(self, ref: str) -> Container:
        """Ask for a container to run again; nothing happens if it does. See `wait` for when it does."""
        request = StartContainerRequest(container=self._ref(ref), request_id=new_request_id())
        return await self._transport.unary(lambda channel: ContainerServiceStub(channel).StartContainer, request)

    async def stop(self, ref: str, *, timeout: int | None = None) -> Container:
        """Ask for a container to end: its stop signal, then SIGKILL. See `wait` for when it has.

        Args:
            timeout: seconds between the two; left out, the container's own.
        """
        request = StopContainerRequest(container=self._ref(ref), request_id=new_request_id(), timeout_seconds=timeout)
        return await self._transport.unary(lambda channel: ContainerServiceStub(channel).StopContainer, request)

    async def restart(self, ref: str, *, timeout: int | None = None) -> Container:
        """Ask for a container to be stopped, if it runs, and started again; `timeout` as in `stop`."""
        request = RestartContainerRequest(
            container=self._ref(ref), request_id=new_request_id(), timeout_seconds=timeout
        )
        return await self._transport.unary(lambda channel: ContainerServiceStub(channel).RestartContainer, request)

    async def pause(self, ref: str) -> Container:
        """Ask for all processes of a container to be frozen. `wait` with `Until.SETTLED` for when they are.

        Raises:
            Conflict: it does not run, or is paused already.
        """
        request = PauseContainerRequest(container=self._ref(ref), request_id=new_request_id())
        return await self._transport.unary(lambda channel: ContainerServiceStub(channel).PauseContainer, request)

    async def unpause(self, ref: str) -> Container:
        """Ask for the processes of a paused container to go on; `wait` as for `pause`.

        Raises:
            Conflict: it is not paused.
        """
        request = UnpauseContainerRequest(container=self._ref(ref), request_id=new_request_id())
        return await self._transport.unary(lambda channel: ContainerServiceStub(channel).UnpauseContainer, request)

    async def rename(self, ref: str, name: str) -> Container:
        """Give a container another name.

        Raises:
            AlreadyExists: another container has it.
            Conflict: the container is being removed.
        """
        request = RenameContainerRequest(
            container=self._ref(ref), request_id=new_request_id(), name=check_name("container", name)
        )
        return await self._transport.unary(lambda channel: ContainerServiceStub(channel).RenameContainer, request)

    async def update(self, ref: str, *, restart: str | None = None, **limits: Unpack[Limits]) -> Container:
        """Change what a container is asked for, also while it runs.

        `wait` with `Until.LIMITED` for when it is held to them; `status.warning` says what its node could not do.

        Args:
            ref: the container.
            restart: its restart policy, as in `ContainerOptions`. A restart that is due already is taken back by "no".
            limits: as in `ContainerOptions`; those that are left out stay.

        Raises:
            InvalidSpec: one of them can't be, or the container is removed once it has ended.
            Conflict: its node lacks the room, or can't hold it to that.
        """
        from shoal.options.life import restart_policy
        from shoal.options.limits import resources

        request = UpdateContainerRequest(
            container=self._ref(ref),
            request_id=new_request_id(),
            restart=restart_policy(restart) if restart is not None else None,
            resources=resources(limits) if limits else None,
        )
        return await self._transport.unary(lambda channel: ContainerServiceStub(channel).UpdateContainer, request)

    async def prune(self, *, filters: Iterable[str] = ()) -> PruneContainersResponse:
        """Ask for the removal of all containers that do not run; `wait` for when they are gone.

        Returns their ids, and the bytes of their layers and logs, as far as their nodes could tell.

        Args:
            filters: "label=KEY[=VALUE]", "label!=KEY[=VALUE]", "until=SECONDS" (made before then, in seconds since
                1970); all must hold.

        Raises:
            InvalidSpec: one of them is malformed.
        """
        request = PruneContainersRequest(namespace=self._namespace, filters=list(filters), request_id=new_request_id())
        return await self._transport.unary(
            lambda channel: ContainerServiceStub(channel).PruneContainers, request, deadline=COUNTING
        )

    async def kill(self, ref: str, signal: str | int = "SIGKILL") -> None:
        """Send a signal to a container's first process now. It is never sent twice.

        Raises:
            Conflict: it does not run.
            Unavailable: its node does not answer, or the answer was lost.
        """
        request = KillContainerRequest(container=self._ref(ref), signal=str(signal))
        await self._transport.once(lambda channel: ContainerServiceStub(channel).KillContainer, request)

    async def remove(self, ref: str, *, force: bool = False, volumes: bool = False) -> str:
        """Ask for a container to be removed, and return its id. See `wait` for when nothing is left of it.

        Args:
            force: also if it runs, which kills it; its name is free at once.
            volumes: also the volumes that are only its own.

        Raises:
            Conflict: it runs, and `force` isn't set.
        """
        request = RemoveContainerRequest(
            container=self._ref(ref), request_id=new_request_id(), force=force, volumes=volumes
        )
        response = await self._transport.unary(lambda channel: ContainerServiceStub(channel).RemoveContainer, request)
        return response.id

    async def progress(
        self, ref: str, *, until: Until = Until.ENDED, run: int = 0
    ) -> AsyncGenerator[WaitContainerResponse, None]:
        """Yield where a container is, at once and whenever that changes; the last has `done` set.

        Restarts of controllers are sat out. A container that was removed meanwhile still has its exit code.

        Args:
            ref: the container.
            until: what ends this.
            run: the run that is meant (`spec.run`); 0 means the newest now.
        """
        container = self._ref(ref)

        def request() -> WaitContainerRequest:
            return WaitContainerRequest(container=container, condition=CONDITIONS[until], run=run)

        patience = self._transport.patience()
        while True:
            stream = self._transport.stream(lambda channel: ContainerServiceStub(channel).WaitContainer, request)
            async with aclosing(stream) as responses:
                async for response in responses:
                    if response.id:
                        # Its name may be given to another one meanwhile.
                        container = self._ref(response.id)
                    yield response
                    if response.done:
                        return
            await patience.unfinished(f'the wait for container "{ref}"')

    async def wait(
        self,
        ref: str,
        *,
        until: Until = Until.ENDED,
        run: int = 0,
        on_change: Callable[[WaitContainerResponse], None] | None = None,
    ) -> WaitContainerResponse:
        """Return once a container has come to `until`; the result has its exit code, phase and what is to be said.

        Args:
            ref: the container.
            until: what to wait for.
            run: the run that is meant (`spec.run`); 0 means the newest now.
            on_change: told where it is, at once and whenever that changes ("3 nodes: 2 lack memory ...").
        """
        if not run and until is not Until.REMOVED:
            # Pinned, so that a run that begins while a controller restarts is not taken for this one.
            try:
                container = await self.get(ref)
                ref, run = container.spec.id, container.spec.run
            except NotFound:
                # One that was removed still answers to its id, for an hour.
                pass
        async with aclosing(self.progress(ref, until=until, run=run)) as responses:
            async for response in responses:
                if on_change is not None:
                    on_change(response)
                if response.done:
                    return response
        raise Unavailable(f'the wait for container "{ref}" ended without an answer')

    def logs(
        self,
        ref: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        run: int = 0,
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> AsyncGenerator[LogEntry, None]:
        """Yield what a container wrote, each line once, whatever restarts meanwhile.

        Args:
            ref: the container.
            follow: go on with what it writes until it ends.
            tail: only the last lines, this many, before following.
            run: only this run's (`spec.run`); 0 means all.
            since: only what was written then or later.
            until: only what was written before then; who follows ends there.
        """
        batches = self.log_batches(ref, follow=follow, tail=tail, run=run, since=since, until=until, joined=True)
        return logs.entries(batches, ref)

    def log_batches(
        self,
        ref: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        run: int = 0,
        cursor: LogCursor | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        joined: bool = False,
    ) -> AsyncGenerator[LogsResponse, None]:
        """Yield the same by batches of about 64 KiB, each with the cursor after which it goes on.

        What was rotated away before it was read is missing: `lost_bytes` of the batch after that says how much.

        Args:
            ref: the container.
            follow: go on with what it writes until it ends.
            tail: only the last lines, this many, before following.
            run: only this run's (`spec.run`); 0 means all.
            cursor: begin after this place.
            since: only what was written then or later.
            until: only what was written before then; who follows ends there.
            joined: several lines of one stream and time may be one entry, which is much faster.
        """
        return logs.batches(
            self._transport,
            self._ref(ref),
            follow=follow,
            tail=tail,
            run=run,
            cursor=cursor,
            since=since,
            until=until,
            joined=joined,
        )

    def exec(
        self,
        ref: str,
        args: Iterable[str],
        *,
        env: Mapping[str, str] | None = None,
        working_dir: str = "",
        user: str = "",
        stdin: bool = False,
        tty: bool = False,
        size: tuple[int, int] | None = None,
        detach: bool = False,
    ) -> ExecProcess:
        """Return a command to run in a container, started by `async with`. It is never started twice.

            async with cluster.containers.exec("web", ["cat", "/etc/hosts"]) as process:
                code, stdout, stderr = await process.communicate()

        Args:
            ref: a running container.
            args: command and arguments.
            env: over the container's own.
            working_dir: absolute directory to start in; left out, the container's.
            user: as whom; left out, the container's.
            stdin: input will be sent (`write`, then `close_stdin`).
            tty: it gets a terminal, and all its output is in `stdout`.
            size: columns and rows of that.
            detach: it stays when this is left, and nobody gets its output; `wait` returns 0 once it runs.

        Raises:
            InvalidSpec: there is no command.
        """
        start = exec_start(
            self._ref(ref),
            args,
            env=env,
            working_dir=working_dir,
            user=user,
            stdin=stdin,
            tty=tty,
            size=size,
            detach=detach,
        )
        if not start.args:
            raise InvalidSpec(f'there is no command to run in container "{ref}"')
        return ExecProcess(self._transport, start.container, start)

    def attach(
        self,
        ref: str,
        *,
        stdin: bool = False,
        size: tuple[int, int] | None = None,
        logs: bool = False,
        run: int = 0,
    ) -> Attachment:
        """Return a container's streams, attached by `async with`: what it writes from then on, and its input.

            async with cluster.containers.attach("web") as attached:
                async for piece in attached.stdout:
                    ...

        Args:
            ref: the container.
            stdin: input will be sent; it must have been made with `open_stdin`.
            size: columns and rows of the client's terminal, which the container's is given.
            logs: also what the run wrote before; of a terminal, as much as is kept (256 KiB).
            run: the run that is meant (`spec.run`), also if it has yet to begin; 0 means the present one.
        """
        return Attachment(self._transport, attach_start(self._ref(ref), stdin=stdin, size=size, logs=logs, run=run))

    def watch(self) -> AsyncGenerator[watching.Change, None]:
        """Yield the present state of every container, then each change for ever, without a gap or a repetition."""
        return watching.changes(self._transport, self._namespace)


def _ended(response: CreateContainerResponse) -> Container:
    """Return what is left of a container that ended and was removed before the answer to its creation came."""
    tombstone = response.tombstone
    failed = tombstone.status.state == ContainerState.CONTAINER_STATE_FAILED
    return Container(
        spec=ContainerSpec(id=tombstone.id, namespace=tombstone.namespace, name=tombstone.name, run=tombstone.run),
        status=tombstone.status,
        phase=ContainerPhase.CONTAINER_PHASE_FAILED if failed else ContainerPhase.CONTAINER_PHASE_EXITED,
        detail="it has ended and was removed",
    )
