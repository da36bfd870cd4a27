"""The workflow of the public repository runs `make test` on a runner that is not root, and may do nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.test_setup import missing_packages, pretend_to_be_root

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / ".github/workflows/test.yml"
# YAML 1.1 reads the key `on` as true.
WORKFLOW: dict[Any, Any] = yaml.safe_load(FILE.read_text())
(JOB,) = WORKFLOW["jobs"].values()
STEPS: list[dict[str, Any]] = JOB["steps"]
COMMANDS = "\n".join(step.get("run", "") for step in STEPS)


def test_it_runs_make_test_last_for_each_push_and_pull_request() -> None:
    assert STEPS[-1] == {"run": "make test"}
    assert set(WORKFLOW[True]) == {"push", "pull_request"}
    assert JOB["runs-on"] == "ubuntu-latest"
    assert JOB["timeout-minutes"] == 90


def test_it_may_read_the_repository_and_nothing_else() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert "permissions" not in JOB
    assert "secrets." not in FILE.read_text()
    (checkout,) = [step for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert checkout["with"] == {"persist-credentials": False}


@pytest.mark.parametrize("step", [step["uses"] for step in STEPS if "uses" in step])
def test_actions_are_pinned_to_a_commit_and_say_which_version(step: str) -> None:
    assert re.fullmatch(r"actions/[a-z]+@[0-9a-f]{40}", step)
    assert re.search(rf"{step} # v\d+\.\d+\.\d+$", FILE.read_text(), re.MULTILINE)


def test_it_installs_what_setup_would_install_as_root(tmp_path: Path) -> None:
    pretend_to_be_root(tmp_path)
    line = next(line for line in COMMANDS.replace("\\\n", "").splitlines() if "apt-get install" in line)
    named = line.partition("--no-install-recommends")[2].split()
    installed = {"java" if name.startswith("openjdk-") else name for name in named}
    # Ubuntu has no package of Chromium; its runners have Google's browser.
    assert installed == missing_packages(tmp_path, "tests") - {"chromium-headless-shell"}


def test_the_cache_is_of_the_locked_dependencies() -> None:
    (cache,) = [step["with"] for step in STEPS if step.get("uses", "").startswith("actions/cache@")]
    hashed = re.findall(r"'([^']+)'", cache["key"])
    assert "requirements.lock" in hashed
    assert [name for name in hashed if not (ROOT / name).is_file()] == []
    assert {".kafka", ".stripe-mock"} <= set(cache["path"].split())
