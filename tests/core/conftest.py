"""One way of running hypothesis: the same examples every time, so that a red build stays red.

`COMMERCE_TAPS_EXAMPLES=5000 pytest tests/core` looks further, each time somewhere else.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("COMMERCE_TAPS_EXAMPLES", "0"))

settings.register_profile(
    "core",
    max_examples=EXAMPLES or 50,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("core")
