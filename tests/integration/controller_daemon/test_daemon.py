"""How a controller starts, waits, refuses and stops, and whom it lets in."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from shoal_common.identity import CONTROLLER_NAME, Identity, Role
from shoal_common.rpc_client import TlsFiles, secure_sync_channel
from shoal_controller.pki.authority import Authority, now
from shoal_controller.state import keys
from shoal_proto.etcd import rpc_pb2, rpc_pb2_grpc
from shoal_proto.v1 import cluster_pb2, container_pb2, dispatcher_pb2, image_pb2, join_pb2, node_pb2
from shoal_proto.v1.cluster_pb2_grpc import ClusterServiceStub
from shoal_proto.v1.container_pb2_grpc import ContainerServiceStub
from shoal_proto.v1.dispatcher_pb2_grpc import DispatcherServiceStub
from shoal_proto.v1.image_pb2_grpc import ImageServiceStub
from shoal_proto.v1.join_pb2_grpc import JoinServiceStub
from tests.parts.controller import Controller, initialise
from tests.parts.etcd import EtcdServer
from tests.parts.lab import eventually

Make = Callable[[Path, str], Controller]

#: Seconds within which a controller must have ended.
STOP = 3.0
NODE = "0123456789abcdef0123456789abcdef"
#: Files of which every service but JoinService is for members only.
CLOSED = (container_pb2, node_pb2, image_pb2, cluster_pb2, dispatcher_pb2, health_pb2, reflection_pb2)


def leader(etcd: EtcdServer) -> list[bytes]:
    """Return who leads, if anybody does."""
    with grpc.insecure_channel(f"127.0.0.1:{etcd.port}") as channel:
        answer = rpc_pb2_grpc.KVStub(channel).Range(rpc_pb2.RangeRequest(key=keys.leader().encode()), timeout=5)
        return [entry.value for entry in answer.kvs]


def test_a_quiet_one_ends_at_once_and_leaves_nothing(make: Make, root: Path, etcd: EtcdServer) -> None:
    controller = make(root, etcd.url)
    controller.start()
    eventually(lambda: leader(etcd), seconds=10, what="somebody leads")
    code, seconds = controller.stop()
    assert (code, seconds < STOP) == (0, True), seconds
    assert not controller.session()
    assert not controller.socket.exists()
    assert leader(etcd) == []
    assert "Traceback" not in controller.log.read_text()
    again = make(root, etcd.url)
    again.listen, again.join_listen = controller.listen, controller.join_listen
    again.start()
    # In good order: the lease of one that was killed would still lead in the next test.
    assert again.stop()[0] == 0


def test_a_busy_one_ends_in_time(make: Make, root: Path, etcd: EtcdServer) -> None:
    controller = make(root, etcd.url)
    controller.start()
    eventually(lambda: leader(etcd), seconds=10, what="somebody leads")
    with secure_sync_channel(controller.listen, controller.admin, CONTROLLER_NAME) as channel:
        stopped = threading.Event()
        watch = ContainerServiceStub(channel).WatchContainers(container_pb2.WatchContainersRequest())
        start = image_pb2.ImportImageStart(reference="big:1")

        def upload() -> Iterator[image_pb2.ImportImageRequest]:
            yield image_pb2.ImportImageRequest(start=start)
            yield image_pb2.ImportImageRequest(data=bytes(5 << 20))
            stopped.wait(30)

        importing = ImageServiceStub(channel).ImportImage(upload())
        assert [next(importing).received_bytes > 0 for _ in range(2)] == [False, True]
        code, seconds = controller.stop()
        stopped.set()
        assert (code, seconds < STOP) == (0, True), seconds
        for cut in (watch, importing):
            with pytest.raises(grpc.RpcError):
                next(cut)
    assert not controller.session()
    assert leader(etcd) == []
    assert "Traceback" not in controller.log.read_text()


def test_a_port_that_is_taken_is_named(make: Make, root: Path, etcd: EtcdServer) -> None:
    for which in ("listen", "join_listen"):
        controller = make(root, etcd.url)
        address = getattr(controller, which)
        with closing(socket.create_server(("127.0.0.1", int(address.rpartition(":")[2])))):
            controller.spawn()
            assert controller.ended() == 1
        (line,) = [line for line in controller.lines() if " INFO " not in line]
        assert line.startswith(f"shoal: can't listen on {address} ")
        assert not controller.socket.exists()
        assert leader(etcd) == []


@pytest.mark.parametrize("name", ["ca.pem", "ca.key", "controller.pem", "controller.key", "seal.key"])
def test_a_missing_file_is_said_at_once(make: Make, root: Path, tmp_path: Path, name: str) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(root, broken)
    (broken / name).unlink()
    # Without an etcd to wait for.
    controller = make(broken, "http://127.0.0.1:1")
    controller.spawn()
    assert controller.ended() == 1
    (line,) = controller.lines()
    assert line.startswith("shoal: ")
    assert str(broken) in line
    assert not (broken / name).exists()


def test_waits_for_etcd_and_sits_out_its_absence_without_a_flood(make: Make, tmp_path: Path) -> None:
    etcd = EtcdServer(tmp_path)
    root = tmp_path / "controller"
    with etcd:
        initialise(root, etcd)
    controller = make(root, etcd.url)
    controller.spawn()
    controller.says("can't follow the cluster's state")
    assert "serving" not in controller.log.read_text()
    before = len(controller.lines())
    assert before <= 3, controller.lines()
    with etcd:
        controller.says("serving the API")
        eventually(lambda: leader(etcd), seconds=10, what="it leads")
        assert len(controller.said("WARNING")) == 1
    with secure_sync_channel(controller.listen, controller.admin, CONTROLLER_NAME) as channel:
        cluster = ClusterServiceStub(channel)
        with pytest.raises(grpc.RpcError) as raised:
            cluster.CreateJoinToken(cluster_pb2.CreateJoinTokenRequest(valid_seconds=60), timeout=20)
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        with etcd:
            cluster.CreateJoinToken(cluster_pb2.CreateJoinTokenRequest(valid_seconds=60), timeout=20)
            eventually(lambda: leader(etcd), seconds=10, what="it leads again")
    # The outage, and what of it broke: the watch, the leader's lease, its term.
    assert len(controller.lines()) - before <= 10, controller.lines()
    code, seconds = controller.stop()
    assert (code, seconds < STOP) == (0, True), seconds
    again = make(root, etcd.url)
    again.spawn()
    again.says("waits for etcd")
    code, seconds = again.stop()
    assert (code, seconds < STOP) == (0, True), seconds


class TestWhoMayCall:
    @pytest.fixture
    def controller(self, make: Make, root: Path, etcd: EtcdServer) -> Controller:
        controller = make(root, etcd.url)
        controller.start()
        return controller

    def test_members_by_their_role(self, controller: Controller, tmp_path: Path) -> None:
        node = certificate(Authority.load(controller.root), Identity(Role.NODE, NODE), controller, tmp_path)
        assert outcome(controller.admin, controller.listen) is grpc.StatusCode.OK
        assert outcome(node, controller.listen) is grpc.StatusCode.PERMISSION_DENIED
        with secure_sync_channel(controller.listen, controller.admin, CONTROLLER_NAME) as channel:
            session = DispatcherServiceStub(channel).Session(iter(()), timeout=10)
            with pytest.raises(grpc.RpcError) as raised:
                next(session)
            assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED

    def test_nobody_without_a_certificate_of_this_cluster(self, controller: Controller, tmp_path: Path) -> None:
        stranger = certificate(Authority.create("other", now()), Identity(Role.ADMIN, "admin"), controller, tmp_path)
        assert outcome(stranger, controller.listen) is grpc.StatusCode.UNAVAILABLE
        with uncertified(controller, controller.listen) as channel:
            assert code_of(channel, "/shoal.v1.ContainerService/ListContainers") is grpc.StatusCode.UNAVAILABLE

    def test_the_join_port_serves_joining_and_nothing_else(self, controller: Controller) -> None:
        with uncertified(controller, controller.join_listen) as channel:
            assert code_of(channel, "/shoal.v1.JoinService/Join") is grpc.StatusCode.UNAUTHENTICATED
            for file in CLOSED:
                for method in methods(file.DESCRIPTOR):
                    assert code_of(channel, method) is grpc.StatusCode.UNIMPLEMENTED, method
        assert methods(join_pb2.DESCRIPTOR) == ["/shoal.v1.JoinService/Join"]
        assert outcome(controller.admin, controller.join_listen) is grpc.StatusCode.UNIMPLEMENTED


def certificate(authority: Authority, identity: Identity, controller: Controller, folder: Path) -> TlsFiles:
    """Issue a certificate, to be used with the CA of the controller."""
    pair = authority.issue(identity, ["127.0.0.1"], now())
    files = TlsFiles(controller.root / "ca.pem", folder / "own.pem", folder / "own.key")
    files.certificate.write_bytes(pair.certificate)
    files.key.write_bytes(pair.key)
    return files


def outcome(tls: TlsFiles, address: str) -> grpc.StatusCode:
    """Return what listing containers with a certificate comes to."""
    with secure_sync_channel(address, tls, CONTROLLER_NAME) as channel:
        return code_of(channel, "/shoal.v1.ContainerService/ListContainers")


def uncertified(controller: Controller, address: str) -> grpc.Channel:
    """Return a channel that shows no certificate and accepts only the controller's."""
    credentials = grpc.ssl_channel_credentials((controller.root / "ca.pem").read_bytes())
    return grpc.secure_channel(address, credentials, options=[("grpc.ssl_target_name_override", CONTROLLER_NAME)])


def code_of(channel: grpc.Channel, method: str) -> grpc.StatusCode:
    """Return how a call of any method with an empty request ends."""
    try:
        channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)(b"", timeout=10)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def methods(file: FileDescriptor) -> list[str]:
    """Return the paths of all methods of a file's services."""
    return [
        f"/{service.full_name}/{method.name}"
        for service in file.services_by_name.values()
        for method in service.methods
    ]


def test_who_is_not_known_yet_can_send_only_little(make: Make, root: Path, etcd: EtcdServer) -> None:
    controller = make(root, etcd.url)
    controller.start()
    credentials = grpc.ssl_channel_credentials((root / "ca.pem").read_bytes())
    options = (("grpc.ssl_target_name_override", CONTROLLER_NAME),)
    with grpc.secure_channel(controller.join_listen, credentials, options=options) as channel:
        for size, code in (
            (1_000, grpc.StatusCode.UNAUTHENTICATED),
            (1 << 20, grpc.StatusCode.RESOURCE_EXHAUSTED),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                JoinServiceStub(channel).Join(join_pb2.JoinRequest(token_secret="x" * size), timeout=10)
            assert refused.value.code() is code
    assert controller.stop()[0] == 0
