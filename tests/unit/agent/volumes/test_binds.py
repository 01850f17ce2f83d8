"""Which of a node's paths containers may mount."""

from __future__ import annotations

import pytest

from shoal_agent.volumes.binds import AllowedBind, find
from shoal_common.errors import Conflict, InvalidSpec

ALLOWED = tuple(AllowedBind.parse(text) for text in ("/srv:ro", "/srv/www", "/var/lib//a/", "/etc/hosts:ro"))


@pytest.mark.parametrize(
    ("path", "read_only", "found"),
    [
        ("/srv/www", False, ("/srv/www", ".")),
        ("/srv/www/a/b", False, ("/srv/www", "a/b")),
        ("/srv/other", True, ("/srv", "other")),
        ("/srv/www/a", True, ("/srv/www", "a")),
        ("/var/lib/a", False, ("/var/lib/a", ".")),
        ("/etc/hosts", True, ("/etc/hosts", ".")),
    ],
)
def test_the_innermost_that_allows_it(path: str, read_only: bool, found: tuple[str, str]) -> None:
    assert find(ALLOWED, path, read_only=read_only) == found


@pytest.mark.parametrize(
    ("path", "read_only"), [("/srv", False), ("/srv/www2", False), ("/etc", True), ("/", True), ("/etc/hosts2", True)]
)
def test_nothing_else(path: str, read_only: bool) -> None:
    with pytest.raises(Conflict, match="--allow-bind"):
        find(ALLOWED, path, read_only=read_only)


def test_root_allows_everything() -> None:
    assert find([AllowedBind.parse("/")], "/etc/x", read_only=False) == ("/", "etc/x")


@pytest.mark.parametrize("text", ["srv", "", ":ro", "/a/../b"])
def test_only_absolute_paths(text: str) -> None:
    with pytest.raises(InvalidSpec):
        AllowedBind.parse(text)
