"""What -v, --mount and --tmpfs mean, and which are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_common.containers.mounts import (
    Kind,
    Mount,
    check_target,
    check_targets,
    parse_mount,
    parse_tmpfs,
    parse_volume,
)
from shoal_common.errors import InvalidSpec


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("/data", Mount(Kind.VOLUME, "/data")),
        ("data:/var//lib/", Mount(Kind.VOLUME, "/var/lib", "data")),
        ("data:/d:ro,nocopy", Mount(Kind.VOLUME, "/d", "data", read_only=True, no_copy=True)),
        ("/srv/www:/www:ro", Mount(Kind.BIND, "/www", "/srv/www", read_only=True)),
        ("/srv/www:/www:rw,Z", Mount(Kind.BIND, "/www", "/srv/www")),
    ],
)
def test_volumes(text: str, mount: Mount) -> None:
    assert parse_volume(text) == mount


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("/tmp", Mount(Kind.TMPFS, "/tmp")),
        ("/run:rw,noexec,nosuid,size=64k,mode=755", Mount(Kind.TMPFS, "/run", tmpfs_size=64 << 10, tmpfs_mode=0o755)),
        ("/t:ro,exec", Mount(Kind.TMPFS, "/t", read_only=True, tmpfs_exec=True)),
    ],
)
def test_tmpfs(text: str, mount: Mount) -> None:
    assert parse_tmpfs(text) == mount


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("source=data,target=/data", Mount(Kind.VOLUME, "/data", "data")),
        ("type=volume,dst=/data,volume-nocopy", Mount(Kind.VOLUME, "/data", no_copy=True)),
        ("type=bind,src=/srv/a,destination=/a,ro", Mount(Kind.BIND, "/a", "/srv/a", read_only=True)),
        ('type=bind,"src=/srv/a,b",dst=/a,readonly=false', Mount(Kind.BIND, "/a", "/srv/a,b")),
        (
            "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=0700",
            Mount(Kind.TMPFS, "/t", tmpfs_size=1 << 20, tmpfs_mode=0o700),
        ),
    ],
)
def test_mounts(text: str, mount: Mount) -> None:
    assert parse_mount(text) == mount


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "TARGET"),
        ("data:", "TARGET"),
        ("a:/b:ro:x", "TARGET"),
        ("data", "absolute"),
        ("./x:/x", "relative"),
        ("data:/x:rprivate", "rprivate"),
        ("/srv:/x:nocopy", "nocopy"),
        ("data:/", "whole container"),
        ("data:/proc", "/proc"),
        ("data:/proc/sys/kernel", "/proc"),
        ("data:/x/../proc", ".."),
        ("data:/sys//fs", "/sys"),
        ("data:/dev", "/dev"),
        ("/srv/../etc:/x", ".."),
        ("-x:/y", "volume name"),
        ("data:/a\0b", "absolute"),
    ],
)
def test_bad_volumes(text: str, named: str) -> None:
    with pytest.raises(InvalidSpec) as raised:
        parse_volume(text)
    assert named in raised.value.message
    assert "\n" not in raised.value.message


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("type=npipe,target=/x", "no type"),
        ("type=bind,target=/x", "what to bind"),
        ("type=volume", "where to"),
        ("target=/x,dst=/y", "twice"),
        ("type=tmpfs,source=a,target=/x", "source"),
        ("type=bind,source=/a,target=/x,volume-nocopy", "volume-nocopy"),
        ("type=volume,target=/x,readonly=maybe", "neither"),
        ("type=tmpfs,target=/x,tmpfs-mode=99", "octal"),
        ("type=tmpfs,target=/x,tmpfs-size=0", "size 0"),
        ('"target=x', "KEY=VALUE"),
        ("a\nb", "KEY=VALUE"),
    ],
)
def test_bad_mounts(text: str, named: str) -> None:
    with pytest.raises(InvalidSpec) as raised:
        parse_mount(text)
    assert named in raised.value.message


@pytest.mark.parametrize("text", ["tmp", "/t:huge", "/t:size=1x", "/t:mode=", "/t:mode=0", "/t:uid=1", "/proc/x"])
def test_bad_tmpfs(text: str) -> None:
    with pytest.raises(InvalidSpec):
        parse_tmpfs(text)


def test_what_is_in_dev_may_be_covered_but_what_the_runtime_needs() -> None:
    assert check_target("/dev/shm") == "/dev/shm"
    with pytest.raises(InvalidSpec):
        check_target("/dev/pts/")


def test_no_target_twice() -> None:
    with pytest.raises(InvalidSpec, match="two mounts"):
        check_targets([Mount(Kind.TMPFS, "/a"), Mount(Kind.VOLUME, "/a", "b")])


@given(st.text(alphabet='a/.:,=-ro\0\n" ', max_size=24), st.sampled_from([parse_volume, parse_mount, parse_tmpfs]))
def test_never_anything_but_a_mount_or_one_line(text: str, parse: object) -> None:
    assert callable(parse)
    error = ""
    try:
        mount = parse(text)
    except InvalidSpec as refused:
        error = refused.message
    else:
        assert mount.target.startswith("/")
        assert not {"", ".", ".."} & set(mount.target.split("/")[1:])
    assert "\n" not in error
