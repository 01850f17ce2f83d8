"""The keys that let go of a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_cli.detach_keys import DEFAULT, DetachKeys, parse


@pytest.mark.parametrize(
    ("text", "keys"),
    [(DEFAULT, b"\x10\x11"), ("a", b"a"), ("ctrl-@,ctrl-[,ctrl-_", b"\x00\x1b\x1f"), ("ctrl-A,d", b"\x01d")],
)
def test_keys(text: str, keys: bytes) -> None:
    assert parse(text) == keys


@pytest.mark.parametrize("text", ["", "ctrl-", "ctrl-1", "abc", "a,,b", "é", "ctrl-p ctrl-q"])
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match="is no key"):
        parse(text)


def test_a_beginning_is_passed_on_with_what_follows() -> None:
    keys = DetachKeys(parse(DEFAULT))
    assert keys.feed(b"a\x10") == (b"a", False)
    assert keys.feed(b"b") == (b"\x10b", False)
    assert keys.feed(b"\x10\x10") == (b"\x10", False)
    assert keys.feed(b"\x11gone") == (b"", True)


@given(st.lists(st.binary(max_size=4)), st.sampled_from([b"ab", b"aab", b"aba", b"a"]))
def test_what_is_not_the_keys_goes_through_unchanged(pieces: list[bytes], keys: bytes) -> None:
    typed = b"".join(pieces)
    looking = DetachKeys(keys)
    passed, detached = b"", False
    for piece in pieces:
        more, detached = looking.feed(piece)
        passed += more
        if detached:
            break
    place = typed.find(keys)
    assert detached == (place >= 0)
    if detached:
        assert passed == typed[:place]
    else:
        # All but what may become the keys with the next one.
        rest = typed[len(passed) :]
        assert typed.startswith(passed)
        assert keys.startswith(rest)
        assert len(rest) < len(keys)
