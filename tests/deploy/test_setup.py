"""The files that `make` uses on a fresh machine are consistent with each other."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from devkit.kafka_jars import MissingToolError, ensure_jars

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
IMAGE_LOCK = (ROOT / "deploy/requirements.lock").read_text()
BUILD_LOCK = (ROOT / "deploy/build.lock").read_text()
GROUPS = PYPROJECT["dependency-groups"]


def declared(requirements: list[str | dict[str, str]]) -> set[str]:
    """The names of the packages, those of included groups among them."""
    names: set[str] = set()
    for requirement in requirements:
        if isinstance(requirement, dict):
            names |= declared(GROUPS[requirement["include-group"]])
        else:
            names.add(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower())
    return names


def locked(lock: str) -> dict[str, list[str]]:
    """The lines that pin each package: several where platforms differ."""
    pins: dict[str, list[str]] = {}
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        pins.setdefault(entry.split("==")[0], []).append(entry)
    return pins


def test_every_declared_dependency_is_locked_with_hashes() -> None:
    """Run `make lock` after a change of pyproject.toml."""
    assert declared(PYPROJECT["project"]["dependencies"] + GROUPS["dev"]) <= set(locked(LOCK))
    for lock in (LOCK, IMAGE_LOCK, BUILD_LOCK):
        assert [entry for pins in locked(lock).values() for entry in pins if "--hash=sha256:" not in entry] == []


def test_the_image_runs_the_versions_the_tests_ran_and_no_tools() -> None:
    everything, image = locked(LOCK), locked(IMAGE_LOCK)
    assert {name: pins for name, pins in image.items() if everything.get(name) != pins} == {}
    assert declared(PYPROJECT["project"]["dependencies"]) <= set(image)
    assert {"pytest", "mypy", "ruff", "hypothesis"}.isdisjoint(image)


def test_the_distribution_is_built_by_what_the_lock_names() -> None:
    everything, build = locked(LOCK), locked(BUILD_LOCK)
    assert {name: pins for name, pins in build.items() if everything.get(name) != pins} == {}
    assert declared(PYPROJECT["build-system"]["requires"]) <= declared(GROUPS["build"]) <= set(build)


def test_every_target_is_listed_phony_and_set_up_first() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = dict(re.findall(r"^([a-z-]+):(.*)$", makefile, re.MULTILINE))
    phony = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()
    assert set(phony) == set(targets)
    assert {name for name, rest in targets.items() if "## " not in rest} == set()
    assert {name for name, rest in targets.items() if not rest.strip().startswith("setup")} == {
        "help",
        "setup",
        "clean",
    }


def test_only_tests_and_pictures_install_what_the_demo_does_without() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = dict(re.findall(r"^([a-z-]+): *([a-z-]*)", makefile, re.MULTILINE))
    assert {name for name, first in targets.items() if first == "setup-tests"} == {"test", "unit", "pictures"}


def missing_packages(tools: Path, purpose: str) -> set[str]:
    """The packages that setup.sh would install on a machine that has only `tools` and can install packages."""
    script = (ROOT / "deploy/setup.sh").read_text().removesuffix("main\n")
    command = ["bash", "-c", f"{script}missing_packages", "setup.sh", *purpose.split()]
    env = {"PATH": str(tools)}
    done = subprocess.run(command, cwd=ROOT / "deploy", env=env, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def pretend_to_be_root(tools: Path) -> None:
    """Fill `tools` with what a bare machine has, and a user who may install packages."""
    for name in ("bash", "dirname"):
        (tools / name).symlink_to(str(shutil.which(name)))
    for name, line in {"id": "echo 0", "apt-get": "true"}.items():
        (tools / name).write_text(f"#!{shutil.which('bash')}\n{line}\n")
        (tools / name).chmod(0o755)


def test_go_and_a_browser_are_installed_for_the_tests_and_not_for_the_demo(tmp_path: Path) -> None:
    pretend_to_be_root(tmp_path)
    demo = {"python3", "python3-venv", "java", "maven", "redis-server"}
    assert missing_packages(tmp_path, "") == demo
    assert missing_packages(tmp_path, "tests") == {*demo, "golang-go", "chromium-headless-shell"}


def test_make_alone_lists_the_targets() -> None:
    listed = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=True).stdout
    assert re.search(r"make demo +Play a month of calls", listed)
    assert re.search(r"make test +Run lint, types", listed)


def test_ci_runs_what_a_developer_runs() -> None:
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-1] == "exec make test </dev/null"


@pytest.mark.parametrize("script", ["deploy/setup.sh", ".ci/run"])
def test_scripts_are_valid_and_stop_at_the_first_error(script: str) -> None:
    subprocess.run(["bash", "-n", ROOT / script], check=True)
    assert "set -euo pipefail" in (ROOT / script).read_text()


def test_the_jars_are_fetched_before_anything_is_installed() -> None:
    """The system's Python runs the module while .venv is being created: it may import the standard library only."""
    tree = ast.parse((ROOT / "devkit/kafka_jars.py").read_text())
    imports = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imports |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    assert {name for name in imports if name.split(".")[0] not in sys.stdlib_module_names} == set()
    assert not (ROOT / "stream/__init__.py").read_text().strip()


def test_existing_jars_are_not_fetched_again_and_a_missing_tool_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    libs = ensure_jars()
    assert list(libs.glob("kafka-server-4.1.*.jar"))
    with pytest.raises(MissingToolError, match="mvn is not on PATH: run `make setup` or install maven"):
        ensure_jars(tmp_path / "elsewhere")
