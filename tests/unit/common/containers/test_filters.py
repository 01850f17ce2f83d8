from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_common.containers.filters import FILTER_KEYS, HEALTHS, STATUSES, name_pattern, parse_filter
from shoal_common.errors import InvalidSpec
from shoal_common.filters import Filter
from shoal_proto.v1.container_pb2 import ContainerPhase, HealthState


def test_the_words_are_those_of_the_api() -> None:
    phases = [name.removeprefix("CONTAINER_PHASE_").lower() for name, number in ContainerPhase.items() if number]
    healths = [name.removeprefix("HEALTH_STATE_").lower() for name, number in HealthState.items() if number]
    assert sorted(STATUSES) == sorted(phases)
    assert sorted(HEALTHS) == sorted([*healths, "none"])


@pytest.mark.parametrize(
    "text",
    [
        "status=exited",
        "status=dead",
        "name=web",
        "name=^/web$",
        "label=tier",
        "label=tier=front=1",
        "label=tier=",
        "node=node-1",
        "ancestor=web",
        "ancestor=10.0.0.1:5000/team/web:3",
        "ancestor=sha256:0123456789ab",
        "ancestor=web@sha256:" + "0" * 64,
        "health=none",
        "exited=137",
        "volume=/data",
        "network=bridge",
        "id=0123abc",
        "before=web",
        "since=0123abc",
        "publish=8080",
        "publish=8000-8010/udp",
        "expose=80/tcp",
    ],
)
def test_takes_what_docker_takes(text: str) -> None:
    assert str(parse_filter(text)) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("status=gone", "VALUE one of pending, "),
        ("health=ill", "VALUE one of starting, healthy, unhealthy, none"),
        ("network=mine", "VALUE one of default, bridge, none, host"),
        ("exited=one", "VALUE CODE"),
        ("exited=256", "VALUE CODE"),
        ("exited=-1", "VALUE CODE"),
        ("id=XYZ", "the beginning of an id"),
        ("name=.*", "TEXT"),
        ("name=(a+)+$", "TEXT"),
        ("name=^$", "TEXT"),
        ("label==x", r"KEY\[=VALUE\]"),
        ("publish=80:80", "PORT"),
        ("publish=0", "PORT"),
        ("expose=80/sctp", "PORT"),
        ("ancestor=UPPER", "IMAGE"),
        ("volume=a\nb", r"a\\nb"),
        ("status=", "VALUE one of"),
        ("colour=red", "KEY one of ancestor, before"),
        ("status", "write KEY=VALUE"),
        ("", "write KEY=VALUE"),
    ],
)
def test_refuses_the_rest_in_one_line(text: str, words: str) -> None:
    with pytest.raises(InvalidSpec, match=words) as refused:
        parse_filter(text)
    assert "\n" not in refused.value.message


@given(st.text(max_size=200))
def test_any_text_is_a_filter_or_refused_in_one_printable_line(text: str) -> None:
    refusal = ""
    try:
        made = parse_filter(text)
    except InvalidSpec as error:
        refusal = error.message
    else:
        assert made.key in FILTER_KEYS
        assert parse_filter(str(made)) == made == Filter(made.key, made.value)
    assert refusal.isprintable()
    assert len(refusal) < 400


@pytest.mark.parametrize(
    ("value", "fits", "does_not"),
    [
        ("web", ["web", "my-web-1"], ["wen"]),
        ("^web", ["web", "web-1"], ["my-web"]),
        ("^/web", ["web-1"], ["my-web"]),
        ("/web", ["web", "my-web"], []),
        ("web$", ["my-web"], ["web-1"]),
        ("^web$", ["web"], ["web-1", "my-web"]),
        # A name's own characters mean themselves.
        ("a.b", ["a.b"], ["axb"]),
    ],
)
def test_names_are_anchored_as_docker_has_them(value: str, fits: list[str], does_not: list[str]) -> None:
    pattern = name_pattern(value)
    assert pattern is not None
    assert [name for name in [*fits, *does_not] if pattern.fits(name)] == fits
