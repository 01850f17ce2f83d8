from __future__ import annotations

import pytest

from shoal_common.containers.permissions import missing, named, needs, unchecked
from shoal_common.containers.policy import Permission
from shoal_proto.v1.container_pb2 import (
    ContainerConfig,
    Device,
    Mount,
    MountKind,
    NamespaceSharing,
    NetworkMode,
    Security,
    SharingMode,
    Ulimit,
)
from shoal_proto.v1.resources_pb2 import Resources

HOST = NamespaceSharing(mode=SharingMode.SHARING_MODE_HOST)
LOOSENED = [
    (ContainerConfig(security=Security(privileged=True)), Permission.PRIVILEGED),
    (ContainerConfig(security=Security(cap_add=["NET_ADMIN"])), Permission.CAPABILITIES),
    (ContainerConfig(security=Security(cap_add=["ALL"])), Permission.CAPABILITIES),
    (ContainerConfig(security=Security(new_privileges=True)), Permission.NEW_PRIVILEGES),
    (ContainerConfig(security=Security(seccomp_unconfined=True)), Permission.SECCOMP),
    (ContainerConfig(security=Security(seccomp_profile="{}")), Permission.SECCOMP),
    (ContainerConfig(devices=[Device(source="/dev/fuse")]), Permission.DEVICES),
    (ContainerConfig(mounts=[Mount(kind=MountKind.MOUNT_KIND_BIND, source="/srv")]), Permission.BIND_MOUNTS),
    (ContainerConfig(security=Security(host_users=True)), Permission.HOST_USERS),
    (ContainerConfig(network=NetworkMode.NETWORK_MODE_HOST), Permission.HOST_NETWORK),
    (ContainerConfig(pid=HOST), Permission.HOST_PID),
    (ContainerConfig(ipc=HOST), Permission.HOST_IPC),
    (ContainerConfig(uts=HOST), Permission.HOST_UTS),
    (ContainerConfig(resources=Resources(oom_score_adjust=-1)), Permission.OOM_SCORE),
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
        resources=Resources(oom_score_adjust=1000),
        sysctls={"net.core.somaxconn": "1"},
        ulimits=[Ulimit(name="core", soft=-1, hard=-1)],
        mounts=[Mount(kind=MountKind.MOUNT_KIND_VOLUME), Mount(kind=MountKind.MOUNT_KIND_TMPFS)],
        # What another container has is that one's to be allowed; and what is the node's is none of that.
        network=NetworkMode.NETWORK_MODE_CONTAINER,
        pid=NamespaceSharing(mode=SharingMode.SHARING_MODE_CONTAINER),
        ipc=NamespaceSharing(mode=SharingMode.SHARING_MODE_SHAREABLE),
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


def test_what_was_stored_runs_only_as_far_as_it_was_checked() -> None:
    config = ContainerConfig(security=Security(privileged=True, cap_add=["NET_ADMIN", "SYS_ADMIN"]))
    assert named(config) == ["capabilities", "privileged"]
    assert unchecked(config, named(config)) == ""
    # A version that knows of one thing has said nothing of the other.
    assert unchecked(config, ["privileged"]).startswith("it asks for capabilities NET_ADMIN, SYS_ADMIN, which no")
    assert unchecked(config, ())
    assert unchecked(ContainerConfig(), ()) == ""
