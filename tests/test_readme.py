"""The README is short, its example is what the engine publishes, its figures are measured ones, and the links of it and
of the pages in docs/ lead somewhere.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.test_tidy import found, name_of, tracked
from tollgate import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES_MAX = 150
EXAMPLE = "docs/examples/first-charge.jsonl"

PAGES = [path for path in tracked() if path.suffix == ".md"]


def section(title: str) -> str:
    return README.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def shown() -> list[dict[str, Any]]:
    return [json.loads(text) for text in re.findall(r"```json\n(.+?)```", README, re.DOTALL)]


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= LINES_MAX


def test_the_input_and_the_charge_are_real() -> None:
    sent, charge = shown()
    inputs = [json.loads(line) for line in (ROOT / EXAMPLE).read_text(encoding="utf-8").splitlines()]
    assert sent == inputs[-1]
    replayed = CliRunner().invoke(app, ["replay", str(ROOT / EXAMPLE)])
    assert replayed.exit_code == 0
    published = [json.loads(line) for line in replayed.stdout.splitlines()]
    (charged,) = [event for event in published if event["type"] == "call-charged"]
    assert "receipt" in charged
    del charged["receipt"]
    assert charge == charged


def test_its_commands_use_the_example() -> None:
    used = re.findall(r"tollgate replay (\S+)", README)
    assert used
    assert set(used) == {EXAMPLE}


def test_its_figures_are_the_measured_ones() -> None:
    measured = (ROOT / "docs/measured.md").read_text(encoding="utf-8")
    figures = [line.split("|")[2].strip() for line in section("Measured").splitlines() if re.search(r"\| \d", line)]
    assert len(figures) == 3
    assert [figure for figure in figures if f"| {figure} |" not in measured] == []


def test_the_readme_leads_to_every_page() -> None:
    pages = [path for folder in ("docs", "docs/operations", "docs/guides") for path in (ROOT / folder).glob("*.md")]
    missing = [name_of(path) for path in pages if f"({name_of(path)})" not in README]
    missing += [name for name in ("CONTRIBUTING.md", "SECURITY.md", "LICENSE") if f"({name})" not in README]
    assert missing == []


# Users read *event*; *fact* is a word of the code. `"facts"` is a field in the gateway's answers.
def test_users_read_of_events() -> None:
    folders = ("docs", "docs/guides", "docs/operations")
    pages = [page for folder in folders for page in sorted((ROOT / folder).glob("*.md"))]
    pages += [ROOT / name for name in ("README.md", "SECURITY.md", "CHANGELOG.md")]
    found(
        f"{name_of(page)}: {line}"
        for page in pages
        for line in page.read_text(encoding="utf-8").splitlines()
        if re.search(r"\bfacts?\b", line.replace('"facts":', ""), re.IGNORECASE)
    )


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them, and those that it sets itself."""
    outside_code = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", outside_code, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()).replace(" ", "-") for title in titles}
    return made | set(re.findall(r'<a id="([^"]+)"', text))


def has_anchor(path: Path, anchor: str) -> bool:
    return not anchor or path.suffix != ".md" or anchor in anchors(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]+`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    wrong = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target, _, anchor = link.partition("#")
        if "://" in link or target.startswith("mailto:"):
            continue
        to = (path.parent / target).resolve() if target else path
        if not to.exists() or not has_anchor(to, anchor):
            wrong.append(link)
    assert wrong == []
