"""Commands of other distributions and of Shoal's own optional parts, found through entry points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import click

from shoal_cli.lazy import Lazy

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "shoal.commands"
#: Our own parts: their line in the help, so that it need not import them. Each is an extra of the same name.
_OWN: Final = {
    "agent": "Run the agent of a node on this host, or join a cluster.",
    "controller": "Run a controller of a cluster on this host.",
    "lab": "Make a whole cluster on this machine to try things in.",
}


def plugins() -> Mapping[str, Lazy]:
    """Return the commands that are installed as entry points."""
    # Looks at every installed distribution, which takes longer than all the rest of the help.
    from importlib.metadata import entry_points

    return {entry.name: _lazy(entry) for entry in entry_points(group=GROUP)}


def _lazy(entry: EntryPoint) -> Lazy:
    distribution = entry.dist.name if entry.dist is not None else entry.module

    def load() -> click.Command:
        try:
            loaded = entry.load()
        except ModuleNotFoundError as error:
            remedy = f"shoal[{entry.name}]" if entry.name in _OWN else distribution
            raise click.ClickException(
                f'"shoal {entry.name}" needs {error.name}, which is not installed '
                f"(install it with: pip install '{remedy}')"
            ) from error
        if not isinstance(loaded, click.Command):
            raise click.ClickException(f'"shoal {entry.name}" of {distribution} is not a command ({entry.value})')
        return loaded

    return Lazy(summary=_OWN.get(entry.name, f"Command of {distribution}."), load=load)
