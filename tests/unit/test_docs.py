"""The documents name files that exist, and commands that there are."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from shoal_cli.root import shoal

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md")])
_FILE = re.compile(r"`((?:proto|common|sdk|controller|agent|cli|lab|tests|bench|tools|docs)/[\w./-]*\w\.\w+)`")
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = [name for name in _FILE.findall(text) if not (ROOT / name).exists()]
    missing += [link for link in _LINK.findall(text) if not (page.parent / link).exists()]
    assert not missing


def test_the_guide_names_every_command() -> None:
    guide = (ROOT / "docs/guides/cli.md").read_text(encoding="utf-8")
    context = click.Context(shoal)
    missing = [
        name for name in shoal.list_commands(context) if f"`shoal {name}" not in guide and f"`{name}" not in guide
    ]
    assert not missing
