"""Only pyproject.toml states the project's version. Everything else reads it from the installed package."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version

from stream.ops.metrics import Metrics
from tests.test_tidy import ROOT, found, lines_with, name_of, tracked

STATED: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
# The changelog names what a version has; the contract has a version of its own; a lock holds those of other projects.
MAY_NAME_VERSIONS = ("pyproject.toml", "CHANGELOG.md", "schemas/wire/asyncapi.yaml")


def test_no_other_file_states_the_version() -> None:
    stated = re.compile(rf"(?i)(?:tollgate|version)[^\n]{{0,30}}(?<![\d.]){re.escape(STATED)}(?![\d.])")
    assert stated.search(f'__version__ = "{STATED}"')
    assert stated.search(f"image: tollgate:{STATED}")
    assert any("pyproject.toml" in line for line in lines_with(stated))
    found(line for line in lines_with(stated) if not line.startswith(MAY_NAME_VERSIONS) and ".lock:" not in line)


def test_the_version_is_read_from_the_package_in_one_place() -> None:
    readers = [
        name_of(path)
        for path in tracked()
        if path.suffix == ".py" and not name_of(path).startswith("tests/")
        if re.search(r"\bversion\(\W?(tollgate|PACKAGE|NAME)\b", path.read_text())
    ]
    assert readers == ["stream/version.py"]


def test_the_installed_package_has_the_stated_version() -> None:
    """`make setup` installs again when pyproject.toml has changed."""
    assert version("tollgate") == STATED


def test_the_command_prints_it() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tollgate", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout == f"tollgate {STATED}\n"


def test_the_metrics_name_it() -> None:
    labels = {"version": STATED, "python": ".".join(map(str, sys.version_info[:3]))}
    assert Metrics().registry.get_sample_value("tollgate_build_info", labels) == 1


def test_the_changelog_begins_with_it() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == STATED
