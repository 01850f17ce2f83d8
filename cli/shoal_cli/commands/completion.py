"""`shoal completion`."""

from __future__ import annotations

import click


@click.command(short_help="Print a shell's completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that makes a shell complete commands and options.

    \b
    Examples:
      source <(shoal completion bash)
      shoal completion zsh > "${fpath[1]}/_shoal"
      shoal completion fish > ~/.config/fish/completions/shoal.fish
    """
    from click.shell_completion import ShellComplete, get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"this version of click can't complete in {shell} (upgrade it)")
    # Not `found.source`: bash's would first run the bash of this machine to look at its version.
    click.echo(ShellComplete.source(found(ctx.find_root().command, {}, "shoal", "_SHOAL_COMPLETE")))
