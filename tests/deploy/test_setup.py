"""What `make` does on a fresh machine hangs on a few files agreeing with one another."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from stream.kafka_jars import MissingToolError, ensure_jars

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
IMAGE_LOCK = (ROOT / "deploy/requirements.lock").read_text()


def declared(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower() for requirement in requirements}


def locked(lock: str) -> dict[str, list[str]]:
    """Package to the lines that pin it: several where platforms differ."""
    pins: dict[str, list[str]] = {}
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        pins.setdefault(entry.split("==")[0], []).append(entry)
    return pins


def test_every_declared_dependency_is_locked_with_hashes() -> None:
    """Run `make lock` after a change of pyproject.toml."""
    assert declared(PYPROJECT["project"]["dependencies"] + PYPROJECT["dependency-groups"]["dev"]) <= set(locked(LOCK))
    assert [entry for pins in locked(LOCK).values() for entry in pins if "--hash=sha256:" not in entry] == []


def test_the_image_runs_the_versions_the_tests_ran_and_no_tools() -> None:
    everything, image = locked(LOCK), locked(IMAGE_LOCK)
    assert {name: pins for name, pins in image.items() if everything.get(name) != pins} == {}
    assert declared(PYPROJECT["project"]["dependencies"]) <= set(image)
    assert {"pytest", "mypy", "ruff", "hypothesis"}.isdisjoint(image)


def test_every_target_is_listed_phony_and_set_up_first() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = dict(re.findall(r"^([a-z]+):(.*)$", makefile, re.MULTILINE))
    phony = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()
    assert set(phony) == set(targets)
    assert {name for name, rest in targets.items() if "## " not in rest} == set()
    assert {name for name, rest in targets.items() if not rest.strip().startswith("setup")} == {
        "help",
        "setup",
        "clean",
    }


def test_make_alone_lists_the_targets() -> None:
    said = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=True).stdout
    assert re.search(r"make demo +A month of calls", said)
    assert re.search(r"make test +Lint, types", said)


def test_ci_runs_what_a_developer_runs() -> None:
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-1] == "exec make test </dev/null"


@pytest.mark.parametrize("script", ["deploy/setup.sh", ".ci/run"])
def test_scripts_are_valid_and_stop_at_the_first_error(script: str) -> None:
    subprocess.run(["bash", "-n", ROOT / script], check=True)
    assert "set -euo pipefail" in (ROOT / script).read_text()


def test_the_jars_are_fetched_before_anything_is_installed() -> None:
    """The system's Python runs the module while .venv is being made: the standard library is all there is."""
    tree = ast.parse((ROOT / "stream/kafka_jars.py").read_text())
    imports = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imports |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    assert {name for name in imports if name.split(".")[0] not in sys.stdlib_module_names} == set()
    assert not (ROOT / "stream/__init__.py").read_text().strip()


def test_jars_that_are_there_are_not_fetched_again_and_a_missing_tool_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    libs = ensure_jars()
    assert list(libs.glob("kafka-server-4.1.*.jar"))
    with pytest.raises(MissingToolError, match="mvn is not on PATH: run `make setup` or install maven"):
        ensure_jars(tmp_path / "elsewhere")
