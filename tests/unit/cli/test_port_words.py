from __future__ import annotations

from shoal.ports import of_one, published
from shoal_cli.port_words import column
from shoal_proto.v1.container_pb2 import Container, PortBinding


def container(*ports: tuple[str, int, int, str], exposed: tuple[str, ...] = ()) -> Container:
    made = Container(node_address="10.0.0.5")
    made.spec.config.exposed_ports.extend(exposed)
    for host_ip, host_port, container_port, protocol in ports:
        made.placement.ports.add(host_ip=host_ip, host_port=host_port, container_port=container_port, protocol=protocol)
    return made


def test_column_is_dockers_with_the_nodes_address() -> None:
    assert column(container()) == ""
    assert column(container(("", 8080, 80, "tcp"))) == "10.0.0.5:8080->80/tcp"
    both = container(("127.0.0.1", 8443, 443, "tcp"), ("", 8080, 80, "tcp"))
    assert column(both) == "10.0.0.5:8080->80/tcp, 127.0.0.1:8443->443/tcp"


def test_ports_that_follow_one_another_are_a_range() -> None:
    ports = [("", 8000 + number, 80 + number, protocol) for number in range(3) for protocol in ("tcp", "udp")]
    made = container(*ports, ("", 9000, 83, "tcp"))
    assert column(made) == "10.0.0.5:8000-8002->80-82/tcp, 10.0.0.5:8000-8002->80-82/udp, 10.0.0.5:9000->83/tcp"


def test_what_is_only_exposed_comes_last() -> None:
    assert column(container(("", 8080, 80, "tcp"), exposed=("53/udp", "80/tcp"))) == "10.0.0.5:8080->80/tcp, 53/udp"


def test_exposed_ports_that_follow_one_another_are_a_range() -> None:
    assert column(container(exposed=("82/tcp", "80/tcp", "81/tcp", "53/udp", "81/udp"))) == "80-82/tcp, 53/udp, 81/udp"


def test_one_port() -> None:
    made = container(("", 8080, 80, "tcp"), ("127.0.0.1", 8081, 80, "tcp"), ("", 53, 53, "udp"))
    assert [(port.host_ip, port.host_port) for port in of_one(made, "80")] == [
        ("10.0.0.5", 8080),
        ("127.0.0.1", 8081),
    ]
    assert of_one(made, "53/udp") == [PortBinding(host_ip="10.0.0.5", host_port=53, container_port=53, protocol="udp")]
    assert len(published(made)) == 3
