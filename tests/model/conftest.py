"""Hypothesis profiles: `ci` for every test run, `long` for a night (`HYPOTHESIS_PROFILE=long`)."""

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings

_COMMON: dict[str, Any] = {
    "deadline": None,  # One history is thousands of small steps; the machine may be busy.
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    "print_blob": True,
    # A failing history is shortened by hold_against.py, input by input.
    "phases": [Phase.explicit, Phase.reuse, Phase.generate],
}
settings.register_profile("ci", max_examples=150, stateful_step_count=50, derandomize=True, **_COMMON)
settings.register_profile("long", max_examples=3_000, stateful_step_count=80, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
