"""Doing to a lab's daemons what `shoal lab` has no command for."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from shoal_lab import daemons
from shoal_lab.cluster import Lab
from tests.parts.lab import LabUnderTest

#: Of Debian's package faketime.
_FAKETIME: Final = "/usr/$LIB/faketime/libfaketimeMT.so.1"
_TIMED: Final = Path(__file__).with_name("timed_controller.py")


def send(lab: LabUnderTest, host: str, service: str, number: int) -> None:
    """Send a signal to a daemon."""
    asyncio.run(Lab.load(lab.name).orders(host).signal(service, number))


@contextmanager
def frozen(lab: LabUnderTest, host: str, service: str) -> Iterator[None]:
    """Stop a daemon in its tracks, its connections open, for as long as the context lasts."""
    send(lab, host, service, signal.SIGSTOP)
    try:
        yield
    finally:
        send(lab, host, service, signal.SIGCONT)


def fake_clock(lab: LabUnderTest, host: str, service: str, offset: Path) -> None:
    """Kill a daemon and start it with a wall clock of its own, as far off as the file `offset` says, such as "+3600".

    The file is read with every look at the clock: another number in it is a jump. Other clocks are the host's.
    """
    loaded = Lab.load(lab.name)
    layout = loaded.layout
    lab.lab("kill", f"{host}/{service}")
    argv = {
        "agent": lambda: daemons.agent(layout, layout.host(host), loaded.plan.capacity),
        "controller": lambda: daemons.controller(layout, layout.host(host)),
    }[service]()
    faked = [
        *("env", f"LD_PRELOAD={_FAKETIME}", f"FAKETIME_TIMESTAMP_FILE={offset}", "FAKETIME_NO_CACHE=1"),
        # Nothing but what `date` sets: no monotonic clock, no times of files.
        *("DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1"),
    ]
    asyncio.run(loaded.orders(host).start(service, [*faked, *argv], layout.log(host, service)))


def restart_controller(lab: LabUnderTest) -> None:
    """Kill the controller and start it again."""
    lab.lab("kill", "control1/controller")
    lab.lab("start", "control1/controller")


def restart_timed_controller(lab: LabUnderTest, notes: Path) -> None:
    """Kill the controller and start it so that long callbacks of its event loop are noted in `notes`."""
    loaded = Lab.load(lab.name)
    lab.lab("kill", "control1/controller")
    argv = [sys.executable, str(_TIMED), str(notes), *daemons.controller(loaded.layout, loaded.layout.control)]
    orders = loaded.orders("control1")
    asyncio.run(orders.start("controller", argv, loaded.layout.log("control1", "controller")))
