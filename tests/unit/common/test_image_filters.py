"""By which images a list shows: keys, values and patterns."""

from __future__ import annotations

import time

import pytest

from shoal_common.errors import InvalidSpec
from shoal_common.filters import Filter
from shoal_common.image_filters import FILTER_KEYS, NamePattern, is_true, parse_image_filter


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("reference=web", "reference", "web"),
        ("reference=team/*:[^0-2]?", "reference", "team/*:[^0-2]?"),
        ("label=a", "label", "a"),
        ("label=a=b=c", "label", "a=b=c"),
        ("dangling=False", "dangling", "false"),
        ("dangling=1", "dangling", "1"),
        ("before=web:3", "before", "web:3"),
        ("since=r.example.org:5000/team/web", "since", "r.example.org:5000/team/web"),
    ],
)
def test_right_ones(text: str, key: str, value: str) -> None:
    assert parse_image_filter(text) == Filter(key, value)


@pytest.mark.parametrize(
    "text",
    [
        *("", "reference", "=web", "until=24h", "name=web", "label!=a", "reference=", "reference=a b"),
        *("reference=a\nb", f"reference={'*' * 401}", "label=", "label==b", "label=a\x1b", "dangling=", "dangling=x"),
        *("before=", "before=WEB", "since=a b"),
    ],
)
def test_others_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        parse_image_filter(text)
    assert "\n" not in refused.value.message
    key, equals, _ = text.partition("=")
    assert (f"write {key}=VALUE, " if equals and key in FILTER_KEYS else "KEY one of ") in refused.value.message


def test_truths() -> None:
    assert [is_true(parse_image_filter(f"dangling={each}").value) for each in ("true", "TRUE", "0")] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("pattern", "repository", "tag", "fits"),
    [
        ("web", "web", "3", True),
        ("web:3", "web", "3", True),
        ("web:4", "web", "3", False),
        ("we*", "web", "3", True),
        ("*", "web", "3", True),
        ("*", "team/web", "3", False),
        ("*/*", "team/web", "3", True),
        ("team/*:3", "team/web", "3", True),
        ("team/*:3", "team/a/web", "3", False),
        ("*:latest", "web", "latest", True),
        ("we?", "web", "3", True),
        ("we?", "we/", "3", False),
        ("w[a-e]b:[!4]", "web", "3", True),
        ("w[^a-e]b", "web", "3", False),
        ("we.", "web", "3", False),
        ("eb", "web", "3", False),
        ("Web", "web", "3", False),
        ("we[b", "web", "3", False),
    ],
)
def test_patterns_are_those_of_docker(pattern: str, repository: str, tag: str, *, fits: bool) -> None:
    assert NamePattern(pattern).fits(repository, tag) is fits


def test_a_pattern_of_a_stranger_keeps_nobody_busy() -> None:
    begun = time.process_time()
    assert not NamePattern("*a" * 150 + "b").fits("a" * 255, "a" * 128)
    assert time.process_time() - begun < 1
