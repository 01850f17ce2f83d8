"""`shoal agent`: run a node of the cluster."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

import click

from shoal_common.daemon_options import daemon_options
from shoal_common.daemon_process import prepare_process
from shoal_common.errors import InvalidSpec, ShoalError, first_cause


def _pairs(values: tuple[str, ...], option: str) -> dict[str, str]:
    pairs = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not key or not equals:
            raise click.BadParameter(f'"{value}" is not of the form KEY=VALUE', param_hint=option)
        pairs[key] = rest
    return pairs


_DATA_ROOT: Final = Path("/var/lib/shoal")
_RUN_ROOT: Final = Path("/run/shoal")
_CGROUP_PARENT: Final = "/shoal"
_RUNTIMES: Final = ("crun=/usr/bin/crun", "runc=/usr/sbin/runc")

_data_root = click.option(
    "--data-root",
    type=click.Path(path_type=Path, file_okay=False),
    default=_DATA_ROOT,
    show_default=True,
    help="Directory of images, containers and the node's identity.",
)


@click.group(invoke_without_command=True, short_help="Run the agent of this host.")
@_data_root
@click.option(
    "--run-root",
    type=click.Path(path_type=Path, file_okay=False),
    default=_RUN_ROOT,
    show_default=True,
    help="Directory of what does not survive a boot, on a tmpfs.",
)
@click.option("--listen", metavar="IP:PORT", help="Where controllers reach this agent (needed to run it).")
@click.option(
    "--join",
    "join_addresses",
    multiple=True,
    metavar="HOST:PORT",
    help="A controller's listener for joining, needed the first time. Can be repeated.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with the join token, needed the first time.",
)
@click.option("--name", default=socket.gethostname, metavar="NAME", help="Name of the node (the host's).")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Label of the node. Can be repeated.")
@click.option("--memory", default="", metavar="BYTES", help="Memory that containers may use (all), such as 8g.")
@click.option("--cpus", default="", metavar="N", help="Cores that containers may use (all), such as 1.5.")
@click.option(
    "--uid-range",
    default="524288-1879048191",
    show_default=True,
    metavar="FIRST-LAST",
    help="Host uids of which each container gets 65536.",
)
@click.option(
    "--allow-bind",
    "allowed_binds",
    multiple=True,
    metavar="PATH[:ro]",
    help="Let containers mount this path and what is below it, with :ro only to read. Can be repeated.",
)
@click.option(
    "--log-opt",
    "log_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="max-size=SIZE (16m), max-file=N (5): what is kept of the logs of containers that say nothing of it.",
)
@click.option(
    "--cgroup-parent",
    default=_CGROUP_PARENT,
    show_default=True,
    metavar="PATH",
    help="Below it are all control groups.",
)
@click.option(
    "--runtime",
    "runtimes",
    multiple=True,
    default=_RUNTIMES,
    show_default=True,
    metavar="NAME=PATH",
    help="An OCI runtime; the first is the default. Can be repeated.",
)
@click.option(
    "--image-gc-high-threshold",
    "clear_above",
    type=click.IntRange(1, 100),
    default=85,
    show_default=True,
    metavar="PERCENT",
    help="Remove images that no container here has, and old logs, once so much of the disk is taken; 100: never.",
)
@click.option(
    "--image-gc-low-threshold",
    "clear_below",
    type=click.IntRange(0, 99),
    default=80,
    show_default=True,
    metavar="PERCENT",
    help="Go on with that until less than this is taken.",
)
@daemon_options
@click.pass_context
def agent(
    context: click.Context,
    data_root: Path,
    run_root: Path,
    listen: str | None,
    join_addresses: tuple[str, ...],
    token_file: Path | None,
    name: str,
    labels: tuple[str, ...],
    memory: str,
    cpus: str,
    uid_range: str,
    allowed_binds: tuple[str, ...],
    log_options: tuple[str, ...],
    cgroup_parent: str,
    runtimes: tuple[str, ...],
    clear_above: int,
    clear_below: int,
    registry_own: tuple[str, ...],
    registry_insecure: tuple[str, ...],
    debug: bool,
    log_format: str,
) -> None:
    """Run the agent of this host, in the foreground, until SIGTERM. Containers live on without it.

    \b
    Examples:
      shoal agent --listen 192.0.2.11:7410 --join 192.0.2.10:7401 --token-file token
      shoal agent --listen 192.0.2.11:7410
      shoal agent reset
    """
    if context.invoked_subcommand is not None:
        return
    if listen is None:
        raise click.UsageError("Missing option '--listen'.")
    if clear_below >= clear_above:
        raise click.UsageError(
            f"--image-gc-low-threshold {clear_below} is not below --image-gc-high-threshold {clear_above}"
        )
    prepare_process()
    import asyncio

    from shoal_agent.core.collecting import Thresholds
    from shoal_agent.core.log_rotation import DEFAULT_FILES, DEFAULT_SIZE, Limits
    from shoal_agent.daemon import serve
    from shoal_agent.paths import NodePaths
    from shoal_agent.sandbox.uid_ranges import parse_bases
    from shoal_agent.settings import Settings
    from shoal_agent.volumes.binds import AllowedBind
    from shoal_common.containers.log_options import parse_log_options
    from shoal_common.containers.runtimes import check_runtime
    from shoal_common.daemon_logging import configure_logging
    from shoal_common.ids import check_name
    from shoal_common.units import parse_bytes, parse_cpus

    configure_logging(debug=debug, form=log_format, node=name)
    try:
        if not listen.rpartition(":")[2].isdecimal():
            raise InvalidSpec(f'address "{listen}" has no port (write IP:PORT, such as 192.0.2.11:7410)')
        kept = parse_log_options(log_options)
        if kept.labels or kept.env:
            raise InvalidSpec("log options labels and env are a container's (an agent takes max-size and max-file)")
        settings = Settings(
            paths=NodePaths(data=data_root, run=run_root),
            listen=listen,
            join=join_addresses,
            token_file=token_file,
            name=check_name("node", name),
            labels=_pairs(labels, "--label"),
            memory_bytes=parse_bytes(memory) if memory else 0,
            cpu_millis=parse_cpus(cpus) if cpus else 0,
            uid_bases=parse_bases(uid_range),
            allowed_binds=tuple(AllowedBind.parse(text) for text in allowed_binds),
            cgroup_parent=cgroup_parent,
            runtimes={check_runtime(key): Path(path) for key, path in _pairs(runtimes, "--runtime").items()},
            own_registries=registry_own,
            insecure_registries=registry_insecure,
            clearing=Thresholds(clear_above, clear_below),
            log_limits=Limits(size=kept.max_size or DEFAULT_SIZE, files=kept.max_files or DEFAULT_FILES),
        )
        asyncio.run(serve(settings))
    except ShoalError as error:
        raise click.ClickException(error.message) from error


@agent.command(short_help="Remove everything of Shoal from this host.")
@click.option(
    "--data-root",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory of what is to be removed.  [default: that of shoal agent]",
)
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.pass_context
def reset(context: click.Context, data_root: Path | None, yes: bool) -> None:
    """Remove everything of Shoal from this host: containers, which are killed, with their data, images, the identity.

    For a host that was removed from its cluster (shoal node rm), or is to leave it. Afterwards it can join as a new
    node. The agent has to be stopped before. Broken off, it goes on when it is run again.

    \b
    Examples:
      shoal agent reset
      shoal agent reset --data-root /srv/shoal --yes
    """
    if data_root is None:
        # `shoal agent --data-root DIRECTORY reset` means the same.
        data_root = context.parent.params["data_root"] if context.parent is not None else _DATA_ROOT
    import asyncio

    from shoal_agent.claims import HostUse
    from shoal_agent.reset import find
    from shoal_agent.reset import reset as reset_host
    from shoal_common.daemon_logging import configure_logging

    configure_logging(debug=False)
    runtimes = {key: Path(path) for key, path in _pairs(_RUNTIMES, "--runtime").items()}
    try:
        found = find(data_root)
        whose = f"node {found.node} of cluster {found.cluster}" if found.node else "a host that belongs to no cluster"
        if not yes:
            click.confirm(
                f"This is {whose}, with {found.containers} containers. Remove all of it, with its data?",
                abort=True,
                err=True,
            )
        asyncio.run(reset_host(data_root, HostUse(_RUN_ROOT, _CGROUP_PARENT, runtimes)))
    except BaseExceptionGroup as group:
        if isinstance(first := first_cause(group), ShoalError):
            raise click.ClickException(first.message) from group
        raise
    except ShoalError as error:
        raise click.ClickException(error.message) from error
    click.echo(f"Nothing of Shoal is left in {data_root}; {whose} was reset")
