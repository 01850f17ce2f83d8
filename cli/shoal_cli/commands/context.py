"""`shoal context ls` and `shoal context use`."""

from __future__ import annotations

import click

from shoal_cli.params import CONTEXT


@click.group(short_help="List clusters, and choose the one in use.")
def context() -> None:
    """List the clusters that are configured, and choose the one in use."""


@context.command("ls", short_help="List contexts.")
@click.option("-q", "--quiet", is_flag=True, help="Only names.")
@click.pass_context
def list_(ctx: click.Context, quiet: bool) -> None:
    """List contexts: how to reach each cluster. The one in use is marked.

    \b
    Examples:
      shoal context ls
    """
    import os

    from shoal.configuration import Configuration
    from shoal_cli.formats import table

    configuration = Configuration.load()
    used = ctx.find_root().obj or os.environ.get("SHOAL_CONTEXT") or configuration.current
    if quiet:
        for name in sorted(configuration.contexts):
            click.echo(name)
        return
    rows = [
        [f"{name} *" if name == used else name, each.address] for name, each in sorted(configuration.contexts.items())
    ]
    click.echo(table(["NAME", "ADDRESS"], rows))


@context.command("use", short_help="Choose the context in use.")
@click.argument("name", type=CONTEXT)
def use(name: str) -> None:
    """Choose the context that commands use when they are given none.

    \b
    Examples:
      shoal context use lab
    """
    from shoal.configuration import Configuration

    click.echo(Configuration.load().use(name).current)
