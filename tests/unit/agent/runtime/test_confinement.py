from __future__ import annotations

import json
from pathlib import Path

import pytest

from shoal_agent.runtime.confinement import Confinement, confinement_of, own_limits
from shoal_agent.runtime.devices import find_devices
from shoal_agent.runtime.seccomp import compile_profile
from shoal_common.containers import capabilities
from shoal_common.containers.ulimits import NAMES
from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import ContainerConfig, Device, Security, Ulimit

OWN = dict.fromkeys(NAMES, -1) | {"nofile": 20_000, "core": 100}


def of(config: ContainerConfig) -> Confinement:
    return confinement_of(config, OWN, machine="x86_64", release="6.1.0-9-amd64")


def test_one_that_asks_for_nothing_gets_the_default() -> None:
    held = of(ContainerConfig())
    assert held.capabilities == capabilities.DEFAULT
    assert held.no_new_privileges
    assert held.rlimits == {"RLIMIT_NOFILE": (20_000, 20_000)}
    assert held.seccomp == compile_profile(capabilities.DEFAULT, "x86_64")
    assert (held.groups, held.sysctls) == ((), {})


def test_the_system_calls_follow_the_capabilities() -> None:
    held = of(ContainerConfig(security=Security(cap_add=["SYS_ADMIN"])))
    assert held.seccomp == compile_profile(capabilities.DEFAULT | {"CAP_SYS_ADMIN"}, "x86_64")
    fewer = of(ContainerConfig(security=Security(cap_drop=["ALL"])))
    assert fewer.seccomp == compile_profile((), "x86_64")


def test_only_the_standard_profile_passes_for_the_standard_profile() -> None:
    standard = confinement_of(ContainerConfig(), OWN)
    assert standard.standard_calls
    for security in (
        Security(seccomp_unconfined=True),
        Security(cap_add=["SYS_ADMIN"]),
        Security(cap_drop=["SYS_CHROOT"]),
        Security(seccomp_profile='{"defaultAction": "SCMP_ACT_ALLOW"}'),
    ):
        assert not confinement_of(ContainerConfig(security=security), OWN).standard_calls


def test_a_profile_of_ones_own_takes_the_place_of_ours() -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "includes": {"minKernel": "6.1"}},
            {"names": ["rmdir"], "action": "SCMP_ACT_ERRNO", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        ],
    }
    seccomp = of(ContainerConfig(security=Security(seccomp_profile=json.dumps(profile)))).seccomp
    assert seccomp is not None
    assert [rule["names"] for rule in seccomp["syscalls"]] == [["mkdir"]]


def test_one_that_is_privileged_has_all_but_what_it_drops() -> None:
    held = of(ContainerConfig(security=Security(privileged=True, cap_drop=["SYS_BOOT"])))
    assert held.capabilities == set(capabilities.NAMES) - {"CAP_SYS_BOOT"}
    assert (held.no_new_privileges, held.seccomp, held.privileged) == (False, None, True)
    profile = Security(privileged=True, seccomp_profile='{"defaultAction": "SCMP_ACT_ALLOW"}')
    assert of(ContainerConfig(security=profile)).seccomp is not None


def test_a_device_that_is_none_is_refused(tmp_path: Path) -> None:
    assert find_devices([Device(source="/dev/null")])[0].rule()["major"] == 1
    link = tmp_path / "link"
    link.symlink_to("/dev/null")
    assert find_devices([Device(source=str(link), permissions="r")])[0].permissions == "r"
    for path, said in ((tmp_path / "none", "not on this node"), (tmp_path, "no device")):
        with pytest.raises(InvalidSpec, match=said):
            find_devices([Device(source=str(path))])


def test_limits_are_as_asked_up_to_the_nodes_own() -> None:
    limits = [Ulimit(name="nofile", soft=10, hard=20_000), Ulimit(name="nproc", soft=5, hard=-1)]
    assert of(ContainerConfig(ulimits=limits)).rlimits == {
        "RLIMIT_NOFILE": (10, 20_000),
        "RLIMIT_NPROC": (5, (1 << 64) - 1),
    }
    for beyond in (Ulimit(name="nofile", soft=10, hard=20_001), Ulimit(name="core", soft=1, hard=-1)):
        with pytest.raises(InvalidSpec, match=f"ulimit {beyond.name} .* more than this node's own"):
            of(ContainerConfig(ulimits=[beyond]))


def test_every_limit_that_can_be_asked_for_has_one_of_the_nodes() -> None:
    assert own_limits().keys() == set(NAMES)


def test_what_is_executed_later_is_held_to_the_same() -> None:
    config = ContainerConfig(
        security=Security(cap_drop=["CHOWN"], new_privileges=True),
        groups=["audio"],
        ulimits=[Ulimit(name="core", soft=0, hard=7)],
    )
    held = of(config)
    again = Confinement.decode(json.loads(json.dumps(held.encode())))
    assert (again.capabilities, again.no_new_privileges) == (held.capabilities, False)
    assert (again.rlimits, again.groups) == (held.rlimits, ("audio",))


def test_with_the_nodes_users_no_container_has_more_than_the_agent() -> None:
    agents = frozenset(capabilities.NAMES) - {"CAP_SYS_RESOURCE"}

    def granted(**security: object) -> frozenset[str]:
        config = ContainerConfig(security=Security(**security))  # type: ignore[arg-type]
        return confinement_of(config, OWN, capable=agents).capabilities

    assert granted(privileged=True, host_users=True) == agents
    assert granted(cap_add=["ALL"], cap_drop=["CHOWN"], host_users=True) == agents - {"CAP_CHOWN"}
    assert granted(host_users=True) == capabilities.DEFAULT
    with pytest.raises(InvalidSpec, match="capabilities SYS_RESOURCE are not this node's agent's own"):
        granted(cap_add=["SYS_RESOURCE"], host_users=True)
    # Over what is its own it may have any.
    assert "CAP_SYS_RESOURCE" in granted(cap_add=["SYS_RESOURCE"])
    assert granted(privileged=True) == frozenset(capabilities.NAMES)
