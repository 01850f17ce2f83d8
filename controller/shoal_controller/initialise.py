"""`shoal controller init`: the cluster's authority, keys and identity."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from shoal_common.errors import Conflict, InvalidSpec, NotFound
from shoal_common.identity import Identity, Role
from shoal_common.ids import new_request_id
from shoal_common.sealing import load_or_create_key
from shoal_controller.pki.authority import Authority, now, write_private
from shoal_controller.settings import ControllerFiles
from shoal_controller.state import keys
from shoal_controller.state.endpoints import Endpoints
from shoal_controller.state.etcd import EtcdKV
from shoal_controller.state.kv import CompareFailed, Txn
from shoal_controller.state.store import read
from shoal_proto.v1.cluster_pb2 import Cluster


def check_subnet(text: str) -> str:
    """Return the subnet in its usual form.

    Raises:
        InvalidSpec: it is not a private IPv4 subnet of a size that makes sense.
    """
    try:
        subnet = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise InvalidSpec(f'subnet "{text}" is not valid (write one like 10.88.0.0/16)') from error
    if not 8 <= subnet.prefixlen <= 28 or not subnet.is_private:
        raise InvalidSpec(f'subnet "{text}" is not a private subnet of /8 to /28 (write one like 10.88.0.0/16)')
    return str(subnet)


async def initialise(files: ControllerFiles, store: Endpoints, addresses: Sequence[str], subnet: str) -> str:
    """Make what is missing of a cluster and return its id; what is there stays, so that it can be run again.

    Args:
        addresses: IP addresses and host names under which this controller is reached.

    Raises:
        Conflict: etcd holds another cluster than these files belong to.
        Unavailable: etcd does not answer.
    """
    subnet = check_subnet(subnet)
    files.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    files.root.chmod(0o700)
    try:
        authority = Authority.load(files.root)
    except NotFound:
        authority = Authority.create(new_request_id(), now())
        authority.save(files.root)
    cluster_id = authority.cluster_id
    load_or_create_key(files.seal_key)
    pair = authority.issue(Identity(Role.CONTROLLER, new_request_id()[:12]), addresses, now())
    write_private(files.tls.key, pair.key)
    write_private(files.tls.certificate, pair.certificate)
    files.admin.mkdir(exist_ok=True, mode=0o700)
    if not (files.admin / "admin.pem").exists():
        pair = authority.issue(Identity(Role.ADMIN, "admin"), (), now())
        write_private(files.admin / "admin.key", pair.key)
        write_private(files.admin / "ca.pem", authority.pem)
        write_private(files.admin / "admin.pem", pair.certificate)
    kv = EtcdKV(store)
    try:
        await _put_cluster(kv, cluster_id, subnet)
    finally:
        await kv.close()
    return cluster_id


async def _put_cluster(kv: EtcdKV, cluster_id: str, subnet: str) -> None:
    cluster = Cluster(schema=1, id=cluster_id, epoch=1, subnet=subnet)
    cluster.created_at.FromDatetime(now())
    txn = Txn()
    txn.put(keys.cluster(), cluster.SerializeToString(), expect=0)
    try:
        await kv.commit(txn)
    except CompareFailed:
        _, stored = await read(kv, Cluster, keys.cluster())
        if stored is None or stored.value.id != cluster_id:
            raise Conflict(
                f"etcd holds cluster {stored.value.id if stored else '?'}, these files are of {cluster_id} "
                "(use the files of that cluster, or an empty etcd)"
            ) from None
