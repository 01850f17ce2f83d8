"""`shoal node`: look at the hosts of the cluster, and say what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal_cli import listing, params

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoal.cluster import Cluster


@click.group(short_help="Look at the cluster's nodes, drain and remove them.")
def node() -> None:
    """Look at the cluster's nodes, the hosts that containers run on, and say what becomes of them.

    \b
    Examples:
      shoal node ls
      shoal node drain node-1       before the host is worked on
      shoal node uncordon node-1    and after
    """


@node.command("ls", short_help="List nodes.")
@listing.quiet
@listing.no_trunc()
@listing.form
def list_(quiet: bool, no_trunc: bool, form: str) -> int:
    """List nodes: their state, and what is reserved of what they have.

    CPUS and MEMORY are reserved / capacity, CONTAINERS running / all. STATUS also says whether a node takes new
    containers (cordoned, draining), and what is wrong with it. A template has fields such as {{.Name}},
    {{.Status}}, {{.Labels}}, or paths into the API's object.

    \b
    Examples:
      shoal node ls
      shoal node ls --format '{{.Name}} {{.Status}}'
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        import time

        from shoal_cli.formats import show_list
        from shoal_cli.rows import NODE_HEADINGS, node_columns, node_labels

        columns = node_columns(time.time(), whole=no_trunc)
        show_list(await cluster.nodes.list(), form, columns, NODE_HEADINGS, quiet=quiet, labels=node_labels)

    return converse(action)


@node.command("inspect", short_help="Show all there is to know of nodes, as JSON.")
@listing.inspected("{{.spec.id}}")
@click.argument("nodes", nargs=-1, required=True, type=params.NODE, metavar="NODE...")
def inspect(nodes: tuple[str, ...], form: str | None) -> int:
    """Show all there is to know of nodes: the API's objects as a JSON list.

    \b
    Examples:
      shoal node inspect node-1
      shoal node inspect --format '{{.status.description.kernel}}' node-1
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from shoal_cli.looking import look

        return await look(nodes, cluster.nodes.get, form)

    return converse(action)


_nodes = click.argument("nodes", nargs=-1, required=True, type=params.NODE, metavar="NODE...")
_form = click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", help="Names, or the API's objects."
)


@node.command("update", short_help="Label nodes.")
@click.option(
    "--label", "labels", multiple=True, type=params.LABEL, metavar="KEY=VALUE", help="Set a label. Can be repeated."
)
@click.option("--label-rm", "unwanted", multiple=True, metavar="KEY", help="Take a label away. Can be repeated.")
@_form
@_nodes
def update(nodes: tuple[str, ...], labels: tuple[str, ...], unwanted: tuple[str, ...], form: str) -> int:
    """Set and take away labels of nodes, and print each node that has changed.

    A label set here wins over one of the same name in the agent's own configuration. Constraints go by both.

    \b
    Examples:
      shoal node update --label ssd=true node-1 node-2
      shoal node update --label-rm ssd node-1
      shoal run --constraint node.labels.ssd==true web:3
    """
    if not labels and not unwanted:
        raise click.UsageError("there is nothing to change (say --label KEY=VALUE or --label-rm KEY)")
    return _update(nodes, form, labels=params.pairs(labels), remove_labels=unwanted)


@node.command("cordon", short_help="Give nodes no new containers.")
@_form
@_nodes
def cordon(nodes: tuple[str, ...], form: str) -> int:
    """Give nodes no new containers, and print each. What is there stays, and can be started again there.

    \b
    Examples:
      shoal node cordon node-1
    """
    return _update(nodes, form, cordoned=True)


@node.command("uncordon", short_help="Give nodes new containers again.")
@_form
@_nodes
def uncordon(nodes: tuple[str, ...], form: str) -> int:
    """Give nodes new containers again, and print each.

    \b
    Examples:
      shoal node uncordon node-1
    """
    return _update(nodes, form, cordoned=False)


def _update(
    nodes: tuple[str, ...],
    form: str,
    *,
    labels: Mapping[str, str] | None = None,
    remove_labels: tuple[str, ...] = (),
    cordoned: bool | None = None,
) -> int:
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from shoal_cli.formats import as_json
        from shoal_cli.many import each

        async def change(ref: str) -> str:
            changed = await cluster.nodes.update(ref, labels=labels, remove_labels=remove_labels, cordoned=cordoned)
            return as_json(changed) if form == "json" else ref

        return await each(nodes, change)

    return converse(action)


@node.command("drain", short_help="Stop what runs on a node, and give it nothing new.")
@click.option("-f", "--force", is_flag=True, help="Also stop containers that are then removed (run --rm).")
@click.option("-t", "--timeout", type=params.COUNT, metavar="SECONDS", help="From stop signal to SIGKILL.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="Lines, or JSON lines.")
@click.argument("name", type=params.NODE, metavar="NODE")
def drain(name: str, force: bool, timeout: int | None, form: str) -> int:
    """Cordon a node, stop what runs there, and tell what becomes of each container.

    What is stopped keeps its data on the node, and starts there again. Containers that would be removed with their end
    (run --rm) are left running unless --force is given. Ends with 1 if any is left running. Can be run again.

    \b
    Examples:
      shoal node drain node-1
      shoal node drain --force --timeout 30 node-1
      shoal node uncordon node-1
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from contextlib import aclosing

        from shoal_cli.codes import FAILED
        from shoal_cli.formats import as_json
        from shoal_cli.session import note
        from shoal_cli.words import drained
        from shoal_proto.v1.node_pb2 import DrainOutcome

        left = 0
        async with aclosing(cluster.nodes.drain(name, force=force, timeout=timeout)) as responses:
            async for response in responses:
                left += response.outcome == DrainOutcome.DRAIN_OUTCOME_LEFT
                if form == "json":
                    click.echo(as_json(response))
                else:
                    note(drained(response))
        node = await cluster.nodes.get(name)
        if node.containers > node.running:
            stay = node.containers - node.running
            what = (
                "1 stopped container stays there with its"
                if stay == 1
                else f"{stay} stopped containers stay there with their"
            )
            note(f"{node.spec.name}: {what} data")
        if form == "table":
            click.echo(name)
        return FAILED if left else 0

    return converse(action)


@node.command("rm", short_help="Remove nodes from the cluster.")
@click.option("-f", "--force", is_flag=True, help="Also those that hold containers: they are lost.")
@_form
@_nodes
def rm(nodes: tuple[str, ...], force: bool, form: str) -> int:
    """Remove nodes from the cluster, and print each. Their certificates count no more.

    With --force, what a node holds is given up: its containers are lost, their names and addresses are free at once.
    Use it for a host that won't come back: if it does, its containers run on there, out of the cluster's sight, until
    it is reset. A removed host joins again as a new node after: shoal agent reset.

    \b
    Examples:
      shoal node rm node-1
      shoal node rm --force node-1
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from shoal_cli.formats import as_json
        from shoal_cli.many import each
        from shoal_cli.session import note
        from shoal_common.ids import SHORT_ID

        async def remove(ref: str) -> str:
            removed = await cluster.nodes.remove(ref, force=force)
            if removed.lost:
                some = ", ".join(each[:SHORT_ID] for each in removed.lost[:5])
                more = f" and {len(removed.lost) - 5} more" if len(removed.lost) > 5 else ""
                note(f"lost with {ref}: {some}{more} (remove each with: shoal rm ID)")
            return as_json(removed) if form == "json" else ref

        return await each(nodes, remove)

    return converse(action)


@node.command("strays", short_help="List, adopt or remove what a node has and the cluster doesn't know.")
@click.option("--adopt", "adopting", is_flag=True, help="Make them containers of the cluster again.")
@click.option("--rm", "removing", is_flag=True, help="Stop them and remove everything of them.")
@listing.form
@click.argument("name", type=params.NODE, metavar="NODE")
@click.argument("ids", nargs=-1, metavar="[ID...]")
def strays(name: str, ids: tuple[str, ...], adopting: bool, removing: bool, form: str) -> int:
    """List what a node has and no hold of the cluster names; make it the cluster's again, or remove it.

    Strays are left alone until then: they run on. Without ids, --adopt and --rm mean all of them. Each one's name is
    printed, and on stderr what could not be done; then it ends with 1.

    \b
    Examples:
      shoal node strays node-1
      shoal node strays node-1 --adopt
      shoal node strays node-1 --rm 4b1d5c0a9e77
    """
    if adopting and removing:
        raise click.UsageError("--adopt and --rm can't go together")
    if ids and not (adopting or removing):
        raise click.UsageError("say what to do with them: --adopt or --rm")
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from shoal_cli.codes import FAILED
        from shoal_cli.formats import as_json, show
        from shoal_cli.printable import printable
        from shoal_cli.rows import STRAY_HEADINGS, stray_columns
        from shoal_cli.session import note
        from shoal_proto.v1.node_pb2 import StrayAction

        if not (adopting or removing):
            show(await cluster.nodes.strays(name), form, stray_columns(), STRAY_HEADINGS)
            return 0
        what = StrayAction.STRAY_ACTION_ADOPT if adopting else StrayAction.STRAY_ACTION_REMOVE
        failed = 0
        for each in await cluster.nodes.resolve_strays(name, what, ids):
            if form == "json":
                click.echo(as_json(each))
            elif not each.error:
                click.echo(printable(each.name or each.id))
            if each.error:
                failed = FAILED
                note(f"stray {each.name or each.id[:12]} of {name}: {each.error}")
        return failed

    return converse(action)
