"""What a node may say, before any of it reaches the leader's loop: no node may keep the others from being served.

etcd takes 1.5 MiB in one request. What is too large or makes no sense in a status is cut, since a report that is
refused would come again; a description that is not one ends the session of its node.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from shoal_common.containers.ports import LAST_PORT, MAX_PORTS, PROTOCOLS
from shoal_common.errors import InvalidSpec
from shoal_common.ids import check_container_id, check_name, is_container_id
from shoal_proto.v1.container_pb2 import ContainerStatus, MountKind, PortBinding
from shoal_proto.v1.dispatcher_pb2 import Assignment
from shoal_proto.v1.node_pb2 import NodeDescription
from shoal_proto.v1.resources_pb2 import Address, Resources

#: Bytes of a description, of a status, and characters of a reason.
MAX_DESCRIPTION: Final = 64 << 10
MAX_STATUS: Final = 768 << 10
MAX_REASON: Final = 2_000
MAX_HEALTH_OUTPUT: Final = 4_096
MAX_PROCESS_ID: Final = 128
#: Attempts that are looked at; a status keeps no more.
MAX_ATTEMPTS: Final = 16
#: Strays that are looked at; a node's status names no more.
MAX_STRAYS: Final = 1_000
#: Mounts of one container, as the API takes them.
MAX_MOUNTS: Final = 32
#: Volumes that are taken from the store in one transaction, three keys each; the rest is told again.
MAX_VOLUMES: Final = 24
#: Bytes of a container's configuration as a node tells it, and addresses of one.
MAX_CONFIG: Final = 600 << 10
MAX_ADDRESSES: Final = 8
#: What no generation, run, attempt or report ever reaches; far enough from the end of the number to go on counting.
MAX_COUNT: Final = 1 << 48
_MAX_ATTEMPT: Final = 1 << 31
#: What no machine has: bytes, thousandths of a core, processes.
_MAX_MEMORY: Final = 1 << 50
_MAX_CPU: Final = 10_000_000
_MAX_PIDS: Final = 1 << 22
_LONGEST_MAC: Final = len("02:42:0a:58:00:01")
#: 9999-12-31, the last that protobuf can show (timestamp.proto).
_LAST_SECOND: Final = 253_402_300_799


def check_description(node: str, description: NodeDescription) -> None:
    """Check what an agent says of its host.

    Raises:
        InvalidSpec: it can't be so.
    """
    if description.ByteSize() > MAX_DESCRIPTION:
        raise InvalidSpec(f"node {node} describes itself in more than {MAX_DESCRIPTION} bytes (give it fewer labels)")
    texts = [value for field, value in description.ListFields() if isinstance(value, str)]
    texts += [*description.addresses, *description.bind_paths, *description.limits]
    for pairs in (description.labels, description.runtimes):
        texts += [*pairs.keys(), *pairs.values()]
    for problem in description.problems:
        texts += [problem.kind, problem.message]
    for cleaning in description.cleanings:
        texts += [cleaning.kind, cleaning.reason, *cleaning.names]
        if not _is_time(cleaning.at):
            raise InvalidSpec(f"node {node} tells of a time that there is not ({cleaning.at.seconds} s since 1970)")
    for text in texts:
        if not text.isprintable():
            raise InvalidSpec(f"node {node} describes itself with a control character: {text[:80]!a}")
    capacity = description.capacity
    if not _is_possible(capacity):
        raise InvalidSpec(f"node {node} claims {capacity.memory_bytes} bytes and {capacity.cpu_millis} mcpu")


def bounded(status: ContainerStatus) -> ContainerStatus:
    """Return a copy of a reported status in which nothing is too large to store or not to be shown."""
    kept = ContainerStatus()
    kept.CopyFrom(status)
    del kept.attempts[:-MAX_ATTEMPTS]
    kept.reason = one_line(kept.reason)
    kept.warning = one_line(kept.warning)
    kept.health_output = lines(kept.health_output)
    for attempt in kept.attempts:
        attempt.reason = one_line(attempt.reason)
    for message in (kept, *kept.attempts):
        for field, value in message.ListFields():
            if isinstance(value, Timestamp) and not _is_time(value):
                message.ClearField(field.name)
    if kept.ByteSize() > MAX_STATUS:
        # The only other thing that an honest node can make long. Whoever wrote it has it in the image.
        del kept.command[:]
    return kept


def check_copy(assignment: Assignment, status: ContainerStatus) -> None:
    """Check what a node says that it has: the store takes it over, and counts on from it.

    Raises:
        InvalidSpec: no agent has that.
    """
    check_container_id(assignment.id)
    check_name("namespace", assignment.namespace)
    if assignment.name:
        check_name("container", assignment.name)
    counts = (assignment.generation, assignment.run_admitted, status.generation, status.run_served, status.report)
    if max(counts) > MAX_COUNT or status.attempt > _MAX_ATTEMPT:
        raise InvalidSpec(f"it counts further than anything does: {max(*counts, status.attempt)}")
    if assignment.config.ByteSize() > MAX_CONFIG:
        raise InvalidSpec(f"it is described in more than {MAX_CONFIG} bytes")
    if not _is_possible(assignment.config.resources):
        raise InvalidSpec("its limits can't be")
    if len(assignment.config.mounts) > MAX_MOUNTS:
        raise InvalidSpec(f"it has {len(assignment.config.mounts)} mounts")
    for mount in assignment.config.mounts:
        if mount.kind == MountKind.MOUNT_KIND_VOLUME:
            check_container_id(mount.volume_id)
            if mount.source:
                check_name("volume", mount.source)
    if len(assignment.addresses) > MAX_ADDRESSES:
        raise InvalidSpec(f"it has {len(assignment.addresses)} addresses")
    for address in assignment.addresses:
        _check_address(address)
    if len(assignment.ports) > MAX_PORTS:
        raise InvalidSpec(f"it has {len(assignment.ports)} ports")
    for port in assignment.ports:
        _check_port(port)


def _check_port(port: PortBinding) -> None:
    numbers = (port.host_port, port.container_port)
    if port.protocol not in PROTOCOLS or not all(0 < number <= LAST_PORT for number in numbers):
        raise InvalidSpec(f"it has a port that is none: {port.protocol[:20]!a} {numbers}")
    try:
        ipaddress.IPv4Address(port.host_ip or "0.0.0.0")
    except ValueError as error:
        raise InvalidSpec(f"it has a port of an address that is none: {port.host_ip[:40]!a}") from error


def _check_address(address: Address) -> None:
    check_name("network", address.network)
    try:
        ipaddress.IPv4Interface(f"{address.ip}/{address.prefix_length}")
        gateway = ipaddress.IPv4Address(address.gateway) if address.gateway else None
    except ValueError as error:
        raise InvalidSpec(f"it has an address that is none: {address.ip[:40]!a}") from error
    if len(address.mac) > _LONGEST_MAC or not address.mac.isprintable() or gateway == ipaddress.IPv4Address(address.ip):
        raise InvalidSpec(f"its address {address.ip} can't be a container's")


def _is_possible(amounts: Resources) -> bool:
    return (
        0 <= amounts.memory_bytes <= _MAX_MEMORY
        and 0 <= amounts.cpu_millis <= _MAX_CPU
        and 0 <= amounts.pids <= _MAX_PIDS
    )


def strays(ids: Iterable[str]) -> tuple[str, ...]:
    """Return the ids in a report of strays, as many as are kept."""
    return tuple(sorted({each for each in ids if is_container_id(each)})[:MAX_STRAYS])


def removed_volumes(ids: Iterable[str], asked: Collection[str]) -> tuple[str, ...]:
    """Return which of the volumes that a node was told to remove it says are gone, as many as one transaction takes."""
    return tuple(sorted(set(ids) & set(asked))[:MAX_VOLUMES])


def one_line(text: str) -> str:
    """Return a text of a node's as one line that is safe to show."""
    words = " ".join(text[: 2 * MAX_REASON].split())
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in words)[:MAX_REASON]


def lines(text: str) -> str:
    """Return what a health check said as lines that are safe to show."""
    shown = (char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
    return "".join(shown)[:MAX_HEALTH_OUTPUT]


def _is_time(time: Timestamp) -> bool:
    return 0 <= time.seconds <= _LAST_SECOND and 0 <= time.nanos < 1_000_000_000
