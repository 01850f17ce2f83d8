"""`shoal controller`: make a cluster, run its controllers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

from shoal_common.daemon_options import daemon_options
from shoal_common.daemon_process import prepare_process
from shoal_common.errors import InvalidSpec
from shoal_common.small_files import first_line

if TYPE_CHECKING:
    from shoal_controller.state.endpoints import Endpoints

P = ParamSpec("P")
R = TypeVar("R")

_FILE = click.Path(path_type=Path, dir_okay=False)
_data_root = click.option(
    "--data-root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/var/lib/shoal-controller"),
    show_default=True,
    help="Directory of the authority, certificates and keys.",
)
_STORE_OPTIONS = (
    click.option(
        "--etcd",
        multiple=True,
        default=("http://127.0.0.1:2379",),
        show_default=True,
        metavar="URL",
        help="A member of etcd. Can be repeated.",
    ),
    click.option("--etcd-ca", type=_FILE, help="Authority (PEM) of etcd's members, for https."),
    click.option("--etcd-cert", type=_FILE, help="Certificate (PEM) that etcd knows this controller by."),
    click.option("--etcd-key", type=_FILE, help="Key (PEM) of that certificate."),
)


def _store(command: Callable[P, R]) -> Callable[P, R]:
    """Add the options that say where etcd is."""
    for option in reversed(_STORE_OPTIONS):
        command = option(command)
    return command


def _endpoints(etcd: tuple[str, ...], ca: Path | None, certificate: Path | None, key: Path | None) -> Endpoints:
    from shoal_common.errors import InvalidSpec
    from shoal_common.rpc_client import TlsFiles
    from shoal_controller.state.endpoints import Endpoints

    if ca is None and certificate is None and key is None:
        return Endpoints.parse(etcd)
    if ca is None or certificate is None or key is None:
        raise InvalidSpec("etcd with TLS needs all of --etcd-ca, --etcd-cert and --etcd-key")
    return Endpoints.parse(etcd, TlsFiles(ca=ca, certificate=certificate, key=key))


@click.group(invoke_without_command=True, short_help="Run a controller of the cluster on this host.")
@_data_root
@_store
@click.option(
    "--listen", default="127.0.0.1:7400", show_default=True, metavar="IP:PORT", help="Where to serve the API."
)
@click.option("--advertise", metavar="IP:PORT", help="Where others reach the API (the same as --listen).")
@click.option("--join-listen", metavar="IP:PORT", help="Where hosts join (port 7401 beside --listen).")
@click.option(
    "--socket",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("/run/shoal/controller.sock"),
    show_default=True,
    help="Unix socket for the administrator of this host.",
)
@click.option(
    "--registry", default="127.0.0.1:5000", show_default=True, metavar="HOST:PORT", help="Cluster's registry."
)
@daemon_options
@click.pass_context
def controller(
    context: click.Context,
    data_root: Path,
    etcd: tuple[str, ...],
    etcd_ca: Path | None,
    etcd_cert: Path | None,
    etcd_key: Path | None,
    listen: str,
    advertise: str | None,
    join_listen: str | None,
    socket: Path,
    registry: str,
    registry_own: tuple[str, ...],
    registry_insecure: tuple[str, ...],
    debug: bool,
    log_format: str,
) -> None:
    """Run a controller of the cluster on this host, in the foreground, until SIGTERM.

    \b
    Examples:
      shoal controller init --address 192.0.2.10
      shoal controller --listen 192.0.2.10:7400 --registry registry.example.org
      shoal controller --listen 192.0.2.10:7400 --etcd https://192.0.2.10:2379 --etcd https://192.0.2.11:2379 \\
          --etcd-ca ca.pem --etcd-cert controller.pem --etcd-key controller.key
    """
    if context.invoked_subcommand is not None:
        return
    prepare_process()
    import asyncio

    from shoal_common.daemon_logging import configure_logging
    from shoal_controller.daemon import serve
    from shoal_controller.settings import JOIN_PORT, ControllerFiles, Settings

    configure_logging(debug=debug, form=log_format)
    host = listen.rpartition(":")[0]
    settings = Settings(
        files=ControllerFiles(data_root),
        store=_endpoints(etcd, etcd_ca, etcd_cert, etcd_key),
        listen=listen,
        advertise=advertise or listen,
        join_listen=join_listen or f"{host}:{JOIN_PORT}",
        socket=socket,
        registry=registry,
        own_registries=registry_own,
        insecure_registries=registry_insecure,
    )
    asyncio.run(serve(settings))


@controller.command()
@_data_root
@_store
@click.option(
    "--address",
    "addresses",
    multiple=True,
    required=True,
    metavar="IP|NAME",
    help="Where this controller is reached. Can be repeated.",
)
@click.option("--subnet", default="10.88.0.0/16", show_default=True, help="Addresses of the cluster's containers.")
def init(
    data_root: Path,
    etcd: tuple[str, ...],
    etcd_ca: Path | None,
    etcd_cert: Path | None,
    etcd_key: Path | None,
    addresses: tuple[str, ...],
    subnet: str,
) -> None:
    """Make a cluster: its authority, its keys, its identity in etcd. Can be run again.

    A further controller of the cluster gets ca.pem, ca.key and seal.key of the first in its own data root, mode 0600,
    and then the same command: it makes what is missing, a certificate for its own address.

    \b
    Examples:
      shoal controller init --address 192.0.2.10
      shoal controller init --address 192.0.2.11 --etcd https://192.0.2.10:2379 --etcd https://192.0.2.11:2379 \\
          --etcd-ca ca.pem --etcd-cert controller.pem --etcd-key controller.key
    """
    import asyncio

    from shoal_controller.initialise import initialise
    from shoal_controller.settings import ControllerFiles

    files = ControllerFiles(data_root)
    store = _endpoints(etcd, etcd_ca, etcd_cert, etcd_key)
    try:
        cluster = asyncio.run(initialise(files, store, addresses, subnet))
    except OSError as error:
        raise InvalidSpec(
            f"{error.filename or data_root} can't be written: {error.strerror} (is it root's?)"
        ) from error
    click.echo(f"Cluster {cluster}")
    click.echo(f"The administrator's certificate is in {files.admin}")


@controller.command()
@_data_root
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Its first line is the passphrase.",
)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
def restore(file: Path, data_root: Path, passphrase_file: Path | None) -> None:
    """Unpack a backup of a cluster: the authority and the keys for this controller, the snapshot for etcd.

    Made by: shoal cluster backup. Nothing is put into the data root unless the whole of the file is what was written.

    \b
    Examples:
      shoal controller restore /srv/shoal.backup
      shoal controller restore /srv/shoal.backup --passphrase-file /root/passphrase
    """
    import sys

    from shoal_controller.recovery.backup import SNAPSHOT
    from shoal_controller.recovery.backup import restore as unpack
    from shoal_controller.settings import ControllerFiles

    if passphrase_file is not None:
        passphrase = first_line("--passphrase-file", passphrase_file)
    elif sys.stdin.isatty():
        passphrase = click.prompt("Passphrase", hide_input=True, err=True)
    else:
        raise click.UsageError("no terminal to ask for the passphrase at (use --passphrase-file FILE)")
    manifest = unpack(file, passphrase, ControllerFiles(data_root))
    click.echo(f"Cluster {manifest.cluster} as of {manifest.created_at} is in {data_root}", err=True)
    click.echo(
        "Next, with the name and peer address of this member of etcd, and etcd stopped (docs/guides/recovery.md):"
    )
    click.echo(
        f"  etcdutl snapshot restore {data_root / SNAPSHOT} --data-dir /var/lib/etcd/default --name default \\\n"
        "    --initial-cluster default=http://localhost:2380 --initial-advertise-peer-urls http://localhost:2380"
    )
    click.echo("Then start etcd; shoal controller init --address ADDRESS; start the controller; and:")
    click.echo("  shoal cluster recover --accept-restore")
