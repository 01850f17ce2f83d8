"""Mounts in a request: what the controller refuses, whoever sent it."""

from __future__ import annotations

import pytest

from shoal_common.errors import InvalidSpec
from shoal_controller.api.validation.files import MAX_MOUNTS, files
from shoal_controller.api.volumes.use import add_image_volumes
from shoal_proto.v1.container_pb2 import ContainerConfig, Mount, MountKind

VOLUME, TMPFS = MountKind.MOUNT_KIND_VOLUME, MountKind.MOUNT_KIND_TMPFS


def test_paths_are_put_into_their_shortest_form() -> None:
    config = ContainerConfig(mounts=[Mount(kind=TMPFS, target="//run//x/")])
    files(config)
    assert config.mounts[0].target == "/run/x"


@pytest.mark.parametrize(
    ("mount", "named"),
    [
        (Mount(target="/x"), "kind 0"),
        (Mount(kind=99, target="/x"), "kind 99"),  # type: ignore[arg-type]
        (Mount(kind=VOLUME, target="x"), "absolute"),
        (Mount(kind=VOLUME, target="/a/../proc"), '".."'),
        (Mount(kind=VOLUME, target="/proc"), "would cover"),
        (Mount(kind=VOLUME, target="/x", source="../y"), "volume name"),
        (Mount(kind=VOLUME, target="/x", volume_id="a" * 64), "names the id"),
        (Mount(kind=VOLUME, target="/x", tmpfs_size_bytes=1), "options of a tmpfs"),
        (Mount(kind=TMPFS, target="/x", source="y"), "has a source"),
        (Mount(kind=TMPFS, target="/x", no_copy=True), "nothing is copied"),
        (Mount(kind=TMPFS, target="/x", tmpfs_size_bytes=-1), "size or mode"),
        (Mount(kind=TMPFS, target="/x", tmpfs_mode=0o10000), "size or mode"),
        (Mount(kind=MountKind.MOUNT_KIND_BIND, target="/x", source="srv"), "absolute"),
    ],
)
def test_what_no_container_can_have(mount: Mount, named: str) -> None:
    with pytest.raises(InvalidSpec) as raised:
        files(ContainerConfig(mounts=[mount]))
    assert named in raised.value.message
    assert "\n" not in raised.value.message


def test_not_two_at_one_place_nor_too_many() -> None:
    with pytest.raises(InvalidSpec, match="two mounts"):
        files(ContainerConfig(mounts=[Mount(kind=TMPFS, target="/x"), Mount(kind=VOLUME, target="/x/")]))
    with pytest.raises(InvalidSpec, match=f"{MAX_MOUNTS} at most"):
        files(ContainerConfig(mounts=[Mount(kind=TMPFS, target=f"/{n}") for n in range(MAX_MOUNTS + 1)]))
    with pytest.raises(InvalidSpec, match="shm size"):
        files(ContainerConfig(shm_size_bytes=-1))


def test_an_images_volumes_are_checked_as_well() -> None:
    config = ContainerConfig(image="db:1", mounts=[Mount(kind=TMPFS, target="/cache")])
    add_image_volumes(config, ["/cache", "/data/", "rel", "/data"])
    assert [mount.target for mount in config.mounts] == ["/cache", "/data", "/rel"]
    with pytest.raises(InvalidSpec, match='image "db:1" declares'):
        add_image_volumes(config, ["/proc/x"])
    with pytest.raises(InvalidSpec, match="would have"):
        add_image_volumes(config, [f"/v{n}" for n in range(MAX_MOUNTS)])
