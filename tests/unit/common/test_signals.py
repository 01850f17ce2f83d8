from __future__ import annotations

import pytest

from shoal_common.errors import InvalidSpec
from shoal_common.signals import signal_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("SIGTERM", 15),
        ("kill", 9),
        ("9", 9),
        ("SIGRTMIN", 34),
        ("RTMIN+3", 37),
        ("SIGRTMAX-1", 63),
        (" hup ", 1),
    ],
)
def test_reads_names_and_numbers(text: str, number: int) -> None:
    assert signal_number(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "0", "65", "SIG", "SIGNOPE", "TERM+1", "RTMIN+31", "RTMIN+99", "-9", "９", "²", "SIG_BLOCK", "9" * 5000],
)
def test_refuses_what_is_no_signal(text: str) -> None:
    with pytest.raises(InvalidSpec):
        signal_number(text)
