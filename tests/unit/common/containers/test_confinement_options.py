"""What people write of a container's confinement."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shoal_common.containers import capabilities
from shoal_common.containers.devices import Device, parse_device
from shoal_common.containers.policy import MEANING, Permission, parse_permission
from shoal_common.containers.seccomp_profile import MAX_BYTES, check_profile, translate
from shoal_common.containers.security_options import SecurityOptions, parse_security_options
from shoal_common.containers.sysctls import parse_sysctl
from shoal_common.containers.ulimits import Ulimit, parse_ulimit
from shoal_common.containers.variable_files import parse_lines
from shoal_common.errors import InvalidSpec


def test_capabilities_are_known_by_several_spellings() -> None:
    assert {capabilities.parse_capability(text) for text in ("net_admin", "CAP_NET_ADMIN", "Net_Admin")} == {
        "NET_ADMIN"
    }
    assert capabilities.parse_capability("all") == "ALL"
    for text in ("", "NET_ADMINS", "CAP_ALLES", "CAP_CAP_CHOWN"):
        with pytest.raises(InvalidSpec, match="not known"):
            capabilities.parse_capability(text)


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        ((), (), capabilities.DEFAULT),
        (("NET_ADMIN",), (), capabilities.DEFAULT | {"CAP_NET_ADMIN"}),
        ((), ("CHOWN", "NET_ADMIN"), capabilities.DEFAULT - {"CAP_CHOWN"}),
        ((), ("ALL",), frozenset()),
        (("CHOWN",), ("ALL",), {"CAP_CHOWN"}),
        (("CHOWN",), ("CHOWN",), capabilities.DEFAULT),
        (("ALL",), (), set(capabilities.NAMES)),
        (("ALL",), ("SYS_ADMIN",), set(capabilities.NAMES) - {"CAP_SYS_ADMIN"}),
    ],
)
def test_what_is_added_and_dropped_comes_together_as_in_docker(
    add: tuple[str, ...], drop: tuple[str, ...], expected: frozenset[str]
) -> None:
    assert capabilities.combined(add, drop) == expected


def test_ulimits() -> None:
    assert parse_ulimit("nofile=1024") == Ulimit("nofile", 1024, 1024)
    assert parse_ulimit("core=0:-1") == Ulimit("core", 0, -1)
    for text, said in (
        ("nofile", "NAME=SOFT"),
        ("nofile=a", "NAME=SOFT"),
        ("nofile=1:", "NAME=SOFT"),
        ("nofile=5:4", "soft limit above"),
        ("core=-1:4", "soft limit above"),
        ("nofile=-1", "can't be unlimited"),
        ("core=-2", "not possible"),
        ("core=9223372036854775808", "not possible"),
        ("files=1", "not known"),
    ):
        with pytest.raises(InvalidSpec, match=said):
            parse_ulimit(text)


def test_sysctls_are_those_of_the_containers_own_namespaces() -> None:
    assert parse_sysctl("net.ipv4.ip_local_port_range=1024 65000") == ("net.ipv4.ip_local_port_range", "1024 65000")
    assert parse_sysctl("kernel.shmmax=1")[0] == "kernel.shmmax"
    assert parse_sysctl("fs.mqueue.msg_max=1")[0] == "fs.mqueue.msg_max"
    for text, said in (
        ("kernel.panic=1", "not one of a container's own"),
        ("vm.swappiness=1", "not one of a container's own"),
        ("kernel.shmmax_=1", "not one of a container's own"),
        ("net.core.somaxconn", "NAME=VALUE"),
        ("net.core.somaxconn=", "value"),
        ("net.core.somaxconn=1\n2", "value"),
        ("net/../kernel.panic=1", "not valid"),
        ("net..core=1", "not valid"),
        ("net=1", "not valid"),
    ):
        with pytest.raises(InvalidSpec, match=said):
            parse_sysctl(text)


def test_devices() -> None:
    assert parse_device("/dev/fuse") == Device("/dev/fuse", "/dev/fuse", "rwm")
    assert parse_device("/dev/fuse:wr") == Device("/dev/fuse", "/dev/fuse", "rw")
    assert parse_device("/dev/fuse:/dev/own") == Device("/dev/fuse", "/dev/own", "rwm")
    assert parse_device("/dev//fuse:/dev/own:m") == Device("/dev/fuse", "/dev/own", "m")
    for text in ("", "fuse", "/dev", "/dev/../etc/shadow", "/dev/fuse:x", "/dev/fuse:/dev/x:rr", "/dev/a:/dev/b:r:c"):
        with pytest.raises(InvalidSpec):
            parse_device(text)
    for target in ("/etc/x", "/dev/shm/x", "/dev/pts", "/dev/../x"):
        with pytest.raises(InvalidSpec, match="can't be at"):
            parse_device(f"/dev/fuse:{target}")


def test_security_options() -> None:
    assert parse_security_options([]) == SecurityOptions()
    assert parse_security_options(["seccomp=unconfined", "no-new-privileges=false"]) == SecurityOptions(
        seccomp_unconfined=True, new_privileges=True
    )
    assert parse_security_options(["seccomp:/a=b.json"]).seccomp_file == "/a=b.json"
    assert parse_security_options(["seccomp=a:b.json"]).seccomp_file == "a:b.json"
    assert parse_security_options(["seccomp=x.json", "seccomp=builtin"]) == SecurityOptions()
    assert parse_security_options(["no-new-privileges"]) == SecurityOptions()
    for text in ("seccomp", "seccomp=", "no-new-privileges=maybe", "userns=x", "apparmor=x", "x", ""):
        with pytest.raises(InvalidSpec, match="security option"):
            parse_security_options([text])


def test_every_permission_has_a_meaning_and_is_known_by_its_name() -> None:
    assert set(MEANING) == set(Permission)
    assert [parse_permission(each.value) for each in Permission] == list(Permission)
    with pytest.raises(InvalidSpec, match="bind-mounts"):
        parse_permission("everything")


def test_lines_of_a_file_are_taken_as_they_are() -> None:
    data = b"\xef\xbb\xbfA=1\r\n\n# no\n  B = x\n"
    with pytest.raises(InvalidSpec, match="f, line 4"):
        parse_lines("f", data)
    assert parse_lines("f", b'\xef\xbb\xbfA=1\r\n\n# no\n  B="x" # y\nC\nD=\n') == ["A=1", 'B="x" # y', "C", "D="]
    for wrong in (b"\xff", b"=x", b"a b", b"A=\0"):
        with pytest.raises(InvalidSpec, match="f"):
            parse_lines("f", wrong)


def _profile(**rule: Any) -> str:
    rules = [{"names": ["read"], "action": "SCMP_ACT_ALLOW", **rule}]
    return json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules})


def _translated(text: str, *capabilities_: str) -> list[dict[str, Any]]:
    section = translate(text, capabilities=capabilities_, machine="x86_64", kernel=(5, 10))
    assert section["architectures"] == ["SCMP_ARCH_X86_64"]
    return list(section["syscalls"])


@pytest.mark.parametrize(
    ("rule", "there"),
    [
        ({}, True),
        ({"includes": {}, "excludes": None}, True),
        ({"includes": {"caps": ["CAP_SYS_ADMIN"]}}, False),
        ({"includes": {"caps": ["CAP_CHOWN"]}}, True),
        ({"excludes": {"caps": ["CAP_CHOWN"]}}, False),
        ({"excludes": {"caps": ["CAP_SYS_ADMIN"]}}, True),
        ({"includes": {"arches": ["amd64", "x32"]}}, True),
        ({"includes": {"arches": ["arm64"]}}, False),
        ({"excludes": {"arches": ["amd64"]}}, False),
        ({"includes": {"minKernel": "5.9"}}, True),
        ({"includes": {"minKernel": "5.11"}}, False),
    ],
)
def test_rules_of_a_profile_depend_on_where_it_is_used(rule: dict[str, Any], there: bool) -> None:
    assert bool(_translated(_profile(**rule), "CAP_CHOWN")) is there


def test_a_profile_becomes_a_section_of_an_oci_configuration() -> None:
    condition = {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}
    assert _translated(_profile(args=[condition], errnoRet=7, comment="x")) == [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW", "errnoRet": 7, "args": [{**condition, "valueTwo": 0}]}
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        '{"defaultAction": "SCMP_ACT_NOTIFY"}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {}}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [1]}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["x"]}',
        _profile(names=[]),
        _profile(names=["a\n"]),
        _profile(action="ALLOW"),
        _profile(args=[{"index": 6, "op": "SCMP_CMP_EQ"}]),
        _profile(args=[{"index": 0, "op": "=="}]),
        _profile(args=[{"index": -1, "op": "SCMP_CMP_EQ"}]),
        _profile(errnoRet="x"),
        _profile(includes={"minKernel": "five"}),
        _profile(names=["x" * MAX_BYTES]),
    ],
)
def test_what_is_no_profile_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InvalidSpec, match="seccomp profile") as raised:
        check_profile(text)
    assert "\n" not in raised.value.message
