"""Has what an image has at a path copied, by a process that has no right but the container's own."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import shoal_agent
from shoal_agent.runtime.conmon import within
from shoal_common.errors import Exhausted, Internal

_START: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from shoal_agent.volumes.fill_process import main; main()"
)


async def copy_from_image(
    root: Path, target: str, place: Path, *, user_ns: Path, volume: str, groups: Sequence[Path] = ()
) -> None:
    """Copy what a root file system has at `target` into `place`, and how it is; nothing if it has no directory there.

    Args:
        root: merged root file system of a container that does not run.
        target: path in there; links are followed inside of it only.
        place: an empty directory, with the container's ids.
        user_ns: the container's.
        volume: its name, for messages.
        groups: `cgroup.procs` of the control groups that the process enters, which bound it.

    Raises:
        Exhausted: the disk is full.
        Internal: something can't be copied.
    """
    said = await _answer(root, target, place, user_ns, groups)
    if "copied" in said:
        return
    what = f"volume {volume} can't be filled with what the image has at {target}: {said.get('error')}"
    if said.get("errno") in (errno.ENOSPC, errno.EDQUOT):
        raise Exhausted(what)
    raise Internal(f"{what} (mount it with nocopy, or elsewhere)")


async def _answer(root: Path, target: str, place: Path, user_ns: Path, groups: Sequence[Path]) -> dict[str, object]:
    fds: list[int] = []
    try:
        fds.append(os.open(user_ns, os.O_RDONLY | os.O_CLOEXEC))
        fds.extend(os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) for each in (root, place))
        command = (sys.executable, "-I", "-S", "-c", _START, str(Path(shoal_agent.__file__).parents[1]))
        process = await asyncio.create_subprocess_exec(
            *within(groups, (*command, *map(str, fds), target)),
            pass_fds=fds,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd="/",
            env={},
        )
    finally:
        for fd in fds:
            os.close(fd)
    try:
        output, complaint = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    try:
        said = json.loads(output)
    except ValueError:
        said = None
    if isinstance(said, dict):
        return said
    lines = complaint.decode(errors="replace").strip().splitlines() or ["it was killed"]
    return {"error": f"the copying process ended with {process.returncode}: {lines[-1][:300]}"}
