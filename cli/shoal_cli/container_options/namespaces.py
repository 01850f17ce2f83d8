"""Whose namespaces a container uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from shoal_cli.container_options import types

if TYPE_CHECKING:
    from shoal.options.namespaces import NamespaceOptions

OPTIONS: Final = (
    click.option(
        "--pid",
        type=types.PID,
        metavar="MODE",
        help="container:NAME to be among the processes of another container, which runs; host for all of its node, "
        "which the policy has to allow.",
    ),
    click.option(
        "--ipc",
        type=types.IPC,
        metavar="MODE",
        help="private, none for no /dev/shm either, shareable, container:NAME for the shared memory of one that is "
        "shareable, or host (private).",
    ),
    click.option("--uts", type=types.UTS, metavar="MODE", help="host for its node's host name."),
    click.option(
        "--userns",
        type=types.USERS,
        metavar="MODE",
        help="host for its node's users: its root is root of the node; the policy has to allow it.",
    ),
)


def read(values: dict[str, Any]) -> NamespaceOptions:
    """Return what was said of it."""
    options: NamespaceOptions = {}
    if values["pid"]:
        options["pid"] = values["pid"]
    if values["ipc"]:
        options["ipc"] = values["ipc"]
    if values["uts"]:
        options["uts"] = values["uts"]
    if values["userns"]:
        options["userns"] = values["userns"]
    return options
