from __future__ import annotations

import pytest

from shoal_common.errors import InvalidSpec
from shoal_controller.api.validation.confinement import confinement
from shoal_proto.v1.container_pb2 import ContainerConfig, Device, Security, Ulimit


def test_names_of_capabilities_are_put_into_one_form() -> None:
    config = ContainerConfig(
        security=Security(cap_add=["cap_net_admin", "NET_ADMIN", "chown"], cap_drop=["all", "CAP_ALL"])
    )
    confinement(config)
    assert list(config.security.cap_add) == ["CHOWN", "NET_ADMIN"]
    assert list(config.security.cap_drop) == ["ALL"]


def test_a_configuration_that_says_nothing_of_it_stays_as_it_is() -> None:
    config = ContainerConfig(image="web:3")
    confinement(config)
    assert config == ContainerConfig(image="web:3")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (ContainerConfig(security=Security(cap_add=["FLY"])), "FLY"),
        (ContainerConfig(security=Security(cap_drop=["FLY"])), "FLY"),
        (ContainerConfig(security=Security(seccomp_profile="x")), "no JSON"),
        (ContainerConfig(security=Security(seccomp_profile="{}", seccomp_unconfined=True)), "exclude"),
        (ContainerConfig(devices=[Device(source="/etc/x")]), "below /dev"),
        (ContainerConfig(devices=[Device(source="/dev/a"), Device(source="/dev/b", target="/dev/./a")]), "two devices"),
        (ContainerConfig(devices=[Device(source=f"/dev/{n}") for n in range(257)]), "257"),
        (ContainerConfig(groups=["a:b"]), "group 'a:b'"),
        (ContainerConfig(groups=[""]), "group ''"),
        (ContainerConfig(groups=["1"] * 65), "65"),
        (ContainerConfig(ulimits=[Ulimit(name="x")]), "'x'"),
        (ContainerConfig(ulimits=[Ulimit(name="core"), Ulimit(name="core")]), "twice"),
        (ContainerConfig(ulimits=[Ulimit(name="core", soft=2, hard=1)]), "above"),
        (ContainerConfig(sysctls={"kernel.panic": "1"}), "kernel.panic"),
        (ContainerConfig(sysctls={f"net.core.n{n}": "1" for n in range(129)}), "129"),
    ],
)
def test_what_can_never_be_right_is_refused(config: ContainerConfig, said: str) -> None:
    with pytest.raises(InvalidSpec, match=said):
        confinement(config)
