from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_common.containers.ports import (
    MAX_PORTS,
    Publication,
    check_publication,
    check_together,
    parse_exposed,
    parse_publication,
)
from shoal_common.errors import InvalidSpec


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("80", Publication("", 0, 0, 80, 80, "tcp")),
        ("8080:80", Publication("", 8080, 8080, 80, 80, "tcp")),
        ("0:80", Publication("", 0, 0, 80, 80, "tcp")),
        ("53:53/udp", Publication("", 53, 53, 53, 53, "udp")),
        ("53:53/UDP", Publication("", 53, 53, 53, 53, "udp")),
        ("127.0.0.1:8080:80", Publication("127.0.0.1", 8080, 8080, 80, 80, "tcp")),
        ("127.0.0.1::80", Publication("127.0.0.1", 0, 0, 80, 80, "tcp")),
        ("0.0.0.0:8080:80", Publication("", 8080, 8080, 80, 80, "tcp")),
        ("8000-8010:80-90", Publication("", 8000, 8010, 80, 90, "tcp")),
        ("8000-8010:80", Publication("", 8000, 8010, 80, 80, "tcp")),
        ("3000-3003/udp", Publication("", 0, 0, 3000, 3003, "udp")),
    ],
)
def test_what_is_meant(text: str, meant: Publication) -> None:
    assert parse_publication(text) == meant
    assert parse_publication(str(meant)) == meant


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "write"),
        ("web", '"web"'),
        ("8080:", "write"),
        (":80:80", "write"),
        ("80/", "write"),
        ("80/sctp", "use tcp or udp"),
        ("0", "from 1 to 65535"),
        ("65536:80", "65535"),
        ("80:65536", "65535"),
        ("90-80", "lower"),
        ("8000-8001:80-90", "equally long"),
        ("8000-8010:80-81", "equally long"),
        ("8080:80-90", "equally long"),
        ("::1:80:80", "IPv6"),
        ("[::1]:80:80", "IPv6"),
        ("host:80:80", '"host"'),
        ("127.0.0.1:80", "write"),
        ("10.0.0.256:80:80", "no address"),
        ("224.0.0.1:80:80", "no host"),
        ("-80:80", "write"),
        ("1" * 300, "write"),
        ("8\u0660:80", "write"),
    ],
)
def test_what_can_never_be_right_is_refused_in_one_line(text: str, named: str) -> None:
    with pytest.raises(InvalidSpec) as raised:
        parse_publication(text)
    assert named in raised.value.message
    assert "\n" not in raised.value.message
    assert len(raised.value.message) < 250


@given(st.text(alphabet="0123456789:-./[]tcpud \x00\n", max_size=30))
def test_whatever_is_written_is_understood_or_refused(text: str) -> None:
    try:
        meant = parse_publication(text)
    except InvalidSpec:
        return
    assert check_publication(meant) == meant
    assert len(list(meant.single())) == meant.count


@pytest.mark.parametrize(
    ("host_first", "host_last", "container_first", "container_last"),
    [(0, 5, 80, 80), (5, 0, 80, 80), (80, 80, 0, 0), (80, 80, 0, 80), (1 << 31, 1 << 31, 80, 80)],
)
def test_a_message_that_no_client_sends_is_refused(
    host_first: int, host_last: int, container_first: int, container_last: int
) -> None:
    with pytest.raises(InvalidSpec):
        check_publication(Publication("", host_first, host_last, container_first, container_last, "tcp"))


def test_one_port_of_the_node_leads_to_one_container_port() -> None:
    def together(*texts: str) -> None:
        check_together(parse_publication(text) for text in texts)

    together("8080:80", "8080:80/udp", "8081:80")
    together("127.0.0.1:8080:80", "127.0.0.2:8080:81")
    together("8000-8001:80", "8000-8001:81")
    for texts in (
        ("8080:80", "8080:81"),
        ("8080:80", "8080:80"),
        ("127.0.0.1:8080:80", "8080:81"),
        ("8080:81", "127.0.0.1:8080:80"),
        ("8000-8010:80-90", "8005:1"),
    ):
        with pytest.raises(InvalidSpec, match="two ports"):
            together(*texts)


def test_a_container_has_so_many_ports() -> None:
    check_together([parse_publication(f"1-{MAX_PORTS}")])
    with pytest.raises(InvalidSpec, match=str(MAX_PORTS)):
        check_together([parse_publication(f"1-{MAX_PORTS}"), parse_publication("80")])
    with pytest.raises(InvalidSpec, match=str(MAX_PORTS)):
        check_together([parse_publication("1-65535:1-65535")])


def test_exposed_ports() -> None:
    assert parse_exposed("80") == ["80/tcp"]
    assert parse_exposed("53/udp") == ["53/udp"]
    assert parse_exposed("3000-3002") == ["3000/tcp", "3001/tcp", "3002/tcp"]
    for text in ("", "x", "0", "65536", "80/sctp", "80/", "90-80", "8080:80", "1-65535"):
        with pytest.raises(InvalidSpec, match="exposed"):
            parse_exposed(text)
