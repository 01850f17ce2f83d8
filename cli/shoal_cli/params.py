"""Values on the command line, checked before anything is sent. They are wrong usage: exit code 2."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from shoal_cli import detach_keys as keys
from shoal_common import (
    capabilities,
    container_filters,
    cpusets,
    devices,
    ids,
    log_options,
    mounts,
    naming,
    policy,
    ports,
    references,
    restart_policy,
    security_options,
    sysctls,
    ulimits,
    units,
)
from shoal_common.errors import InvalidSpec, ShoalError
from shoal_common.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.shell_completion import CompletionItem

    Text = click.ParamType[str]
    Bytes = click.ParamType[bytes]
else:
    # click 8.1's is not generic.
    Text = Bytes = click.ParamType


class Checked(Text):
    """Text that a function of `shoal_common` accepts; the text itself is kept."""

    def __init__(self, name: str, check: Callable[[str], object]) -> None:
        self.name = name
        self._check = check

    def fits(self, value: str) -> bool:
        """Say whether it is accepted."""
        try:
            self._check(value)
        except InvalidSpec:
            return False
        return True

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return `value`, or fail with what is wrong with it."""
        try:
            self._check(value)
        except InvalidSpec as error:
            self.fail(error.message, param, ctx)
        return value


class Context(Text):
    """Name of a configured cluster."""

    name = "context"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the configured names that begin with `incomplete`."""
        from click.shell_completion import CompletionItem

        from shoal.configuration import Configuration

        try:
            contexts = Configuration.load().contexts
        except ShoalError:
            return []
        return [CompletionItem(name) for name in sorted(contexts) if name.startswith(incomplete)]


class ContainerFilter(Text):
    """ "KEY=VALUE" by which containers are chosen; the text itself is kept."""

    name = "filter"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the filter, or fail with what is wrong with it."""
        try:
            container_filters.parse_filter(value)
        except InvalidSpec as error:
            self.fail(error.message, param, ctx)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the keys that begin with `incomplete`, or the values of a key that has few."""
        from click.shell_completion import CompletionItem

        key, equals, _ = incomplete.partition("=")
        found = [f"{key}={value}" for value in container_filters.choices(key)] if equals else []
        found = found or [f"{each}=" for each in container_filters.FILTER_KEYS]
        return [CompletionItem(each) for each in found if each.startswith(incomplete)]


class Form(Text):
    """ "json" or a template, of lists "table" as well; the text itself is kept."""

    name = "format"

    def __init__(self, *words: str) -> None:
        self._words = words

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the format, or fail with what is wrong with it."""
        from shoal_cli import formats
        from shoal_cli.templates import TemplateError

        try:
            formats.check(value)
        except TemplateError as error:
            self.fail(f"template {quoted(value)}: {error.message}", param, ctx)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the words that begin with `incomplete`."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(word) for word in self._words if word.startswith(incomplete)]


class Keys(Bytes):
    """Keys that let go of a container; becomes the bytes that they are."""

    name = "keys"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """Return the bytes, or fail with what is wrong."""
        try:
            return value if isinstance(value, bytes) else keys.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _memory(text: str) -> None:
    size = units.parse_bytes(text)
    if size < units.MIN_MEMORY:
        raise InvalidSpec(f'"{text}" is too little to start in (give at least {units.MIN_MEMORY >> 20}m)')


def _swap(text: str) -> None:
    if text != "-1":
        _memory(text)


def _cpuset(text: str) -> None:
    if not cpusets.parse_set(text):
        raise InvalidSpec("an empty set is not valid (write numbers and ranges from 0, such as 0-2,4)")


def _volume_name(text: str) -> None:
    # The whole id names it too.
    ids.check_name("volume", text[: ids.SHORT_ID] if ids.is_container_id(text) else text)


def _shm_size(text: str) -> None:
    if not units.parse_bytes(text):
        raise InvalidSpec(f'"{text}" is no size (give more than 0, or leave it out for 64m)')


def _reference_to_container(text: str) -> None:
    # A whole id is no name, but refers to a container all the same.
    ids.check_name("container", text[: ids.SHORT_ID] if ids.is_container_id(text) else text)


def _label(text: str) -> None:
    if not text.partition("=")[0].strip():
        raise InvalidSpec(f'label "{text[:40]}" is not valid (write KEY or KEY=VALUE)')


def _variable(text: str) -> None:
    if not text.partition("=")[0]:
        raise InvalidSpec(f'environment variable "{text[:40]}" is not valid (write NAME=VALUE, or NAME to pass it on)')


def _object(text: str) -> None:
    if not any(kind.fits(text) for kind in KINDS.values()):
        raise InvalidSpec(f"{quoted(text)} can be the name of nothing (name a container, volume, node or image)")


def _change(text: str) -> None:
    # Not with the module: it takes protobuf, which no help needs.
    from shoal_common.image_changes import apply_changes
    from shoal_proto.v1.image_pb2 import ImageConfig

    apply_changes(ImageConfig(), [text])


NAME: Final = Checked("name", lambda text: ids.check_name("container", text))
CONTAINER: Final = Checked("container", _reference_to_container)
NODE: Final = Checked("node", lambda text: ids.check_name("node", text))
IMAGE: Final = Checked("image", references.parse_reference)
#: What `inspect` can be asked for, in the order in which it is looked for: images in their registry, so last.
KINDS: Final = {
    "container": CONTAINER,
    "volume": Checked("volume", _volume_name),
    "node": NODE,
    "image": IMAGE,
}
OBJECT: Final = Checked("name", _object)
MEMORY: Final = Checked("memory", _memory)
SWAP: Final = Checked("memory", _swap)
CPUSET: Final = Checked("list", _cpuset)
CPUS: Final = Checked("cpus", units.parse_cpus)
LABEL: Final = Checked("label", _label)
VARIABLE: Final = Checked("variable", _variable)
EXPOSED: Final = Checked("port", ports.parse_exposed)
SERVER: Final = Checked("address", naming.check_server)
SEARCH: Final = Checked("domain", naming.check_search)
RESOLVER_OPTION: Final = Checked("option", naming.check_option)
HOST: Final = Checked("host", naming.parse_host)
PUBLISH: Final = Checked("port", ports.parse_publication)
RESTART: Final = Checked("policy", restart_policy.parse_restart)
VOLUME_NAME: Final = Checked("volume", _volume_name)
VOLUME: Final = Checked("volume", mounts.parse_volume)
MOUNT: Final = Checked("mount", mounts.parse_mount)
TARGET: Final = Checked("path", mounts.check_target)
TMPFS: Final = Checked("tmpfs", mounts.parse_tmpfs)
SHM_SIZE: Final = Checked("size", _shm_size)
CHANGE: Final = Checked("change", _change)
CAPABILITY: Final = Checked("capability", capabilities.parse_capability)
SECURITY_OPTION: Final = Checked("option", lambda text: security_options.parse_security_options((text,)))
DEVICE: Final = Checked("device", devices.parse_device)
ULIMIT: Final = Checked("ulimit", ulimits.parse_ulimit)
SYSCTL: Final = Checked("sysctl", sysctls.parse_sysctl)
PERMISSION: Final = Checked("policy", policy.parse_permission)
LOG_OPTION: Final = Checked("option", log_options.parse_log_option)
DURATION: Final = Checked("duration", units.parse_duration)
CONTAINER_FILTER: Final = ContainerFilter()
FORM: Final = Form("json")
LIST_FORM: Final = Form("table", "json")
CONTEXT: Final = Context()
FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=False)

detach_keys = click.option(
    "--detach-keys",
    type=Keys(),
    default=keys.DEFAULT,
    show_default=True,
    metavar="KEYS",
    help="What lets go of a terminal.",
)


def pairs(labels: tuple[str, ...]) -> dict[str, str]:
    """Return "KEY=VALUE" and "KEY" (an empty value) as a mapping."""
    return {key: value for key, _, value in (label.partition("=") for label in labels)}


def variables(values: tuple[str, ...]) -> list[str]:
    """Return "NAME=VALUE" as it is and "NAME" with the client's own value; one that isn't set is left out."""
    return [
        value if "=" in value else f"{value}={os.environ[value]}"
        for value in values
        if "=" in value or value in os.environ
    ]


def lines(option: str, files: tuple[Path, ...]) -> list[str]:
    """Return the entries of files with one a line, in order.

    Raises:
        click.UsageError: one can't be read, or has a line that is no entry.
    """
    from shoal_common.small_files import read_small
    from shoal_common.variable_files import parse_lines

    found: list[str] = []
    for file in files:
        try:
            found += parse_lines(f"{option} {file}", read_small(option, file))
        except InvalidSpec as error:
            raise click.UsageError(error.message) from None
    return found
