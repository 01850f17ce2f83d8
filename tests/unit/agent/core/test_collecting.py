"""What may go from a full disk, in which order, and when that is enough."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shoal_agent.core.collecting import Thresholds, begins, is_enough, order, orphans, taken
from shoal_agent.core.disk import Usage
from shoal_agent.core.image_room import ImageStore, StoredImage, reclaimable

GIB = 1 << 30
KUBELET = Thresholds(85, 80)
_names = st.sampled_from("abcdefgh")
_images = st.builds(
    StoredImage,
    digest=_names,
    repository=st.just("registry/web"),
    layers=st.frozensets(st.sampled_from(["l1", "l2", "l3", "l4"])),
    used_at=st.floats(0, 1e9),
)
_stores = st.lists(_images, unique_by=lambda image: image.digest).map(
    lambda images: ImageStore(tuple(images), {f"l{n}": n * 100 for n in range(1, 6)})
)


def disk(percent: float, inodes: float = 0.0) -> Usage:
    return Usage(100 * GIB, int((100 - percent) * GIB), 1000, int(1000 - 10 * inodes))


def test_clearing_begins_at_the_high_threshold_and_ends_below_the_low_one() -> None:
    assert not begins(disk(84.9), KUBELET)
    assert begins(disk(85), KUBELET)
    assert not is_enough(disk(80), KUBELET)
    assert is_enough(disk(79.9), KUBELET)
    # Inodes run out as bytes do.
    assert begins(disk(10, inodes=90), KUBELET)
    assert not is_enough(disk(10, inodes=82), KUBELET)
    # A file system that counts none has no limit.
    assert taken(Usage(100, 50, 0, 0)) == 50
    assert not begins(disk(100), Thresholds(100, 80))


@given(st.floats(0, 100), st.integers(1, 99), st.data())
def test_what_was_enough_does_not_begin_again(percent: float, high: int, data: st.DataObject) -> None:
    thresholds = Thresholds(high, data.draw(st.integers(0, high - 1)))
    assert not (begins(disk(percent), thresholds) and is_enough(disk(percent), thresholds))


@given(_stores, st.frozensets(_names))
def test_never_names_an_image_that_is_used(store: ImageStore, used: frozenset[str]) -> None:
    going = order(store, used)
    assert not set(going) & used
    assert set(going) == {image.digest for image in store.images} - used
    times = {image.digest: image.used_at for image in store.images}
    assert [times[digest] for digest in going] == sorted(times[digest] for digest in going)


@given(_stores, st.frozensets(_names), st.frozensets(st.sampled_from(["l1", "l5"])))
def test_no_layer_goes_that_an_image_or_a_pull_needs(
    store: ImageStore, used: frozenset[str], pinned: frozenset[str]
) -> None:
    kept = [image.layers for image in store.images if image.digest in used]
    going = orphans(store.layers, kept, pinned)
    assert not going & pinned
    for layers in kept:
        assert not going & layers
    assert going | pinned | {layer for layers in kept for layer in layers} == set(store.layers) | pinned
    if not pinned:
        assert sum(store.layers[layer] for layer in going) == reclaimable(store, used)
