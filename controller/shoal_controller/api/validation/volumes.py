"""What a request may say of a volume, and which volumes a filter means."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from shoal_common.errors import InvalidSpec
from shoal_common.ids import check_container_id, check_name
from shoal_controller.api.validation import fields
from shoal_controller.state.store import LOCAL
from shoal_proto.v1.volume_pb2 import CreateVolumeRequest, Volume

_MAX_BYTES: Final = 64 << 10
_TRUE_FALSE: Final = {"true": True, "1": True, "false": False, "0": False}


def create_request(request: CreateVolumeRequest) -> None:
    """Check what is asked of a new volume.

    Raises:
        InvalidSpec: it can never be.
    """
    check_container_id(request.id)
    if request.name != request.id:
        check_name("volume", request.name)
    if request.driver not in ("", LOCAL):
        raise InvalidSpec(f'volume driver "{request.driver[:80]}" is not known (there is {LOCAL})')
    fields.labels(request.labels)
    for constraint in request.constraints:
        fields.constraint(constraint)
    if request.ByteSize() > _MAX_BYTES:
        raise InvalidSpec(f'volume "{request.name}" is described in more than {_MAX_BYTES} bytes (shorten its labels)')


def volume_filter(filters: Iterable[str], *, known: tuple[str, ...]) -> Callable[[Volume], bool]:
    """Return what says whether a volume fits: of each key any of its values, of all keys each.

    Raises:
        InvalidSpec: a filter is malformed, or of a key that is not among the `known`.
    """
    wanted: dict[str, list[Callable[[Volume], bool]]] = {}
    for text in filters:
        key, equals, value = text.partition("=")
        if key.endswith("!") and key != "label!":
            equals = ""
        if not equals or key not in known:
            raise InvalidSpec(f"filter {text[:80]!a} is not valid (write KEY=VALUE, KEY one of {', '.join(known)})")
        wanted.setdefault(key, []).append(_check(key, value))
    # Labels have all to be there, as in Docker.
    return lambda volume: all(
        (all if key.startswith("label") else any)(check(volume) for check in checks) for key, checks in wanted.items()
    )


def _check(key: str, value: str) -> Callable[[Volume], bool]:
    match key:
        case "name":
            return lambda volume: value in volume.spec.name
        case "node":
            return lambda volume: value in (volume.node_name, volume.placement.node) and bool(value)
        case "dangling":
            if value.lower() not in _TRUE_FALSE:
                raise InvalidSpec(f'filter "dangling={value[:40]}" is neither true nor false')
            dangling = _TRUE_FALSE[value.lower()]
            return lambda volume: (not volume.containers) is dangling
        case "driver":
            return lambda volume: volume.spec.driver == value
        case _:
            fits = fields.label_filter([value])
            negative = key == "label!"
            return lambda volume: fits(dict(volume.spec.labels)) is not negative
