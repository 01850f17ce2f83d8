"""What others chose must not steer a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shoal_cli.formats import table
from shoal_cli.printable import printable


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(text) == text or not text.isprintable()


def test_a_row_is_one_line_without_escapes() -> None:
    shown = table(["NAME"], [["v\x1b]0;owned\x07\nnode9   ready"]])
    assert shown.splitlines() == ["NAME", "v\\x1b]0;owned\\x07\\nnode9   ready"]
