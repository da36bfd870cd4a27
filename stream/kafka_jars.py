"""The jars of a Kafka broker: `deploy/kafka/pom.xml` resolved by Maven into `.kafka/libs`, once.

Standard library only: `make setup` runs it with the system's Python while the virtual environment is being made.
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

PROJECT = Path(__file__).resolve().parent.parent
POM = PROJECT / "deploy" / "kafka" / "pom.xml"
KAFKA_HOME = PROJECT / ".kafka"
FETCH_DEADLINE_S = 600  # A first download is about 45 MB; a mirror that stands still must not hang a CI job for ever.


class MissingToolError(RuntimeError):
    """A program the broker needs is not on PATH, or could not do its work; the message names the cure."""


def require(tool: str, package: str) -> str:
    """The path of `tool`; MissingToolError naming Debian's `package` when it is not on PATH."""
    found = shutil.which(tool)
    if found is None:
        raise MissingToolError(f"{tool} is not on PATH: run `make setup` or install {package} (Debian's name)")
    return found


def ensure_jars(home: Path = KAFKA_HOME) -> Path:
    """The directory with the jars of the POM, fetched when it is missing or the POM has changed.

    Safe to call from several processes at once: one fetches, the others wait for it. A fetch that was
    interrupted leaves nothing that a later call could take for complete.
    """
    libs = home / "libs"
    wanted = hashlib.sha256(POM.read_bytes()).hexdigest()
    if _is_complete(libs, wanted):
        return libs
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home / "lock"):
        if not _is_complete(libs, wanted):
            _fetch(libs, wanted)
    return libs


def _is_complete(libs: Path, wanted: str) -> bool:
    stamp = libs / "pom.sha256"
    return stamp.is_file() and stamp.read_text() == wanted


def _fetch(libs: Path, wanted: str) -> None:
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
    (partial / "pom.sha256").write_text(wanted)
    shutil.rmtree(libs, ignore_errors=True)
    partial.rename(libs)
    count = len(list(libs.glob("*.jar")))
    print(f"fetched {count} jars in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """An exclusive lock between processes, which the kernel lifts when its holder ends, however it ends."""
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
