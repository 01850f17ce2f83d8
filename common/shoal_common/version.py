"""The version of this distribution, and of the API it speaks."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

API: Final = "shoal.v1"


def shoal_version() -> str:
    """Return the installed version, such as "0.1.0"."""
    return version("shoal")
