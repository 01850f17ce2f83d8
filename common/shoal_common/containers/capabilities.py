"""Linux capabilities: their names, which a container gets, and how a set of them looks in /proc.

Source: capabilities(7); include/uapi/linux/capability.h.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from shoal_common.errors import InvalidSpec

#: Names in the order of their numbers.
NAMES: Final[tuple[str, ...]] = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)
_NUMBER: Final = {name: number for number, name in enumerate(NAMES)}

#: What a container's root may do, within its own user namespace: Docker's fourteen.
DEFAULT: Final[frozenset[str]] = frozenset(
    {
        "CAP_AUDIT_WRITE",
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_MKNOD",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_RAW",
        "CAP_SETFCAP",
        "CAP_SETGID",
        "CAP_SETPCAP",
        "CAP_SETUID",
        "CAP_SYS_CHROOT",
    }
)

#: Stands for every capability there is.
ALL: Final = "ALL"
_PREFIX: Final = "CAP_"


def parse_capability(text: str) -> str:
    """Return a capability's name without "CAP_" ("net_admin", "CAP_NET_ADMIN": "NET_ADMIN"), or ALL.

    Raises:
        InvalidSpec: there is no such capability.
    """
    name = text.strip().upper().removeprefix(_PREFIX)
    if name != ALL and _PREFIX + name not in _NUMBER:
        raise InvalidSpec(
            f"capability {text[:40]!a} is not known (capabilities(7) has the names, such as NET_ADMIN; ALL means all)"
        )
    return name


def is_default(name: str) -> bool:
    """Say whether every container has a capability, by its name without "CAP_"."""
    return _PREFIX + name in DEFAULT


def combined(add: Iterable[str], drop: Iterable[str]) -> frozenset[str]:
    """Return what is left of the default with some more and some fewer, by Docker's rules.

    What is added by name is there even if it is dropped too; ALL added leaves out what is dropped by name, ALL dropped
    leaves what is added.

    Args:
        add: names without "CAP_", or ALL.
        drop: the same.
    """
    added, dropped = ({_PREFIX + name for name in names} for names in (add, drop))
    every = _PREFIX + ALL
    if every in added:
        return frozenset(NAMES) - dropped
    if every in dropped:
        return frozenset(added)
    return (DEFAULT - dropped) | added


def mask(capabilities: Iterable[str]) -> int:
    """Return the set as the number that /proc/<pid>/status shows in hexadecimal."""
    return sum(1 << _NUMBER[name] for name in set(capabilities))


def ordered(capabilities: Iterable[str]) -> list[str]:
    """Return the set in the order of the capabilities' numbers, so that equal sets are written equally."""
    return sorted(set(capabilities), key=_NUMBER.__getitem__)
