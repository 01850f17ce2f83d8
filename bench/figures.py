"""Samples and what is said of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_TENTHS: Final = 10


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds: the median, and what a tenth of the samples are at or below, and at or above."""

    median: float
    p10: float
    p90: float


def figures(samples: Sequence[float]) -> Figures:
    """Return the figures of one or more samples."""
    if len(samples) == 1:
        return Figures(samples[0], samples[0], samples[0])
    cuts = statistics.quantiles(samples, n=_TENTHS, method="inclusive")
    return Figures(statistics.median(samples), cuts[0], cuts[-1])
