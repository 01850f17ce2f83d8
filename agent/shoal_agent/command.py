"""`shoal agent`: run a node of the cluster."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import click

from shoal_common.errors import InvalidSpec, ShoalError


def _pairs(values: tuple[str, ...], option: str) -> dict[str, str]:
    pairs = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not key or not equals:
            raise click.BadParameter(f'"{value}" is not of the form KEY=VALUE', param_hint=option)
        pairs[key] = rest
    return pairs


@click.command(short_help="Run the agent of this host.")
@click.option(
    "--data-root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/var/lib/shoal"),
    show_default=True,
    help="Directory of images, containers and the node's identity.",
)
@click.option(
    "--run-root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/run/shoal"),
    show_default=True,
    help="Directory of what does not survive a boot, on a tmpfs.",
)
@click.option("--listen", required=True, metavar="IP:PORT", help="Where controllers reach this agent.")
@click.option("--join", "join_address", default="", metavar="HOST:PORT", help="Where to join, the first time.")
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
    "--cgroup-parent", default="/shoal", show_default=True, metavar="PATH", help="Below it are all control groups."
)
@click.option(
    "--runtime",
    "runtimes",
    multiple=True,
    default=("crun=/usr/bin/crun", "runc=/usr/sbin/runc"),
    show_default=True,
    metavar="NAME=PATH",
    help="An OCI runtime; the first is the default. Can be repeated.",
)
@click.option(
    "--registry-own",
    multiple=True,
    metavar="HOST:PORT",
    help="A registry of the cluster, with mutual TLS by its certificates. Can be repeated.",
)
@click.option(
    "--registry-insecure", multiple=True, metavar="HOST:PORT", help="A registry without TLS. Can be repeated."
)
@click.option("--debug", is_flag=True, help="Log more.")
def agent(
    data_root: Path,
    run_root: Path,
    listen: str,
    join_address: str,
    token_file: Path | None,
    name: str,
    labels: tuple[str, ...],
    memory: str,
    cpus: str,
    uid_range: str,
    cgroup_parent: str,
    runtimes: tuple[str, ...],
    registry_own: tuple[str, ...],
    registry_insecure: tuple[str, ...],
    debug: bool,
) -> None:
    """Run the agent of this host, in the foreground, until SIGTERM. Containers live on without it.

    \b
    Examples:
      shoal agent --listen 192.0.2.11:7410 --join 192.0.2.10:7401 --token-file token
      shoal agent --listen 192.0.2.11:7410
    """
    # gRPC's core writes its own account of addresses that are taken to stderr.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import asyncio

    from shoal_agent.daemon import serve
    from shoal_agent.paths import NodePaths
    from shoal_agent.sandbox.uid_ranges import parse_bases
    from shoal_agent.settings import Settings
    from shoal_common.daemon_logging import configure_logging
    from shoal_common.ids import check_name
    from shoal_common.units import parse_bytes, parse_cpus

    configure_logging(debug=debug)
    try:
        if not listen.rpartition(":")[2].isdecimal():
            raise InvalidSpec(f'address "{listen}" has no port (write IP:PORT, such as 192.0.2.11:7410)')
        settings = Settings(
            paths=NodePaths(data=data_root, run=run_root),
            listen=listen,
            join=join_address,
            token_file=token_file,
            name=check_name("node", name),
            labels=_pairs(labels, "--label"),
            memory_bytes=parse_bytes(memory) if memory else 0,
            cpu_millis=parse_cpus(cpus) if cpus else 0,
            uid_bases=parse_bases(uid_range),
            cgroup_parent=cgroup_parent,
            runtimes={key: Path(path) for key, path in _pairs(runtimes, "--runtime").items()},
            own_registries=registry_own,
            insecure_registries=registry_insecure,
        )
        asyncio.run(serve(settings))
    except ShoalError as error:
        raise click.ClickException(error.message) from error
