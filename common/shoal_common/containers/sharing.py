"""Whose namespaces a container uses, as people write it: its own, those of another container, or its node's. Pure.

Source: docker run, --network, --pid, --ipc, --uts and --userns.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shoal_common.errors import InvalidSpec
from shoal_common.ids import SHORT_ID, check_name, is_container_id

_CONTAINER: Final = "container"


class Share(StrEnum):
    """Whose a namespace is, or what the network is that it is connected to."""

    #: Its own; of a network, the cluster's.
    OWN = "private"
    #: Its own, which other containers may join.
    SHAREABLE = "shareable"
    #: Its own, and nothing in it: of a network but a loopback, of an ipc no /dev/shm.
    NONE = "none"
    #: Its node's.
    HOST = "host"
    CONTAINER = "container"


@dataclass(frozen=True, slots=True)
class Sharing:
    """What one option says; `container` is the name or id of the one that is joined."""

    share: Share
    container: str = ""


_NETWORKS: Final = {"default": Share.OWN, "bridge": Share.OWN, "none": Share.NONE, "host": Share.HOST}
_OWN_OR_HOST: Final = {"": Share.OWN, "private": Share.OWN, "host": Share.HOST}
_IPCS: Final = {**_OWN_OR_HOST, "none": Share.NONE, "shareable": Share.SHAREABLE}


def parse_network(text: str) -> Sharing:
    """Return what `--network` says.

    Raises:
        InvalidSpec: it is none of the words, and no container.
    """
    return _parsed("network", text, _NETWORKS)


def parse_pid(text: str) -> Sharing:
    """Return what `--pid` says. Raises InvalidSpec as `parse_network`."""
    return _parsed("pid", text, _OWN_OR_HOST)


def parse_ipc(text: str) -> Sharing:
    """Return what `--ipc` says. Raises InvalidSpec as `parse_network`."""
    return _parsed("ipc", text, _IPCS)


def parse_uts(text: str) -> Sharing:
    """Return what `--uts` says. Raises InvalidSpec as `parse_network`."""
    return _parsed("uts", text, _OWN_OR_HOST, containers=False)


def parse_users(text: str) -> Sharing:
    """Return what `--userns` says. Raises InvalidSpec as `parse_network`."""
    return _parsed("userns", text, _OWN_OR_HOST, containers=False)


def _parsed(what: str, text: str, words: dict[str, Share], *, containers: bool = True) -> Sharing:
    if text in words:
        return Sharing(words[text])
    kind, colon, container = text.partition(":")
    if containers and kind == _CONTAINER and colon:
        check_name("container", container[:SHORT_ID] if is_container_id(container) else container)
        return Sharing(Share.CONTAINER, container)
    known = ", ".join([*filter(None, words), *([f"{_CONTAINER}:NAME"] if containers else [])])
    raise InvalidSpec(f"{what} {text[:60]!a} is not known (use one of: {known})")
