"""The distribution: what `pip install .` gives has every command and all of their data, and nothing else."""

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tollgate import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests/wire/golden/v1"


def run(*command: str | Path, cwd: Path) -> str:
    ended = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def tollgate(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The console script of an installation of its own, which shares only the dependencies with this environment."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=True)
    run(folder / "bin/pip", "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=folder)
    ours = Path(pytest.__file__).parents[1]
    site = next((folder / "lib").glob("python*/site-packages"))
    # A path file inside the shared directory is not read, so this checkout itself stays out of reach.
    (site / "dependencies.pth").write_text(f"{ours}\n")
    return folder / "bin/tollgate"


def test_it_holds_the_packages_and_their_data_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {
        *("tollgate.py", "schemas", "agents", "stream", "backoffice", "payments", "gateway", "devkit", "demo"),
    }
    assert not [name for name in names if name.endswith(".pyc")]
    data = (
        "schemas/plans.toml",
        "schemas/currencies.toml",
        "backoffice/documents/invoice.typ",
        "devkit/kafka/pom.xml",
        "schemas/wire/asyncapi.yaml",
        "gateway/http/problems.toml",
        "gateway/http/templates/style.css",
    )
    assert set(data) <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_it_is_the_installed_code_that_runs(tollgate: Path, tmp_path: Path) -> None:
    code = "import stream.settings; print(stream.settings.__file__)"
    assert run(tollgate.with_name("python"), "-c", code, cwd=tmp_path).startswith(str(tollgate.parents[1]))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_answers_to_help(tollgate: Path, tmp_path: Path, command: str) -> None:
    assert "Usage: tollgate" in run(tollgate, command, "--help", cwd=tmp_path)


def test_replay_gives_the_same_events(tollgate: Path, tmp_path: Path) -> None:
    events = run(tollgate, "replay", GOLDEN / "gate.inputs.jsonl", "--plans", GOLDEN / "plans.toml", cwd=tmp_path)
    assert events == (GOLDEN / "gate.facts.jsonl").read_text()


def test_it_renders_an_invoice(tollgate: Path, tmp_path: Path) -> None:
    facts = GOLDEN / "subscription.facts.jsonl"
    issued = (json.loads(line) for line in facts.read_text().splitlines())
    invoice_id = next(fact["invoice_id"] for fact in issued if fact["type"] == "invoice-issued")
    run(tollgate, "invoice", "render", facts, invoice_id, "-o", "invoice.pdf", cwd=tmp_path)
    assert (tmp_path / "invoice.pdf").read_bytes().startswith(b"%PDF-")
