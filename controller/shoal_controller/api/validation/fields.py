"""What a request may say: checks that need nothing but the request itself.

Each check answers the value that is meant (with what was left out filled in) or raises InvalidSpec with one line that
names the field, what is wrong with it and what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from shoal_common.containers.health_checks import check_health
from shoal_common.containers.limits import check_limits
from shoal_common.containers.mounts import check_target
from shoal_common.containers.runtimes import check_runtime
from shoal_common.errors import InvalidSpec, NotFound
from shoal_common.ids import DEFAULT_NAMESPACE, check_container_id, check_name
from shoal_common.references import parse_reference
from shoal_common.signals import signal_number
from shoal_common.units import format_bytes
from shoal_controller.api.validation.confinement import confinement
from shoal_controller.api.validation.files import files
from shoal_controller.api.validation.life import life
from shoal_controller.api.validation.logs import logs
from shoal_controller.api.validation.naming import naming
from shoal_controller.api.validation.ports import ports
from shoal_controller.api.validation.sharing import sharing
from shoal_controller.api.validation.streams import exec_streams, streams
from shoal_proto.v1.container_pb2 import (
    ContainerConfig,
    CreateContainerRequest,
    ExecStart,
    NetworkMode,
)
from shoal_proto.v1.image_pb2 import ImageConfig

#: Largest stored form of a container's configuration. etcd takes 1.5 MiB in one request.
MAX_CONFIG: Final = 512 << 10
#: Longest that a stop may be told to wait before SIGKILL, in seconds.
MAX_STOP_TIMEOUT: Final = 24 * 3600
#: What `docker stop` gives a process.
DEFAULT_STOP_TIMEOUT: Final = 10
#: HOST_NAME_MAX (sethostname(2)).
MAX_HOSTNAME: Final = 64
MAX_PAGE: Final = 5_000
DEFAULT_PAGE: Final = 500

_HOSTNAME: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
_USER: Final = re.compile(r"[^:\s\x00-\x1f]{1,64}(?::[^:\s\x00-\x1f]{1,64})?")
_PORT: Final = re.compile(r"[0-9]{1,5}(?:/(?:tcp|udp|sctp))?")
_LABEL: Final = re.compile(r"[^\s=\x00-\x1f\x7f]{1,255}")
#: What a constraint can name, and be equal to.
_NODE_LABEL: Final = re.compile(r"[^\s=!\x00-\x1f\x7f]{1,255}")
_NODE_LABEL_VALUE: Final = re.compile(r"(?![\s=])[^\x00-\x1f\x7f]{0,255}(?<!\s)")
#: Labels that operators may give one node.
MAX_NODE_LABELS: Final = 256
_CONSTRAINT: Final = re.compile(
    r"(node\.id|node\.name|node\.labels\.[^\s=!]{1,255})\s*(==|!=)\s*([^\s=][^\x00-\x1f]{0,254})"
)


def namespace(text: str) -> str:
    """Return the namespace that is meant.

    Raises:
        NotFound: there is no such namespace; as yet there is one.
    """
    if text not in ("", DEFAULT_NAMESPACE):
        raise NotFound(f'namespace "{text[:80]}" does not exist (leave it out, or use "{DEFAULT_NAMESPACE}")')
    return DEFAULT_NAMESPACE


def page_size(asked: int) -> int:
    """Return how many objects a page holds at most."""
    return min(asked, MAX_PAGE) or DEFAULT_PAGE


def create_request(request: CreateContainerRequest) -> ContainerConfig:
    """Return a copy of the request's configuration, checked, with what was left out filled in.

    Raises:
        InvalidSpec: the request can never be carried out.
        NotFound: its namespace does not exist.
    """
    namespace(request.namespace)
    check_container_id(request.id)
    check_name("container", request.name)
    config = ContainerConfig()
    config.CopyFrom(request.config)
    _check_config(config)
    if config.network == NetworkMode.NETWORK_MODE_UNSPECIFIED:
        config.network = NetworkMode.NETWORK_MODE_DEFAULT
    size = config.ByteSize()
    if size > MAX_CONFIG:
        raise InvalidSpec(
            f'container "{request.name}" is described in {format_bytes(size)}, more than {format_bytes(MAX_CONFIG)} '
            "(shorten its environment, arguments or labels)"
        )
    return config


def _check_config(config: ContainerConfig) -> None:
    if not config.image:
        raise InvalidSpec("a container needs an image (name one, such as web:3)")
    parse_reference(config.image)
    if config.HasField("entrypoint"):
        _words("entrypoint", config.entrypoint.values)
    _words("argument", config.args)
    _environment(config.env)
    _directory(config.working_dir)
    _match(_USER, "user", config.user, "write USER, UID, USER:GROUP or UID:GID")
    labels(config.labels)
    if len(config.hostname) > MAX_HOSTNAME:
        raise InvalidSpec(
            f'hostname "{config.hostname[:80]}" is longer than the {MAX_HOSTNAME} characters that Linux takes'
        )
    _match(_HOSTNAME, "hostname", config.hostname, 'use letters, digits and "-", with dots between the parts')
    check_limits(config.resources)
    for text in config.constraints:
        constraint(text)
    if config.stop_signal:
        signal_number(config.stop_signal)
    if config.HasField("stop_timeout_seconds"):
        stop_timeout(config.stop_timeout_seconds)
    if config.runtime:
        check_runtime(config.runtime)
    life(config)
    files(config)
    sharing(config)
    ports(config)
    naming(config)
    confinement(config)
    streams(config)
    logs(config)


def exec_start(start: ExecStart) -> None:
    """Check what `exec` is to run.

    Raises:
        InvalidSpec: it can never run.
        NotFound: its namespace does not exist.
    """
    namespace(start.container.namespace)
    if not start.args or not start.args[0]:
        raise InvalidSpec(f'exec in container "{start.container.ref}" names no command (write one after the container)')
    if start.privileged:
        raise InvalidSpec(
            f'exec in container "{start.container.ref}" can\'t have more privileges than the container (leave them out)'
        )
    _words("argument", start.args)
    _environment(start.env)
    exec_streams(start)
    _directory(start.working_dir)
    _match(_USER, "user", start.user, "write USER, UID, USER:GROUP or UID:GID")


def image_config(config: ImageConfig) -> None:
    """Check what is to be recorded in an image.

    Raises:
        InvalidSpec: no container could be made of it.
    """
    _words("entrypoint", config.entrypoint)
    _words("command", config.cmd)
    _environment(config.env)
    _directory(config.working_dir)
    _match(_USER, "user", config.user, "write USER, UID, USER:GROUP or UID:GID")
    labels(config.labels)
    for port in config.exposed_ports:
        _match(_PORT, "exposed port", port, "write a number, with /tcp or /udp if you like")
    for volume in config.volumes:
        check_target(volume)
    if config.stop_signal:
        signal_number(config.stop_signal)
    check_health(config.healthcheck)
    if config.ByteSize() > MAX_CONFIG:
        raise InvalidSpec(f"its configuration is larger than {format_bytes(MAX_CONFIG)}")


def stop_timeout(seconds: int) -> int:
    """Return `seconds` if a stop may wait that long.

    Raises:
        InvalidSpec: it may not.
    """
    if seconds > MAX_STOP_TIMEOUT:
        raise InvalidSpec(f"stop timeout of {seconds} s is too long (use at most {MAX_STOP_TIMEOUT} s)")
    return seconds


def label_filter(filters: Iterable[str]) -> Callable[[dict[str, str]], bool]:
    """Return a predicate on labels that holds if all of "key" or "key=value" do.

    Raises:
        InvalidSpec: one of them has no key.
    """
    wanted: list[tuple[str, str | None]] = []
    for text in filters:
        key, equals, value = text.partition("=")
        if not key:
            raise InvalidSpec(f'label filter "{text[:80]}" is not valid (write KEY or KEY=VALUE)')
        wanted.append((key, value if equals else None))
    return lambda labels: all(key in labels and value in (None, labels[key]) for key, value in wanted)


def node_labels(put: Mapping[str, str], removed: Iterable[str]) -> None:
    """Check labels that an operator gives a node, and takes away.

    Raises:
        InvalidSpec: one of them could not be meant by a constraint, or is given and taken away at once.
    """
    for key in (*put, *removed):
        if _NODE_LABEL.fullmatch(key) is None:
            raise InvalidSpec(
                f"node label {key[:80]!a} is not valid (use 1 to 255 characters without blanks, '=' and '!')"
            )
    for key, value in put.items():
        if _NODE_LABEL_VALUE.fullmatch(value) is None:
            raise InvalidSpec(
                f"value {value[:80]!a} of node label {key[:80]!a} is not valid (use at most 255 printable characters, "
                "none of them a blank at either end, the first no '=')"
            )
    if twice := sorted(put.keys() & set(removed)):
        raise InvalidSpec(f'node label "{twice[0]}" is given and taken away in one request (say one of the two)')


def _match(pattern: re.Pattern[str], what: str, text: str, remedy: str) -> None:
    if text and pattern.fullmatch(text) is None:
        raise InvalidSpec(f'{what} "{text[:80]}" is not valid ({remedy})')


def _words(what: str, values: Iterable[str]) -> None:
    for number, value in enumerate(values, start=1):
        if "\0" in value:
            raise InvalidSpec(f"{what} {number} holds a NUL character, which no command line can")


def _environment(values: Iterable[str]) -> None:
    for entry in values:
        name, equals, _ = entry.partition("=")
        # The value is not repeated: it may be a secret.
        if not equals or not name:
            raise InvalidSpec(f'environment entry "{name[:80]}" is not valid (write NAME=VALUE)')
        if "\0" in entry:
            raise InvalidSpec(f'environment variable "{name[:80]}" holds a NUL character, which no environment can')


def _directory(text: str) -> None:
    if text and (not text.startswith("/") or "\0" in text or len(text) > 4095):
        raise InvalidSpec(f'working directory "{text[:80]}" is not valid (write an absolute path, such as /srv)')


def labels(keys: Iterable[str]) -> None:
    """Check the keys of labels.

    Raises:
        InvalidSpec: one of them is none.
    """
    for key in keys:
        if _LABEL.fullmatch(key) is None:
            raise InvalidSpec(f'label "{key[:80]}" is not valid (use 1 to 255 characters without blanks and "=")')


def constraint(text: str) -> None:
    """Check a constraint.

    Raises:
        InvalidSpec: it can't be read.
    """
    if _CONSTRAINT.fullmatch(text) is None:
        raise InvalidSpec(
            f'constraint "{text[:80]}" is not valid (write KEY==VALUE or KEY!=VALUE, KEY one of node.id, node.name, '
            "node.labels.NAME)"
        )
