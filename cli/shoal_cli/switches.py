"""Flags that are on unless something else is said, as Docker has them: `--sig-proxy=false`."""

from __future__ import annotations

import click


class Switches(click.Command):
    """A command with such flags. Click has an opposite for each, `--no-sig-proxy`, and takes no value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse with the opposites instead of values.

        Only the parser knows what is an option, and what is the value of one or belongs to a container.
        """
        while True:
            try:
                return super().parse_args(ctx, list(args))
            except click.BadOptionUsage as error:
                switch = self._switch(error.option_name)
                found = [place for place, arg in enumerate(args) if arg.startswith(f"{error.option_name}=")]
                if switch is None or not found:
                    raise
                place = found[0]
                is_on = click.BOOL.convert(args[place].partition("=")[2], switch, ctx)
                names = switch.opts if is_on else switch.secondary_opts
                args = [*args[:place], max(names, key=len), *args[place + 1 :]]

    def _switch(self, name: str) -> click.Option | None:
        options = (each for each in self.params if isinstance(each, click.Option) and each.secondary_opts)
        return next((each for each in options if name in each.opts), None)
