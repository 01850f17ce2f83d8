"""How daemons log: one line per event on standard error, for journald or a file."""

from __future__ import annotations

import logging


def configure_logging(*, debug: bool) -> None:
    """Set up logging for a daemon."""
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    logging.captureWarnings(True)
    # Libraries have their say when something is wrong; their everyday chatter would drown ours.
    for name in ("asyncio", "aiohttp", "pyroute2", "grpc"):
        logging.getLogger(name).setLevel(logging.INFO if debug else logging.WARNING)
