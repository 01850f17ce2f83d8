"""What the tests of volumes do, in namespaces made for each. Run as a module: volume_scenarios NAME DIRECTORY."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoal_agent.volumes.binds import AllowedBind
from shoal_agent.volumes.container_mounts import ContainerMounts
from shoal_agent.volumes.store import VolumeStore
from shoal_common.errors import Conflict, Exhausted, ShoalError
from shoal_proto.v1.container_pb2 import ContainerConfig, Mount, MountKind
from tests.integration.agent_sandbox.scenarios import KEY, Host, host, prepare, sh

VOLUME, BIND = MountKind.MOUNT_KIND_VOLUME, MountKind.MOUNT_KIND_BIND
V1 = "a" * 64


def config(*mounts: Mount) -> ContainerConfig:
    return ContainerConfig(mounts=mounts)


def volume(target: str, **more: object) -> Mount:
    return Mount(kind=VOLUME, source="data", volume_id=V1, target=target, **more)  # type: ignore[arg-type]


def bind(path: Path, *, read_only: bool = False) -> Mount:
    return Mount(kind=BIND, source=str(path), target="/b", read_only=read_only)


@contextlib.contextmanager
def stored(node: Host) -> Iterator[VolumeStore]:
    store = VolumeStore(node.paths)
    try:
        yield store
    finally:
        store.close()


def image_tree(node: Host) -> Path:
    """What the image has at /www: of everything that a tree can have, something."""
    tree = node.layer() / "www"
    (tree / "deep/er").mkdir(parents=True, mode=0o711)
    (tree / "deep/er/file").write_text("x" * 3_000_000)
    os.chown(tree / "deep/er/file", 33, 34)
    os.chmod(tree / "deep/er/file", 0o4750)
    os.link(tree / "deep/er/file", tree / "again")
    (tree / "link").symlink_to("/etc/passwd")
    os.chown(tree / "link", 5, 6, follow_symlinks=False)
    os.mkfifo(tree / "pipe", 0o620)
    os.setxattr(tree / "index.html", "user.note", b"kept")
    os.utime(tree / "index.html", ns=(1_000_000_000, 2_000_000_000))
    os.chown(tree, 7, 8)
    os.chmod(tree, 0o2751)
    return tree


async def an_empty_volume_is_filled_with_all_that_the_image_has_there(directory: Path) -> None:
    async with host(directory) as node:
        tree = image_tree(node)
        with stored(node) as store:
            sandbox, root = await node.container(KEY, 0)
            mounts = ContainerMounts(node.roots, store, ())
            await mounts.attach(KEY, config(volume("/www")), sandbox=sandbox, root=root)
            data = node.paths.volume_data(V1)
            assert [each.name for each in data.parent.iterdir()] == ["_data"]
            # On disk ids are the container's own.
            for path in ("", "deep", "deep/er", "deep/er/file", "link", "pipe", "index.html", "again"):
                was, now = (tree / path).lstat(), (data / path).lstat()
                same = ("st_mode", "st_uid", "st_gid", "st_size") if not stat.S_ISDIR(was.st_mode) else ("st_mode",)
                assert [getattr(was, name) for name in same] == [getattr(now, name) for name in same], path
                assert (was.st_uid, was.st_gid) == (now.st_uid, now.st_gid), path
            assert (data / "again").stat().st_ino == (data / "deep/er/file").stat().st_ino
            assert os.readlink(data / "link") == "/etc/passwd"
            assert os.getxattr(data / "index.html", "user.note") == b"kept"
            assert (data / "index.html").stat().st_mtime_ns == 2_000_000_000
            # As the container sees it they are of its range, and nothing in there is a device or runs as its owner.
            mounted = node.roots.attachment(KEY, "0")
            assert mounted.stat().st_uid == sandbox.uid_base + 7
            line = next(text for text in Path("/proc/self/mountinfo").read_text().splitlines() if str(mounted) in text)
            assert {"nosuid", "nodev", "idmapped"} <= set(line.split()[5].split(","))
            # Once: what is in it now stays.
            (data / "index.html").unlink()
            await node.roots.unmount(KEY)
            await node.roots.mount(KEY, layers=[node.layer()], writable=node.writable(KEY), sandbox=sandbox)
            await mounts.attach(KEY, config(volume("/www")), sandbox=sandbox, root=root)
            assert not (data / "index.html").exists()
            await store.remove(V1)
            await store.remove(V1)
            assert not data.parent.exists()


async def no_link_of_an_image_leads_a_filling_out_of_it(directory: Path) -> None:
    secret = directory / "secret"
    secret.mkdir()
    (secret / "key").write_text("of the host")
    async with host(directory) as node:
        layer = node.layer()
        shutil.rmtree(layer / "www")
        (layer / "www").symlink_to(secret)
        (layer / "up").symlink_to("../../../../../.." + str(secret))
        (layer / "self").symlink_to("/proc/self/root" + str(secret))
        with stored(node) as store:
            sandbox, root = await node.container(KEY, 0)
            mounts = ContainerMounts(node.roots, store, ())
            for target in ("/www", "/up", "/self"):
                await mounts.attach(KEY, config(volume(target)), sandbox=sandbox, root=root)
                assert list(node.paths.volume_data(V1).iterdir()) == []


async def what_was_half_filled_is_filled_anew(directory: Path) -> None:
    async with host(directory) as node:
        with stored(node) as store:
            sandbox, root = await node.container(KEY, 0)
            mounts = ContainerMounts(node.roots, store, ())
            data = await store.make(V1)
            # As an agent leaves it that is killed in the middle.
            data.with_name("filling").mkdir()
            (data.with_name("filling") / "half").write_text("of it")
            await node.roots.attach(KEY, "0-filling", data.with_name("filling"), ".", read_only=False, sandbox=sandbox)
            await mounts.attach(KEY, config(volume("/www")), sandbox=sandbox, root=root)
            assert [each.name for each in data.iterdir()] == ["index.html"]
            assert [each.name for each in data.parent.iterdir()] == ["_data"]


async def what_was_whole_is_moved_and_takes_nothing_away(directory: Path) -> None:
    async with host(directory) as node:
        with stored(node) as store:
            sandbox, root = await node.container(KEY, 0)
            mounts = ContainerMounts(node.roots, store, ())
            data = await store.make(V1)
            # Killed in the middle of moving; another container has begun to use the volume since.
            filled = data.with_name("filled")
            filled.mkdir(mode=0o750)
            for name in ("moved", "left"):
                (filled / name).write_text("of the image")
            (filled / "moved").rename(data / "moved")
            (data / "moved").write_text("written since")
            (filled / "moved").write_text("of the image")
            (data / "own").write_text("written since")
            await mounts.attach(KEY, config(volume("/www")), sandbox=sandbox, root=root)
            assert {each.name: each.read_text() for each in data.iterdir()} == {
                "moved": "written since",
                "left": "of the image",
                "own": "written since",
            }
            assert stat.S_IMODE(data.stat().st_mode) == 0o750
            assert [each.name for each in data.parent.iterdir()] == ["_data"]


async def a_full_disk_fills_nothing_and_says_so(directory: Path) -> None:
    async with host(directory) as node:
        (node.layer() / "www/large").write_bytes(b"x" * (8 << 20))
        node.paths.volumes.mkdir()
        sh("mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "shl-sandbox", str(node.paths.volumes))
        try:
            with stored(node) as store:
                sandbox, root = await node.container(KEY, 0)
                mounts = ContainerMounts(node.roots, store, ())
                with pytest.raises(Exhausted, match=r"volume data can't be filled .* at /www: .*space"):
                    await mounts.attach(KEY, config(volume("/www")), sandbox=sandbox, root=root)
                # What it had copied takes no room from others, and nothing of it was ever to be seen.
                assert [each.name for each in node.paths.volume_data(V1).parent.iterdir()] == ["_data"]
                assert list(node.paths.volume_data(V1).iterdir()) == []
                (node.layer() / "www/large").unlink()
                await node.roots.unmount(KEY)
                sandbox, root = await node.container(KEY, 0)
                await mounts.attach(KEY, config(volume("/www")), sandbox=sandbox, root=root)
                assert [each.name for each in node.paths.volume_data(V1).iterdir()] == ["index.html"]
                await node.roots.unmount(KEY)
        finally:
            sh("umount", str(node.paths.volumes))


async def a_path_of_the_node_is_mounted_and_no_link_leads_out_of_what_is_allowed(directory: Path) -> None:
    allowed, outside = directory / "allowed", directory / "outside"
    for each in (allowed / "in", outside):
        each.mkdir(parents=True)
    (outside / "key").write_text("secret")
    (allowed / "in/file").write_text("to see")
    (allowed / "out").symlink_to(outside)
    (allowed / "up").symlink_to("../outside")
    (allowed / "inner").symlink_to("in")
    rules = [AllowedBind(str(allowed), read_only=False)]
    async with host(directory) as node:
        with stored(node) as store:
            sandbox, root = await node.container(KEY, 0)
            mounts = ContainerMounts(node.roots, store, rules)

            async def attach(path: Path) -> Path:
                await node.roots.unmount(KEY)
                await node.roots.mount(KEY, layers=[node.layer()], writable=node.writable(KEY), sandbox=sandbox)
                await mounts.attach(KEY, config(bind(path)), sandbox=sandbox, root=root)
                return node.roots.attachment(KEY, "0")

            for path in (allowed / "in", allowed / "inner"):
                assert ((await attach(path)) / "file").read_text() == "to see"
            file = await attach(allowed / "in/file")
            assert file.read_text() == "to see"
            assert file.stat().st_uid == sandbox.uid_base
            for path in (allowed / "out", allowed / "up", allowed / "out/key"):
                with pytest.raises(Conflict, match="leads out of"):
                    await attach(path)
            with pytest.raises(Conflict, match="is not there"):
                await attach(allowed / "nothing")
            with pytest.raises(Conflict, match="--allow-bind"):
                await attach(outside)


async def a_link_that_changes_meanwhile_never_leads_out(directory: Path) -> None:
    allowed, outside = directory / "allowed", directory / "outside"
    for each in (allowed / "in", outside / "in"):
        each.mkdir(parents=True)
    (outside / "in/key").write_text("secret")
    real = allowed / "real"
    (allowed / "in").rename(real)
    real.mkdir(exist_ok=True)
    stop = threading.Event()

    def swap() -> None:
        """Have `allowed/in` be now a directory, now a link out of it, as fast as can be."""
        while not stop.is_set():
            with contextlib.suppress(OSError):
                os.symlink(outside / "in", allowed / "new")
                os.rename(allowed / "new", allowed / "in")
                os.unlink(allowed / "in")
                os.mkdir(allowed / "in")
                os.rmdir(allowed / "in")

    swapper = threading.Thread(target=swap, name="swapper")
    async with host(directory) as node:
        with stored(node) as store:
            sandbox, root = await node.container(KEY, 0)
            mounts = ContainerMounts(node.roots, store, [AllowedBind(str(allowed), read_only=False)])
            swapper.start()
            try:
                for _ in range(150):
                    with contextlib.suppress(ShoalError):
                        await mounts.attach(KEY, config(bind(allowed / "in")), sandbox=sandbox, root=root)
                        assert not (node.roots.attachment(KEY, "0") / "key").exists()
                    await node.roots.unmount(KEY)
                    await node.roots.mount(KEY, layers=[node.layer()], writable=node.writable(KEY), sandbox=sandbox)
            finally:
                stop.set()
                swapper.join()


async def everything_attached_goes_with_the_root_file_system(directory: Path) -> None:
    files = directory / "files"
    files.mkdir()
    (files / "f").write_text("x")
    async with host(directory) as node:
        with stored(node) as store:
            sandbox, root = await node.container(KEY, 0)
            mounts = ContainerMounts(node.roots, store, [AllowedBind(str(files), read_only=True)])
            wanted = config(volume("/www"), bind(files / "f", read_only=True), volume("/other"))
            for _ in range(2):
                await mounts.attach(KEY, wanted, sandbox=sandbox, root=root)
            assert node.roots.mounted() == {KEY}
            with pytest.raises(OSError, match="Read-only"):
                node.roots.attachment(KEY, "1").write_text("y")
            await node.roots.unmount(KEY)
            await node.roots.unmount(KEY)
            assert not (node.paths.rootfs / KEY).exists()
            assert str(node.paths.rootfs / KEY) not in Path("/proc/self/mountinfo").read_text()
            assert (files / "f").read_text() == "x"
            assert (node.paths.volume_data(V1) / "index.html").exists()


def main() -> None:
    name, directory = sys.argv[1:]
    prepare(Path(directory))
    asyncio.run(globals()[name](Path(directory)))


if __name__ == "__main__":
    main()
