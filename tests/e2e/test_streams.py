"""Bytes through a command and back: the same, and without being kept on the way."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from pathlib import Path

from bench import processes
from tests.parts.lab import SHOAL, LabUnderTest

_PIECE = os.urandom(1 << 20)
_PIECES = 256


def test_what_goes_into_a_command_comes_back_and_is_not_kept_on_the_way(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    lab.out("run", "-d", "--name", "web", "--constraint", "node.name==node2", lab.image, "sleep", "1000")
    daemons = [*found(lab, "control1", "controller"), *found(lab, "node2", "agent")]
    assert len(daemons) == 2
    through(lab)
    before = [processes.memory([pid]) for pid in daemons]
    through(lab)
    grown = [processes.memory([pid]) - was for pid, was in zip(daemons, before, strict=True)]
    # MiB: what libraries keep for the next time, and not the quarter of a gigabyte that went through.
    assert max(grown) < 64, grown


def through(lab: LabUnderTest) -> None:
    words = [SHOAL, "exec", "-i", "web", "cat"]
    env = {**os.environ, **lab.env}
    with subprocess.Popen(words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        into = process.stdin

        def feed() -> None:
            for _ in range(_PIECES):
                into.write(_PIECE)
            into.close()

        feeding = threading.Thread(target=feed)
        feeding.start()
        digest, size = hashlib.sha256(), 0
        while data := process.stdout.read(1 << 20):
            digest.update(data)
            size += len(data)
        feeding.join()
    assert process.returncode == 0
    assert size == _PIECES << 20
    assert digest.hexdigest() == hashlib.sha256(_PIECE * _PIECES).hexdigest()


def found(lab: LabUnderTest, host: str, daemon: str) -> list[int]:
    """The processes of a host's daemon, by the directory that they were given."""
    root = str(lab.data(host))
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    lines = {pid: processes.words(pid) for pid in pids}
    return [pid for pid, words in lines.items() if daemon in words[:3] and any(word.startswith(root) for word in words)]
