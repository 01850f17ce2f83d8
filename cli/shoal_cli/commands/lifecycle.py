"""`shoal start`, `stop`, `restart`, `kill`, `rm` and `wait`: each for several containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal_cli import params
from shoal_cli.switches import Switches

if TYPE_CHECKING:
    from shoal.cluster import Cluster
    from shoal_proto.v1.container_pb2 import Container

_containers = click.argument("containers", nargs=-1, required=True, type=params.CONTAINER, metavar="CONTAINER...")
#: `--time` is what Docker called it up to version 27.
_time = click.option(
    "-t", "--timeout", "--time", "time", type=params.COUNT, metavar="SECONDS", help="From stop signal to SIGKILL."
)


@click.command(cls=Switches, short_help="Start stopped containers.")
@click.option("-a", "--attach", is_flag=True, help="Show its output, and end with its exit code.")
@click.option("-i", "--interactive", is_flag=True, help="Pass stdin on to it as well.")
@params.sig_proxy
@params.detach_keys
@_containers
def start(containers: tuple[str, ...], attach: bool, interactive: bool, sig_proxy: bool, detach_keys: bytes) -> int:
    """Start stopped containers, and print each that runs.

    One that finds no room on its node waits for it; the reason is shown.

    \b
    Examples:
      shoal start web
      shoal start web db
      shoal start -ai shell
    """
    from shoal_cli.session import converse

    if attach or interactive:
        from shoal_cli.codes import CANNOT

        if len(containers) > 1:
            raise click.UsageError("only one container can be attached to (start the others without -a and -i)")

        async def stay(cluster: Cluster) -> int:
            from shoal_cli.attaching import started

            return await started(cluster, containers[0], stdin=interactive, proxy=sig_proxy, keys=detach_keys)

        return converse(stay, failure=CANNOT)

    async def action(cluster: Cluster) -> int:
        from shoal_cli.many import each

        async def begin(ref: str) -> str:
            container = await cluster.containers.start(ref)
            await _running(cluster, ref, container.spec.id, container.spec.run)
            return ref

        return await each(containers, begin)

    return converse(action)


def _note_down(ref: str, container: Container) -> None:
    """Say why nothing happens, if its node is down."""
    from shoal_cli.session import note
    from shoal_proto.v1.container_pb2 import ContainerPhase

    runs = container.phase in (ContainerPhase.CONTAINER_PHASE_RUNNING, ContainerPhase.CONTAINER_PHASE_STOPPING)
    if runs and container.HasField("node_down_since"):
        note(
            f'container "{ref}" is stopped once its node {container.node_name} is back (shoal node ls shows when it is)'
        )


async def _running(cluster: Cluster, ref: str, identifier: str, run: int) -> None:
    from shoal.waiting import Until
    from shoal_cli.attach import Reasons
    from shoal_common.errors import Conflict
    from shoal_proto.v1.container_pb2 import ContainerPhase

    end = await cluster.containers.wait(identifier, until=Until.RUNNING, run=run, on_change=Reasons(ref))
    if end.phase in (ContainerPhase.CONTAINER_PHASE_FAILED, ContainerPhase.CONTAINER_PHASE_LOST):
        raise Conflict(f'container "{ref}" could not be started: {end.detail or "its node does not say why"}')


@click.command(short_help="Stop running containers.")
@_time
@_containers
def stop(containers: tuple[str, ...], time: int | None) -> int:
    """Stop running containers, and print each that has ended.

    Each is sent its stop signal and, if it has not ended by then, SIGKILL.

    \b
    Examples:
      shoal stop web
      shoal stop -t 0 web db
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from shoal_cli.many import each

        async def end(ref: str) -> str:
            container = await cluster.containers.stop(ref, timeout=time)
            _note_down(ref, container)
            await cluster.containers.wait(container.spec.id, run=container.spec.run)
            return ref

        return await each(containers, end)

    return converse(action)


@click.command(short_help="Stop containers and start them again.")
@_time
@_containers
def restart(containers: tuple[str, ...], time: int | None) -> int:
    """Stop containers, if they run, start them again, and print each that runs.

    \b
    Examples:
      shoal restart web
      shoal restart -t 30 db
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from shoal_cli.many import each

        async def again(ref: str) -> str:
            container = await cluster.containers.restart(ref, timeout=time)
            _note_down(ref, container)
            await _running(cluster, ref, container.spec.id, container.spec.run)
            return ref

        return await each(containers, again)

    return converse(action)


@click.command(short_help="Send a signal to running containers.")
@click.option("-s", "--signal", default="SIGKILL", show_default=True, metavar="SIGNAL", help="Name or number.")
@_containers
def kill(containers: tuple[str, ...], signal: str) -> int:
    """Send a signal to the first process of running containers, and print each that was sent it.

    \b
    Examples:
      shoal kill web
      shoal kill -s HUP web
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from shoal_cli.many import each

        async def send(ref: str) -> str:
            await cluster.containers.kill(ref, signal)
            return ref

        return await each(containers, send)

    return converse(action)


@click.command(short_help="Remove containers.")
@click.option("-f", "--force", is_flag=True, help="Also those that run, killing them.")
@click.option("-v", "--volumes", is_flag=True, help="With the volumes that are only their own.")
@_containers
def rm(containers: tuple[str, ...], force: bool, volumes: bool) -> int:
    """Remove containers with their files, and print each that is gone.

    With -f the name of one whose node is down is free at once; the rest of it goes when the node is back. One that
    does not exist is then told, and no error.

    \b
    Examples:
      shoal rm web
      shoal rm -f web db
      shoal rm -v db             with its volumes, but for those that have a name
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from shoal_cli.attach import gone
        from shoal_cli.many import each
        from shoal_cli.session import note
        from shoal_common.errors import NotFound

        async def remove(ref: str) -> str | None:
            try:
                identifier = await cluster.containers.remove(ref, force=force, volumes=volumes)
            except NotFound as error:
                if not force:
                    raise
                # As Docker does: whoever clears away by force is content if there is nothing to clear.
                note(error.message)
                return None
            if not await gone(cluster, identifier):
                note(f'what container "{ref}" has on its node is removed once the node answers')
            return ref

        return await each(containers, remove)

    return converse(action)


@click.command(short_help="Wait until containers end; print their exit codes.")
@_containers
def wait(containers: tuple[str, ...]) -> int:
    """Wait until containers end, and print their exit codes in the order given.

    \b
    Examples:
      shoal wait web
      code=$(shoal wait job)
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        import asyncio

        from shoal_cli.session import note
        from shoal_common.errors import ShoalError

        results = await asyncio.gather(*(cluster.containers.wait(ref) for ref in containers), return_exceptions=True)
        failed = False
        for result in results:
            if isinstance(result, ShoalError):
                note(result.message)
                failed = True
            elif isinstance(result, BaseException):
                raise result
            else:
                click.echo(result.exit_code)
        return 1 if failed else 0

    return converse(action)
