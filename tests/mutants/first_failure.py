"""A plugin of pytest for the trials: Hypothesis draws the same examples every time, and ends with the first that fails.

Nobody reads which example would have been the smallest.
"""

from __future__ import annotations

from hypothesis import Phase, settings

settings.register_profile(
    "trial", phases=(Phase.explicit, Phase.generate), derandomize=True, database=None, deadline=None
)
