"""stripe-mock, Stripe's own checker of requests: built by Go into `.stripe-mock`, once, and run for the tests."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stream.dev_broker import spawn_tied
from stream.kafka_jars import PROJECT, MissingToolError, require

# The newest there is. It knows Stripe's API as of 2026-08-26, which is older than what the locked SDK speaks: what has
# been taken out of the API since then only the SDK's types show.
VERSION = "v0.203.0"
GO_MINIMUM = (1, 22)
HOME = PROJECT / ".stripe-mock"
BUILD_DEADLINE_S = 300
START_DEADLINE_S = 30
PROBE_EVERY_S = 0.05


def ensure_stripe_mock() -> Path:
    """The program, built when it is not there. Raises MissingToolError: no Go, too old a Go, or a build that failed."""
    folder = HOME / VERSION
    program = folder / "stripe-mock"
    if program.is_file():
        return program
    go = require("go", "golang-go")
    said = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < GO_MINIMUM:
        raise MissingToolError(f"stripe-mock needs Go {'.'.join(map(str, GO_MINIMUM))} or newer, found: {said.strip()}")
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
    """Its address, on a port of its choice. AssertionError with its log when it does not start."""
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
