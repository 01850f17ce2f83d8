"""What `--security-opt` takes, as Docker writes it. Pure: a profile's file is read by who has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shoal_common.errors import InvalidSpec

_TRUE: Final = ("", "true")
_FORMS: Final = "seccomp=FILE, seccomp=unconfined, no-new-privileges[=true|false] or userns=host"


@dataclass(frozen=True, slots=True)
class SecurityOptions:
    """What several of them say together.

    Attributes:
        seccomp_file: path of a profile; empty: Shoal's own profile.
        seccomp_unconfined: none at all.
        new_privileges: setuid programs give more.
        host_users: it has its node's user namespace.
    """

    seccomp_file: str = ""
    seccomp_unconfined: bool = False
    new_privileges: bool = False
    host_users: bool = False


def parse_security_options(texts: tuple[str, ...] | list[str]) -> SecurityOptions:
    """Return what they say; of two of a kind the last counts.

    Raises:
        InvalidSpec: one of them is not known.
    """
    file, unconfined, new_privileges, host_users = "", False, False, False
    for text in texts:
        # Docker takes both; a file's name may hold either.
        split = min((at for at in (text.find("="), text.find(":")) if at >= 0), default=len(text))
        key, value = text[:split], text[split + 1 :]
        match key:
            case "seccomp" if value:
                unconfined = value == "unconfined"
                file = "" if value in ("unconfined", "builtin") else value
            case "no-new-privileges" if value in (*_TRUE, "false"):
                new_privileges = value == "false"
            case "userns" if value in ("", "private", "host"):
                host_users = value == "host"
            case "apparmor" | "label" | "systempaths" | "userns":
                raise InvalidSpec(f"security option {text[:60]!a} is not supported (use {_FORMS})")
            case _:
                raise InvalidSpec(f"security option {text[:60]!a} is not valid (use {_FORMS})")
    return SecurityOptions(file, unconfined, new_privileges, host_users)
