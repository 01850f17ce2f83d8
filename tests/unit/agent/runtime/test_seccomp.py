"""Our profile against Docker's, call by call and argument by argument."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from shoal_agent.runtime.seccomp import Profile, compile_profile
from shoal_agent.runtime.seccomp_table import NAMESPACE_FLAGS, PURPOSES
from shoal_common.containers import capabilities
from shoal_common.errors import InvalidSpec

#: Of Debian's golang-github-docker-docker-dev.
DOCKER = Path("/usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json")
GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
SETS = [
    frozenset(),
    capabilities.DEFAULT,
    *(capabilities.DEFAULT | {name} for name in capabilities.NAMES),
    *(frozenset({name}) for name in capabilities.NAMES),
    frozenset(capabilities.NAMES),
]

#: Calls that the Docker of Debian 12 is too old to know, and of which each only says more exactly what another does.
VARIANTS = {"fchmodat2": "fchmodat"}
#: What Docker 20.10 (Debian 12) or 26.1 (Debian 13) lets every container call, and we none.
LEFT_OUT = {
    *("io_uring_enter", "io_uring_register", "io_uring_setup"),
    *("epoll_ctl_old", "epoll_wait_old", "fanotify_mark", "memfd_secret"),
    *("process_vm_readv", "process_vm_writev", "name_to_handle_at", "cachestat", "map_shadow_stack"),
    *("futex_requeue", "futex_wait", "futex_wake", "pkey_alloc", "pkey_free", "pkey_mprotect"),
}

#: For each call that is allowed: the conditions of which one is enough; an empty condition always holds.
Allowed = dict[str, set[frozenset[tuple[int, str, int, int]]]]


def _condition(arguments: Iterable[Any]) -> frozenset[tuple[int, str, int, int]]:
    return frozenset((a["index"], a["op"], a["value"], a.get("valueTwo", 0)) for a in arguments)


def ours(profile: Profile) -> Allowed:
    found: Allowed = {}
    for rule in profile["syscalls"]:
        if rule["action"] == "SCMP_ACT_ALLOW":
            for name in rule["names"]:
                found.setdefault(name, set()).add(_condition(rule.get("args", [])))
    return found


def dockers(granted: frozenset[str], machine: str) -> Allowed:
    assert DOCKER.exists(), f"{DOCKER} is missing: apt-get install golang-github-docker-docker-dev"
    profile = json.loads(DOCKER.read_text())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    found: Allowed = {}
    for rule in profile["syscalls"]:
        includes, excludes = rule.get("includes", {}), rule.get("excludes", {})
        if set(excludes.get("caps", [])) & granted or GO_NAMES[machine] in excludes.get("arches", []):
            continue
        if not set(includes.get("caps", [])) <= granted:
            continue
        if includes.get("arches") and GO_NAMES[machine] not in includes["arches"]:
            continue
        if rule["action"] == "SCMP_ACT_ALLOW":
            for name in rule["names"]:
                found.setdefault(name, set()).add(_condition(rule.get("args") or []))
    for variant, call in VARIANTS.items():
        found.setdefault(variant, found[call])
    return found


@pytest.mark.parametrize("machine", GO_NAMES)
def test_never_allows_what_docker_refuses(machine: str) -> None:
    for granted in SETS:
        reference = dockers(granted, machine)
        for name, conditions in ours(compile_profile(granted, machine)).items():
            assert name in reference, f"{name} with {sorted(granted)}: Docker refuses it"
            for condition in conditions:
                stricter = any(wanted <= condition for wanted in reference[name])
                assert stricter, f"{name} with {sorted(granted)}: {condition} is none of {reference[name]}"


@pytest.mark.parametrize("machine", GO_NAMES)
def test_refuses_beyond_docker_only_what_is_known(machine: str) -> None:
    reference = dockers(capabilities.DEFAULT, machine)
    allowed = ours(compile_profile(capabilities.DEFAULT, machine))
    assert reference.keys() - allowed.keys() <= LEFT_OUT
    assert not LEFT_OUT & allowed.keys()
    assert {name for name in allowed if allowed[name] != reference[name]} <= {"ptrace", "socket"}
    assert allowed["socket"] == {frozenset({(0, "SCMP_CMP_NE", 40, 0)})}


def test_what_the_machine_wide_default_of_podman_allows_to_all_is_refused() -> None:
    allowed = ours(compile_profile(capabilities.DEFAULT, "x86_64"))
    refused = "mount umount2 unshare setns keyctl add_key request_key bpf perf_event_open userfaultfd kexec_load"
    assert not allowed.keys() & set(refused.split())


def test_new_namespaces_need_more_than_clone() -> None:
    profile = compile_profile(capabilities.DEFAULT, "x86_64")
    assert ours(profile)["clone"] == {frozenset({(0, "SCMP_CMP_MASKED_EQ", NAMESPACE_FLAGS, 0)})}
    assert [rule for rule in profile["syscalls"] if rule["names"] == ["clone3"]] == [
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}
    ]


def test_taking_over_a_running_process_is_refused() -> None:
    def holds(condition: frozenset[tuple[int, str, int, int]], request: int) -> bool:
        compare = {"SCMP_CMP_EQ": int.__eq__, "SCMP_CMP_LT": int.__lt__, "SCMP_CMP_GT": int.__gt__}
        return all(compare[operator](request, value) for _, operator, value, _ in condition)

    conditions = ours(compile_profile(capabilities.DEFAULT, "x86_64"))["ptrace"]
    permitted = {request for request in range(0x4300) if any(holds(condition, request) for condition in conditions)}
    assert {16, 0x4206}.isdisjoint(permitted)
    assert {0, 7, 17, 24, 0x4200, 0x4207} <= permitted


def test_every_call_of_the_machines_own_and_its_32_bit_form_is_filtered() -> None:
    assert compile_profile([], "x86_64")["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    assert compile_profile([], "aarch64")["architectures"] == ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
    with pytest.raises(InvalidSpec, match="riscv64"):
        compile_profile([], "riscv64")


def test_each_call_has_one_purpose_under_one_condition() -> None:
    seen: set[tuple[str, str, str]] = set()
    for purpose in PURPOSES:
        for name in purpose.names:
            key = (name, purpose.capability, purpose.lacking)
            assert key not in seen, key
            seen.add(key)
