"""Files that are named on command lines: whatever is there, it is read or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoal_common.errors import InvalidSpec
from shoal_common.small_files import MOST, first_line, read_small


def test_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"one\r\ntwo\n")
    assert read_small("--it", tmp_path / "f") == b"one\r\ntwo\n"
    assert first_line("--it", tmp_path / "f") == "one"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/dev/zero", "too large"),
        ("/", "directory"),
        ("/nowhere", "No such file"),
        ("/proc/self/mem", "error"),
        ("a\0", "no path"),
    ],
)
def test_is_refused(path: str, reason: str) -> None:
    with pytest.raises(InvalidSpec, match=reason) as raised:
        read_small("--it", Path(path))
    assert raised.value.message.startswith("--it ")
    assert "\n" not in raised.value.message


def test_the_largest_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * MOST)
    assert len(read_small("--it", tmp_path / "f")) == MOST
    (tmp_path / "f").write_bytes(b"x" * (MOST + 1))
    with pytest.raises(InvalidSpec, match="too large"):
        read_small("--it", tmp_path / "f")


def test_a_first_line_is_text(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\xff\n")
    with pytest.raises(InvalidSpec, match="UTF-8"):
        first_line("--it", tmp_path / "f")
