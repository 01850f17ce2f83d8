"""The files by which a container knows names: /etc/hosts, /etc/hostname and /etc/resolv.conf. Pure."""

from __future__ import annotations

from typing import Final

_HOSTS: Final = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def contents(hostname: str, host_resolver: str) -> dict[str, str]:
    """Return the text of each file by name.

    Args:
        hostname: of the container.
        host_resolver: the host's resolv.conf. Servers on the host's loopback can't be reached from a container and are
            left out.
    """
    return {
        "hosts": f"{_HOSTS}127.0.1.1\t{hostname}\n",
        "hostname": f"{hostname}\n",
        "resolv.conf": "".join(f"{line}\n" for line in host_resolver.splitlines() if not _is_loopback(line)),
    }


def _is_loopback(line: str) -> bool:
    words = line.split()
    return len(words) > 1 and words[0] == "nameserver" and (words[1].startswith("127.") or words[1] == "::1")
