"""A known vulnerability fails the audit; a registry that cannot be asked does not, and the line says so."""

import json
from pathlib import Path

import pytest

from deploy.audit import LOCK, judge

ROOT = Path(__file__).resolve().parents[2]
CLEAN = {"name": "orjson", "version": "3.11", "vulns": []}
BAD = {"name": "aiohttp", "version": "3.1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.2"]}]}
OPEN = {"name": "faust", "version": "0.1", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]}
SKIPPED = {"name": "stripe", "skip_reason": "Dependency not found on PyPI and could not be audited: stripe (16.1.0)"}


def report(*dependencies: object) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


@pytest.mark.parametrize(
    ("status", "dependencies", "lines", "expected"),
    [
        # exit status of pip-audit, what it found: lines and status
        (0, [CLEAN], ["audited: 1 dependencies of requirements.lock"], 0),
        (1, [CLEAN, BAD], ["aiohttp 3.1: PYSEC-1, fixed in 3.2", "audited: 2 dependencies of requirements.lock"], 1),
        (1, [BAD, OPEN, SKIPPED], ["aiohttp 3.1: PYSEC-1", "faust 0.1: PYSEC-2, fixed in no version yet", "stripe"], 1),
        (0, [CLEAN, SKIPPED], ["not audited: 1 of 2 dependencies of requirements.lock, the registry has no"], 0),
        (0, [SKIPPED], ["not audited: 1 of 1 dependencies of requirements.lock, the registry has no"], 0),
    ],
)
def test_a_finding_fails_and_what_is_not_audited_is_named(
    status: int, dependencies: list[object], lines: list[str], expected: int
) -> None:
    verdict = judge(status, report(*dependencies), "")
    assert verdict.status == expected
    assert len(verdict.lines) == len(lines)
    assert all(wanted in line for wanted, line in zip(lines, verdict.lines, strict=True))


@pytest.mark.parametrize(
    "errors",
    [
        "Traceback:\nrequests.exceptions.ProxyError: HTTPSConnectionPool(host='a', port=443): Max retries exceeded",
        "Traceback:\nrequests.exceptions.ConnectionError: HTTPSConnectionPool(host='a', port=443)",
        "Traceback:\nrequests.exceptions.ReadTimeout: HTTPSConnectionPool(host='a', port=443)",
        "Traceback:\npip_audit._service.interface.ServiceError",
    ],
)
def test_without_an_answer_one_line_says_what_was_not_audited(errors: str) -> None:
    verdict = judge(1, "", errors)
    assert verdict.status == 0
    assert len(verdict.lines) == 1
    assert verdict.lines[0].startswith("not audited: requirements.lock")


@pytest.mark.parametrize(
    "errors",
    [
        "ERROR:pip_audit._cli:requirement x==1 does not contain a hash",
        "ERROR:pip_audit._cli:invalid requirements input: requirements.lock",
        "/usr/bin/python: No module named pip_audit",
        "",
    ],
)
def test_an_audit_that_does_not_work_fails(errors: str) -> None:
    verdict = judge(1, "", errors)
    assert verdict.status == 1
    assert errors in "\n".join(verdict.lines)


def test_the_lock_is_audited_by_the_whole_check() -> None:
    assert LOCK == ROOT / "requirements.lock"
    targets = (ROOT / "Makefile").read_text()
    assert "\ntest: setup-tests lint types audit unit " in targets
    assert "exec make test" in (ROOT / ".ci/run").read_text()
