"""The rules of `docker cp`, row by row of its documentation."""

from __future__ import annotations

import pytest

from shoal.copy_rules import Landing, Source, Target, landing
from shoal_common.errors import Conflict, InvalidSpec, NotFound, ShoalError


@pytest.mark.parametrize(
    ("source", "directory", "target", "there", "lands"),
    [
        # A file: onto nothing, onto a file, into a directory.
        ("/etc/hosts", False, "new", None, (".", "new")),
        ("/etc/hosts", False, "/tmp/new", None, ("/tmp", "new")),
        ("/etc/hosts", False, "/new", None, ("/", "new")),
        ("/etc/hosts", False, "/tmp/old", False, ("/tmp", "old")),
        ("/etc/hosts", False, "/tmp", True, ("/tmp", "hosts")),
        ("/etc/hosts", False, "/tmp/", True, ("/tmp/", "hosts")),
        # A directory: becomes what is not there, goes into what is, or only what is in it does.
        ("/etc", True, "/tmp/new", None, ("/tmp", "new")),
        ("/etc", True, "/tmp/new/", None, ("/tmp", "new")),
        ("/etc/.", True, "/tmp/new", None, ("/tmp", "new")),
        ("/etc", True, "/tmp", True, ("/tmp", "etc")),
        ("/etc/", True, "/tmp", True, ("/tmp", "etc")),
        ("/etc/.", True, "/tmp", True, ("/tmp", ".")),
        (".", True, "/tmp", True, ("/tmp", ".")),
        ("/", True, "here", True, ("here", ".")),
    ],
)
def test_where_a_copy_goes(
    source: str, directory: bool, target: str, there: bool | None, lands: tuple[str, str]
) -> None:
    assert landing(Source(source, directory), Target(target, there)) == Landing(*lands)


@pytest.mark.parametrize(
    ("source", "directory", "target", "there", "error"),
    [
        ("/etc/hosts", False, "/tmp/new/", None, NotFound),
        ("/etc", True, "/tmp/file", False, Conflict),
        ("/etc/hosts", False, "/tmp/file/", False, Conflict),
        ("/etc/hosts/", False, "/tmp", True, InvalidSpec),
        ("/etc/hosts/.", False, "/tmp", True, InvalidSpec),
    ],
)
def test_what_can_not_be_copied(
    source: str, directory: bool, target: str, there: bool | None, error: type[ShoalError]
) -> None:
    with pytest.raises(error):
        landing(Source(source, directory), Target(target, there))
