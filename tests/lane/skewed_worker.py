"""The worker of `tally_worker.py` on a machine whose wall clock is TALLY_SKEW_S seconds ahead (negative: behind)."""

import os
import runpy
import time
from types import SimpleNamespace

from stream.ops import ticker

SKEW_NS = int(os.environ["TALLY_SKEW_S"]) * 1_000_000_000

if __name__ == "__main__":
    # All names of the module `time` that the ticker uses.
    vars(ticker)["time"] = SimpleNamespace(time_ns=lambda: time.time_ns() + SKEW_NS, monotonic=time.monotonic)
    runpy.run_module("tests.lane.tally_worker", run_name="__main__")
