"""What the tests of published ports do, in namespaces made for each. Run as a module: port_scenarios NAME DIRECTORY."""

# One thing happens at a time here, so nothing waits while a command of the test blocks.

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from shoal_agent.network import conntrack
from shoal_agent.network.published import Published
from shoal_common.errors import Conflict, InvalidSpec, Unavailable
from shoal_proto.v1.container_pb2 import PortBinding
from tests.integration.agent_sandbox.scenarios import (
    KEY,
    PORT,
    Host,
    address,
    host,
    inside,
    outside,
    prepare,
    running,
    sh,
    until,
)

#: Answers each datagram with its word.
_WORD: Final = """
import socket, sys
peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
peer.bind(("0.0.0.0", int(sys.argv[1])))
while True:
    _, sender = peer.recvfrom(100)
    peer.sendto(sys.argv[2].encode(), sender)
"""
#: Sends a datagram from 10.88.0.7 to a port of 127.0.0.1, in a frame to the gateway: no routing table forbids that.
_FORGED: Final = """
import socket, struct, sys
def total(data):
    words = sum(struct.unpack(f"!{len(data) // 2}H", data))
    words = (words >> 16) + (words & 0xFFFF)
    return ~(words + (words >> 16)) & 0xFFFF
datagram = struct.pack("!HHHH", 4000, int(sys.argv[1]), 12, 0) + b"evil"
source, target = socket.inet_aton("10.88.0.7"), socket.inet_aton("127.0.0.1")
def header(sum_):
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 1, 0, 64, 17, sum_, source, target)
frame = bytes.fromhex("02420a580001" "02420a580007" "0800") + header(total(header(0))) + datagram
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
wire.send(frame)
"""
DNS: Final = PortBinding(host_port=5353, container_port=53, protocol="udp")


def page(ip: str, port: int) -> str:
    """Return what a web server answers; nothing if there is none."""
    try:
        with socket.create_connection((ip, port), timeout=2) as peer:
            peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = b""
            while data := peer.recv(65536):
                answer += data
            return answer.decode()
    except OSError:
        return ""


@contextlib.contextmanager
def words(net_ns: Path, port: int, word: str) -> Iterator[None]:
    """A server inside a sandbox that answers with a word."""
    command = ["nsenter", f"--net={net_ns}", "--", sys.executable, "-c", _WORD, str(port), word]
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def listening(number: int) -> socket.socket:
    return socket.create_server(("0.0.0.0", number))


async def port_leads_to_its_sandbox_from_outside_and_from_the_host(directory: Path) -> None:
    async with host(directory) as made, outside(directory) as there:
        local = PortBinding(host_ip="127.0.0.1", host_port=8081, container_port=80, protocol="tcp")
        one, root = await made.container(KEY, 7, PORT, local)
        with running(made, one, root, "httpd -f -p 80 -h /www"):
            await until(lambda: "LISTEN" in inside(one, "ss", "-ltn"))
            fetch = ("nsenter", "-t", str(there.pid), "-n", "timeout", "2", "busybox", "wget", "-q", "-O-")
            assert "page of the image" in sh(*fetch, "http://192.0.2.1:8080/")
            assert "page of the image" not in sh(*fetch, "http://192.0.2.1:8081/", check=False)
            assert "page of the image" in page("127.0.0.1", 8080)
            assert "page of the image" in page("127.0.0.1", 8081)
            assert "page of the image" in page("192.0.2.1", 8080)
            assert not page("192.0.2.1", 8081)
            # A container reaches itself by the node.
            assert "page of the image" in inside(
                one, "timeout", "2", "busybox", "wget", "-q", "-O-", "http://192.0.2.1:8080/"
            )
        await made.remove(KEY)
        assert "elements" not in sh("nft", "list", "map", "inet", "shoal", "published")


async def container_cannot_send_to_the_hosts_loopback(directory: Path) -> None:
    async with host(directory) as made:
        one, _ = await made.container(KEY, 7, PORT)
        service = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        service.bind(("127.0.0.1", 9999))
        service.settimeout(0.5)
        send = (sys.executable, "-c", _FORGED, "9999")
        inside(one, *send)
        with pytest.raises(TimeoutError):
            service.recv(100)
        # It is the rule that forbids it, nothing else.
        sh("nft", "flush", "chain", "inet", "shoal", "guard")
        inside(one, *send)
        assert service.recv(100) == b"evil"
        service.close()


async def port_that_leads_elsewhere_is_not_taken_over_nor_withdrawn(directory: Path) -> None:
    async with host(directory) as made:
        await made.sandboxes.acquire("one-1", [address(7)], [PORT])
        with pytest.raises(Unavailable, match="port 8080/tcp"):
            await made.sandboxes.acquire("two-1", [address(8)], [PORT])
        # Of its two ports only the one that is its own goes.
        made.sandboxes._claims["two-1"] = replace(
            made.sandboxes._claims["two-1"],
            published=tuple(Published("", port, "tcp", "10.88.0.8", 80) for port in (8080, 8081)),
        )
        sh("nft", "add", "element", "inet", "shoal", "published", "{ tcp . 8081 : 10.88.0.8 . 80 }")
        await made.sandboxes.release("two-1")
        assert "8081" not in sh("nft", "list", "map", "inet", "shoal", "published")
        assert "10.88.0.7 . 80" in sh("nft", "list", "map", "inet", "shoal", "published")
        with pytest.raises(Unavailable, match="port 8080/tcp"):
            await made.sandboxes.acquire("two-1", [address(8)], [PORT])
        await made.sandboxes.release("one-1")
        await made.sandboxes.acquire("two-1", [address(8)], [PORT])
        assert "10.88.0.8 . 80" in sh("nft", "list", "map", "inet", "shoal", "published")
        taken = PortBinding(host_port=7410, container_port=80, protocol="tcp")
        with pytest.raises(InvalidSpec, match="agent"):
            await made.sandboxes.acquire("three-1", [address(9)], [taken])


async def port_of_a_program_of_the_host_is_left_to_it(directory: Path) -> None:
    async with host(directory) as made:
        with listening(8080), pytest.raises(Conflict, match="port 8080/tcp of this node is in use by a program"):
            await made.sandboxes.acquire(KEY, [address(7)], [PORT])
        assert "elements" not in sh("nft", "list", "map", "inet", "shoal", "published")
        await made.sandboxes.acquire(KEY, [address(7)], [PORT])
        with pytest.raises(OSError, match="in use"):
            listening(8080)
        await made.sandboxes.release(KEY)
        listening(8080).close()
        elsewhere = PortBinding(host_ip="192.0.2.77", host_port=8080, container_port=80, protocol="tcp")
        with pytest.raises(Conflict, match=r"no address 192\.0\.2\.77"):
            await made.sandboxes.acquire("two-1", [address(8)], [elsewhere])


async def next_agent_publishes_what_it_adopts_and_nothing_else(directory: Path) -> None:
    made = Host(directory)
    await made.open()
    whole, _ = await made.container("whole-1", 7, PORT)
    await made.container("half-1", 8, DNS)
    await made.close()
    (made.paths.sandboxes / "half-1/ready").unlink()
    sh("nft", "add", "element", "inet", "shoal", "published", "{ tcp . 99 : 10.88.0.99 . 99 }")
    # While there was no agent a program has taken the port: it gets nothing, and the container lives on.
    with listening(8080):
        async with host(directory) as other:
            listed = sh("nft", "list", "map", "inet", "shoal", "published")
            assert "tcp . 8080 : 10.88.0.7 . 80" in listed
            assert listed.count("10.88.") == 1, listed
            again = await other.sandboxes.acquire("whole-1", [address(7)], [PORT])
            assert again == whole
            assert other.sandboxes.differs("whole-1", [address(7)], [])
            assert not other.sandboxes.differs("whole-1", [address(7)], [PORT])


async def flows_from_before_and_after_are_led_anew(directory: Path) -> None:
    async with host(directory) as made, outside(directory):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.settimeout(0.2)
        # The kernel remembers where this client's datagrams go: nowhere, as yet.
        client.connect(("192.0.2.1", 5353))

        def said() -> str:
            with contextlib.suppress(OSError):
                client.send(b"?")
                return client.recv(100).decode()
            return ""

        def says(word: str) -> bool:
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                if said() == word:
                    return True
                time.sleep(0.05)
            return False

        sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sink.bind(("192.0.2.1", 5353))
        assert said() == ""
        sink.close()
        one = await made.sandboxes.acquire("one-1", [address(7)], [DNS])
        with words(one.net_ns, 53, "one"):
            assert says("one")
        await made.sandboxes.release("one-1")
        two = await made.sandboxes.acquire("two-1", [address(8)], [DNS])
        with words(two.net_ns, 53, "two"):
            assert says("two")
            # What leads to the container is left alone.
            here = [Published("", 5353, "udp", "10.88.0.8", 53)]
            await asyncio.to_thread(conntrack.forget_before, here, {"192.0.2.1"})
            assert said() == "two"
        client.close()


def main() -> None:
    name, directory = sys.argv[1:]
    prepare(Path(directory))
    asyncio.run(globals()[name](Path(directory)))


if __name__ == "__main__":
    main()
