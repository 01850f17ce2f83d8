"""Which images a list shows."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from shoal_common.errors import InvalidSpec
from shoal_common.filters import parsed
from shoal_common.image_filters import parse_image_filter
from shoal_controller.api.images.choosing import chosen, named
from shoal_proto.v1.image_pb2 import Image, ImageConfig


def image(name: str, made: int | None = None, **labels: str) -> Image:
    created = Timestamp(seconds=made) if made is not None else None
    return Image(reference=name, created_at=created, config=ImageConfig(labels=labels))


IMAGES = {
    each.reference: each
    for each in (
        image("team/web:1", 100, tier="front"),
        image("team/web:2", 200, tier="front", test=""),
        image("db:1", 150, tier="back"),
        image("twin:1", 100),
        # It does not say when it was made, or is for another platform, so that nothing is known of it.
        image("odd:1"),
    )
}
ALL = list(IMAGES)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ([], ALL),
        (["dangling=false"], ALL),
        (["dangling=true"], []),
        (["dangling=true", "dangling=false"], ALL),
        (["label=tier"], ["team/web:1", "team/web:2", "db:1"]),
        (["label=tier=front"], ["team/web:1", "team/web:2"]),
        (["label=tier=front", "label=test"], ["team/web:2"]),
        (["label=test=x"], []),
        (["before=db:1"], ["team/web:1", "twin:1"]),
        (["since=db:1"], ["team/web:2"]),
        (["since=team/web:1"], ["team/web:2", "db:1"]),
        (["before=db:1", "before=team/web:2"], ["team/web:1", "db:1", "twin:1"]),
        (["since=twin:1", "before=team/web:2"], ["db:1"]),
        (["before=odd:1"], []),
        (["since=odd:1"], ["team/web:1", "team/web:2", "db:1", "twin:1"]),
        (["reference=team/*"], ["team/web:1", "team/web:2"]),
        (["reference=*:1"], ["db:1", "twin:1", "odd:1"]),
        (["reference=*:1", "reference=team/web:2", "label=tier"], ["team/web:2", "db:1"]),
    ],
)
def test_what_is_chosen(filters: list[str], names: list[str]) -> None:
    wanted = parsed(filters, parse_image_filter)
    choice = chosen(wanted, {name: IMAGES[name] for name in named(wanted)})
    found = [name for name, each in IMAGES.items() if choice.has_name(*name.split(":")) and choice.has(each)]
    assert found == names


def test_a_hundred_at_most() -> None:
    assert len(parsed(["label=a"] * 100, parse_image_filter)) == 100
    with pytest.raises(InvalidSpec, match="101 filters"):
        parsed(["label=a"] * 101, parse_image_filter)
