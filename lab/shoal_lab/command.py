"""`shoal lab`: a whole cluster on this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from shoal_common.errors import InvalidSpec
from shoal_lab.fault_commands import FAULTS
from shoal_lab.loading import load, name_option, run


@click.group(short_help="A whole cluster on this machine, to try things and for tests.")
def lab() -> None:
    """Run a whole cluster on this machine: network namespaces as hosts, real daemons in them.

    \b
    Examples:
      shoal lab up --nodes 3        three nodes, a controller, etcd and a registry
      shoal lab up --controllers 3 --etcd 3
      shoal ps                      works at once: the lab writes the client's configuration
      shoal lab kill node1          kill an agent; its containers live on
      shoal lab kill control2 etcd  kill one daemon of a host
      shoal lab partition node2     cut a node's cable
      shoal lab exec node1 -- ip a  look around in a host
      shoal lab down                leave nothing behind
    """


for each in FAULTS:
    lab.add_command(each)


@lab.command()
@click.option("--nodes", default=3, show_default=True, help="Number of nodes.")
@click.option("--node-memory", metavar="SIZE", help="Memory each node says it has (this machine's, divided).")
@click.option("--node-cpus", metavar="CORES", help="Cores each node says it has (this machine's, divided).")
@click.option("--node-disk", metavar="SIZE", help="Give each node a disk of that size (this machine's is shared).")
@click.option("--controllers", default=1, show_default=True, help="Number of controllers: 1, 3 or 5.")
@click.option("--etcd", "members", default=1, show_default=True, help="Number of members of etcd: 1, 3 or 5.")
@click.option("--etcd-quota", metavar="SIZE", help="What etcd keeps before it takes no more (2g).")
@click.option("--label", "labels", multiple=True, metavar="NODE:KEY=VALUE", help="Label a node. Can be repeated.")
@click.option(
    "--allow-bind",
    "binds",
    multiple=True,
    metavar="NODE:PATH[:ro]",
    help="Let containers on a node mount this path. Can be repeated.",
)
@click.option("--subnet", default="10.77.0.0/24", show_default=True, help="Network between the hosts, a private /24.")
@name_option
def up(
    nodes: int,
    node_memory: str | None,
    node_cpus: str | None,
    node_disk: str | None,
    controllers: int,
    members: int,
    etcd_quota: str | None,
    labels: tuple[str, ...],
    binds: tuple[str, ...],
    subnet: str,
    name: str,
) -> None:
    """Start a lab and wait until all of its nodes are ready.

    \b
    Examples:
      shoal lab up
      shoal lab up --nodes 5 --node-memory 2g --node-cpus 1
      shoal lab up --controllers 3 --etcd 3
      shoal lab up --node-disk 512m --etcd-quota 4m
      shoal lab up --label node1:ssd=true
      shoal lab up --name other --subnet 10.78.0.0/24
    """
    from dataclasses import replace

    from shoal_common.units import parse_bytes, parse_cpus
    from shoal_lab.cluster import Lab
    from shoal_lab.layout import Layout
    from shoal_lab.plan import ETCD_QUOTA, Plan, default_capacity

    layout = Layout(name=name, subnet=subnet, nodes=nodes, controllers=controllers, members=members)
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
    allowed: dict[str, list[str]] = {}
    for bind in binds:
        node, colon, path = bind.partition(":")
        if not colon or not path.startswith("/"):
            raise InvalidSpec(f'bind "{bind}" is not valid (write NODE:PATH or NODE:PATH:ro)')
        allowed.setdefault(layout.host(node).name, []).append(path)
    plan = Plan(
        layout,
        capacity,
        by_node,
        disk_bytes=parse_bytes(node_disk) if node_disk else 0,
        quota_bytes=parse_bytes(etcd_quota) if etcd_quota else ETCD_QUOTA,
        binds=allowed,
    )
    ready = run(Lab(plan, lambda line: click.echo(line, err=True)).up())
    click.echo(f"Lab {name} is up: {plan.describe()}")
    for each in ready:
        click.echo(f"  {each.spec.name}  ready  {each.status.description.address}")


@lab.command()
@name_option
def down(name: str) -> None:
    """End a lab and remove everything of it.

    \b
    Examples:
      shoal lab down
    """
    run(load(name).down())
    click.echo(f"Lab {name} is down")


@lab.command()
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="How to print it.")
@name_option
def status(form: str, name: str) -> None:
    """Show the hosts of a lab and what runs in them.

    \b
    Examples:
      shoal lab status
      shoal lab status --format json
    """
    loaded = load(name)

    async def collect() -> list[dict[str, str]]:
        rows = []
        async for host, services in loaded.status():
            state = "off" if services is None else loaded.plan.network_state(host.name)
            paused = await loaded.orders(host.name).paused() if services else set()
            running = [
                f"{each} (pid {pid}{', paused' if each in paused else ''})" if pid else f"{each} (ended with {code})"
                for each, (pid, code) in (services or {}).items()
            ]
            rows.append({"host": host.name, "address": host.address, "state": state, "daemons": ", ".join(running)})
        return rows

    rows = run(collect())
    if form == "json":
        for row in rows:
            click.echo(json.dumps(row))
        return
    click.echo(f"Lab {name}: {loaded.plan.describe()}")
    width = max(len("STATE"), *(len(row["state"]) for row in rows))
    click.echo(f"{'HOST':<10} {'ADDRESS':<14} {'STATE':<{width}} DAEMONS")
    for row in rows:
        click.echo(f"{row['host']:<10} {row['address']:<14} {row['state']:<{width}} {row['daemons']}".rstrip())


@lab.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("host")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@name_option
def exec_(host: str, command: tuple[str, ...], name: str) -> None:
    """Run a command in a host.

    \b
    Examples:
      shoal lab exec node1 -- ip address
      shoal lab exec control1 -- tail -f /var/lib/shoal-lab/lab/logs/control1-controller.log
    """
    from shoal_lab.daemons import SHOAL
    from shoal_lab.hosts import PATH

    loaded = load(name)
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
    Examples:
      shoal lab demo
    """
    from shoal_lab.demo import show

    run(show(nodes))
