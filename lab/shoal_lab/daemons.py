"""The command lines and configuration files of the daemons in a lab."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shoal_lab import store_pki
from shoal_lab.layout import AGENT_PORT, API_PORT, ETCD_PORT, JOIN_PORT, PEER_PORT, REGISTRY_PORT, Host, Layout

#: What all controllers of a cluster have in common: who copies them makes another controller.
SHARED_FILES: Final = ("ca.pem", "ca.key", "seal.key")
#: The command beside the interpreter that runs the lab, so that lab and daemons are of one version.
SHOAL: Final = str(Path(sys.executable).with_name("shoal"))
PROGRAMS: Final = (
    *("etcd", "docker-registry", "crun", "conmon", "nft", "ip", "tc", "unshare", "nsenter", "busybox"),
    *("mkfs.ext4", "mount"),
)

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


def etcd_url(host: Host) -> str:
    """Where the member of etcd on a host serves controllers."""
    return f"https://{host.address}:{ETCD_PORT}"


def _peer_url(host: Host) -> str:
    return f"https://{host.address}:{PEER_PORT}"


def etcd(layout: Layout, host: Host, quota_bytes: int) -> list[str]:
    """A member of etcd, which answers only to holders of a certificate of its own authority."""
    members = layout.running("etcd")
    own = store_pki.member(layout, host)
    cluster = ",".join(f"{member.name}={_peer_url(member)}" for member in members)
    return [
        *("etcd", "--name", host.name, "--data-dir", str(layout.host_data(host.name) / "etcd"), "--logger", "zap"),
        *("--listen-client-urls", etcd_url(host), "--advertise-client-urls", etcd_url(host)),
        *("--listen-peer-urls", _peer_url(host), "--initial-advertise-peer-urls", _peer_url(host)),
        *("--initial-cluster", cluster, "--initial-cluster-token", layout.name),
        *("--cert-file", str(own.certificate), "--key-file", str(own.key), "--trusted-ca-file", str(own.ca)),
        *("--peer-cert-file", str(own.certificate), "--peer-key-file", str(own.key)),
        *("--peer-trusted-ca-file", str(own.ca), "--client-cert-auth", "--peer-client-cert-auth"),
        # etcd keeps all history unless told otherwise, and stops taking writes when its quota is full.
        *("--auto-compaction-mode", "periodic", "--auto-compaction-retention", "1h"),
        *("--quota-backend-bytes", str(quota_bytes)),
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


def controller_root(layout: Layout, host: Host) -> Path:
    """Where the controller of a host keeps its files."""
    return layout.host_data(host.name) / "controller"


def _controller(layout: Layout, host: Host) -> list[str]:
    own = store_pki.client(layout)
    return [
        *("--data-root", str(controller_root(layout, host))),
        *(word for member in layout.running("etcd") for word in ("--etcd", etcd_url(member))),
        *("--etcd-ca", str(own.ca), "--etcd-cert", str(own.certificate), "--etcd-key", str(own.key)),
    ]


def controller_init(layout: Layout, host: Host) -> list[str]:
    """Makes the cluster, its authority, its identity in etcd, or what a further controller of it needs."""
    return [SHOAL, "controller", "init", *_controller(layout, host), "--address", host.address]


def controller(layout: Layout, host: Host) -> list[str]:
    """A controller."""
    return [
        *(SHOAL, "controller", *_controller(layout, host)),
        *("--listen", f"{host.address}:{API_PORT}", "--join-listen", f"{host.address}:{JOIN_PORT}"),
        *("--registry", registry_address(layout), "--registry-own", registry_address(layout)),
    ]


def agent(
    layout: Layout, host: Host, capacity: Capacity, labels: tuple[str, ...] = (), binds: tuple[str, ...] = ()
) -> list[str]:
    """An agent."""
    data = layout.host_data(host.name)
    return [
        *(SHOAL, "agent", "--data-root", str(data / "shoal"), "--run-root", "/run/shoal", "--name", host.name),
        *("--listen", f"{host.address}:{AGENT_PORT}"),
        *(word for each in layout.running("controller") for word in ("--join", f"{each.address}:{JOIN_PORT}")),
        *("--token-file", str(data / "token"), "--cgroup-parent", layout.cgroup(host.name)),
        *("--memory", str(capacity.memory_bytes), "--cpus", f"{capacity.cpu_millis / 1000:g}"),
        *("--uid-range", layout.uid_range(host), "--registry-own", registry_address(layout)),
        *(word for label in labels for word in ("--label", label)),
        *(word for bind in binds for word in ("--allow-bind", bind)),
    ]
