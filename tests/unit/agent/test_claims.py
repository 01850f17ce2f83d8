"""Who may work in a data root."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoal_agent.claims import HostUse, begin_reset, end_reset, is_resetting, note_use, noted_use, only_one
from shoal_agent.paths import NodePaths
from shoal_agent.reset import Found, find
from shoal_common.errors import Conflict, Internal, NotFound

USE = HostUse(Path("/run/x"), "/x", {"crun": Path("/usr/bin/crun")})


def test_one_at_a_time(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(Conflict, match="stop it first"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


def test_what_an_agent_used_is_known_afterwards(tmp_path: Path) -> None:
    assert noted_use(tmp_path) is None
    note_use(NodePaths(data=tmp_path, run=USE.run), USE)
    assert noted_use(tmp_path) == USE


def test_a_damaged_note_is_said(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text("[]")
    with pytest.raises(Internal, match=r"host\.json is damaged"):
        noted_use(tmp_path)


def test_no_agent_begins_where_a_reset_was_broken_off(tmp_path: Path) -> None:
    paths = NodePaths(data=tmp_path, run=USE.run)
    note_use(paths, USE)
    begin_reset(tmp_path)
    with pytest.raises(Conflict, match="end it with: shoal agent reset"):
        note_use(paths, USE)
    # The next reset still knows the places.
    assert noted_use(tmp_path) == USE
    end_reset(tmp_path)
    assert not is_resetting(tmp_path)
    assert noted_use(tmp_path) is None
    note_use(paths, USE)


def test_what_no_agent_ever_used_is_not_reset(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no agent ever worked in"):
        find(tmp_path)
    (tmp_path / "lock").touch()
    (tmp_path / "containers" / ("a" * 64)).mkdir(parents=True)
    assert find(tmp_path) == Found("", "", 1)
