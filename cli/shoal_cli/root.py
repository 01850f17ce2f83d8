"""The `shoal` group: every command's name and its line in the help."""

from __future__ import annotations

from typing import Final

import click

from shoal_cli.lazy import LazyGroup, command
from shoal_cli.params import CONTEXT
from shoal_cli.plugins import plugins
from shoal_cli.session import DEBUG

_COMMANDS: Final = "shoal_cli.commands"

TABLE: Final = {
    "attach": command(f"{_COMMANDS}.attach", "attach", "Join your terminal to a running container."),
    "cluster": command(f"{_COMMANDS}.cluster", "cluster", "Manage the cluster itself."),
    "commit": command(f"{_COMMANDS}.commit", "commit", "Make an image of what a container has become."),
    "completion": command(f"{_COMMANDS}.completion", "completion", "Print a shell's completion script."),
    "container": command(f"{_COMMANDS}.container", "container", "Look after containers as a whole."),
    "context": command(f"{_COMMANDS}.context", "context", "List clusters, and choose the one in use."),
    "cp": command(f"{_COMMANDS}.copy", "copy", "Copy files between a container and this machine."),
    "create": command(f"{_COMMANDS}.run", "create", "Create a container without starting it."),
    "diff": command(f"{_COMMANDS}.copy", "diff", "Show what a container has changed of its image."),
    "events": command(f"{_COMMANDS}.events", "events", "Show what happens in the cluster."),
    "exec": command(f"{_COMMANDS}.execute", "execute", "Run a command in a running container."),
    "export": command(f"{_COMMANDS}.copy", "export", "Write a container's file system as a tar."),
    "help": command(f"{_COMMANDS}.help", "help_", "Show the help of a command."),
    "image": command(f"{_COMMANDS}.image", "image", "Bring images in, look at them, fetch them to nodes."),
    "images": command(f"{_COMMANDS}.image", "list_", "List the images of the cluster's registry."),
    "info": command(f"{_COMMANDS}.cluster", "info", "Show how large the cluster is and what is used."),
    "inspect": command(
        f"{_COMMANDS}.inspect", "inspect", "Show all there is to know of containers, images, volumes and nodes."
    ),
    "kill": command(f"{_COMMANDS}.lifecycle", "kill", "Send a signal to running containers."),
    "logs": command(f"{_COMMANDS}.logs", "logs", "Show what a container wrote."),
    "node": command(f"{_COMMANDS}.node", "node", "Look at the cluster's nodes, drain and remove them."),
    "pause": command(f"{_COMMANDS}.pause", "pause", "Freeze all processes of containers."),
    "port": command(f"{_COMMANDS}.port", "port", "Show by which ports of its node a container is reached."),
    "ps": command(f"{_COMMANDS}.ps", "ps", "List containers."),
    "rename": command(f"{_COMMANDS}.alter", "rename", "Give a container another name."),
    "restart": command(f"{_COMMANDS}.lifecycle", "restart", "Stop containers and start them again."),
    "rm": command(f"{_COMMANDS}.lifecycle", "rm", "Remove containers."),
    "run": command(f"{_COMMANDS}.run", "run", "Create a container and start it."),
    "start": command(f"{_COMMANDS}.lifecycle", "start", "Start stopped containers."),
    "stats": command(f"{_COMMANDS}.stats", "stats", "Show what containers use."),
    "stop": command(f"{_COMMANDS}.lifecycle", "stop", "Stop running containers."),
    "system": command(f"{_COMMANDS}.system", "system", "See what takes room on the nodes, and make room."),
    "top": command(f"{_COMMANDS}.top", "top", "Show the processes of a container."),
    "unpause": command(f"{_COMMANDS}.pause", "unpause", "Let paused containers go on."),
    "update": command(f"{_COMMANDS}.alter", "update", "Change limits and restart policy of containers."),
    "version": command(f"{_COMMANDS}.cluster", "version", "Show the versions of client and controller."),
    "volume": command(f"{_COMMANDS}.volume", "volume", "Make, list and remove volumes."),
    "wait": command(f"{_COMMANDS}.lifecycle", "wait", "Wait until containers end; print their exit codes."),
}


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from shoal_common.version import VERSION

        click.echo(f"shoal {VERSION}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    table=TABLE,
    others=plugins,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command has help with examples: shoal COMMAND --help",
)
@click.option("-c", "--context", type=CONTEXT, metavar="NAME", help="Cluster to talk to (see: shoal context ls).")
@click.option("--debug", is_flag=True, help="Show the way of the command's requests, with times, on stderr.")
@click.option(
    "-v",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version.",
)
@click.pass_context
def shoal(ctx: click.Context, context: str | None, debug: bool) -> None:
    """Run containers across many hosts as if they were one."""
    ctx.obj = context
    ctx.meta[DEBUG] = debug
