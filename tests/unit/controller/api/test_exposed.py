from __future__ import annotations

import pytest

from shoal_common.errors import InvalidSpec
from shoal_controller.api.containers.exposed import expose
from shoal_proto.v1.container_pb2 import ContainerConfig, PortMapping


def published(config: ContainerConfig) -> list[tuple[int, int, str]]:
    return [(each.host_first, each.container_first, each.protocol) for each in config.ports]


def test_every_exposed_port_that_is_not_published_gets_one_that_is_free() -> None:
    config = ContainerConfig(
        publish_all=True,
        exposed_ports=["9000/tcp"],
        ports=[PortMapping(host_first=8080, container_first=80, protocol="tcp")],
    )
    expose(config, ["80/tcp", "53/udp", "9000"])
    assert list(config.exposed_ports) == ["9000/tcp", "80/tcp", "53/udp"]
    assert published(config) == [(8080, 80, "tcp"), (0, 9000, "tcp"), (0, 53, "udp")]


def test_one_of_a_range_counts_as_published() -> None:
    ports = PortMapping(host_first=8000, host_last=8002, container_first=80, container_last=82, protocol="tcp")
    config = ContainerConfig(publish_all=True, ports=[ports])
    expose(config, ["81/tcp", "81/udp"])
    assert published(config)[1:] == [(0, 81, "udp")]


def test_what_is_no_port_that_can_be_published_is_left_out() -> None:
    config = ContainerConfig(publish_all=True)
    expose(config, ["80/sctp", "web", "", "443/tcp"])
    assert published(config) == [(0, 443, "tcp")]


def test_too_many_are_refused() -> None:
    with pytest.raises(InvalidSpec, match="1024"):
        expose(ContainerConfig(publish_all=True), [f"{port}/tcp" for port in range(1, 2000)])


def test_what_an_image_exposes_is_noted_and_not_published_by_itself() -> None:
    config = ContainerConfig(exposed_ports=["9000/tcp"])
    expose(config, ["80/tcp", "web", *(f"{port}/udp" for port in range(1, 2000))])
    assert list(config.exposed_ports)[:3] == ["9000/tcp", "80/tcp", "1/udp"]
    assert len(config.exposed_ports) == 1024
    assert not config.ports
