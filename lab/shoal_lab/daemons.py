"""The command lines and configuration files of the daemons in a lab."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shoal_lab.layout import AGENT_PORT, API_PORT, ETCD_PORT, JOIN_PORT, REGISTRY_PORT, Host, Layout

#: The command beside the interpreter that runs the lab, so that lab and daemons are of one version.
SHOAL: Final = str(Path(sys.executable).with_name("shoal"))
PROGRAMS: Final = ("etcd", "docker-registry", "crun", "conmon", "nft", "ip", "unshare", "nsenter", "busybox")

_REGISTRY_CONFIG: Final = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: false}}}}
storage:
  cache: {{blobdescriptor: inmemory}}
  filesystem: {{rootdirectory: {root}}}
  delete: {{enabled: true}}
http:
  addr: "{address}:{port}"
  tls: {{certificate: {certificate}, key: {key}, clientcas: [{authority}]}}
"""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a node of the lab says it has: bytes of memory and thousandths of a core."""

    memory_bytes: int
    cpu_millis: int


def registry_address(layout: Layout) -> str:
    """Where the cluster's registry listens."""
    return f"{layout.control.address}:{REGISTRY_PORT}"


def etcd(layout: Layout) -> list[str]:
    """etcd, for this host's controller alone: nothing else can reach its loopback."""
    url = f"http://127.0.0.1:{ETCD_PORT}"
    return [
        *("etcd", "--name", layout.control.name, "--data-dir", str(layout.host_data(layout.control.name) / "etcd")),
        *("--listen-client-urls", url, "--advertise-client-urls", url),
        *("--listen-peer-urls", f"http://127.0.0.1:{ETCD_PORT + 1}", "--logger", "zap"),
        # etcd keeps all history unless told otherwise, and stops taking writes when its quota is full.
        *("--auto-compaction-mode", "periodic", "--auto-compaction-retention", "1h"),
        *("--quota-backend-bytes", str(2 << 30)),
    ]


def registry_config(layout: Layout) -> str:
    """Return the configuration file of the registry."""
    host = layout.host_data(layout.control.name)
    # The controller's certificate is for this host, and the registry is the cluster's: who has none of its
    # certificates, such as a container, gets nothing from it.
    return _REGISTRY_CONFIG.format(
        root=host / "registry",
        address=layout.control.address,
        port=REGISTRY_PORT,
        certificate=host / "controller" / "controller.pem",
        key=host / "controller" / "controller.key",
        authority=host / "controller" / "ca.pem",
    )


def registry(layout: Layout) -> list[str]:
    """CNCF Distribution."""
    return ["docker-registry", "serve", str(layout.host_data(layout.control.name) / "registry.yml")]


def _controller_root(layout: Layout) -> list[str]:
    return ["--data-root", str(layout.host_data(layout.control.name) / "controller")]


def controller_init(layout: Layout) -> list[str]:
    """Makes the cluster: its authority, its identity in etcd, the administrator's certificate."""
    return [
        *(SHOAL, "controller", "init", *_controller_root(layout), "--etcd", f"http://127.0.0.1:{ETCD_PORT}"),
        *("--address", layout.control.address),
    ]


def controller(layout: Layout) -> list[str]:
    """A controller."""
    address = layout.control.address
    return [
        *(SHOAL, "controller", *_controller_root(layout), "--etcd", f"http://127.0.0.1:{ETCD_PORT}"),
        *("--listen", f"{address}:{API_PORT}", "--join-listen", f"{address}:{JOIN_PORT}"),
        *("--registry", registry_address(layout), "--registry-own", registry_address(layout)),
    ]


def agent(layout: Layout, host: Host, capacity: Capacity, labels: tuple[str, ...] = ()) -> list[str]:
    """An agent."""
    data = layout.host_data(host.name)
    return [
        *(SHOAL, "agent", "--data-root", str(data / "shoal"), "--run-root", "/run/shoal", "--name", host.name),
        *("--listen", f"{host.address}:{AGENT_PORT}", "--join", f"{layout.control.address}:{JOIN_PORT}"),
        *("--token-file", str(data / "token"), "--cgroup-parent", layout.cgroup(host.name)),
        *("--memory", str(capacity.memory_bytes), "--cpus", f"{capacity.cpu_millis / 1000:g}"),
        *("--uid-range", layout.uid_range(host), "--registry-own", registry_address(layout)),
        *(word for label in labels for word in ("--label", label)),
    ]
