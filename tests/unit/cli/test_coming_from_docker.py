"""The page for those who come from Docker names every command and flag, and is right about what is here.

What is added to the command is moved on the page from "planned" or "not there" to "same" or "differs", a command from a
table at the end to a heading of its own; a test that fails says what.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest

from shoal_cli.root import shoal

PAGE = Path(__file__).resolve().parents[3] / "docs/guides/coming-from-docker.md"
DOCKER = Path(__file__).parent / "docker_commands.txt"
#: A state may be followed by a word on it, as in "planned, with networks: ...".
_STATE = re.compile(r"- (same|differs|planned|not there|only here)[^:]*: ")
_QUOTED = re.compile(r"`([^`]+)`")
_FLAG = re.compile(r"`((?:-\w/)?--[\w-]+)`")
ELSEWHERE = ("planned", "not there")


@dataclass
class Section:
    """What the page says of the commands of one heading: each flag's states."""

    flags: dict[str, list[str]] = field(default_factory=dict)


def docker() -> dict[str, frozenset[str]]:
    """Return the flags of every command of Docker's, by each of its names."""
    found = {}
    for line in DOCKER.read_text().splitlines():
        if not line.startswith("#"):
            names, _, flags = line.partition(":")
            found.update(dict.fromkeys(names.split(" = "), frozenset(flags.split())))
    return found


def page() -> tuple[dict[str, Section], list[str]]:
    """Return the sections by command, and the commands that are called missing."""
    sections: dict[str, Section] = {}
    missing: list[str] = []
    section = Section()
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            section = Section()
            if line.startswith("### "):
                sections.update(dict.fromkeys(_QUOTED.findall(line), section))
        elif line.startswith("| `"):
            missing += _QUOTED.findall(line.split(" | ")[0])
        elif (state := _STATE.match(line)) is not None:
            text = line[state.end() :]
            # What follows the flag that differs is about it, and may name others.
            flags = _FLAG.findall(text)[:1] if state[1] == "differs" else _FLAG.findall(re.sub(r"\([^)]*\)", "", text))
            for flag in flags:
                section.flags.setdefault(flag, []).append(state[1])
    return sections, missing


DOCKER_S = docker()
SECTIONS, MISSING = page()


def command(path: str) -> click.Command | None:
    found: click.Command | None = shoal
    context = click.Context(shoal)
    for word in path.split():
        found = found.get_command(context, word) if isinstance(found, click.Group) else None
    return found


def options(path: str) -> frozenset[str]:
    found = command(path)
    assert found is not None
    return frozenset(each for param in found.params for each in (*param.opts, *param.secondary_opts))


@pytest.mark.parametrize("path", sorted(DOCKER_S))
def test_every_command_is_on_the_page_once_and_rightly(path: str) -> None:
    here, gone = path in SECTIONS, MISSING.count(path)
    assert here + gone == 1, f"{path}: name it once, in a heading if it is there, else among those that are not"
    assert (command(path) is not None) is here, f"{path}: {'is not there' if here else 'is there: give it a heading'}"


@pytest.mark.parametrize("path", sorted(SECTIONS))
def test_every_flag_is_on_the_page_once_and_rightly(path: str) -> None:
    assert path in DOCKER_S, f"{path} is none of Docker's commands"
    flags, here = SECTIONS[path].flags, options(path)
    named = frozenset(flags)
    unnamed = DOCKER_S[path] - named
    assert not unnamed, f"{path}: say what becomes of {sorted(unnamed)}"
    twice = [flag for flag, said in flags.items() if len(said) > 1]
    assert not twice, f"{path}: {twice} have two states"
    for flag, (state,) in flags.items():
        spellings = set(flag.split("/"))
        alike = [other for other in SECTIONS if SECTIONS[other] is SECTIONS[path]]
        of_docker = any(flag in DOCKER_S[other] for other in alike)
        if state == "only here":
            # Of one of the commands that share a heading, as Docker's are.
            assert any(spellings <= options(other) for other in alike), f"{path} has no {flag}"
            assert not of_docker, f"{path}: {flag} is Docker's as well"
            continue
        assert of_docker, f"{path}: {flag} is none of Docker's flags, or is spelt otherwise there"
        if flag not in DOCKER_S[path]:
            continue
        if state in ELSEWHERE:
            assert max(spellings, key=len) not in here, f"{path} {flag} is there: call it same, or say how it differs"
        elif state == "same":
            assert spellings <= here, f"{path} has no {flag}: call it planned, or not there"


@pytest.mark.parametrize("path", sorted(SECTIONS))
def test_what_is_only_here_is_named(path: str) -> None:
    long = {each for each in options(path) if each.startswith("--")} - {"--help"}
    known = {spelling for flag in SECTIONS[path].flags for spelling in flag.split("/")}
    assert not long - known, f"{path}: name {sorted(long - known)} as only here"


@pytest.mark.parametrize("path", sorted(SECTIONS))
def test_a_flag_that_differs_is_there_or_its_other_name_is_said(path: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for flag, (state,) in SECTIONS[path].flags.items():
        if state == "differs" and flag in DOCKER_S[path] and not set(flag.split("/")) <= options(path):
            assert f"- differs: `{flag}`: is `" in text, f"{path} has no {flag}: say what it is here"
