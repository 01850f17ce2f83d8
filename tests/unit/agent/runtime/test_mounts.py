"""Mounts of a container: what is asked for takes the place of what is ours, and no link leads one astray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shoal_agent.runtime.failures import StartFailed
from shoal_agent.runtime.mount_points import check_mount_points, covered
from shoal_agent.runtime.mounts import Attached, FileSystems, mount_section
from shoal_proto.v1.container_pb2 import Mount, MountKind


def tmpfs(target: str, **more: Any) -> Mount:
    return Mount(kind=MountKind.MOUNT_KIND_TMPFS, target=target, **more)


def section(**systems: Any) -> dict[str, dict[str, Any]]:
    found = mount_section(FileSystems(**systems), Path("/own"))
    assert len({entry["destination"] for entry in found}) == len(found)
    return {entry["destination"]: entry for entry in found}


def test_parents_come_before_what_is_in_them_and_after_the_kernels() -> None:
    attached = (Attached(Path("/n/0"), "/etc/ssl/certs", True), Attached(Path("/n/1"), "/etc", False))
    targets = list(section(attached=attached, tmpfs=(tmpfs("/etc/ssl"), tmpfs("/dev/shm"))))
    assert targets.index("/dev") < targets.index("/dev/shm")
    assert targets.index("/etc") < targets.index("/etc/hosts")
    assert targets.index("/etc") < targets.index("/etc/ssl") < targets.index("/etc/ssl/certs")


def test_what_is_asked_for_takes_the_place_of_ours() -> None:
    found = section(attached=(Attached(Path("/n/0"), "/etc/hosts", False),), tmpfs=(tmpfs("/dev/shm"),))
    assert found["/etc/hosts"]["source"] == "/n/0"
    assert "size=67108864" not in found["/dev/shm"]["options"]


def test_memory_is_bounded_and_holds_no_programs_unless_asked() -> None:
    found = section(
        tmpfs=(
            tmpfs("/tmp"),
            tmpfs("/x", tmpfs_exec=True, tmpfs_size_bytes=5, tmpfs_mode=0o700, read_only=True),
        ),
        shm_bytes=1 << 20,
    )
    assert found["/tmp"]["options"] == ["nosuid", "nodev", "noexec", "mode=1777"]
    assert found["/x"]["options"] == ["nosuid", "nodev", "ro", "mode=700", "size=5"]
    assert "size=1048576" in found["/dev/shm"]["options"]


def test_no_shared_memory_means_none_but_what_is_asked_for() -> None:
    assert "/dev/shm" not in section(shm_bytes=0)
    assert "size=5" in section(shm_bytes=0, tmpfs=(tmpfs("/dev/shm", tmpfs_size_bytes=5),))["/dev/shm"]["options"]


def test_read_only_is_asked_for_once_for_each() -> None:
    attached = (Attached(Path("/n/0"), "/a", True), Attached(Path("/n/1"), "/b", False))
    found = section(attached=attached, read_only=True)
    assert "ro" in found["/a"]["options"]
    assert "ro" not in found["/b"]["options"]
    assert "ro" in found["/etc/hosts"]["options"]
    assert "nodev" in found["/b"]["options"]


@pytest.mark.parametrize(
    ("link", "leads", "target"),
    [
        ("data", "/proc", "/data/sys"),
        ("data", "proc/self", "/data"),
        ("data", "/", "/data"),
        ("data", "../../sys", "/data"),
        ("data", "/nowhere", "/data/x"),
        ("srv/a", "/dev", "/srv/a/pts"),
    ],
)
def test_a_link_of_the_image_leads_no_mount_over_what_the_kernel_shows(
    tmp_path: Path, link: str, leads: str, target: str
) -> None:
    for name in ("proc", "sys", "dev", "srv"):
        (tmp_path / name).mkdir()
    (tmp_path / link).symlink_to(leads)
    with pytest.raises(StartFailed) as raised:
        check_mount_points(tmp_path, [target])
    assert target in raised.value.message


def test_links_that_stay_in_the_image_are_followed(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "run").symlink_to("/var/run")
    (tmp_path / "var/run").mkdir()
    check_mount_points(tmp_path, ["/run/db", "/new/deep/one", "/var"])


def table(*points: str) -> str:
    return "".join(f"{number} 1 0:{number} / {point} rw - tmpfs tmpfs rw\n" for number, point in enumerate(points))


@pytest.mark.parametrize("point", ["/", "/proc", "/sys", "/dev"])
def test_a_mount_that_a_link_in_a_volume_led_over_the_kernels_is_seen(point: str) -> None:
    own = ("/", "/proc", "/sys", "/dev", "/dev/shm", "/v", "/proc/keys", "/proc/sys", "/proc/sys")
    assert covered(table(*own)) == ""
    assert f"over {point} " in covered(table(*own, point))
