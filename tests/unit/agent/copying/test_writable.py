"""What a container has changed: real directories with overlayfs's marks, as it leaves them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from shoal_agent.copying import writable
from shoal_agent.copying.writable import Image, changes
from shoal_agent.core.changes import Facts, Kind, change


class Trees:
    """Layers, lowest first, and the writable one."""

    def __init__(self, top: Path) -> None:
        self.image = [top / "0", top / "1"]
        self.upper = top / "upper"
        for layer in (*self.image, self.upper):
            layer.mkdir()

    def changes(self) -> list[str]:
        opened = [os.open(layer, os.O_RDONLY) for layer in (self.upper, *self.image)]
        try:
            found = changes(opened[0], Image(opened[1:]))
            return [f"{each.kind} /{each.path.decode()}" for each in found]
        finally:
            for fd in opened:
                os.close(fd)


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path)


@pytest.fixture(autouse=True)
def opaque(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Mark directories as opaque; the real mark takes root."""
    marked: list[os.stat_result] = []
    monkeypatch.setattr(writable, "is_opaque", lambda fd: any(os.path.samestat(os.fstat(fd), each) for each in marked))
    return lambda path: marked.append(path.stat())


def file(path: Path, text: str = "x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def whiteout(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mknod(path, stat.S_IFCHR)


def test_nothing_has_changed(trees: Trees) -> None:
    file(trees.image[0] / "etc/passwd")
    (trees.upper / "etc").mkdir()
    assert trees.changes() == []


def test_what_is_added_changed_and_deleted_is_told_after_the_directories_it_is_in(trees: Trees) -> None:
    file(trees.image[0] / "etc/passwd")
    file(trees.image[0] / "etc/group")
    file(trees.image[1] / "usr/lib/deep/file")
    file(trees.upper / "etc/passwd", "changed")
    whiteout(trees.upper / "etc/group")
    file(trees.upper / "usr/lib/deep/new")
    file(trees.upper / "new/below/file")
    assert trees.changes() == [
        *("C /etc", "D /etc/group", "C /etc/passwd"),
        *("A /new", "A /new/below", "A /new/below/file"),
        *("C /usr", "C /usr/lib", "C /usr/lib/deep", "A /usr/lib/deep/new"),
    ]


def test_what_an_upper_layer_of_the_image_hides_is_not_the_images(trees: Trees, opaque: Callable[[Path], None]) -> None:
    file(trees.image[0] / "gone")
    file(trees.image[0] / "d/old")
    whiteout(trees.image[1] / "gone")
    (trees.image[1] / "d").mkdir()
    opaque(trees.image[1] / "d")
    file(trees.upper / "gone")
    file(trees.upper / "d/old")
    whiteout(trees.upper / "never")
    assert trees.changes() == ["C /d", "A /d/old", "A /gone"]


def test_a_directory_made_anew_hides_what_was_in_it(trees: Trees, opaque: Callable[[Path], None]) -> None:
    file(trees.image[0] / "d/a")
    file(trees.image[1] / "d/b")
    file(trees.image[1] / "d/c")
    file(trees.upper / "d/b")
    opaque(trees.upper / "d")
    assert trees.changes() == ["C /d", "D /d/a", "C /d/b", "D /d/c"]


def test_a_file_in_the_place_of_a_directory_and_the_other_way_round(trees: Trees) -> None:
    file(trees.image[0] / "was/directory")
    file(trees.image[0] / "file")
    file(trees.upper / "was")
    file(trees.upper / "file/now/directory")
    assert trees.changes() == ["C /file", "A /file/now", "A /file/now/directory", "C /was"]


def test_a_directory_whose_mode_changed_is_told(trees: Trees) -> None:
    (trees.image[0] / "tmp").mkdir()
    (trees.upper / "tmp").mkdir()
    (trees.upper / "tmp").chmod(0o700)
    assert trees.changes() == ["C /tmp"]


def test_links_are_not_followed(trees: Trees, tmp_path: Path) -> None:
    file(tmp_path / "outside/secret")
    (trees.upper / "link").symlink_to(tmp_path / "outside")
    (trees.image[0] / "other").symlink_to(tmp_path / "outside")
    file(trees.upper / "other/secret")
    assert trees.changes() == ["A /link", "C /other", "A /other/secret"]


def test_what_a_runtime_makes_to_mount_on_is_no_change(trees: Trees) -> None:
    (trees.image[0] / "etc").mkdir()
    for name in ("etc/hosts", "etc/resolv.conf"):
        file(trees.upper / name, "")
    for name in ("dev", "proc", "sys"):
        (trees.upper / name).mkdir()
    file(trees.upper / "etc/hostname", "by the user")
    assert trees.changes() == ["C /etc", "A /etc/hostname"]


def test_a_whiteout_of_nothing_is_no_change() -> None:
    gone = Facts(directory=False, whiteout=True, mode=0, uid=0, gid=0, empty=True)
    assert change(b"a", gone, None) is None
    assert change(b"a", gone, gone) is Kind.DELETED
