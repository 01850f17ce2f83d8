from __future__ import annotations

import pytest

from shoal_common.policy import Permission
from shoal_controller.core.permissions import missing, needs
from shoal_proto.v1.container_pb2 import (
    ContainerConfig,
    Device,
    Mount,
    MountKind,
    Security,
    Ulimit,
)

LOOSENED = [
    (ContainerConfig(security=Security(privileged=True)), Permission.PRIVILEGED),
    (ContainerConfig(security=Security(cap_add=["NET_ADMIN"])), Permission.CAPABILITIES),
    (ContainerConfig(security=Security(cap_add=["ALL"])), Permission.CAPABILITIES),
    (ContainerConfig(security=Security(new_privileges=True)), Permission.NEW_PRIVILEGES),
    (ContainerConfig(security=Security(seccomp_unconfined=True)), Permission.SECCOMP),
    (ContainerConfig(security=Security(seccomp_profile="{}")), Permission.SECCOMP),
    (ContainerConfig(devices=[Device(source="/dev/fuse")]), Permission.DEVICES),
    (ContainerConfig(mounts=[Mount(kind=MountKind.MOUNT_KIND_BIND, source="/srv")]), Permission.BIND_MOUNTS),
]


@pytest.mark.parametrize(("config", "permission"), LOOSENED, ids=[each[1].value for each in LOOSENED])
def test_what_loosens_needs_its_own_permission_and_no_other(config: ContainerConfig, permission: Permission) -> None:
    assert [need.permission for need in needs(config)] == [permission]
    others = set(Permission) - {permission}
    found = missing(config, others)
    assert found is not None
    assert found.permission == permission
    assert missing(config, {permission}) is None


def test_every_permission_is_needed_by_something() -> None:
    assert {permission for _, permission in LOOSENED} == set(Permission)


def test_what_tightens_or_stays_within_needs_none() -> None:
    config = ContainerConfig(
        security=Security(cap_drop=["ALL"], cap_add=["CHOWN", "NET_BIND_SERVICE"]),
        groups=["50"],
        sysctls={"net.core.somaxconn": "1"},
        ulimits=[Ulimit(name="core", soft=-1, hard=-1)],
        mounts=[Mount(kind=MountKind.MOUNT_KIND_VOLUME), Mount(kind=MountKind.MOUNT_KIND_TMPFS)],
    )
    assert needs(config) == []
    assert missing(config, ()) is None


def test_the_first_that_is_not_allowed_is_told() -> None:
    config = ContainerConfig(
        security=Security(cap_add=["CHOWN", "NET_ADMIN", "SYS_ADMIN"]), devices=[Device(source="/dev/kvm")]
    )
    found = missing(config, {Permission.DEVICES})
    assert found is not None
    assert found.what == "capabilities NET_ADMIN, SYS_ADMIN"
