"""Looks up every locked dependency in the registry's list of known vulnerabilities: `make audit`.

A finding fails. Where the list cannot be read, as on a machine without a network or with a registry that has no such
list, one line says what was not audited, and nothing fails: that is no finding.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
COMMAND = ("--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json", "--timeout", "15")
DEADLINE_S = 180
# The last line of a traceback when the registry does not answer, or answers with an error.
NO_ANSWER = re.compile(
    r"^(?:\w+\.)*(\w*(?:ConnectionError|ProxyError|SSLError|Timeout|ServiceError|HTTPError))\b", re.MULTILINE
)


class Verdict(NamedTuple):
    lines: list[str]
    status: int


def judge(status: int, output: str, errors: str) -> Verdict:
    """What a run of pip-audit shows, by its exit status, standard output and standard error."""
    try:
        dependencies = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        missing = NO_ANSWER.findall(errors)
        if missing:
            return Verdict([f"not audited: {LOCK.name}, the registry's list could not be read ({missing[-1]})"], 0)
        return Verdict([f"the audit failed with status {status}:", *errors.splitlines()[-20:]], 1)
    found = [line for one in dependencies for line in _findings(one)]
    return Verdict([*found, _summary(dependencies)], 1 if found else 0)


def _findings(dependency: Mapping[str, Any]) -> list[str]:
    name, version = dependency["name"], dependency.get("version")
    return [
        f"{name} {version}: {one['id']}, fixed in {', '.join(one['fix_versions']) or 'no version yet'}"
        for one in dependency.get("vulns", ())
    ]


def _summary(dependencies: Sequence[Mapping[str, Any]]) -> str:
    skipped = [one["name"] for one in dependencies if "skip_reason" in one]
    if not skipped:
        return f"audited: {len(dependencies)} dependencies of {LOCK.name}"
    names = "all" if len(skipped) == len(dependencies) else ", ".join(skipped)
    of = f"{len(skipped)} of {len(dependencies)} dependencies of {LOCK.name}"
    return f"not audited: {of}, the registry has no list of vulnerabilities for them ({names})"


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", *COMMAND, "-r", str(LOCK)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)  # noqa: S603
        verdict = judge(done.returncode, done.stdout, done.stderr)
    except subprocess.TimeoutExpired:
        verdict = Verdict([f"not audited: {LOCK.name}, the registry did not answer within {DEADLINE_S} s"], 0)
    print("\n".join(verdict.lines), flush=True)
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())
