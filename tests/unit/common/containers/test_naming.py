from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_common.containers.naming import MAX_NAMES, check_count, check_option, check_search, check_server, parse_host
from shoal_common.errors import InvalidSpec


def test_what_is_meant() -> None:
    assert check_server("10.0.0.53") == "10.0.0.53"
    assert check_server("FD00::0053") == "fd00::53"
    assert check_server("fe80::1%eth0") == "fe80::1%eth0"
    assert check_search(".") == "."
    assert check_search("example.org.") == "example.org."
    assert check_option("ndots:2") == "ndots:2"
    assert parse_host("db:10.0.0.7") == ("db", "10.0.0.7")
    assert parse_host("db=10.0.0.7") == ("db", "10.0.0.7")
    assert parse_host("db.example.org:fd00::7") == ("db.example.org", "fd00::7")
    assert parse_host("db=[fd00::7]") == ("db", "fd00::7")
    assert parse_host("node:host-gateway") == ("node", "host-gateway")


@pytest.mark.parametrize(
    "text", ["", "dns", "10.0.0", "10.0.0.53\n", "10.0.0.53 options rotate", "fe80::1%a\nsearch b", "fe80::1% "]
)
def test_no_server(text: str) -> None:
    with pytest.raises(InvalidSpec, match="name server"):
        check_server(text)


@pytest.mark.parametrize("text", ["", "a b", "a\nnameserver 10.6.6.6", "-a", "a..b", "x" * 300])
def test_no_search_domain(text: str) -> None:
    with pytest.raises(InvalidSpec, match="search domain"):
        check_search(text)


@pytest.mark.parametrize("text", ["", "a b", "ndots:2\nnameserver 10.6.6.6", "x" * 65])
def test_no_option(text: str) -> None:
    with pytest.raises(InvalidSpec, match="option"):
        check_option(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "db",
        "db:",
        ":10.0.0.7",
        "db:10.0.0",
        "d b:10.0.0.7",
        "db\n:10.0.0.7",
        "db:10.0.0.7\n10.6.6.6 other",
        "db:fe80::1%a\tb",
    ],
)
def test_no_host(text: str) -> None:
    with pytest.raises(InvalidSpec, match="host"):
        parse_host(text)


@given(st.text(alphabet="ab.:=-[] \n\t\x00019", max_size=20))
def test_what_is_taken_is_one_word_and_what_is_said_one_line(text: str) -> None:
    for check in (check_server, check_search, check_option, parse_host):
        try:
            found = check(text)
        except InvalidSpec as error:
            found = error.message.replace(" ", "")
        for part in (found,) if isinstance(found, str) else found:
            assert part.split() == [part]


def test_so_many_and_no_more() -> None:
    check_count("name servers", MAX_NAMES)
    with pytest.raises(InvalidSpec, match="name servers"):
        check_count("name servers", MAX_NAMES + 1)
