"""What runs, and as whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from shoal_cli import params
from shoal_common.containers.runtimes import check_runtime

if TYPE_CHECKING:
    from pathlib import Path

    from shoal.options.process import ProcessOptions

#: Of `exec` too.
ENV: Final = click.option(
    "-e",
    "--env",
    multiple=True,
    type=params.VARIABLE,
    metavar="NAME[=VALUE]",
    help="Set a variable, or pass one of yours on. Can be repeated.",
)
ENV_FILE: Final = click.option(
    "--env-file",
    multiple=True,
    type=params.FILE,
    metavar="FILE",
    help="Set variables from a file, one a line; --env goes before them. Can be repeated.",
)
OPTIONS: Final = (
    ENV,
    ENV_FILE,
    click.option("-w", "--workdir", metavar="DIR", help="Directory that the process starts in."),
    click.option("-u", "--user", metavar="USER[:GROUP]", help="Name or number, as the image knows them."),
    click.option("--entrypoint", metavar="COMMAND", help='Replace the image\'s entry point; "" clears it.'),
    click.option(
        "-l", "--label", multiple=True, type=params.LABEL, metavar="KEY[=VALUE]", help="Set a label. Can be repeated."
    ),
    click.option(
        "--label-file",
        multiple=True,
        type=params.FILE,
        metavar="FILE",
        help="Set labels from a file, one a line; --label goes before them. Can be repeated.",
    ),
    click.option(
        "--runtime",
        type=params.Existing("runtime", check_runtime),
        metavar="NAME",
        help="OCI runtime that runs it, such as runc; only nodes that have it (that of its node).",
    ),
    click.option("--hostname", "-h", metavar="NAME", help="Host name inside; the beginning of the id if left out."),
)


def variables(files: tuple[Path, ...], env: tuple[str, ...]) -> list[str]:
    """Return the variables of files and, after them, those of --env, as "NAME=VALUE".

    Raises:
        click.UsageError: a file can't be read, or is none of the kind.
    """
    return params.variables((*params.lines("--env-file", files), *env))


def read(values: dict[str, Any]) -> ProcessOptions:
    """Return what was said of it.

    Raises:
        click.UsageError: a file can't be read, or is none of the kind.
    """
    env = variables(values["env_file"], values["env"])
    labels = (*params.lines("--label-file", values["label_file"]), *values["label"])
    options: ProcessOptions = {"env": env, "labels": params.pairs(labels)}
    if values["entrypoint"] is not None:
        options["entrypoint"] = [values["entrypoint"]] if values["entrypoint"] else []
    if values["workdir"]:
        options["working_dir"] = values["workdir"]
    if values["user"]:
        options["user"] = values["user"]
    if values["hostname"]:
        options["hostname"] = values["hostname"]
    if values["runtime"]:
        options["runtime"] = values["runtime"]
    return options
