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
