from pathlib import Path

import click
import pytest

from shoal_cli.cid_files import reserved


def test_an_id_is_written_once_it_is_known(tmp_path: Path) -> None:
    file = tmp_path / "id"
    with reserved(file) as tell:
        assert file.read_text() == ""
        tell("abc")
        assert file.read_text() == "abc"
    assert file.read_text() == "abc"


def test_a_file_that_was_told_no_id_goes(tmp_path: Path) -> None:
    file = tmp_path / "id"
    with pytest.raises(RuntimeError), reserved(file):
        raise RuntimeError
    assert not file.exists()


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "id"
    file.write_text("other")
    with pytest.raises(click.UsageError, match="exists"), reserved(file):
        pass
    assert file.read_text() == "other"
    with pytest.raises(click.UsageError, match="No such file"), reserved(tmp_path / "no" / "id"):
        pass


def test_without_a_file_nothing_happens() -> None:
    with reserved(None) as tell:
        tell("abc")
