"""Processes of the host by id, told apart from later ones with the same id by their start time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from shoal_common.errors import InvalidSpec


def start_time(pid: int) -> int:
    """Return when a process started, in clock ticks since boot (/proc/<pid>/stat, field 22); 0 if it is gone.

    A zombie is gone: nothing of it runs any more.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    # The name in parentheses may hold anything, spaces and parentheses too.
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] in "ZX" else int(fields[19])


def start_children_clean() -> None:
    """Keep signals that this process ignores from being ignored by what it starts. For the main thread.

    Whoever was started by `nohup` or in the background ignores some, and exec(2) passes that on, in the end to
    containers, which could not be interrupted then. A handler that does nothing is not passed on.
    """
    for number in signal.valid_signals():
        # Python itself ignores SIGPIPE, and restores it in its children.
        if number != signal.SIGPIPE and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda number, frame: None)


@contextlib.contextmanager
def opened(pid: int, started: int) -> Iterator[int | None]:
    """Give a descriptor of the process that has this id and start time, or None if it is gone."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        yield None
        return
    try:
        # Looked at after opening: now the id can't be given to another process unnoticed.
        yield fd if start_time(pid) == started else None
    finally:
        os.close(fd)


def send(pid: int, started: int, number: int) -> bool:
    """Send a signal to exactly that process; return False if it is gone.

    Raises:
        InvalidSpec: there is no such signal.
    """
    if not 1 <= number <= signal.SIGRTMAX:
        raise InvalidSpec(f"signal {number} is not known (use a number from 1 to {int(signal.SIGRTMAX)})")
    with opened(pid, started) as fd:
        if fd is None:
            return False
        try:
            signal.pidfd_send_signal(fd, number)
        except ProcessLookupError:
            return False
        return True


def kill_group(pid: int, started: int) -> None:
    """Send SIGKILL to a process that was begun in a session of its own, and to what it has begun in its group.

    Nothing happens if it is gone.
    """
    with opened(pid, started) as fd, contextlib.suppress(ProcessLookupError):
        if fd is None:
            return
        group = os.getpgid(pid)
        # The group that came with the session: nobody else is in it.
        if group == os.getsid(pid):
            os.killpg(group, signal.SIGKILL)
        else:
            signal.pidfd_send_signal(fd, signal.SIGKILL)


async def ended(pid: int) -> None:
    """Wait until the process with this id, whoever it is now, has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    loop.add_reader(fd, done.set)
    try:
        await done.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)
