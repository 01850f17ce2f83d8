"""Which files a container has beside its image's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from shoal_cli.container_options import types

if TYPE_CHECKING:
    from shoal.options.files import FileOptions

OPTIONS: Final = (
    click.option(
        "-v",
        "--volume",
        "volumes",
        multiple=True,
        type=types.VOLUME,
        metavar="[SOURCE:]TARGET[:ro]",
        help="Mount a volume by its name, which makes it if need be; a path of the node; or a volume of its own. "
        "Can be repeated.",
    ),
    click.option(
        "--mount",
        "mounts",
        multiple=True,
        type=types.MOUNT,
        metavar="KEY=VALUE,...",
        help="The same, such as type=volume,source=data,target=/data,readonly. Can be repeated.",
    ),
    click.option(
        "--tmpfs",
        multiple=True,
        type=types.TMPFS,
        metavar="TARGET[:OPTIONS]",
        help="Mount memory, such as /tmp:size=64m,mode=1777. Can be repeated.",
    ),
    click.option("--read-only", is_flag=True, help="Let nothing be written but to what is mounted."),
    click.option("--shm-size", type=types.SHM_SIZE, metavar="SIZE", help="Size of /dev/shm (64m)."),
)


def read(values: dict[str, Any]) -> FileOptions:
    """Return what was said of it."""
    options: FileOptions = {
        "volumes": values["volumes"],
        "mounts": values["mounts"],
        "tmpfs": values["tmpfs"],
        "read_only": values["read_only"],
    }
    if values["shm_size"]:
        options["shm_size"] = values["shm_size"]
    return options
