"""Which images a list shows. Pure: what a filter names is looked up before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from shoal_common.filters import Filter
from shoal_common.image_filters import NamePattern, is_true
from shoal_controller.api.validation import fields
from shoal_proto.v1.image_pb2 import Image

Check = Callable[[Image], bool]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What filters let through.

    Attributes:
        patterns: one of them means the image's name; none: any name will do.
        checks: all of them hold.
    """

    patterns: tuple[NamePattern, ...] = ()
    checks: tuple[Check, ...] = ()

    def has_name(self, repository: str, tag: str) -> bool:
        """Say whether an image of this name may be among them."""
        return not self.patterns or any(each.fits(repository, tag) for each in self.patterns)

    def has(self, image: Image) -> bool:
        """Say whether one whose name is right is among them."""
        return all(check(image) for check in self.checks)


def named(filters: Iterable[Filter]) -> list[str]:
    """Return the images that filters name."""
    return [each.value for each in filters if each.key in ("before", "since")]


def chosen(filters: Iterable[Filter], images: Mapping[str, Image]) -> Chosen:
    """Return what filters let through: of each key any value (of labels all), and all keys.

    Args:
        images: those that filters name, by that name.
    """
    values: dict[str, list[str]] = {}
    for each in filters:
        values.setdefault(each.key, []).append(each.value)
    checks: list[Check] = []
    if labels := values.get("label"):
        fits = fields.label_filter(labels)
        checks.append(lambda image: fits(dict(image.config.labels)))
    if truths := values.get("dangling"):
        # What is in a registry's list has a name.
        with_names = any(not is_true(each) for each in truths)
        checks.append(lambda image: with_names)
    if names := values.get("before"):
        last = max(map(_made, (images[name] for name in names)))
        checks.append(lambda image: image.HasField("created_at") and _made(image) < last)
    if names := values.get("since"):
        first = min(map(_made, (images[name] for name in names)))
        checks.append(lambda image: image.HasField("created_at") and _made(image) > first)
    return Chosen(tuple(NamePattern(each) for each in values.get("reference", ())), tuple(checks))


def _made(image: Image) -> int:
    """Return when an image was made, in nanoseconds since 1970; one that doesn't say: then."""
    return image.created_at.ToNanoseconds()
