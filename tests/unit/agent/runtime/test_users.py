import os
import tracemalloc
from pathlib import Path

import pytest

from shoal_agent.runtime.users import User, find_user
from shoal_common.errors import InvalidSpec


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with two users; beside it a file that no lookup may reach."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text(
        "# x\nroot:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/home/web:/bin/sh\nbad line\n7:x:8:9:::\n"
    )
    (root / "etc/group").write_text("root:x:0:\nwww:x:34:\nextra:x:50:root,web\nfar:x:70000:\n")
    (tmp_path / "passwd").write_text("outside:x:1:1::/:\n")
    return root


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", User(0, 0, (50,), "/root")),
        ("root", User(0, 0, (50,), "/root")),
        ("web", User(33, 34, (50,), "/home/web")),
        ("33", User(33, 34, (50,), "/home/web")),
        ("web:extra", User(33, 50, (), "/home/web")),
        ("web:77", User(33, 77, (), "/home/web")),
        ("1000", User(1000, 0, (), "/")),
        ("1000:1000", User(1000, 1000, (), "/")),
        (":34", User(0, 34, (), "/root")),
    ],
)
def test_users_are_found_as_docker_finds_them(root: Path, text: str, expected: User) -> None:
    assert find_user(root, text) == expected


def test_further_groups_are_found_by_name_and_number(root: Path) -> None:
    assert find_user(root, "web", ["www", "77", "50"]) == User(33, 34, (34, 50, 77), "/home/web")
    assert find_user(root, "1000", ["extra"]) == User(1000, 0, (50,), "/")
    for group in ("nogroup", "70000", "far"):
        with pytest.raises(InvalidSpec):
            find_user(root, "web", [group])


@pytest.mark.parametrize("text", ["nobody", "web:nogroup", "70000", "0:70000", "web:far", "99999999999", "outside"])
def test_what_the_image_does_not_know_is_refused(root: Path, text: str) -> None:
    with pytest.raises(InvalidSpec):
        find_user(root, text)


@pytest.mark.parametrize("target", ["../../passwd", "../../../../../../../../etc/passwd", "/proc/self/root/etc/passwd"])
def test_links_do_not_lead_out_of_the_root(root: Path, target: str) -> None:
    (root / "etc/passwd").unlink()
    (root / "etc/passwd").symlink_to(target)
    with pytest.raises(InvalidSpec, match="not in the image"):
        find_user(root, "outside")
    assert find_user(root, "0") == User(0, 0, (), "/")


def test_absolute_links_are_taken_within_the_root(root: Path) -> None:
    (root / "etc/passwd").rename(root / "users")
    (root / "etc/passwd").symlink_to("/users")
    assert find_user(root, "web").uid == 33


def test_a_directory_or_pipe_in_place_of_the_file_does_not_hold_the_agent_up(root: Path) -> None:
    (root / "etc/passwd").unlink()
    os.mkfifo(root / "etc/passwd")
    (root / "etc/group").unlink()
    (root / "etc/group").mkdir()
    assert find_user(root, "5") == User(5, 0, (), "/")


@pytest.mark.parametrize("file", ["passwd", "group"])
@pytest.mark.parametrize("line", ["a:::::::\n", "0:\n", ":", " ", "\n", "g:x:1:web\n", "g:x:1:,\n", "#\n"])
@pytest.mark.parametrize("before", ["", "web:x:1:"])
def test_a_file_of_any_content_takes_no_memory_but_its_own(root: Path, file: str, line: str, before: str) -> None:
    (root / "etc" / file).write_text(before + line * (8_000_000 // len(line)))
    tracemalloc.start()
    try:
        for user in ("web", "0"):
            try:
                find_user(root, user)
            except InvalidSpec:
                assert file == "passwd"
        assert tracemalloc.get_traced_memory()[1] < 6 << 20
    finally:
        tracemalloc.stop()


def test_members_of_groups_are_told_from_names_that_are_part_of_theirs(root: Path) -> None:
    (root / "etc/group").write_text(
        "a:x:11:web\nb:x:12:xweb\nc:x:13:webx\nd:x:14:a,web,b\ne:x:15:a,web\nf:x:16:,web:x\n#g:x:17:web\n"
        "h:x:y:web\n  i:x:18:web\nj:x:19:a.web\nk:x:20:\nweb:x:21:\n"
    )
    assert find_user(root, "web").groups == (11, 14, 15, 16, 18)
