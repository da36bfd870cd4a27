"""The jars of a Kafka broker. Maven downloads them once by `kafka/pom.xml`, into `.kafka` of a checkout, otherwise
into the user's cache directory.

Standard library only: `make setup` runs this with the system's Python while it creates the virtual environment.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POM = Path(__file__).with_name("kafka") / "pom.xml"
_PROJECT = Path(__file__).resolve().parent.parent
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
# An installed package must not write into its own directory.
KAFKA_HOME = _PROJECT / ".kafka" if (_PROJECT / "pyproject.toml").is_file() else _CACHE / "tollgate" / "kafka"
FETCH_DEADLINE_S = 600  # The download is about 45 MB; a stalled mirror must not hang a CI job forever.


class DevkitError(RuntimeError):
    """The development broker cannot be used. The message gives the remedy."""


class MissingToolError(DevkitError):
    """A program that the broker needs is not on PATH, or failed. The message gives the remedy."""


def require(tool: str, package: str) -> str:
    """The path of `tool`. Raises MissingToolError with Debian's `package` when it is not on PATH."""
    found = shutil.which(tool)
    if found is None:
        raise MissingToolError(f"{tool} is not on PATH: run `make setup` or install {package} (Debian's name)")
    return found


def ensure_jars(home: Path = KAFKA_HOME) -> Path:
    """The directory with the jars of the POM. Fetches them when they are missing.

    Each version of the POM has a directory of its own, so a fetch never takes jars away from a running broker. Several
    processes may call this at once: one fetches, the others wait. The directory appears when the fetch is complete.
    """
    libs = home / f"libs-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if not libs.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        with _locked(home / "lock"):
            if not libs.is_dir():
                _fetch(libs)
    return libs


def _fetch(libs: Path) -> None:
    mvn = require("mvn", "maven")
    require("java", "openjdk-17-jre-headless")
    print("fetching the jars of Kafka (about 45 MB, once) …", file=sys.stderr, flush=True)
    began = time.monotonic()
    partial = libs.with_name("libs.partial")
    shutil.rmtree(partial, ignore_errors=True)
    command = [mvn, "-B", "-ntp", "-q", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={partial}"]
    done = subprocess.run(  # noqa: S603 the command is built here from constants and paths of this project
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=FETCH_DEADLINE_S, check=False
    )
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise MissingToolError(f"Maven could not fetch Kafka's jars (exit {done.returncode}):\n{tail}")
    partial.rename(libs)
    count = len(list(libs.glob("*.jar")))
    print(f"fetched {count} jars in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """An exclusive lock between processes. The kernel releases it when the holder ends for any reason."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


if __name__ == "__main__":
    try:
        ensure_jars()
    except MissingToolError as error:
        sys.exit(str(error))
