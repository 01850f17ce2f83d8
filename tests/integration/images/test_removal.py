"""Images that are removed from a node while others are fetched and used, and when the process dies in between."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from shoal_agent.images.store import Images, LocalImage
from shoal_agent.paths import NodePaths
from shoal_common.errors import Exhausted
from shoal_common.registry import Registry, Retry
from tests.integration.images.conftest import ImageMaker, MadeImage, RegistryServer, tar_of

PATIENCE = Retry(attempts=8, first=0.05, longest=0.5)
KIB = 1 << 10


@pytest.fixture
def paths(tmp_path: Path) -> NodePaths:
    return NodePaths(data=tmp_path / "data", run=tmp_path / "run")


@pytest.fixture
async def images(paths: NodePaths, client: Registry) -> AsyncIterator[Images]:
    store = Images(paths, client, patience=PATIENCE)
    await store.open()
    yield store
    await store.close()


def nobody() -> set[str]:
    return set()


def on_disk(paths: NodePaths, kind: str) -> set[str]:
    return {f"sha256:{name}" for name in os.listdir(paths.images / kind)}


def check(paths: NodePaths, store: Images) -> None:
    """Say that the database and the directories agree, and nothing half-made or half-removed is there."""

    rows = {row.diff_id for row in store._database.layers()}

    assert rows == on_disk(paths, "layers")
    assert not os.listdir(paths.images / "staging")
    assert not os.listdir(paths.images / "ingest")
    for image in store._database.images():
        assert set(image.diff_ids) <= rows
        found = store.find(image.digest)
        assert found is not None
        assert all(layer.is_dir() for layer in found.layers)


async def pull(store: Images, server: RegistryServer, made: MadeImage) -> LocalImage:
    return await store.ensure(f"{server.host}/{made.repository}", made.digest)


async def test_a_layer_goes_with_the_last_image_that_has_it(
    paths: NodePaths, images: Images, registry_server: RegistryServer, make_image: ImageMaker
) -> None:
    base = tar_of({"base": os.urandom(200 * KIB)})
    web = await make_image("web", [base, tar_of({"web": os.urandom(100 * KIB)})])
    db = await make_image("db", [base, tar_of({"db": b"1"})])
    for made in (web, db):
        await pull(images, registry_server, made)
    done = await images.remove([web.digest], keep=nobody)
    assert done.images == (web.digest,)
    assert done.layers == {web.diff_ids[1]}
    assert 200 * KIB <= done.bytes < 300 * KIB
    assert images.find(web.digest) is None
    assert on_disk(paths, "layers") == set(db.diff_ids)
    assert on_disk(paths, "blobs/sha256") == {db.digest, db.config, *db.layers}
    check(paths, images)
    # It comes back when it is wanted: only what had gone is fetched.
    fetched = registry_server.fetches(web.layers[0])
    image = await pull(images, registry_server, web)
    assert (image.layers[1] / "web").stat().st_size == 100 * KIB
    assert registry_server.fetches(web.layers[0]) == fetched
    await images.remove([web.digest, db.digest, "sha256:" + "0" * 64], keep=nobody)
    assert on_disk(paths, "layers") == on_disk(paths, "blobs/sha256") == set()
    check(paths, images)


async def test_what_is_in_use_at_the_moment_of_removal_stays(
    paths: NodePaths, images: Images, registry_server: RegistryServer, make_image: ImageMaker
) -> None:
    made = await make_image("web", [tar_of({"web": b"1"})])
    await pull(images, registry_server, made)
    used: set[str] = set()
    async with images._pins.gate:
        removal = asyncio.create_task(images.remove([made.digest], keep=lambda: used))
        await asyncio.sleep(0)
        # A container that comes while the removal waits for its turn has it still, and keeps it.
        assert images.find(made.digest) is not None
        used.add(made.digest)
    assert (await removal).images == ()
    assert images.find(made.digest) is not None
    check(paths, images)


async def test_a_pull_keeps_what_it_has_found_here(
    paths: NodePaths, images: Images, registry_server: RegistryServer, make_image: ImageMaker, client: Registry
) -> None:
    """A pull that found a layer here relies on it, although no image has it any more."""
    base = tar_of({"base": os.urandom(64 * KIB)})
    old = await make_image("old", [base])
    new = await make_image("new", [base, tar_of({"large": os.urandom(256 * KIB)})])
    await pull(images, registry_server, old)
    held, go = asyncio.Event(), asyncio.Event()
    fetch = client.blob

    def slow(host: str, repository: str, digest: str, **more: Any) -> Any:
        @asynccontextmanager
        async def waiting() -> AsyncIterator[Any]:
            if digest == new.layers[1]:
                held.set()
                await go.wait()
            async with fetch(host, repository, digest, **more) as pieces:
                yield pieces

        return waiting()

    client.blob = slow  # type: ignore[method-assign]
    pulling = asyncio.create_task(pull(images, registry_server, new))
    await held.wait()
    done = await images.remove([old.digest, new.digest], keep=nobody)
    assert done.images == (old.digest,)
    assert done.layers == frozenset()
    go.set()
    image = await pulling
    assert [sorted(os.listdir(layer)) for layer in image.layers] == [["base"], ["large"]]
    check(paths, images)
    assert on_disk(paths, "blobs/sha256") == {new.digest, new.config, *new.layers}


async def test_pulls_starts_and_removals_at_the_same_time(
    paths: NodePaths, images: Images, registry_server: RegistryServer, make_image: ImageMaker
) -> None:
    """Whoever has an image, has all of it for as long as he says so, however often all of them are removed."""
    base = tar_of({"base": os.urandom(64 * KIB)})
    made = [await make_image(f"i{n}", [base, tar_of({f"own{n}": os.urandom(64 * KIB)})]) for n in range(4)]
    users: dict[str, int] = {}
    rounds = 12
    busy = True

    async def use(number: int) -> None:
        one = made[number % len(made)]
        for _ in range(rounds):
            # As a container's worker: known before it asks for the image.
            users[one.digest] = users.get(one.digest, 0) + 1
            image = await pull(images, registry_server, one)
            for layer in image.layers:
                assert os.listdir(layer)
            await asyncio.sleep(0.001 * number)
            for layer in image.layers:
                assert os.listdir(layer)
            users[one.digest] -= 1
            await asyncio.sleep(0.002)

    async def remove() -> int:
        removed = 0
        while busy:
            done = await images.remove(
                [one.digest for one in made], keep=lambda: {digest for digest, count in users.items() if count}
            )
            removed += len(done.images)
            await asyncio.sleep(0.001)
        return removed

    removing = asyncio.create_task(remove())
    await asyncio.gather(*(use(number) for number in range(8)))
    busy = False
    assert await removing > 0, "nothing was ever removed"
    await images.remove([one.digest for one in made], keep=nobody)
    assert on_disk(paths, "layers") == on_disk(paths, "blobs/sha256") == set()
    check(paths, images)


async def test_a_database_without_room_for_a_removal_gets_it_from_the_archives(
    paths: NodePaths,
    images: Images,
    registry_server: RegistryServer,
    make_image: ImageMaker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = await make_image("web", [tar_of({"web": os.urandom(64 * KIB)})])
    await pull(images, registry_server, made)
    write = images._database.remove
    full = True

    def remove(*what: Any) -> None:
        if full or made.layers[0] in on_disk(paths, "blobs/sha256"):
            raise Exhausted("no room")
        write(*what)

    monkeypatch.setattr(images._database, "remove", remove)
    with pytest.raises(Exhausted):
        await images.remove([made.digest], keep=nobody)
    # It is here as before: unpacked, and without its archive.
    assert images.find(made.digest) is not None
    full = False
    assert (await images.remove([made.digest], keep=nobody)).images == (made.digest,)
    check(paths, images)


KILLED = textwrap.dedent(
    """
    import asyncio, os, signal, sys
    from pathlib import Path
    from shoal_agent.images import content, database, snapshots, store
    from shoal_agent.paths import NodePaths
    from shoal_common.registry import Registry

    data, digests, left = Path(sys.argv[1]), sys.argv[2].split(","), int(sys.argv[3])

    def dying(owner, name):
        work = getattr(owner, name)
        def step(*args, **more):
            global left
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return work(*args, **more)
        setattr(owner, name, step)

    async def main():
        registry = Registry(insecure=[])
        images = store.Images(NodePaths(data=data, run=data / "run"), registry)
        await images.open()
        dying(database.ImageDatabase, "remove")
        dying(snapshots.DirectorySnapshotter, "bury")
        dying(snapshots, "sync_directory")
        dying(snapshots, "remove_tree")
        dying(content.ContentStore, "remove")
        await images.remove(digests, keep=set)
        await images.close()
        await registry.close()
        print("done")

    asyncio.run(main())
    """
)


async def test_killed_at_any_step_of_a_removal_store_and_directories_agree(
    paths: NodePaths, registry_server: RegistryServer, make_image: ImageMaker, client: Registry
) -> None:
    base = tar_of({"base": os.urandom(16 * KIB)})
    gone = await make_image("gone", [base, tar_of({"a": b"1"}), tar_of({"b": b"2"})])
    kept = await make_image("kept", [base, tar_of({"c": b"3"})])
    whole = {gone.digest, gone.config, *gone.layers, kept.digest, kept.config, *kept.layers}
    for step in range(100):
        store = Images(paths, client, patience=PATIENCE)
        await store.open()
        for made in (gone, kept):
            await pull(store, registry_server, made)
        assert on_disk(paths, "blobs/sha256") == whole
        await store.close()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", KILLED, str(paths.data), gone.digest, str(step)), stdout=subprocess.PIPE
        )
        said, _ = await process.communicate()
        again = Images(paths, client, patience=PATIENCE)
        await again.open()
        check(paths, again)
        assert again.find(kept.digest) is not None
        # All of it is there, or none of it is known.
        assert (again.find(gone.digest) is None) == (step > 0)
        # What the dead process left over goes with the next call.
        await again.remove([], keep=nobody)
        if step:
            assert on_disk(paths, "blobs/sha256") == {kept.digest, kept.config, *kept.layers}
        await again.close()
        if said:
            assert process.returncode == 0
            assert step > 8, "too few steps were tried"
            return
        assert process.returncode == -signal.SIGKILL
    pytest.fail("the removal never ended")
