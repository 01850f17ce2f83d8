from __future__ import annotations

import pytest

from shoal_common.errors import InvalidSpec
from shoal_controller.api.validation.sharing import sharing
from shoal_proto.v1.container_pb2 import (
    ContainerConfig,
    Dns,
    NamespaceSharing,
    NetworkMode,
    PortMapping,
    Security,
    SharingMode,
)

HOST = NamespaceSharing(mode=SharingMode.SHARING_MODE_HOST)
HOST_NETWORK = NetworkMode.NETWORK_MODE_HOST
CONTAINER = SharingMode.SHARING_MODE_CONTAINER
IPC = NamespaceSharing(mode=CONTAINER, container="web")


def of_host(**more: object) -> ContainerConfig:
    return ContainerConfig(security=Security(host_users=True), **more)  # type: ignore[arg-type]


def joined(**more: object) -> ContainerConfig:
    network = NetworkMode.NETWORK_MODE_CONTAINER
    return ContainerConfig(network=network, network_container="web", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "config",
    [
        ContainerConfig(),
        ContainerConfig(network=NetworkMode.NETWORK_MODE_NONE, hostname="a", dns=Dns(servers=["1.1.1.1"])),
        ContainerConfig(ipc=NamespaceSharing(mode=SharingMode.SHARING_MODE_SHAREABLE), shm_size_bytes=1 << 20),
        ContainerConfig(ipc=NamespaceSharing(mode=SharingMode.SHARING_MODE_NONE)),
        ContainerConfig(pid=IPC, ipc=IPC, hostname="a", ports=[PortMapping(container_first=80)]),
        joined(pid=IPC, ipc=IPC, sysctls={}),
        joined(sysctls={"kernel.shmmax": "1"}),
        of_host(),
        of_host(network=HOST_NETWORK, pid=HOST, ipc=HOST, uts=HOST, extra_hosts=["a:1.2.3.4"]),
        of_host(network=HOST_NETWORK, hostname="a", sysctls={"kernel.shmmax": "1"}),
        of_host(sysctls={"net.core.somaxconn": "1"}, shm_size_bytes=1 << 20),
    ],
)
def test_what_can_be_right(config: ContainerConfig) -> None:
    sharing(config)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (ContainerConfig(network=1000), "1000"),  # type: ignore[arg-type]
        (ContainerConfig(network=NetworkMode.NETWORK_MODE_CONTAINER), "naming it"),
        (ContainerConfig(network_container="web"), "naming it"),
        (ContainerConfig(pid=NamespaceSharing(mode=CONTAINER)), "naming it"),
        (ContainerConfig(pid=NamespaceSharing(container="web")), "naming it"),
        (ContainerConfig(pid=NamespaceSharing(mode=SharingMode.SHARING_MODE_SHAREABLE)), "pid mode"),
        (ContainerConfig(ipc=NamespaceSharing(mode=1000)), "ipc mode 1000"),  # type: ignore[arg-type]
        (joined(hostname="a"), "hostname"),
        (joined(dns=Dns(search=["example.org"])), "dns"),
        (joined(extra_hosts=["a:1.2.3.4"]), "add-host"),
        (joined(ports=[PortMapping(container_first=80)]), "publish"),
        (joined(publish_all=True), "publish"),
        (joined(exposed_ports=["80"]), "expose"),
        (joined(sysctls={"net.core.somaxconn": "1"}), "sysctl"),
        (ContainerConfig(ipc=IPC, sysctls={"kernel.shmmax": "1"}), "sysctl"),
        (ContainerConfig(ipc=IPC, shm_size_bytes=1 << 20), "shm-size"),
        (ContainerConfig(pid=NamespaceSharing(mode=SharingMode.SHARING_MODE_NONE)), "pid mode"),
        (
            ContainerConfig(ipc=NamespaceSharing(mode=SharingMode.SHARING_MODE_NONE), shm_size_bytes=1 << 20),
            "shm-size is of /dev/shm",
        ),
        (ContainerConfig(pid=HOST), "its node's pid has .*--userns host"),
        (ContainerConfig(ipc=HOST), "its node's ipc has"),
        (ContainerConfig(uts=HOST), "its node's uts has"),
        (ContainerConfig(network=HOST_NETWORK, pid=HOST), "its node's network, pid has"),
        (ContainerConfig(uts=IPC), "uts mode"),
        (of_host(pid=IPC), "shares nothing with its node"),
        (joined(pid=HOST), "shares nothing with its node"),
        (of_host(uts=HOST, hostname="a"), "hostname"),
        (of_host(network=HOST_NETWORK, sysctls={"net.core.somaxconn": "1"}), "sysctl net"),
        (of_host(ipc=HOST, sysctls={"kernel.shmmax": "1"}), "sysctl"),
        (of_host(ipc=HOST, shm_size_bytes=1 << 20), "shm-size"),
    ],
)
def test_what_is_anothers_to_say_is_refused(config: ContainerConfig, said: str) -> None:
    with pytest.raises(InvalidSpec, match=said) as refused:
        sharing(config)
    assert "\n" not in refused.value.message
