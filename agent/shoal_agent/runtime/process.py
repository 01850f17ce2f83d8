"""What a container's first process is: Docker's rules for what the image says and what the user says.

Pure: nothing here looks into the image's files (see `users` for that).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from shoal_common.containers.commands import command_of
from shoal_common.errors import InvalidSpec
from shoal_common.signals import signal_number
from shoal_proto.v1.container_pb2 import ContainerConfig
from shoal_proto.v1.image_pb2 import ImageConfig

#: Docker's search path where the image names none.
DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHORT_ID: Final = 12


@dataclass(frozen=True, slots=True)
class Process:
    """The first process of a container.

    Attributes:
        args: program and its arguments, at least one.
        env: "NAME=VALUE" each; HOME may still be missing, since only the image's passwd file knows it.
        cwd: absolute directory it starts in.
        user: as the user or the image wrote it, "" for root; resolved by `users.find_user`.
        hostname: of its UTS namespace.
        stop_signal: number of the signal that asks it to end.
    """

    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    user: str
    hostname: str
    stop_signal: int


def resolve(config: ContainerConfig, env: Sequence[str], image: ImageConfig, container_id: str) -> Process:
    """Join what the user asks for with what the image says.

    Args:
        config: the user's; its `env` is ignored (it is kept sealed, apart from the rest).
        env: the user's environment, "NAME=VALUE" each; a bare "NAME" takes the image's variable away.
        image: the image's.
        container_id: for the default host name.

    Raises:
        InvalidSpec: there is no command, the working directory is relative, a signal is unknown, or a value
            holds a NUL byte.
    """
    hostname = config.hostname or container_id[:_SHORT_ID]
    args = command_of(config, image)
    cwd = config.working_dir or image.working_dir or "/"
    if not cwd.startswith("/"):
        raise InvalidSpec(f'working directory "{cwd[:200]}" is not absolute (start it with "/")')
    variables = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname}
    override(variables, image.env)
    override(variables, env)
    joined = tuple(f"{name}={value}" for name, value in variables.items())
    for text in (*args, *joined, cwd):
        if "\0" in text:
            raise InvalidSpec(f"command, environment or working directory holds a NUL byte: {text[:80]!r}")
    return Process(
        args=args,
        env=joined,
        cwd=posixpath.normpath("/" + cwd.lstrip("/")),
        user=config.user or image.user,
        hostname=hostname,
        stop_signal=signal_number(config.stop_signal or image.stop_signal or "SIGTERM"),
    )


def override(variables: dict[str, str], entries: Iterable[str]) -> None:
    """Put "NAME=VALUE" entries over `variables`, in order; a bare "NAME" removes the variable.

    Raises:
        InvalidSpec: an entry has no name.
    """
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not name:
            raise InvalidSpec(f'environment entry "{entry[:80]}" has no name (write NAME=VALUE)')
        if equals:
            variables[name] = value
        else:
            variables.pop(name, None)
