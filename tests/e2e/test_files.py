"""A container's files: what is mounted into it, as a person asks for it."""

from __future__ import annotations

import pytest

from tests.parts.lab import LabUnderTest


def test_memory_is_mounted_where_and_as_large_as_asked(clean_lab: LabUnderTest) -> None:
    script = (
        "touch /tmp/x /run/deep/y && ls -ld /tmp | cut -c1-10; df -k /tmp /dev/shm | awk '/^tmpfs|^shm/ {print $2}'"
    )
    output = clean_lab.out(
        *("run", "--rm", "--tmpfs", "/tmp:size=1m,mode=700", "--tmpfs", "/run/deep", "--shm-size", "2m"),
        *(clean_lab.image, "sh", "-c", script),
    )
    assert output.split() == ["drwx------", "1024", "2048"]


def test_nothing_but_mounts_can_be_written_in_a_read_only_container(clean_lab: LabUnderTest) -> None:
    script = (
        "for f in /x /etc/hosts /etc/resolv.conf /sys/x /proc/sys/kernel/hostname; do (echo a > $f) && echo $f; done"
    )
    done = clean_lab.run(
        "run", "--rm", "--read-only", "--tmpfs", "/tmp", clean_lab.image, "sh", "-c", f"{script}; echo b > /tmp/x"
    )
    assert done.stdout == ""
    assert done.stderr.count("can't create") == 5


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--tmpfs", "/proc/x"), 2, "would cover"),
        (("--tmpfs", "x"), 2, "absolute path"),
        (("--shm-size", "0"), 2, "no size"),
        (("--tmpfs", "/data", "--tmpfs", "/data/"), 125, "two mounts"),
    ],
)
def test_what_can_never_be_mounted_is_refused_before_anything_is_made(
    clean_lab: LabUnderTest, words: tuple[str, ...], code: int, said: str
) -> None:
    done = clean_lab.run("run", *words, clean_lab.image, ok=None)
    assert (done.returncode, said in done.stderr, done.stderr.count("\n")) == (code, True, 1), done.stderr
    assert not clean_lab.containers()
