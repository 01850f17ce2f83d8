"""Which containers a list shows. Pure: what a filter names is looked up before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from shoal_common.containers.filters import DEAD, digest_part, name_pattern
from shoal_common.containers.ports import parse_exposed
from shoal_common.errors import InvalidSpec
from shoal_common.filters import Filter
from shoal_common.references import parse_reference
from shoal_controller.api.containers.phases import ACTIVE, is_live, phase_name, phase_of, present_status
from shoal_controller.api.validation import fields
from shoal_controller.state.store import ContainerEntry
from shoal_proto.v1.container_pb2 import ContainerPhase, ContainerSpec, HealthState, MountKind, NetworkMode

Check = Callable[[ContainerEntry], bool]
#: Where a container comes in the order of their creation.
Place = tuple[int, str]

#: With one of these a list also has what does not run: without it could only be empty, or hide what was asked for.
_ALSO_ENDED: Final = frozenset({"status", "exited"})
_ENDED: Final = frozenset({ContainerPhase.CONTAINER_PHASE_EXITED, ContainerPhase.CONTAINER_PHASE_FAILED})
_DEAD: Final = frozenset({ContainerPhase.CONTAINER_PHASE_FAILED, ContainerPhase.CONTAINER_PHASE_LOST})
_HEALTH: Final[Mapping[int, str]] = {
    HealthState.HEALTH_STATE_STARTING: "starting",
    HealthState.HEALTH_STATE_HEALTHY: "healthy",
    HealthState.HEALTH_STATE_UNHEALTHY: "unhealthy",
}
_NETWORK: Final[Mapping[int, frozenset[str]]] = {
    NetworkMode.NETWORK_MODE_UNSPECIFIED: frozenset({"default", "bridge"}),
    NetworkMode.NETWORK_MODE_DEFAULT: frozenset({"default", "bridge"}),
    NetworkMode.NETWORK_MODE_NONE: frozenset({"none"}),
    NetworkMode.NETWORK_MODE_HOST: frozenset({"host"}),
}


@dataclass(frozen=True, slots=True)
class Named:
    """What filters name, looked up.

    Attributes:
        node: id by what a filter calls a node.
        place: by what a filter calls a container.
    """

    node: Callable[[str], str]
    place: Callable[[str], Place]


def place(entry: ContainerEntry) -> Place:
    """Return where a container comes in the order of creation, which is that of the store's revisions."""
    return (0 if entry.spec is None else entry.spec.create_revision, entry.id)


def shows(filters: Iterable[Filter], named: Named, *, everything: bool) -> Check:
    """Return what says whether a list has a container: of each key any value fits (of labels all), and all keys do.

    Args:
        everything: also what does not run.

    Raises:
        InvalidSpec: what a filter names is not clear.
        NotFound: it is not there.
    """
    checks: dict[str, list[Check]] = {}
    for each in filters:
        checks.setdefault(each.key, []).append(_check(each, named))
    everything = everything or not _ALSO_ENDED.isdisjoint(checks)

    def check(entry: ContainerEntry) -> bool:
        if not everything and phase_of(entry) not in ACTIVE:
            return False
        return all((all if key == "label" else any)(one(entry) for one in some) for key, some in checks.items())

    return check


def _check(wanted: Filter, named: Named) -> Check:
    value = wanted.value
    match wanted.key:
        case "ancestor":
            return _of_spec(_ancestor(value))
        case "before":
            end = named.place(value)
            return lambda entry: place(entry) < end
        case "since":
            begin = named.place(value)
            return lambda entry: place(entry) > begin
        case "exited":
            return _exited(int(value))
        case "health":
            return lambda entry: _health(entry) == value
        case "id":
            return lambda entry: entry.id.startswith(value)
        case "label":
            fits = fields.label_filter([value])
            return _of_spec(lambda spec: fits(dict(spec.config.labels)))
        case "name":
            return _of_spec(_name(value))
        case "network":
            return _of_spec(lambda spec: value in _NETWORK.get(spec.config.network, frozenset()))
        case "node":
            node = named.node(value)
            return lambda entry: entry.placement is not None and entry.placement.value.node == node
        case "status":
            return _status(value)
        case "volume":
            return _of_spec(_volume(value))
        case "publish":
            ports = frozenset(parse_exposed(value))
            return lambda entry: not ports.isdisjoint(_published(entry))
        case "expose":
            ports = frozenset(parse_exposed(value))
            return lambda entry: not ports.isdisjoint(_exposed(entry))
    raise InvalidSpec(f'containers can\'t be chosen by "{wanted.key[:40]}" (ask a controller of this version)')


def _of_spec(fits: Callable[[ContainerSpec], bool]) -> Check:
    return lambda entry: entry.spec is not None and fits(entry.spec.value)


def _name(value: str) -> Callable[[ContainerSpec], bool]:
    pattern = name_pattern(value)
    return lambda spec: pattern is not None and pattern.fits(spec.name)


def _ancestor(value: str) -> Callable[[ContainerSpec], bool]:
    """Return what says whether a container was made from an image: as it was named, or by its digest."""
    digits = digest_part(value)

    def by_digest(spec: ContainerSpec) -> bool:
        return bool(digits) and spec.image_digest.startswith(f"sha256:{digits}")

    try:
        wanted = parse_reference(value)
    except InvalidSpec:
        return by_digest

    def fits(spec: ContainerSpec) -> bool:
        if by_digest(spec):
            return True
        try:
            image = parse_reference(spec.config.image)
        except InvalidSpec:
            return False
        here = f"{wanted.registry}/{wanted.repository}" == spec.image_repository
        if not here and (wanted.registry, wanted.repository) != (image.registry, image.repository):
            return False
        if wanted.digest:
            return spec.image_digest == wanted.digest
        return image.tag == wanted.tag

    return fits


def _exited(code: int) -> Check:
    def fits(entry: ContainerEntry) -> bool:
        status = present_status(entry)
        return status is not None and phase_of(entry) in _ENDED and status.exit_code == code

    return fits


def _status(value: str) -> Check:
    if value == DEAD:
        return lambda entry: phase_of(entry) in _DEAD
    return lambda entry: phase_name(phase_of(entry)) == value


def _health(entry: ContainerEntry) -> str:
    """Return how a container is; one that does not run is neither well nor ill."""
    status = present_status(entry)
    return _HEALTH.get(status.health, "none") if status is not None and is_live(entry) else "none"


def _volume(value: str) -> Callable[[ContainerSpec], bool]:
    """Return what says whether a container mounts a volume, or the node's path, of this name, or anything there."""

    def fits(spec: ContainerSpec) -> bool:
        for mount in spec.config.mounts:
            if mount.target == value:
                return True
            has_name = mount.kind in (MountKind.MOUNT_KIND_VOLUME, MountKind.MOUNT_KIND_BIND)
            if has_name and value in (mount.source, mount.volume_id):
                return True
        return False

    return fits


def _published(entry: ContainerEntry) -> set[str]:
    """Return the ports of its node that lead to a container, such as "8080/tcp"."""
    if entry.placement is None:
        return set()
    return {f"{each.host_port}/{each.protocol}" for each in entry.placement.value.ports}


def _exposed(entry: ContainerEntry) -> set[str]:
    """Return the ports of a container that are exposed or published."""
    exposed = set() if entry.spec is None else set(entry.spec.value.config.exposed_ports)
    if entry.placement is not None:
        exposed |= {f"{each.container_port}/{each.protocol}" for each in entry.placement.value.ports}
    return exposed
