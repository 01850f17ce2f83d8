"""What is said of Docker's commands and flags that are not there."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from shoal_cli.docker_words import COMMANDS, FLAGS
from shoal_cli.main import run
from shoal_cli.root import shoal

_LISTED = (Path(__file__).parent / "docker_commands.txt").read_text().splitlines()
DOCKER = {
    name: {spelling for flag in flags.split() for spelling in flag.split("/")}
    for names, _, flags in (line.partition(":") for line in _LISTED if not line.startswith("#"))
    for name in names.split(" = ")
}


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_only_commands_of_docker_that_are_not_there_are_told(path: str) -> None:
    assert any(name == path or name.startswith(f"{path} ") for name in DOCKER), "it is none of Docker's"
    found: click.Command | None = shoal
    for word in path.split():
        found = found.get_command(click.Context(shoal), word) if isinstance(found, click.Group) else None
    assert found is None, "it is there: nothing is to be said"


@pytest.mark.parametrize(("path", "flag"), [(path, flag) for path, flags in FLAGS.items() for flag in flags])
def test_only_flags_of_docker_that_are_not_there_are_told(path: str, flag: str) -> None:
    assert flag in DOCKER[path]
    found: click.Command | None = shoal
    for word in path.split():
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(shoal), word)
    assert found is not None
    assert not any(flag in each.opts for each in found.params), "it is there: nothing is to be said"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("pull web", "pull is Docker's and not there: shoal image pull fetches an image"),
        ("system info", "info is Docker's and not there: say shoal info (see: shoal system --help)"),
        ("run --link db web", "--link is Docker's and not there: share its network"),
        ("container run -a stdout web", "-a is Docker's and not there: what is not detached is attached"),
        ("rnu web", "No such command 'rnu'. Did you mean 'run'?"),
        ("run --nmae web", "No such option '--nmae'. (Did you mean one of:"),
    ],
)
def test_who_asks_for_it_is_told_what_to_do_instead(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 2
    assert capsys.readouterr().err.startswith(f"shoal: {said}")


@pytest.mark.parametrize("words", ["container prune", "image prune", "volume prune", "system prune"])
def test_a_question_that_nobody_answers_removes_nothing_and_says_so(
    words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object) -> str:
        raise EOFError

    monkeypatch.setattr("click.termui.visible_prompt_func", nobody)
    assert run(words.split()) == 1
    assert "shoal: nobody answered, nothing was removed (--force does not ask)" in capsys.readouterr().err


def test_a_number_that_is_none_is_called_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ps", "-n", "abc"]) == 2
    assert "'abc' is not a valid whole number" in capsys.readouterr().err
