"""By which names a container knows others: what is its own, and what its host's."""

from __future__ import annotations

from shoal_agent.runtime.host_files import HostNames, Names, contents, names_of
from shoal_proto.v1.container_pb2 import ContainerConfig, Dns
from shoal_proto.v1.resources_pb2 import Address

HOST = """# made by hand
domain corp.example
search corp.example example.org
nameserver 127.0.0.53
nameserver 10.0.0.53
options edns0
"""


def resolver(**names: tuple[str, ...]) -> list[str]:
    return contents("web", HostNames(HOST), Names(**names))["resolv.conf"].splitlines()  # type: ignore[arg-type]


def test_what_is_left_out_is_the_hosts_but_for_its_loopback() -> None:
    assert resolver() == [line for line in HOST.splitlines() if "127.0.0.53" not in line]


def test_each_kind_replaces_the_hosts_of_that_kind() -> None:
    assert resolver(servers=("10.9.9.9", "fd00::9")) == [
        "# made by hand",
        "domain corp.example",
        "search corp.example example.org",
        "options edns0",
        "nameserver 10.9.9.9",
        "nameserver fd00::9",
    ]
    assert resolver(search=("a.example", "b.example"))[1:] == [
        "nameserver 10.0.0.53",
        "options edns0",
        "search a.example b.example",
    ]
    assert resolver(options=("ndots:2", "rotate"))[-1] == "options ndots:2 rotate"
    assert "options edns0" not in resolver(options=("ndots:2",))


def test_a_dot_means_no_search_domain() -> None:
    assert not [line for line in resolver(search=(".",)) if line.startswith(("search", "domain"))]


def test_a_server_that_was_asked_for_may_be_a_loopback() -> None:
    assert "nameserver 127.0.0.1" in resolver(servers=("127.0.0.1",))


def test_hosts_have_lines_of_their_own_and_the_gateway_is_the_node() -> None:
    config = ContainerConfig(extra_hosts=["db:10.0.0.7", "six:fd00::7", "node:host-gateway"])
    names = names_of(config, [Address(ip="10.88.0.7", gateway="10.88.0.1")])
    lines = contents("web", HostNames(""), names)["hosts"].splitlines()
    assert lines[-4:] == ["127.0.1.1\tweb", "10.0.0.7\tdb", "fd00::7\tsix", "10.88.0.1\tnode"]
    assert names_of(config, []).hosts[-1] == ("node", "127.0.0.1")


def test_in_the_hosts_network_all_that_the_host_knows_holds() -> None:
    host = HostNames(HOST, "127.0.0.1\tlocalhost\n10.0.0.9\tnas\n", shared=True)
    found = contents("node1", host, Names(hosts=(("db", "10.0.0.7"),)))
    assert found["resolv.conf"] == HOST
    assert found["hosts"] == f"{host.hosts}10.0.0.7\tdb\n"


def test_settings_are_the_configurations() -> None:
    config = ContainerConfig(dns=Dns(servers=["10.9.9.9"], search=["a.example"], options=["rotate"]))
    assert names_of(config, []) == Names(("10.9.9.9",), ("a.example",), ("rotate",), ())
