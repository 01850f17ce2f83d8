"""`shoal cluster token`, `policy`, `backup`, `recover`, `compact` and `info`, and `shoal version`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from shoal_cli import params
from shoal_common.containers.policy import parse_permission

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoal.cluster import Cluster

_PERMISSION: Final = params.Checked("policy", parse_permission)


@click.group(short_help="Manage the cluster itself.")
def cluster() -> None:
    """Manage the cluster itself."""


@cluster.command("token", short_help="Print a token with which hosts join.")
@click.option(
    "--valid",
    type=params.Whole(60, params.MOST),
    default=86400,
    show_default=True,
    metavar="SECONDS",
    help="How long it is good.",
)
def token(valid: int) -> int:
    """Print a new token with which hosts join the cluster, as often as wanted until it expires.

    It is shown once; whoever has it can add a node.

    \b
    Examples:
      shoal cluster token
      shoal cluster token --valid 3600 > token
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        click.echo((await cluster.join_token(valid_seconds=valid)).token)

    return converse(action)


_format = click.option(
    "-f", "--format", "form", type=params.FORM, metavar="json|TEMPLATE", help="The API's object, or fields of it."
)


@cluster.command("policy", short_help="Show and change what containers may ask for.")
@click.option(
    "--allow", multiple=True, type=_PERMISSION, metavar="NAME", help="Let containers have it. Can be repeated."
)
@click.option(
    "--deny",
    multiple=True,
    type=_PERMISSION,
    metavar="NAME",
    help="Let no new container have it. Can be repeated.",
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="A table, or JSON.")
def policy(allow: tuple[str, ...], deny: tuple[str, ...], form: str) -> int:
    """Show what containers may ask for that loosens their confinement, after changing it with --allow and --deny.

    Nothing of it is allowed in a new cluster. What is denied is refused to containers that are created from then on;
    those that are there keep what they have.

    \b
    Examples:
      shoal cluster policy
      shoal cluster policy --allow capabilities
      shoal cluster policy --deny capabilities --deny devices
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        from shoal_cli.formats import as_dict, table
        from shoal_common.containers.policy import MEANING

        found = await (cluster.update_policy(allow, deny) if allow or deny else cluster.policy())
        if form == "json":
            _print(as_dict(found), form)
            return
        rows = [[each.value, "yes" if each in found.allowed else "no", MEANING[each]] for each in MEANING]
        click.echo(table(["POLICY", "ALLOWED", "CONTAINERS MAY"], rows))

    return converse(action)


@cluster.command("backup", short_help="Save etcd, the authority and the keys, encrypted, in a file.")
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True),
    metavar="FILE",
    help="Its first line is the passphrase.",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
def backup(file: Path, passphrase_file: Path | None) -> int:
    """Save what the cluster can't be brought back without in one encrypted file: a snapshot of etcd, the certificate
    authority, and the key of sealed environments.

    The passphrase is asked for twice. It is kept nowhere: without it the file can't be opened. A file that is there is
    replaced once the new one is whole.

    \b
    Examples:
      shoal cluster backup /srv/shoal.backup
      shoal cluster backup /srv/shoal.backup --passphrase-file /root/passphrase
      shoal controller restore /srv/shoal.backup
    """
    from shoal_cli.passphrases import asked
    from shoal_cli.session import converse

    passphrase = asked(passphrase_file, twice=True)

    async def action(cluster: Cluster) -> None:
        from contextlib import aclosing

        from shoal_cli.progress import received
        from shoal_cli.whole_files import written_whole
        from shoal_common.units import format_bytes

        size = 0
        with received(str(file), None) as on_progress, written_whole(file) as part:
            async with aclosing(cluster.backup(passphrase)) as pieces:
                async for piece in pieces:
                    part.write(piece)
                    size += len(piece)
                    on_progress(size)
        click.echo(f"{file}: {format_bytes(size)}")

    return converse(action)


@cluster.command("recover", short_help="Bring back a cluster whose store was lost or restored.")
@click.option("--from-nodes", is_flag=True, help="etcd is empty, or another cluster's: take all from the nodes.")
@click.option("--accept-restore", is_flag=True, help="etcd was restored: bring it up to date from the nodes.")
@click.option("--nodes", type=params.POSITIVE, metavar="N", help="Wait for N nodes (all that etcd knows).")
@click.option("--wait", type=params.Whole(1, 3600), default=30, show_default=True, metavar="SECONDS", help="How long.")
@click.option("--subnet", default="", metavar="SUBNET", help="Of the containers, where nobody knows it any more.")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="Lines, or JSON lines.")
def recover(
    from_nodes: bool, accept_restore: bool, nodes: int | None, wait: int, subnet: str, yes: bool, form: str
) -> int:
    """Bring back a cluster whose etcd was emptied, restored from a snapshot, or replaced.

    What runs on the nodes runs on and is adopted as it is: names, addresses and environments included. What etcd knows
    and its node has nothing of is marked lost, and not started. Nodes that are away now are taken over when they come.
    Broken off, it can be run again. docs/guides/recovery.md tells the whole way back.

    \b
    Examples:
      shoal cluster recover --accept-restore
      shoal cluster recover --from-nodes --nodes 3 --wait 120
    """
    if from_nodes is accept_restore:
        raise click.UsageError("say from what: --from-nodes (etcd is empty) or --accept-restore (etcd was restored)")
    if not yes and not click.confirm(
        "Nodes that are not there now are taken over later. etcd is rewritten from what nodes have. Go on?", err=True
    ):
        return 1
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        from contextlib import aclosing

        from shoal_cli.formats import as_json
        from shoal_cli.session import note
        from shoal_proto.v1.cluster_pb2 import RecoverySource

        source = RecoverySource.RECOVERY_SOURCE_NODES if from_nodes else RecoverySource.RECOVERY_SOURCE_RESTORED
        news = cluster.recover(source, nodes=nodes or 0, wait_seconds=wait, subnet=subnet)
        async with aclosing(news) as responses:
            async for response in responses:
                if form == "json":
                    click.echo(as_json(response))
                elif response.done:
                    click.echo(response.message)
                else:
                    note(response.message)

    return converse(action)


@cluster.command("compact", short_help="Give space of etcd back; clears its alarm.")
@_format
def compact(form: str | None) -> int:
    """Drop etcd's old history and give the space back, one member after the other.

    An etcd that has run out of space takes no writes: this is what lets it take them again. What runs, runs on
    meanwhile.

    \b
    Examples:
      shoal cluster compact
      shoal cluster compact --format json
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        from shoal_cli.formats import as_dict
        from shoal_common.units import format_bytes

        done = await cluster.compact_store()
        if form is not None:
            _print(as_dict(done), form)
            return
        click.echo(f"etcd: {format_bytes(done.size_before)} before, {format_bytes(done.size_after)} now")
        if done.alarm_cleared:
            click.echo("It was out of space and takes writes again")

    return converse(action)


@click.command(short_help="Show how large the cluster is and what is used.")
@_format
def info(form: str | None) -> int:
    """Show how large the cluster is, what is used of it, who leads, and what keeps it from working.

    \b
    Examples:
      shoal info
      shoal info --format '{{.ContainersRunning}} of {{.Containers}} on {{.nodes_ready}} nodes'
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        from shoal_cli.documents.cluster import info_document
        from shoal_cli.formats import as_dict, table
        from shoal_common.units import format_bytes, format_cpus

        found = await cluster.info()
        if form is not None:
            _print(as_dict(found), form, info_document(found))
            return
        reserved, capacity = found.reserved, found.capacity
        cpus = f"{format_cpus(reserved.cpu_millis)} of {format_cpus(capacity.cpu_millis)}"
        memory = f"{format_bytes(reserved.memory_bytes)} of {format_bytes(capacity.memory_bytes)}"
        rows = [
            ["Cluster:", found.cluster_id or "not initialised"],
            ["Context:", cluster.context.name or cluster.context.address],
            ["Version:", found.version],
            ["Answered by:", found.controller],
            ["Leader:", found.leader or "none at the moment"],
            ["Nodes:", f"{found.nodes} ({found.nodes_ready} ready)"],
            ["Containers:", f"{found.containers} ({found.containers_running} running)"],
            ["CPUs reserved:", cpus],
            ["Memory reserved:", memory],
            ["Subnet:", found.subnet],
            ["Registry:", found.registry],
        ]
        for controller in found.controllers:
            leads = ", leads" if controller.address == found.leader else ""
            rows.append(["Controller:", f"{controller.address} (shoal {controller.version}{leads})"])
        for member in found.store:
            state = f"etcd {member.version}, {format_bytes(member.size_bytes)}" if member.version else "no answer"
            state += ", leads" if member.leads else ""
            rows.append(["etcd member:", f"{member.address} ({state}{'' if member.healthy else ', not healthy'})"])
        rows += [["Problem:", each] for each in found.problems]
        click.echo(table(rows[0], rows[1:]))

    return converse(action)


cluster.add_command(info)


@click.command(short_help="Show the versions of client and controller.")
@_format
def version(form: str | None) -> int:
    """Show the versions of the client and of the controller that answers.

    The client's is shown even if none does.

    \b
    Examples:
      shoal version
      shoal version --format '{{.Server.Version}}'
    """
    import platform

    from shoal_cli.session import converse
    from shoal_common.version import API, VERSION

    client = {"version": VERSION, "api": API, "python": platform.python_version()}
    if form is None:
        click.echo(f"Client:  shoal {client['version']} (API {API}, Python {client['python']})")

    async def action(cluster: Cluster) -> None:
        from shoal_cli.documents.cluster import version_document
        from shoal_cli.formats import as_dict

        server = await cluster.version()
        if form is not None:
            whole = {"client": client, "server": as_dict(server)}
            _print(whole, form, version_document(client, server, whole))
            return
        click.echo(f"Server:  shoal {server.version} (API {server.api}, Python {server.python}, etcd {server.etcd})")

    return converse(action)


def _print(whole: dict[str, object], form: str, document: Mapping[str, object] | None = None) -> None:
    """Write one object as JSON, or a template that is filled in from it or, where there is one, from `document`."""
    import json

    from shoal_cli import formats
    from shoal_cli.printable import printable_json
    from shoal_cli.templates import Struct

    if form == "json":
        click.echo(printable_json(json.dumps(whole, ensure_ascii=False)))
    else:
        click.echo(formats.expand(form, document if document is not None else Struct(whole)))
