from __future__ import annotations

from pathlib import Path

import click
import pytest

from shoal_cli import params
from shoal_cli.container_options import process


def test_variables_of_files_give_way_to_those_of_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("# of mine\nA=1\nB=x y\n")
    found = process.variables((file,), ("A=2",))
    assert params.pairs(tuple(found)) == {"A": "2", "B": "x y"}
    file.write_bytes(b"\xff\n")
    with pytest.raises(click.UsageError, match="--env-file"):
        process.variables((file,), ())
