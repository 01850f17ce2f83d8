from __future__ import annotations

from pathlib import Path

import click
import pytest

from shoal_cli.passphrases import asked
from shoal_cli.whole_files import written_whole
from shoal_common.errors import InvalidSpec


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "backup"

    def write(data: bytes, *, fails: bool) -> None:
        with written_whole(path) as file:
            file.write(data)
            if fails:
                raise RuntimeError

    write(b"old", fails=False)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(RuntimeError):
        write(b"half of the new", fails=True)
    assert path.read_bytes() == b"old"
    write(b"new", fails=False)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_can_not_be_written_is_said_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "backup"
    with pytest.raises(InvalidSpec, match="can't be written: No such file"), written_whole(path):
        pass


def test_a_passphrase_comes_from_a_files_first_line_and_never_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "passphrase"
    path.write_text("correct horse\nand what follows\n")
    assert asked(path, twice=True) == "correct horse"
    path.write_text("\n")
    with pytest.raises(click.UsageError, match="empty"):
        asked(path, twice=True)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(click.UsageError, match="--passphrase-file"):
        asked(None, twice=True)
