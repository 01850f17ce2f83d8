"""A plugin of pytest for the trials: Hypothesis draws the same examples every time, and ends with the first that fails.

Nobody reads which example would have been the smallest.
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "trial",
    # More than usual: what is drawn is the same every time, and has to come by every place that a mutant can be in.
    max_examples=1000,
    phases=(Phase.explicit, Phase.generate),
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
