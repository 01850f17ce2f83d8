"""Samples and what is said of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_HUNDREDTHS: Final = 100


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds: the median, what a tenth of the samples are below, and what a tenth and a hundredth are above."""

    median: float
    p10: float
    p90: float
    p99: float


def figures(samples: Sequence[float]) -> Figures:
    """Return the figures of one or more samples."""
    if len(samples) == 1:
        return Figures(samples[0], samples[0], samples[0], samples[0])
    cuts = statistics.quantiles(samples, n=_HUNDREDTHS, method="inclusive")
    return Figures(statistics.median(samples), cuts[9], cuts[89], cuts[98])


def at(samples: Sequence[float], share: float) -> float:
    """Return what a share (0 to 1) of the samples are at or below; 0 without samples."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def highest(samples: Sequence[float]) -> float:
    """Return the highest sample; 0 without samples."""
    return max(samples, default=0.0)
