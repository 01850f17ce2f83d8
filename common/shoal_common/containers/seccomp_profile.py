"""Seccomp profiles that users bring, in Docker's form: checked, and turned into the section of an OCI configuration.

Pure. Source: Docker's documentation of seccomp profiles; OCI runtime specification, config-linux.md, "Seccomp".
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from shoal_common.errors import InvalidSpec

#: Largest that is taken. Docker's own has 15 KiB.
MAX_BYTES: Final = 128 << 10
_ACTIONS: Final = frozenset(
    "SCMP_ACT_" + name for name in ("KILL", "KILL_THREAD", "KILL_PROCESS", "TRAP", "ERRNO", "ALLOW", "LOG", "TRACE")
)
_OPERATORS: Final = frozenset("SCMP_CMP_" + name for name in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"))
#: How Docker's profiles call the machines that uname calls so.
_MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_ARCHITECTURES: Final = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}


def check_profile(text: str) -> None:
    """Check that a profile can be used.

    Raises:
        InvalidSpec: it can't.
    """
    for machine in _MACHINES:
        translate(text, capabilities=(), machine=machine, kernel=(1 << 16, 0))


def translate(text: str, *, capabilities: Collection[str], machine: str, kernel: tuple[int, int]) -> dict[str, Any]:
    """Return the section `linux.seccomp` that a profile stands for.

    Args:
        text: JSON, as `docker run --security-opt seccomp=FILE` takes it.
        capabilities: of the container ("CAP_CHOWN"): rules may depend on them.
        machine: as uname says it: rules may depend on it.
        kernel: its version: rules may depend on it.

    Raises:
        InvalidSpec: it is no profile.
    """
    if len(text) > MAX_BYTES:
        raise InvalidSpec(f"seccomp profile has {len(text) >> 10} KiB (at most {MAX_BYTES >> 10} are taken)")
    try:
        profile = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidSpec(f"seccomp profile is no JSON: {str(error)[:80]} (Docker's form is expected)") from None
    if not isinstance(profile, dict):
        raise _wrong("it is no object")
    section: dict[str, Any] = {
        "defaultAction": _one_of(profile, "defaultAction", _ACTIONS),
        "architectures": _architectures(profile, machine),
        "syscalls": [],
    }
    if (number := _number(profile, "defaultErrnoRet")) is not None:
        section["defaultErrnoRet"] = number
    for rule in _list(profile, "syscalls"):
        if not isinstance(rule, dict):
            raise _wrong("a rule is no object")
        made = _rule(rule)
        if _applies(rule, capabilities, machine, kernel):
            section["syscalls"].append(made)
    return section


def _wrong(what: str) -> InvalidSpec:
    return InvalidSpec(f"seccomp profile is not valid: {what} (Docker's form is expected)")


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    names = _strings(rule, "names") + ([rule["name"]] if isinstance(rule.get("name"), str) and rule["name"] else [])
    if not names or not all(name.replace("_", "").isalnum() for name in names):
        raise _wrong("a rule names no system call")
    made: dict[str, Any] = {"names": names, "action": _one_of(rule, "action", _ACTIONS)}
    if (number := _number(rule, "errnoRet")) is not None:
        made["errnoRet"] = number
    if arguments := _list(rule, "args"):
        made["args"] = [_argument(argument) for argument in arguments]
    return made


def _argument(argument: object) -> dict[str, Any]:
    if not isinstance(argument, dict):
        raise _wrong("a condition is no object")
    index, value, second = (_number(argument, name) or 0 for name in ("index", "value", "valueTwo"))
    if index > 5:
        raise _wrong(f"argument {index} of a system call (there are 0 to 5)")
    return {"index": index, "value": value, "valueTwo": second, "op": _one_of(argument, "op", _OPERATORS)}


def _applies(rule: Mapping[str, Any], capabilities: Collection[str], machine: str, kernel: tuple[int, int]) -> bool:
    includes, excludes = _object(rule, "includes"), _object(rule, "excludes")
    own = _MACHINES[machine]
    if (arches := _strings(includes, "arches")) and own not in arches:
        return False
    if own in _strings(excludes, "arches"):
        return False
    if not set(_strings(includes, "caps")) <= set(capabilities):
        return False
    if set(_strings(excludes, "caps")) & set(capabilities):
        return False
    least = _version(includes)
    return least is None or kernel >= least


def _version(includes: Mapping[str, Any]) -> tuple[int, int] | None:
    text = includes.get("minKernel")
    if not text:
        return None
    first, _, second = str(text).partition(".")
    if not (first.isascii() and first.isdecimal() and second.isascii() and second.isdecimal()):
        raise _wrong(f"minKernel {str(text)[:20]!a}")
    return int(first[:6]), int(second[:6])


def _architectures(profile: Mapping[str, Any], machine: str) -> list[str]:
    if machine not in _ARCHITECTURES:
        raise InvalidSpec(f'machine "{machine}" takes no seccomp profile (there are: {", ".join(_ARCHITECTURES)})')
    named = _strings(profile, "architectures")
    for entry in _list(profile, "archMap"):
        if not isinstance(entry, dict):
            raise _wrong("archMap holds no objects")
        if entry.get("architecture") == _ARCHITECTURES[machine]:
            named = [_ARCHITECTURES[machine], *_strings(entry, "subArchitectures")]
    if any(not name.startswith("SCMP_ARCH_") for name in named):
        raise _wrong("an architecture is not known")
    return named or [_ARCHITECTURES[machine]]


def _one_of(where: Mapping[str, Any], name: str, allowed: Collection[str]) -> str:
    value = where.get(name)
    if not isinstance(value, str) or value not in allowed:
        raise _wrong(f"{name} {str(value)[:40]!a}")
    return value


def _number(where: Mapping[str, Any], name: str) -> int | None:
    value = where.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 64:
        raise _wrong(f"{name} {str(value)[:40]!a}")
    return value


def _list(where: Mapping[str, Any], name: str) -> list[Any]:
    value = where.get(name)
    if value is not None and not isinstance(value, list):
        raise _wrong(f"{name} is no list")
    return value or []


def _object(where: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = where.get(name)
    if value is not None and not isinstance(value, dict):
        raise _wrong(f"{name} is no object")
    return value or {}


def _strings(where: Mapping[str, Any], name: str) -> list[str]:
    values = _list(where, name)
    if not all(isinstance(value, str) for value in values):
        raise _wrong(f"{name} holds what is no text")
    return values
