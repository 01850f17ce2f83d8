"""`shoal run` and `shoal create`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from shoal_cli import params
from shoal_cli.codes import CANNOT

if TYPE_CHECKING:
    from shoal.cluster import Cluster
    from shoal.options import ContainerOptions

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--name", type=params.NAME, help="Name of the container; one is made up if left out."),
    click.option(
        "-e",
        "--env",
        multiple=True,
        type=params.VARIABLE,
        metavar="NAME[=VALUE]",
        help="Set a variable, or pass one of yours on. Can be repeated.",
    ),
    click.option("-w", "--workdir", metavar="DIR", help="Directory that the process starts in."),
    click.option("-u", "--user", metavar="USER[:GROUP]", help="Name or number, as the image knows them."),
    click.option("--entrypoint", metavar="COMMAND", help='Replace the image\'s entry point; "" clears it.'),
    click.option(
        "-l", "--label", multiple=True, type=params.LABEL, metavar="KEY[=VALUE]", help="Set a label. Can be repeated."
    ),
    click.option("-m", "--memory", type=params.MEMORY, metavar="SIZE", help="Limit and reserve memory, such as 512m."),
    click.option("--cpus", type=params.CPUS, metavar="CORES", help="Limit and reserve processor time, such as 0.5."),
    click.option("--pids-limit", type=click.IntRange(1), metavar="N", help="Most processes and threads (4096)."),
    click.option(
        "--constraint",
        multiple=True,
        metavar="KEY==VALUE",
        help="Only nodes where this holds; keys are node.id, node.name, node.labels.NAME; also !=. Can be repeated.",
    ),
    click.option(
        "--network",
        type=click.Choice(["default", "none"]),
        default="default",
        show_default=True,
        help="The cluster's network, or nothing but a loopback.",
    ),
    click.option("--stop-signal", metavar="SIGNAL", help="Signal that asks it to end, such as SIGQUIT."),
    click.option("--stop-timeout", type=click.IntRange(0), metavar="SECONDS", help="From that signal to SIGKILL (10)."),
    click.option("--hostname", "-h", metavar="NAME", help="Host name inside; the beginning of the id if left out."),
    click.option(
        "--restart",
        type=params.RESTART,
        metavar="POLICY",
        default="no",
        show_default=True,
        help="Start it again on its node when it has ended: no, on-failure[:N], always, unless-stopped.",
    ),
    click.option("--rm", "auto_remove", is_flag=True, help="Remove the container once it has ended."),
)


def container_options(function: F) -> F:
    """Add what both commands take."""
    function = click.argument("args", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND [ARGUMENT]...]")(function)
    function = click.argument("image", type=params.IMAGE, metavar="IMAGE")(function)
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


#: What follows the image belongs to the container. -h is the host name, as in Docker.
_SETTINGS = {"allow_interspersed_args": False, "help_option_names": ["--help"]}


def _options(values: dict[str, Any]) -> ContainerOptions:
    if values["auto_remove"] and values["restart"] != "no":
        raise click.UsageError("--rm and --restart exclude each other: what is removed can't be started again")
    options: ContainerOptions = {
        "env": params.variables(values["env"]),
        "labels": params.pairs(values["label"]),
        "constraints": values["constraint"],
        "network": values["network"],
        "auto_remove": values["auto_remove"],
    }
    if values["entrypoint"] is not None:
        options["entrypoint"] = [values["entrypoint"]] if values["entrypoint"] else []
    if values["workdir"]:
        options["working_dir"] = values["workdir"]
    if values["user"]:
        options["user"] = values["user"]
    if values["hostname"]:
        options["hostname"] = values["hostname"]
    if values["memory"]:
        options["memory"] = values["memory"]
    if values["cpus"]:
        options["cpus"] = values["cpus"]
    if values["pids_limit"] is not None:
        options["pids_limit"] = values["pids_limit"]
    if values["stop_signal"]:
        options["stop_signal"] = values["stop_signal"]
    if values["restart"] != "no":
        options["restart"] = values["restart"]
    if values["stop_timeout"] is not None:
        options["stop_timeout"] = values["stop_timeout"]
    return options


@click.command(context_settings=_SETTINGS, short_help="Create a container and start it.")
@click.option("-d", "--detach", is_flag=True, help="Print its id once it runs, and leave it running.")
@container_options
def run(image: str, args: tuple[str, ...], name: str | None, detach: bool, **values: Any) -> int:
    """Create a container and start it.

    Without -d its output is shown, signals are passed on to it, and its exit code becomes that of shoal: 125 if Shoal
    could not run it, 126 if the command is not executable, 127 if it was not found. A second Ctrl-C leaves it running.
    One that its restart policy starts again is stayed with until it ends for good.
    While it waits for room on a node, the reason is shown, and Ctrl-C removes it.

    \b
    Examples:
      shoal run --rm busybox echo hello
      shoal run -d --name web -m 256m --constraint node.labels.ssd==true web:3
      shoal run --rm -e DEBUG=1 -w /src web:3 sh -c 'ls; exit 7'
      shoal run -d --restart always web:3
      shoal run -d --restart on-failure:5 worker:1
    """
    from shoal_cli.session import converse
    from shoal_common.ids import new_container_id

    identifier = new_container_id()
    options = _options(values)

    async def action(cluster: Cluster) -> int:
        from shoal_cli.attach import attached, detached

        def create() -> Any:
            return cluster.containers.run(image, args, name=name, id=identifier, **options)

        if not detach:
            return await attached(cluster, identifier, create)
        code, made = await detached(cluster, identifier, create)
        if made:
            click.echo(made)
        return code

    return converse(action, failure=CANNOT)


@click.command(context_settings=_SETTINGS, short_help="Create a container without starting it.")
@container_options
def create(image: str, args: tuple[str, ...], name: str | None, **values: Any) -> int:
    """Create a container without starting it, and print its id.

    It gets its place and is prepared there, so that a later start is quick.

    \b
    Examples:
      shoal create --name web --restart unless-stopped web:3
      shoal start web
    """
    from shoal_cli.session import converse

    options = _options(values)

    async def action(cluster: Cluster) -> None:
        container = await cluster.containers.create(image, args, name=name, **options)
        click.echo(container.spec.id)

    return converse(action)
