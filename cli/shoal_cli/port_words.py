"""Ports as people read them, as Docker writes them: "10.0.0.5:8080->80/tcp"."""

from __future__ import annotations

from shoal.ports import published
from shoal_proto.v1.container_pb2 import Container, PortBinding


def column(container: Container) -> str:
    """Return the ports of a container in one line; those that follow one another as a range."""
    ports = published(container)
    shown = {f"{port.container_port}/{port.protocol}" for port in ports}
    exposed = [port for port in container.spec.config.exposed_ports if port not in shown]
    return ", ".join([*(_range(run) for run in _runs(ports)), *_exposed(exposed)])


def _exposed(ports: list[str]) -> list[str]:
    """Return "80/tcp" and the like, those that follow one another as "80-82/tcp"."""
    numbers = sorted(
        (protocol, int(number)) for number, _, protocol in (port.partition("/") for port in ports) if number.isdecimal()
    )
    runs: list[list[tuple[str, int]]] = []
    for protocol, number in numbers:
        if runs and runs[-1][-1] == (protocol, number - 1):
            runs[-1].append((protocol, number))
        else:
            runs.append([(protocol, number)])
    return [f"{_spelt(run[0][1], run[-1][1])}/{run[0][0]}" for run in runs]


def _runs(ports: list[PortBinding]) -> list[list[PortBinding]]:
    """Return ports that follow one another, inside and outside, together."""
    runs: list[list[PortBinding]] = []
    for port in ports:
        for run in runs:
            last = run[-1]
            if (last.host_ip, last.protocol, last.host_port + 1, last.container_port + 1) == (
                port.host_ip,
                port.protocol,
                port.host_port,
                port.container_port,
            ):
                run.append(port)
                break
        else:
            runs.append([port])
    return runs


def _range(run: list[PortBinding]) -> str:
    first, last = run[0], run[-1]
    host = _spelt(first.host_port, last.host_port)
    return f"{first.host_ip}:{host}->{_spelt(first.container_port, last.container_port)}/{first.protocol}"


def _spelt(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
