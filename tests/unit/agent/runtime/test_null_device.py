"""What became of /dev/null while containers were created, and is put right."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shoal_agent.runtime import null_device


@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_it_is_everybodys_again(tmp_path: Path, mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    null = tmp_path / "null"
    null.touch()
    null.chmod(mode)
    # Only root could give it another owner.
    monkeypatch.setattr(os, "chown", lambda *_: None)
    null_device.give_back(null)
    assert null.stat().st_mode & 0o777 == 0o666
