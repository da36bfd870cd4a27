"""stripe-mock, Stripe's validator of requests: built once by Go into `.stripe-mock`, and run for the tests."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devkit.kafka_jars import MissingToolError, require
from devkit.server import spawn_tied

# The newest release. It knows Stripe's API as of 2026-08-26, older than the locked SDK's version: only the SDK's types
# show what was removed from the API since then.
VERSION = "v0.203.0"
GO_MINIMUM = (1, 22)
HOME = Path(__file__).resolve().parents[2] / ".stripe-mock"
BUILD_DEADLINE_S = 300
START_DEADLINE_S = 30
PROBE_EVERY_S = 0.05


def ensure_stripe_mock() -> Path:
    """The program, built if it is missing. Raises MissingToolError: no Go, too old a Go, or a failed build."""
    folder = HOME / VERSION
    program = folder / "stripe-mock"
    if program.is_file():
        return program
    go = require("go", "golang-go")
    version = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"go(\d+)\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) < GO_MINIMUM:
        raise MissingToolError(
            f"stripe-mock needs Go {'.'.join(map(str, GO_MINIMUM))} or newer, found: {version.strip()}"
        )
    print(f"building stripe-mock {VERSION} (once) …", file=sys.stderr, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    (HOME / ".gitignore").write_text("*\n")
    done = subprocess.run(
        [go, "install", f"github.com/stripe/stripe-mock@{VERSION}"],
        env={**os.environ, "GOBIN": str(folder)},
        capture_output=True,
        text=True,
        timeout=BUILD_DEADLINE_S,
        check=False,
    )
    if done.returncode != 0:
        raise MissingToolError(f"go install could not build stripe-mock:\n{done.stderr[-2_000:]}")
    return program


@contextmanager
def running_stripe_mock(log: Path) -> Iterator[str]:
    """Yields its address, on a free port. Raises AssertionError with its log if it does not start."""
    process = spawn_tied([str(ensure_stripe_mock()), "-http-addr", "127.0.0.1:0", "-https-addr", "127.0.0.1:0"], log)
    try:
        deadline = time.monotonic() + START_DEADLINE_S
        while (listening := re.search(r"Listening for HTTP at address: (\S+)", log.read_text())) is None:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(PROBE_EVERY_S)
        yield f"http://{listening[1]}"
    finally:
        process.kill()
        process.wait()
