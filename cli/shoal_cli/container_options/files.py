"""Which files a container has beside its image's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from shoal_cli import params

if TYPE_CHECKING:
    from shoal.options.files import FileOptions

OPTIONS: Final = (
    click.option(
        "--tmpfs",
        multiple=True,
        type=params.TMPFS,
        metavar="TARGET[:OPTIONS]",
        help="Mount memory, such as /tmp:size=64m,mode=1777. Can be repeated.",
    ),
    click.option("--read-only", is_flag=True, help="Let nothing be written but to what is mounted."),
    click.option("--shm-size", type=params.SHM_SIZE, metavar="SIZE", help="Size of /dev/shm (64m)."),
)


def read(values: dict[str, Any]) -> FileOptions:
    """Return what was said of it."""
    options: FileOptions = {"tmpfs": values["tmpfs"], "read_only": values["read_only"]}
    if values["shm_size"]:
        options["shm_size"] = values["shm_size"]
    return options
