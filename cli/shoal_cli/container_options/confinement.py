"""What a container may do beyond, or short of, what every container may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from shoal_cli.container_options import types
from shoal_common.errors import InvalidSpec

if TYPE_CHECKING:
    from shoal.options.confinement import ConfinementOptions

OPTIONS: Final = (
    click.option(
        "--cap-add",
        multiple=True,
        type=types.CAPABILITY,
        metavar="NAME",
        help="Give a capability more, such as NET_ADMIN; the policy has to allow it. Can be repeated.",
    ),
    click.option(
        "--cap-drop",
        multiple=True,
        type=types.CAPABILITY,
        metavar="NAME",
        help="Take a capability away, such as CHOWN, or ALL. Can be repeated.",
    ),
    click.option(
        "--security-opt",
        multiple=True,
        type=types.SECURITY_OPTION,
        metavar="OPTION",
        help="seccomp=FILE|unconfined, no-new-privileges=true|false (true), userns=host; the policy has to allow what "
        "loosens.",
    ),
    click.option(
        "--device",
        multiple=True,
        type=types.DEVICE,
        metavar="PATH[:PATH][:rwm]",
        help="Give it a device of its node; the policy has to allow it. Can be repeated.",
    ),
    click.option(
        "--privileged",
        is_flag=True,
        help="Lift all confinement but its namespaces; the policy has to allow it.",
    ),
    click.option(
        "--group-add", multiple=True, metavar="GROUP", help="A further group, name or number. Can be repeated."
    ),
    click.option(
        "--ulimit",
        multiple=True,
        type=types.ULIMIT,
        metavar="NAME=SOFT[:HARD]",
        help="Limit each of its processes, such as nofile=1024:2048. Can be repeated.",
    ),
    click.option(
        "--sysctl",
        multiple=True,
        type=types.SYSCTL,
        metavar="NAME=VALUE",
        help="Set a kernel parameter of its own namespaces, such as net.core.somaxconn=512. Can be repeated.",
    ),
)


def read(values: dict[str, Any]) -> ConfinementOptions:
    """Return what was said of it.

    Raises:
        click.UsageError: a seccomp profile can't be read.
    """
    options: ConfinementOptions = {
        "cap_add": values["cap_add"],
        "cap_drop": values["cap_drop"],
        "devices": values["device"],
        "privileged": values["privileged"],
        "groups": values["group_add"],
        "ulimits": values["ulimit"],
        "sysctls": values["sysctl"],
    }
    if values["security_opt"]:
        from shoal_common.containers.security_options import parse_security_options

        security = parse_security_options(values["security_opt"])
        options["new_privileges"] = security.new_privileges
        options["host_users"] = security.host_users
        if security.seccomp_unconfined:
            options["seccomp"] = "unconfined"
        elif security.seccomp_file:
            options["seccomp"] = _profile(security.seccomp_file)
    return options


def _profile(path: str) -> str:
    from pathlib import Path

    from shoal_common.containers.seccomp_profile import check_profile
    from shoal_common.small_files import read_small

    try:
        data = read_small("--security-opt seccomp file", Path(path))
    except InvalidSpec as error:
        raise click.UsageError(error.message) from None
    try:
        text = data.decode()
        check_profile(text)
    except (UnicodeDecodeError, InvalidSpec) as error:
        said = error.message if isinstance(error, InvalidSpec) else "it is no text"
        raise click.UsageError(f"--security-opt seccomp={path}: {said}") from None
    return text
