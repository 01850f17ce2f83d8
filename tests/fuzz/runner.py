"""Carries out command lines, several at a time, as somebody who owns nothing on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from tests.fuzz.command_lines import Line
from tests.fuzz.outcomes import Outcome

_ROOT: Final = Path(__file__).parents[2]
_NOBODY: Final = 65534
#: Whatever is asked, nothing of this machine may be changed by it: all that is kept of root is that it may read.
_UNARMED: Final = (
    *("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--pdeathsig=KILL"),
    *(f"--{kind}=-all,+dac_read_search" for kind in ("bounding-set", "inh-caps", "ambient-caps")),
)
_PROFILE: Final = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}


class Runner:
    """One process that carries out one line after the other, in a directory of its own."""

    def __init__(self, home: Path, config: Path) -> None:
        self._home = home
        _furnish(home)
        if os.geteuid() == 0:
            for path in (home, *home.rglob("*")):
                os.chown(path, _NOBODY, _NOBODY)
        command = [sys.executable, "-m", "tests.fuzz.forks", str(home), str(config)]
        self._process = subprocess.Popen(
            [*_UNARMED, *command] if os.geteuid() == 0 else command,
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(_ROOT), "TMPDIR": str(home), "GRPC_VERBOSITY": "NONE"},
        )
        assert self._answer() == {"ready": True}

    def run(self, line: Line, *, seconds: float) -> Outcome:
        """Carry a line out; it is interrupted after `seconds`."""
        job = {"words": line.words, "stdin": line.stdin.hex(), "seconds": seconds}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        return Outcome(**{**answer, "files": tuple(answer["files"])})

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert said, f"what carries command lines out has ended: {self._process.wait(10)}"
        answer: dict[str, Any] = json.loads(said)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def _furnish(home: Path) -> None:
    """Make what command lines may name."""
    (home / "in").mkdir(parents=True)
    (home / "in" / "lines").write_text("A=b\n# comment\nC\n")
    (home / "in" / "binary").write_bytes(bytes(range(256)) * 10)
    (home / "in" / "profile.json").write_text(json.dumps(_PROFILE))
    (home / "in" / "root.tar").write_bytes(b"\0" * 10240)


@contextmanager
def runners(folder: Path, config: Path, count: int) -> Iterator[list[Runner]]:
    """Several of them, while the context lasts."""
    # They must come through to their own, and have nobody else's.
    folder.chmod(0o711)
    made: list[Runner] = []
    try:
        for number in range(count):
            home = folder / f"home{number}"
            shutil.rmtree(home, ignore_errors=True)
            made.append(Runner(home, config))
        yield made
    finally:
        for runner in made:
            runner.__exit__()
