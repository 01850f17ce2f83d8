"""`shoal help`: the same as --help."""

from __future__ import annotations

import click


@click.command("help", short_help="Show the help of a command.")
@click.argument("words", metavar="[COMMAND]...", nargs=-1)
@click.pass_context
def help_(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a command, or of shoal.

    \b
    Examples:
      shoal help run
      shoal help volume create
    """
    of = ctx.find_root()
    for word in words:
        if not isinstance(of.command, click.Group):
            raise click.UsageError(f"{of.command_path} has no commands of its own", ctx=of)
        name, command, _ = of.command.resolve_command(of, [word])
        if command is None:
            raise click.NoSuchCommand(word, ctx=of)
        of = click.Context(command, parent=of, info_name=name)
    click.echo(of.get_help())
