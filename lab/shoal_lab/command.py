"""`shoal lab`: a whole cluster on this machine."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from shoal_common.errors import InvalidSpec, ShoalError, first_cause

if TYPE_CHECKING:
    from shoal_lab.cluster import Lab

T = TypeVar("T")

_name = click.option("--name", default="lab", show_default=True, help="Which lab: several can stand side by side.")


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run the work to its end; a ShoalError inside an exception group comes out as itself."""
    try:
        return asyncio.run(work)
    except BaseExceptionGroup as group:
        if isinstance(error := first_cause(group), ShoalError):
            raise error from group
        raise


def _load(name: str) -> Lab:
    from shoal_lab.cluster import Lab

    return Lab.load(name, lambda line: click.echo(line, err=True))


@click.group(short_help="A whole cluster on this machine, to try things and for tests.")
def lab() -> None:
    """Run a whole cluster on this machine: network namespaces as hosts, real daemons in them.

    \b
    Examples:
      shoal lab up --nodes 3        three nodes, a controller, etcd and a registry
      shoal ps                      works at once: the lab writes the client's configuration
      shoal lab kill node1          kill an agent; its containers live on
      shoal lab partition node2     cut a node's cable
      shoal lab exec node1 -- ip a  look around in a host
      shoal lab down                leave nothing behind
    """


@lab.command()
@click.option("--nodes", default=3, show_default=True, help="Number of nodes.")
@click.option("--node-memory", metavar="SIZE", help="Memory each node says it has (this machine's, divided).")
@click.option("--node-cpus", metavar="CORES", help="Cores each node says it has (this machine's, divided).")
@click.option("--label", "labels", multiple=True, metavar="NODE:KEY=VALUE", help="Label a node. Can be repeated.")
@click.option("--subnet", default="10.77.0.0/24", show_default=True, help="Network between the hosts, a private /24.")
@_name
def up(
    nodes: int, node_memory: str | None, node_cpus: str | None, labels: tuple[str, ...], subnet: str, name: str
) -> None:
    """Start a lab and wait until all of its nodes are ready.

    \b
    Examples:
      shoal lab up
      shoal lab up --nodes 5 --node-memory 2g --node-cpus 1
      shoal lab up --label node1:ssd=true
      shoal lab up --name other --subnet 10.78.0.0/24
    """
    from dataclasses import replace

    from shoal_common.units import parse_bytes, parse_cpus
    from shoal_lab.cluster import Lab, Plan, default_capacity
    from shoal_lab.layout import Layout

    layout = Layout(name=name, subnet=subnet, nodes=nodes)
    capacity = default_capacity(nodes)
    if node_memory:
        capacity = replace(capacity, memory_bytes=parse_bytes(node_memory))
    if node_cpus:
        capacity = replace(capacity, cpu_millis=parse_cpus(node_cpus))
    by_node: dict[str, list[str]] = {}
    for label in labels:
        node, colon, pair = label.partition(":")
        if not colon or "=" not in pair:
            raise InvalidSpec(f'label "{label}" is not valid (write NODE:KEY=VALUE)')
        by_node.setdefault(layout.host(node).name, []).append(pair)
    made = Lab(Plan(layout, capacity, by_node), lambda line: click.echo(line, err=True))
    ready = _run(made.up())
    click.echo(f"Lab {name} is up: {made.describe()}")
    for each in ready:
        click.echo(f"  {each.spec.name}  ready  {each.status.description.address}")


@lab.command()
@_name
def down(name: str) -> None:
    """End a lab and remove everything of it.

    \b
    Example:
      shoal lab down
    """
    _run(_load(name).down())
    click.echo(f"Lab {name} is down")


@lab.command()
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="How to print it.")
@_name
def status(form: str, name: str) -> None:
    """Show the hosts of a lab and what runs in them.

    \b
    Examples:
      shoal lab status
      shoal lab status --format json
    """
    loaded = _load(name)

    async def collect() -> list[dict[str, str]]:
        rows = []
        async for host, services in loaded.status():
            state = "off" if services is None else "cut off" if host.name in loaded.plan.partitioned else "on"
            running = [
                f"{each} (pid {pid})" if pid else f"{each} (ended with {code})"
                for each, (pid, code) in (services or {}).items()
            ]
            rows.append({"host": host.name, "address": host.address, "state": state, "daemons": ", ".join(running)})
        return rows

    rows = _run(collect())
    if form == "json":
        for row in rows:
            click.echo(json.dumps(row))
        return
    click.echo(f"Lab {name}: {loaded.describe()}")
    click.echo(f"{'HOST':<10} {'ADDRESS':<14} {'STATE':<8} DAEMONS")
    for row in rows:
        click.echo(f"{row['host']:<10} {row['address']:<14} {row['state']:<8} {row['daemons']}".rstrip())


def _fault(name: str, hosts: tuple[str, ...], act: str, done: str) -> None:
    loaded = _load(name)

    async def work() -> None:
        for host in hosts:
            changed = await getattr(loaded, act)(host)
            what = f" ({', '.join(changed) or 'nothing to do'})" if changed is not None else ""
            click.echo(f"{host}: {done}{what}")

    _run(work())


_hosts = click.argument("hosts", nargs=-1, required=True, metavar="HOST...")


@lab.command()
@_hosts
@_name
def kill(hosts: tuple[str, ...], name: str) -> None:
    """Kill the daemons of hosts with SIGKILL. Containers live on.

    HOST is a host, or one daemon of it: node1, control1, control1/etcd.

    \b
    Examples:
      shoal lab kill node1
      shoal lab kill control1/controller
    """
    _fault(name, hosts, "kill", "killed")


@lab.command()
@_hosts
@_name
def stop(hosts: tuple[str, ...], name: str) -> None:
    """Stop the daemons of hosts in good order. Containers live on.

    \b
    Example:
      shoal lab stop node1
    """
    _fault(name, hosts, "stop", "stopped")


@lab.command()
@_hosts
@_name
def start(hosts: tuple[str, ...], name: str) -> None:
    """Start the daemons of hosts that don't run.

    \b
    Examples:
      shoal lab start node1
      shoal lab start control1/etcd
    """
    _fault(name, hosts, "start", "started")


@lab.command()
@_hosts
@_name
def partition(hosts: tuple[str, ...], name: str) -> None:
    """Cut hosts off the network.

    \b
    Example:
      shoal lab partition node2
    """
    _fault(name, hosts, "partition", "cut off")


@lab.command()
@_hosts
@_name
def heal(hosts: tuple[str, ...], name: str) -> None:
    """Join hosts to the network again.

    \b
    Example:
      shoal lab heal node2
    """
    _fault(name, hosts, "heal", "joined")


@lab.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("host")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@_name
def exec_(host: str, command: tuple[str, ...], name: str) -> None:
    """Run a command in a host.

    \b
    Examples:
      shoal lab exec node1 -- ip address
      shoal lab exec control1 -- tail -f /var/lib/shoal-lab/lab/logs/control1-controller.log
    """
    from shoal_lab.daemons import SHOAL
    from shoal_lab.hosts import PATH

    loaded = _load(name)
    pid = loaded.orders(loaded.layout.host(host).name).pid
    # The lab's own `shoal` first, as for the daemons.
    path = f"{Path(SHOAL).parent}:{PATH}"
    os.execvpe("nsenter", ["nsenter", "--target", str(pid), "--all", "--", *command], {**os.environ, "PATH": path})


@lab.command()
@click.option("--nodes", default=3, show_default=True, help="Number of nodes.")
def demo(nodes: int) -> None:
    """Show what Shoal does, with the commands for it.

    A lab, an image, containers on every node, an agent that is killed and its containers that live on.

    Uses the lab that is up, or starts one; leaves it up.

    \b
    Example:
      shoal lab demo
    """
    from shoal_lab.demo import show

    _run(show(nodes))
