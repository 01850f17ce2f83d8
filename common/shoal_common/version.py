"""The version of this distribution, and of the API it speaks."""

from __future__ import annotations

from typing import Final

#: pyproject.toml and proto/freeze.sh read it here.
VERSION: Final = "0.3.0"
API: Final = "shoal.v1"
