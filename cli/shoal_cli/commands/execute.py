"""`shoal exec`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal_cli import params
from shoal_cli.codes import CANNOT
from shoal_cli.container_options import process

if TYPE_CHECKING:
    from pathlib import Path

    from shoal.cluster import Cluster


@click.command(
    "exec", context_settings={"allow_interspersed_args": False}, short_help="Run a command in a running container."
)
@process.ENV
@process.ENV_FILE
@click.option("-w", "--workdir", default="", metavar="DIR", help="Directory that the command starts in.")
@click.option("-u", "--user", default="", metavar="USER[:GROUP]", help="Name or number, as the image knows them.")
@click.option("-i", "--interactive", is_flag=True, help="Pass stdin on to it.")
@click.option("-t", "--tty", is_flag=True, help="Give it a terminal.")
@click.option("-d", "--detach", is_flag=True, help="Return once it runs, and leave it running.")
@params.detach_keys
@click.argument("container", type=params.CONTAINER, metavar="CONTAINER")
@click.argument("args", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND [ARGUMENT]...")
def execute(
    container: str,
    args: tuple[str, ...],
    env: tuple[str, ...],
    env_file: tuple[Path, ...],
    workdir: str,
    user: str,
    interactive: bool,
    tty: bool,
    detach: bool,
    detach_keys: bytes,
) -> int:
    """Run a command in a running container, and exit with its exit code.

    That is 125 if Shoal could not run it, 126 if it is not executable, 127 if it was not found.

    \b
    Examples:
      shoal exec web cat /etc/hosts
      shoal exec -it web sh
      shoal exec -d web touch /tmp/seen
      shoal exec -u nobody -w /tmp web sh -c 'id; pwd'
      tar c . | shoal exec -i web tar x -C /srv
    """
    from shoal_cli.session import converse

    variables = process.variables(env_file, env)
    if interactive and tty and not detach:
        from shoal_cli.terminal import require

        require()

    async def action(cluster: Cluster) -> int:
        from shoal_cli.commanding import command
        from shoal_cli.joining import OUTPUT, Detached, Streams
        from shoal_cli.session import note
        from shoal_cli.terminal import size

        running = cluster.containers.exec(
            container,
            args,
            env=params.pairs(tuple(variables)),
            working_dir=workdir,
            user=user,
            stdin=interactive and not detach,
            tty=tty and not detach,
            size=size() if tty else None,
            detach=detach,
        )
        if detach:
            return await command(running, OUTPUT)
        try:
            return await command(running, Streams(stdin=interactive, tty=tty, keys=detach_keys))
        except Detached:
            click.echo(err=True)
            note(f"detached; the command in container {container} runs on")
            return 0

    return converse(action, failure=CANNOT)
