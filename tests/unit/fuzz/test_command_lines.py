"""Command lines that are made of the commands: of all of them, and the same again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from random import Random

import click

from tests.fuzz.command_lines import Known, Lines, commands

KNOWN = Known({"container": ("f0",), "image": ("web:1",)})


def test_every_command_and_every_option_comes_up() -> None:
    lines, found = Lines(KNOWN), commands()
    made = [lines.line(Random(f"1 {number}")) for number in range(10_000)]
    heads = Counter(line.words[: len(each.path)] for line in made for each in found)
    assert [each.path for each in found if not heads[each.path]] == []
    words = {word.partition("=")[0] for line in made for word in line.words}
    missing = [(each.path, option.name) for each in found for option in each.options if not words & {*option.opts}]
    assert missing == []


def test_the_same_seed_asks_the_same() -> None:
    def made(seed: str, numbers: Iterable[int] = range(50)) -> dict[int, str]:
        lines = Lines(KNOWN)
        return {number: str(lines.line(Random(f"{seed} {number}"))) for number in numbers}

    # Each by itself, whatever was asked before it.
    assert made("7") == made("7", reversed(range(50)))
    assert made("7") != made("8")


def test_a_new_command_is_tried_by_itself() -> None:
    @click.command()
    @click.option("--shade", type=click.Choice(["dark", "light"]))
    @click.argument("container")
    def paint(shade: str, container: str) -> None:
        """Paint one.

        \b
        Examples:
          shoal paint --shade dark web
        """

    group = click.Group("shoal", commands=[paint])
    found = commands(group)
    assert [each.path for each in found] == [(), ("paint",)]
    assert found[1].examples == (("--shade", "dark", "web"),)
    lines = Lines(KNOWN, found)
    made = {lines.line(Random(f"1 {number}")).words for number in range(500)}
    assert ("paint", "--shade", "light", "f0") in made
    assert any("dark" in words and len(words) == 4 for words in made)


def test_what_goes_to_a_process_can_be_given_to_one() -> None:
    lines = Lines(KNOWN)
    for number in range(2_000):
        for word in lines.line(Random(f"2 {number}")).words:
            assert "\0" not in word
            assert len(word.encode(errors="surrogateescape")) < 128 << 10
