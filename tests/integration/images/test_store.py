"""Pulling into a node's store from a real registry."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from shoal_agent.images.store import Images
from shoal_agent.images.unpack import UnpackLimits
from shoal_agent.paths import NodePaths
from shoal_common.errors import InvalidSpec, NotFound, Unavailable
from shoal_common.registry import Registry, Retry
from shoal_common.registry.manifests import OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD
from shoal_proto.v1.image_pb2 import PullProgress

PATIENCE = Retry(attempts=8, first=0.05, longest=0.5)


def tar_of(files: dict[str, bytes], **special: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for info in special.values():
            archive.addfile(info)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_700_000_000
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.fixture
def paths(tmp_path: Path) -> NodePaths:
    return NodePaths(data=tmp_path / "data", run=tmp_path / "run")


@pytest.fixture
async def images(paths: NodePaths, client: Registry) -> AsyncIterator[Images]:
    store = Images(paths, client, patience=PATIENCE)
    await store.open()
    yield store
    await store.close()


def is_clean(paths: NodePaths) -> bool:
    """Say whether nothing half-made is on the disk."""
    return not os.listdir(paths.images / "staging") and not os.listdir(paths.images / "ingest")


async def test_an_image_is_here_after_a_pull_and_after_a_restart(
    paths: NodePaths, client: Registry, registry_server: Any, make_image: Callable[..., Any]
) -> None:
    images = Images(paths, client, patience=PATIENCE)
    await images.open()
    made = await make_image(
        "team/web",
        [tar_of({"a": b"1", "d/b": b"2" * 300_000}), tar_of({"c": b"3"}), tar_of({"e": os.urandom(3_000_000)})],
    )
    told: list[PullProgress] = []
    image = await images.ensure(f"{registry_server.host}/team/web", made.digest, on_progress=told.append)
    assert [sorted(os.listdir(layer)) for layer in image.layers] == [["a", "d"], ["c"], ["e"]]
    assert (image.layers[0] / "d/b").read_bytes() == b"2" * 300_000
    assert list(image.config.cmd) == ["true"]
    assert image.diff_ids == made.diff_ids
    assert told[-1].done
    assert told[-1].layers_done == told[-1].layers == 3
    assert told[-1].fetched_bytes == told[-1].total_bytes > 3_000_000
    assert is_clean(paths)
    assert stat.S_IMODE(paths.images.stat().st_mode) == 0o700
    registry_server.stop()
    await images.close()
    again = Images(paths, client)
    await again.open()
    assert again.find(made.digest) == image
    assert await again.ensure(f"{registry_server.host}/team/web", made.digest) == image
    assert again.layers_of(image.diff_ids) == image.layers
    await again.close()


async def test_many_who_ask_at_once_fetch_each_blob_once(
    images: Images, registry_server: Any, make_image: Callable[..., Any]
) -> None:
    shared = tar_of({"shared": os.urandom(5_000_000)})
    one = await make_image("one", [shared, tar_of({"one": b"1"})])
    two = await make_image("one", [shared, tar_of({"two": b"2"})], tag="two")
    wanted = [one.digest] * 20 + [two.digest] * 20
    found = await asyncio.gather(*(images.ensure(f"{registry_server.host}/one", digest) for digest in wanted))
    assert len({image.layers for image in found}) == 2
    for digest in {*one.layers, *two.layers, one.config, two.config, one.digest, two.digest}:
        assert registry_server.fetches(digest) == 1, digest


async def test_every_compression_unpacks_to_the_same(
    images: Images, registry_server: Any, make_image: Callable[..., Any]
) -> None:
    tars = [tar_of({f"f{number}": os.urandom(100_000) * 30}) for number in range(5)]
    half = len(tars[3]) // 2
    blobs = [
        gzip.compress(tars[0]),
        zstandard.compress(tars[1]),
        tars[2],
        # What pigz and eStargz make: a member after another.
        gzip.compress(tars[3][:half]) + gzip.compress(tars[3][half:]),
        # What zstd:chunked makes: frames, and one to skip.
        zstandard.compress(tars[4][:half]) + zstandard.compress(tars[4][half:]) + b"\x50\x2a\x4d\x18\4\0\0\0skip",
    ]
    types = [OCI_LAYER_GZIP, OCI_LAYER_ZSTD, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD]
    made = await make_image("mixed", tars, compressed=blobs, media_types=types)
    image = await images.ensure(f"{registry_server.host}/mixed", made.digest)
    for number, layer in enumerate(image.layers):
        assert (layer / f"f{number}").stat().st_size == 3_000_000


async def test_owners_devices_whiteouts_and_capabilities_are_on_disk_as_overlayfs_wants_them(
    images: Images, registry_server: Any, make_image: Callable[..., Any]
) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:

        def add(name: str, kind: bytes = tarfile.REGTYPE, **more: object) -> None:
            info = tarfile.TarInfo(name)
            info.type, info.mtime = kind, 1_500_000_000
            for key, value in more.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO())

        add("./", tarfile.DIRTYPE, mode=0o751)
        add("bin", tarfile.DIRTYPE, mode=0o2775, uid=5, gid=6)
        add("bin/su", mode=0o4755, uid=7, gid=0)
        # CAP_NET_RAW, permitted and effective, version 2.
        capability = bytes.fromhex("0100000200200000000000000000000000000000").decode("latin-1")
        add("bin/ping", mode=0o755, pax_headers={"SCHILY.xattr.security.capability": capability})
        add("null", tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3)
        add("disk", tarfile.BLKTYPE, mode=0o660, devmajor=8, devminor=0, gid=6)
        add("pipe", tarfile.FIFOTYPE, mode=0o600)
        add("opaque/.wh..wh..opq")
        add("opaque/.wh.x")
        add("big", uid=70_000, gid=3_000_000_000)
        add("evil", pax_headers={"SCHILY.xattr.trusted.overlay.redirect": "/etc"})
    made = await make_image("special", [out.getvalue()])
    (layer,) = (await images.ensure(f"{registry_server.host}/special", made.digest)).layers
    owner = {name: (info.st_uid, info.st_gid, oct(info.st_mode)) for name in os.listdir(layer)
             for info in [(layer / name).lstat()]}  # fmt: skip
    assert oct(layer.stat().st_mode) == "0o40751"
    assert owner["bin"] == (5, 6, "0o42775")
    assert owner["big"][:2] == (70_000, 3_000_000_000)
    assert owner["disk"] == (0, 6, "0o60660")
    assert (layer / "disk").stat().st_rdev == os.makedev(8, 0)
    assert (layer / "null").stat().st_rdev == os.makedev(1, 3)
    assert (layer / "bin/su").stat().st_uid == 7
    assert oct((layer / "bin/su").stat().st_mode) == "0o104755"
    assert os.getxattr(layer / "bin/ping", "security.capability").hex().startswith("0100000200200000")
    assert os.getxattr(layer / "opaque", "trusted.overlay.opaque") == b"y"
    assert os.listxattr(layer / "evil") == []
    hidden = (layer / "opaque/x").lstat()
    assert (stat.S_ISCHR(hidden.st_mode), hidden.st_rdev) == (True, 0)


async def test_a_layer_with_other_bytes_is_refused(
    images: Images, paths: NodePaths, registry_server: Any, make_image: Callable[..., Any]
) -> None:
    good = tar_of({"good": b"1"})
    made = await make_image("web", [good, tar_of({"bad": b"2" * 1000})])
    file = registry_server.blob_file(made.layers[1])
    honest = file.read_bytes()
    file.write_bytes(gzip.compress(tar_of({"bad": b"3" * 1000}), 1, mtime=0)[: len(honest)].ljust(len(honest), b"\0"))
    with pytest.raises(
        InvalidSpec, match=r"layer sha256:[0-9a-f]{64} of image \"web\" from registry .* has the digest|malformed"
    ):
        await images.ensure(f"{registry_server.host}/web", made.digest)
    assert images.find(made.digest) is None
    assert is_clean(paths)
    assert not images._content.has(made.layers[1])
    file.write_bytes(honest)
    image = await images.ensure(f"{registry_server.host}/web", made.digest)
    assert (image.layers[1] / "bad").read_bytes() == b"2" * 1000


async def test_a_lying_diff_id_is_refused_and_harms_no_other_image(
    images: Images, paths: NodePaths, registry_server: Any, make_image: Callable[..., Any]
) -> None:
    honest = await make_image("honest", [tar_of({"f": b"1"})])
    liar = await make_image("liar", [tar_of({"f": b"2"})], diff_ids=honest.diff_ids)
    results = await asyncio.gather(
        images.ensure(f"{registry_server.host}/liar", liar.digest),
        images.ensure(f"{registry_server.host}/honest", honest.digest),
        return_exceptions=True,
    )
    assert isinstance(results[0], InvalidSpec)
    assert "unpacks to" in str(results[0])
    assert not isinstance(results[1], BaseException)
    assert (results[1].layers[0] / "f").read_bytes() == b"1"
    assert is_clean(paths)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
async def test_a_bomb_is_stopped_at_the_limit(
    paths: NodePaths, client: Registry, registry_server: Any, make_image: Callable[..., Any], compress: Any
) -> None:
    bomb = tar_of({"zeroes": bytes(300 << 20)})
    made = await make_image("bomb", [bomb], compressed=[compress(bomb)])
    store = Images(paths, client, limits=UnpackLimits(bytes=64 << 20))
    await store.open()
    with pytest.raises(InvalidSpec, match="above what a layer may use"):
        await store.ensure(f"{registry_server.host}/bomb", made.digest)
    assert is_clean(paths)
    await store.close()


async def test_a_hostile_layer_touches_nothing(
    images: Images, paths: NodePaths, registry_server: Any, make_image: Callable[..., Any]
) -> None:
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.LNKTYPE, "../../images.db"
    made = await make_image("evil", [tar_of({}, link=link)])
    with pytest.raises(InvalidSpec, match="malformed or hostile"):
        await images.ensure(f"{registry_server.host}/evil", made.digest)
    assert is_clean(paths)
    assert (paths.images / "images.db").stat().st_nlink == 1


async def test_unknown_images_and_lost_layers_are_named(
    images: Images, registry_server: Any, make_image: Callable[..., Any]
) -> None:
    with pytest.raises(NotFound, match=r'image "web@sha256:0+" not found in registry'):
        await images.ensure(f"{registry_server.host}/web", "sha256:" + "0" * 64)
    made = await make_image("web", [tar_of({"a": b"1"})])
    registry_server.blob_file(made.layers[0]).unlink()
    with pytest.raises(NotFound, match=f'layer {made.layers[0]} of image "web" not found in registry'):
        await images.ensure(f"{registry_server.host}/web", made.digest)


async def test_a_registry_that_goes_away_in_the_middle_is_resumed_where_it_broke(
    images: Images, registry_server: Any, make_image: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(60_000_000)
    made = await make_image("web", [tar_of({"big": data})])
    offsets: list[int] = []
    tried_again = asyncio.Event()
    real = images._registry.blob

    def blob(host: str, repository: str, digest: str, *, offset: int = 0) -> Any:
        offsets.append(offset)
        if len(offsets) == 3:
            tried_again.set()
        return real(host, repository, digest, offset=offset)

    monkeypatch.setattr(images._registry, "blob", blob)
    pull = asyncio.create_task(images.ensure(f"{registry_server.host}/web", made.digest))
    while images._puller.fetched.get(made.layers[0], 0) < 5_000_000:
        assert not pull.done()
        await asyncio.sleep(0)
    registry_server.stop()
    await asyncio.wait_for(tried_again.wait(), 20)
    registry_server.start()
    image = await pull
    assert (image.layers[0] / "big").read_bytes() == data
    assert offsets[0] == 0
    assert offsets[-1] >= 5_000_000


async def test_a_registry_that_stays_away_is_an_error_that_may_pass(
    images: Images, paths: NodePaths, registry_server: Any, make_image: Callable[..., Any]
) -> None:
    made = await make_image("web", [tar_of({"a": b"1"})])
    registry_server.stop()
    with pytest.raises(Unavailable, match="does not answer"):
        await images.ensure(f"{registry_server.host}/web", made.digest)
    assert is_clean(paths)
    registry_server.start()
    await images.ensure(f"{registry_server.host}/web", made.digest)


async def test_a_cancelled_pull_leaves_nothing(
    images: Images, paths: NodePaths, registry_server: Any, make_image: Callable[..., Any]
) -> None:
    made = await make_image("web", [tar_of({"big": os.urandom(60_000_000)}), tar_of({"b": os.urandom(30_000_000)})])
    pull = asyncio.create_task(images.ensure(f"{registry_server.host}/web", made.digest))
    while images._puller.fetched.get(made.layers[0], 0) < 2_000_000:
        assert not pull.done()
        await asyncio.sleep(0)
    pull.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pull
    assert is_clean(paths)
    assert images.find(made.digest) is None
    await images.ensure(f"{registry_server.host}/web", made.digest)


async def test_the_same_layer_twice_is_mounted_once(
    images: Images, registry_server: Any, make_image: Callable[..., Any]
) -> None:
    one, two = tar_of({"a": b"1"}), tar_of({"b": b"2"})
    made = await make_image("twice", [one, two, one])
    image = await images.ensure(f"{registry_server.host}/twice", made.digest)
    assert [os.listdir(layer) for layer in image.layers] == [["b"], ["a"]]
    assert len(image.diff_ids) == 3


PULL = """
    import asyncio, sys
    from pathlib import Path
    from shoal_agent.images.store import Images
    from shoal_agent.paths import NodePaths
    from shoal_common.registry import Registry

    async def main():
        data, host, digest = sys.argv[1:]
        registry = Registry(insecure=[host])
        images = Images(NodePaths(data=Path(data), run=Path(data) / "run"), registry)
        await images.open()
        print("open", flush=True)
        await images.ensure(host + "/web", digest)
        print("done", flush=True)
        await images.close()
        await registry.close()

    asyncio.run(main())
"""


async def test_kill_9_at_any_moment_leaves_a_store_that_works(
    paths: NodePaths, client: Registry, registry_server: Any, make_image: Callable[..., Any]
) -> None:
    layers = [tar_of({f"d/f{n}-{m}": os.urandom(2_000) for m in range(1500)}) for n in range(3)]
    made = await make_image("web", layers)
    command = [sys.executable, "-c", textwrap.dedent(PULL), str(paths.data), registry_server.host, made.digest]

    def killed_after(delay: float) -> bool:
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        deadline = time.monotonic() + delay
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        finished = process.poll() == 0
        process.kill()
        process.communicate()
        return finished

    delay = 0.0
    while not await asyncio.to_thread(killed_after, delay):
        delay += 0.03
        assert delay < 20
    rounds = round(delay / 0.03)
    assert rounds > 3
    store = Images(paths, client)
    await store.open()
    assert is_clean(paths)
    image = store.find(made.digest)
    assert image is not None
    assert store._snapshots.committed() == set(made.diff_ids)
    for number, layer in enumerate(image.layers):
        with tarfile.open(fileobj=io.BytesIO(layers[number])) as archive:
            for info in archive:
                content = archive.extractfile(info)
                assert content is not None
                assert (layer / info.name).read_bytes() == content.read()
    await store.close()


DISK_FULL = """
    import asyncio, os, subprocess, sys
    from pathlib import Path
    from shoal_agent.images.store import Images
    from shoal_agent.paths import NodePaths
    from shoal_common.errors import Exhausted
    from shoal_common.registry import Registry

    async def main():
        data, host, digest, small = sys.argv[1:]
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", data], check=True)
        registry = Registry(insecure=[host])
        images = Images(NodePaths(data=Path(data), run=Path("/nowhere")), registry)
        await images.open()
        try:
            await images.ensure(host + "/web", digest)
        except Exhausted as error:
            print(error)
        root = Path(data) / "images"
        print(os.listdir(root / "staging"), os.listdir(root / "ingest"), os.listdir(root / "layers"))
        image = await images.ensure(host + "/small", small)
        print(os.listdir(image.layers[0]))
        await images.close()
        await registry.close()

    asyncio.run(main())
"""


@pytest.mark.parametrize("content", [os.urandom(30 << 20), bytes(60 << 20)], ids=["blob", "files"])
async def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, registry_server: Any, make_image: Callable[..., Any], content: bytes
) -> None:
    made = await make_image("web", [tar_of({"big": content})])
    small = await make_image("small", [tar_of({"small": b"1"})])
    (tmp_path / "full").mkdir()
    process = await asyncio.create_subprocess_exec(
        "unshare", "-m", sys.executable, "-c", textwrap.dedent(DISK_FULL), str(tmp_path / "full"),
        registry_server.host, made.digest, small.digest, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    told, left, after = out.decode().splitlines()
    assert told.startswith("no room on this node")
    assert "\n" not in told
    assert left == "[] [] []"
    assert after == "['small']"
    assert process.returncode == 0


async def test_a_damaged_database_row_or_lost_directory_is_pulled_again(
    paths: NodePaths, client: Registry, registry_server: Any, make_image: Callable[..., Any]
) -> None:
    made = await make_image("web", [tar_of({"a": b"1"}), tar_of({"b": b"2"})])
    store = Images(paths, client)
    await store.open()
    image = await store.ensure(f"{registry_server.host}/web", made.digest)
    await store.close()
    shutil.rmtree(image.layers[0])
    (paths.images / "layers" / ("f" * 64)).mkdir()
    store = Images(paths, client)
    await store.open()
    assert store.find(made.digest) is None
    assert store._snapshots.committed() == {made.diff_ids[1]}
    assert await store.ensure(f"{registry_server.host}/web", made.digest) == image
    # The blobs were here all along.
    assert [registry_server.fetches(layer) for layer in made.layers] == [1, 1]
    await store.close()


def test_the_unpacking_process_is_confined(tmp_path: Path) -> None:
    probe = """
        import json, os, socket
        from pathlib import Path
        from shoal_agent.images.confinement import Capability, confine
        root = Path(os.environ["ROOT"])
        status = os.open("/proc/self/status", os.O_RDONLY)
        listener = socket.create_server(("127.0.0.1", 0))
        address = listener.getsockname()
        socket.create_connection(address).close()
        confine(root, capabilities=tuple(Capability), limits={})
        kept = dict(line.split(":\\t", 1) for line in os.read(status, 65536).decode().splitlines() if ":\\t" in line)
        denied = []
        for name, attempt in {
            "chroot": lambda: os.chroot("."),
            "setuid": lambda: os.setuid(1000),
            "trusted": lambda: os.setxattr("/", "trusted.overlay.opaque", b"y"),
            "proc": lambda: os.stat("/proc/self"),
            "device": lambda: (os.mknod("/d", 0o020666, os.makedev(1, 3)), os.open("/d", os.O_RDWR)),
            "network": lambda: socket.socket().connect(address),
        }.items():
            try:
                attempt()
            except OSError as error:
                denied.append(name)
        print(json.dumps({"caps": kept["CapEff"], "bounding": kept["CapBnd"], "nnp": kept["NoNewPrivs"],
                          "root": os.listdir("/"), "denied": denied}))
    """
    root = tmp_path / "root"
    root.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(probe)], env={"ROOT": str(root)}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    seen = json.loads(done.stdout)
    # CHOWN, DAC_OVERRIDE, FOWNER, FSETID, MKNOD, SETFCAP.
    assert int(seen["caps"], 16) == int(seen["bounding"], 16) == 0x8800001B
    assert seen["nnp"] == "1"
    assert seen["root"] == ["d"]
    assert seen["denied"] == ["chroot", "setuid", "trusted", "proc", "device", "network"]
