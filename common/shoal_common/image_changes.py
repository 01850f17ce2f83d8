"""Changes of an image's configuration, written as lines of a Dockerfile: `commit --change 'CMD ["x"]'`.

Source: Docker's documentation, "Dockerfile reference" and "docker container commit".
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from shoal_common.errors import InvalidSpec
from shoal_proto.v1.image_pb2 import ImageConfig

_PORT: Final = re.compile(r"[1-9][0-9]{0,4}(?:/(?:tcp|udp|sctp))?")
_SHELL: Final = ("/bin/sh", "-c")


def apply_changes(config: ImageConfig, changes: Iterable[str]) -> None:
    """Change an image's configuration as the instructions say, one after the other.

    Raises:
        InvalidSpec: one of them is not an instruction, or not of those that a commit takes.
    """
    for text in changes:
        word, _, rest = text.strip().partition(" ")
        apply = _INSTRUCTIONS.get(word.upper())
        if apply is None:
            known = ", ".join(_INSTRUCTIONS)
            raise InvalidSpec(f'change "{text[:80]}" is no instruction that a commit takes (use one of {known})')
        try:
            apply(config, rest.strip())
        except ValueError as error:
            raise InvalidSpec(f'change "{text[:80]}" is not valid: {error}') from error


def _command(rest: str) -> list[str]:
    """Return the words of CMD or ENTRYPOINT: a JSON list as it is, anything else for a shell."""
    if not rest:
        raise ValueError("it names no command")
    return _list(rest) if rest.startswith("[") else [*_SHELL, rest]


def _list(rest: str) -> list[str]:
    try:
        words = json.loads(rest)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is no JSON list of strings") from error
    if not isinstance(words, list) or not all(isinstance(word, str) and "\0" not in word for word in words):
        raise ValueError("it is no JSON list of strings")
    return words


def _cmd(config: ImageConfig, rest: str) -> None:
    config.cmd[:] = _command(rest)


def _entrypoint(config: ImageConfig, rest: str) -> None:
    config.entrypoint[:] = _command(rest)


def _pairs(rest: str) -> dict[str, str]:
    """Return NAME=VALUE words, or the older form `NAME the rest is the value`."""
    first, _, value = rest.partition(" ")
    if first and "=" not in first and value.strip():
        return {first: value.strip()}
    words = shlex.split(rest)
    if not words or any("=" not in word or word.startswith("=") for word in words):
        raise ValueError("write NAME=VALUE")
    return dict(word.split("=", 1) for word in words)


def _env(config: ImageConfig, rest: str) -> None:
    variables = dict(entry.split("=", 1) for entry in config.env if "=" in entry)
    variables.update(_pairs(rest))
    config.env[:] = [f"{name}={value}" for name, value in variables.items()]


def _label(config: ImageConfig, rest: str) -> None:
    config.labels.update(_pairs(rest))


def _expose(config: ImageConfig, rest: str) -> None:
    ports = shlex.split(rest)
    if not ports or not all(_PORT.fullmatch(port) and int(port.partition("/")[0]) < 65536 for port in ports):
        raise ValueError("write PORT or PORT/PROTOCOL")
    named = {port if "/" in port else f"{port}/tcp" for port in ports}
    config.exposed_ports[:] = sorted({*config.exposed_ports, *named})


def _user(config: ImageConfig, rest: str) -> None:
    if not rest or " " in rest:
        raise ValueError("write USER or USER:GROUP")
    config.user = rest


def _workdir(config: ImageConfig, rest: str) -> None:
    words = shlex.split(rest)
    if len(words) != 1:
        raise ValueError("write one directory")
    config.working_dir = posixpath.normpath(posixpath.join(config.working_dir or "/", words[0]))


def _volume(config: ImageConfig, rest: str) -> None:
    paths = _list(rest) if rest.startswith("[") else shlex.split(rest)
    if not paths or not all(path.startswith("/") for path in paths):
        raise ValueError("write absolute paths")
    config.volumes[:] = sorted({*config.volumes, *map(posixpath.normpath, paths)})


_INSTRUCTIONS: Final[Mapping[str, Callable[[ImageConfig, str], None]]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "LABEL": _label,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
