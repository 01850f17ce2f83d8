"""Flags that are on by themselves, set as Docker has it."""

from __future__ import annotations

import click
import pytest

from shoal_cli.commands.attach import attach
from shoal_cli.commands.commit import commit
from shoal_cli.commands.lifecycle import start
from shoal_cli.commands.run import run


def parsed(command: click.Command, *arguments: str) -> click.Context:
    return command.make_context("shoal", list(arguments))


@pytest.mark.parametrize("command", [attach, start, run], ids=lambda each: each.name)
@pytest.mark.parametrize(
    ("said", "on"),
    [
        ([], True),
        (["--sig-proxy"], True),
        (["--no-sig-proxy"], False),
        (["--sig-proxy=false"], False),
        (["--sig-proxy=0"], False),
        (["--sig-proxy=false", "--sig-proxy=true"], True),
        (["--sig-proxy=true", "--sig-proxy=False"], False),
    ],
)
def test_a_value_is_taken_as_its_opposite_flag_is(command: click.Command, said: list[str], *, on: bool) -> None:
    assert parsed(command, *said, "web").params["sig_proxy"] is on


def test_another_name_of_the_same_flag() -> None:
    assert parsed(commit, "--pause=false", "web", "web:2").params["pause"] is False
    assert parsed(commit, "--pause=true", "web", "web:2").params["pause"] is True


def test_what_belongs_to_the_container_or_to_another_option_stays_as_it_is() -> None:
    words = ("shoal", "attach", "--sig-proxy=false", "x")
    params = parsed(run, "-e", "A=--sig-proxy=false", "web", *words).params
    assert (params["sig_proxy"], params["args"], params["env"]) == (True, words, ("A=--sig-proxy=false",))
    params = parsed(run, "--sig-proxy=no", "web", *words).params
    assert (params["sig_proxy"], params["args"]) == (False, words)


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (["--sig-proxy=perhaps"], "'perhaps' is not a valid boolean"),
        (["--no-sig-proxy=true"], "does not take a value"),
        (["--interactive=true"], "does not take a value"),
        (["--detach-keys"], "requires an argument"),
    ],
)
def test_what_is_wrong_is_said(said: list[str], named: str) -> None:
    with pytest.raises(click.UsageError, match=named):
        parsed(start, *said)
