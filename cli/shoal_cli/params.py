"""Values on the command line that many commands take, checked before anything is sent; wrong ones end it with 2.

What a few commands take stands with those, so that the others do not load what checks it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from shoal_cli import detach_keys as keys
from shoal_common import ids, references
from shoal_common.errors import InvalidSpec, ShoalError
from shoal_common.filters import is_accepted
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
        return is_accepted(self._check, value)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return `value`, or fail with what is wrong with it."""
        try:
            self._check(value)
        except InvalidSpec as error:
            self.fail(error.message, param, ctx)
        return value


class Existing(Checked):
    """The name of an object, of one kind or of several: when it is completed, the cluster is asked what there is."""

    def __init__(self, name: str, check: Callable[[str], object], *kinds: str) -> None:
        super().__init__(name, check)
        self._kinds = kinds or (name,)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin with `incomplete`."""
        from click.shell_completion import CompletionItem

        from shoal_cli import completing

        return [CompletionItem(name) for name in completing.names(ctx, self._kinds, incomplete)]


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


def _volume_name(text: str) -> None:
    # The whole id names it too.
    ids.check_name("volume", text[: ids.SHORT_ID] if ids.is_container_id(text) else text)


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


NAME: Final = Checked("name", lambda text: ids.check_name("container", text))
CONTAINER: Final = Existing("container", _reference_to_container)
NODE: Final = Existing("node", lambda text: ids.check_name("node", text))
IMAGE: Final = Existing("image", references.parse_reference)
VOLUME_NAME: Final = Existing("volume", _volume_name)
#: What `inspect` can be asked for, in the order in which it is looked for: images in their registry, so last.
KINDS: Final = {
    "container": CONTAINER,
    "volume": VOLUME_NAME,
    "node": NODE,
    "image": IMAGE,
}
OBJECT: Final = Existing("name", _object, *KINDS)


class Whole(click.IntRange):
    """A whole number of a range."""

    name = "whole number"


LABEL: Final = Checked("label", _label)
VARIABLE: Final = Checked("variable", _variable)
FORM: Final = Form("json")
LIST_FORM: Final = Form("table", "json")
#: The largest number that messages hold.
MOST: Final = (1 << 31) - 1
COUNT: Final = Whole(0, MOST)
POSITIVE: Final = Whole(1, MOST)
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
#: Of commands that are `Switches`.
sig_proxy = click.option(
    "--sig-proxy/--no-sig-proxy",
    default=True,
    show_default=True,
    help="Pass signals on to it; else they end this command, and leave it running.",
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
    from shoal_common.containers.variable_files import parse_lines
    from shoal_common.small_files import read_small

    found: list[str] = []
    for file in files:
        try:
            found += parse_lines(f"{option} {file}", read_small(option, file))
        except InvalidSpec as error:
            raise click.UsageError(error.message) from None
    return found
