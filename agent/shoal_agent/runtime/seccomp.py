"""Compiles the table of system calls to the seccomp section of an OCI configuration.

Pure. Source: OCI runtime specification, config-linux.md, "Seccomp".
"""

from __future__ import annotations

import platform
from collections.abc import Collection
from functools import lru_cache
from typing import Final, TypedDict

from shoal_agent.runtime.seccomp_table import AARCH64, PURPOSES, X86_64, Argument, Operator
from shoal_common.errors import InvalidSpec

_EPERM: Final = 1

#: For each machine, the architectures whose calls its kernel answers. x32 is named so that it is filtered as well: its
#: calls are those of x86_64 with a bit set, and a filter that does not know them kills instead of refusing.
_ARCHITECTURES: Final[dict[str, tuple[str, ...]]] = {
    X86_64: ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
    AARCH64: ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
}


class ArgumentRule(TypedDict):
    """One condition, as OCI writes it."""

    index: int
    value: int
    valueTwo: int
    op: str


class Rule(TypedDict, total=False):
    """What to do with some calls, as OCI writes it."""

    names: list[str]
    action: str
    errnoRet: int
    args: list[ArgumentRule]


class Profile(TypedDict):
    """The section `linux.seccomp`."""

    defaultAction: str
    defaultErrnoRet: int
    architectures: list[str]
    syscalls: list[Rule]


def compile_profile(capabilities: Collection[str], machine: str = "") -> Profile:
    """Return the profile of a container.

    Args:
        capabilities: those that the container's processes can have ("CAP_CHOWN").
        machine: as uname says it, "x86_64" or "aarch64"; empty means this one.

    Raises:
        InvalidSpec: the machine is of another kind.
    """
    return _compile(frozenset(capabilities), machine or platform.machine())


@lru_cache(maxsize=64)
def _compile(capabilities: frozenset[str], machine: str) -> Profile:
    if machine not in _ARCHITECTURES:
        raise InvalidSpec(
            f'machine "{machine}" has no seccomp profile (there is one for {" and ".join(_ARCHITECTURES)})'
        )
    rules: list[Rule] = []
    plain: set[str] = set()
    for purpose in PURPOSES:
        if purpose.architectures and machine not in purpose.architectures:
            continue
        if purpose.capability and purpose.capability not in capabilities:
            continue
        if purpose.lacking and purpose.lacking in capabilities:
            continue
        if purpose.error:
            rules.append({"names": purpose.names, "action": "SCMP_ACT_ERRNO", "errnoRet": purpose.error})
        elif purpose.arguments:
            # One rule each: conditions within one rule would all have to hold.
            rules += [
                {"names": purpose.names, "action": "SCMP_ACT_ALLOW", "args": [_argument(argument)]}
                for argument in purpose.arguments
            ]
        else:
            plain |= set(purpose.names)
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": _EPERM,
        "architectures": list(_ARCHITECTURES[machine]),
        "syscalls": [{"names": sorted(plain), "action": "SCMP_ACT_ALLOW"}, *rules],
    }


def _argument(argument: Argument) -> ArgumentRule:
    masked = argument.operator is Operator.MASKED_EQ
    return {
        "index": argument.index,
        "value": argument.value,
        "valueTwo": argument.value_two if masked else 0,
        "op": argument.operator.value,
    }
