"""The documents name files that exist, and commands that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from shoal_cli.root import shoal

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md")])
PYTHON = [str(path.relative_to(ROOT)) for path in ROOT.glob("[!.]*/**/*.py")]
_FILE = re.compile(r"`((?:proto|common|sdk|controller|agent|cli|lab|tests|bench|tools|docs)/[\w./-]*\w\.\w+)`")
#: Below the folder that the page speaks of.
_PYTHON = re.compile(r"`([\w/]*\w\.py)`")
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def _is_in_some_folder(name: str) -> bool:
    return any(f"/{file}".endswith(f"/{name}") for file in PYTHON)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = [name for name in _FILE.findall(text) if not (ROOT / name).exists()]
    if "docs" in page.parts:
        missing += [name for name in _PYTHON.findall(text) if not _is_in_some_folder(name)]
    missing += [link for link in _LINK.findall(text) if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_merged(page: Path) -> None:
    assert not re.findall(r"^(?:<{7}|={7}$|>{7}).*", page.read_text(encoding="utf-8"), re.MULTILINE)


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if path == ("container",) and name != "prune":
            # Longer names of what is named without the word.
            continue
        yield " ".join((*path, name))
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))


def test_the_guide_names_every_command() -> None:
    guide = (ROOT / "docs/guides/cli.md").read_text(encoding="utf-8")
    missing = [name for name in _commands(shoal) if f"`shoal {name}" not in guide and f"`{name}" not in guide]
    assert not missing


@pytest.mark.parametrize("folder", ["architecture", "adr"])
def test_an_index_has_every_page(folder: str) -> None:
    pages = {path.name for path in (ROOT / "docs" / folder).glob("*.md")} - {"README.md"}
    assert set(_LINK.findall((ROOT / "docs" / folder / "README.md").read_text(encoding="utf-8"))) >= pages


def test_decisions_are_numbered_in_order_and_once() -> None:
    pages = sorted((ROOT / "docs/adr").glob("0*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for number, page in enumerate(pages, 1):
        assert page.read_text(encoding="utf-8").startswith(f"# {number}. ")
