"""What the guides say is what the contract, the code and the other pages say."""

import json
import re
from pathlib import Path

import pytest

from backoffice.replay import replay_lines
from backoffice.report.sums import SECTIONS
from schemas.partitioning import partition_of
from stream import topics
from tests.guides.pages import GUIDES, PAGES, ROOT, blocks, events_of, table_after, text_of
from tests.test_tidy import found
from tests.wire.golden_files import THEMES, catalogue_of, inputs_of
from tests.wire.published import TYPES, errors, is_published

REFERENCE = ROOT / "docs" / "reference"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)

# Words with hyphens in code that name neither a topic nor a type.
JOBS = {f"tollgate-{name}" for name in ("worker", "payments", "gateway", "views", "notifier")}
OTHER_WORDS = JOBS | {"on-call", "webhook-id", "acct-7f3", "acct-hill", "acct-lake", "acct-mill"}


def anchors(page: Path) -> set[str]:
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a id="(\w+)">', text))


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve()
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_the_index_lists_every_guide() -> None:
    listed = {(GUIDES / target).resolve() for target in LINK.findall(text_of("README.md"))}
    assert {page for page in PAGES if page.name != "README.md"} <= listed


@every_page
def test_every_json_example_fits_its_schema(page: Path) -> None:
    for event in events_of(page.read_text(encoding="utf-8")):
        assert is_published(event), (event, errors(event))


def test_the_pages_that_show_events_have_examples() -> None:
    assert all(events_of(text_of(page)) for page in ("telephony.md", "notifications.md", "payments.md"))


@every_page
def test_every_python_block_compiles(page: Path) -> None:
    for number, block in enumerate(blocks(page.read_text(encoding="utf-8"), "python")):
        compile(block, f"{page.name}:{number}", "exec")


@every_page
def test_topics_and_types_are_those_of_the_contract(page: Path) -> None:
    known = {topic.name for topic in topics.CONTRACT} | set(TYPES) | OTHER_WORDS
    words = re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`", page.read_text(encoding="utf-8"))
    known |= {f"shadow-{name}" for name in known}
    found(f"{page.name}: {word}" for word in words if word not in known)


@every_page
def test_settings_and_commands_are_in_the_reference(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    settings = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    commands = (REFERENCE / "commands.md").read_text(encoding="utf-8")
    found(f"{page.name}: {name}" for name in re.findall(r"TOLLGATE_[A-Z_]+", text) if f"`{name}`" not in settings)
    called = re.findall(r"(?:`|^ *)tollgate (payments [a-z-]+|invoice [a-z-]+|[a-z-]+)", text, re.MULTILINE)
    found(f"{page.name}: tollgate {name}" for name in called if f"## tollgate {name}\n" not in commands)


def test_the_table_of_alerts_has_every_alert_with_its_audience_and_severity() -> None:
    rows = table_after(text_of("notifications.md"), "| alert | audience | severity | what to say |")
    written = [(name.strip("`"), audience, severity) for name, audience, severity, _ in rows]
    published = {
        (event["type"], event["audience"], event["severity"])
        for theme in THEMES
        for event in replay_lines(inputs_of(theme), catalogue_of(theme))
        if "audience" in event
    }
    assert len(written) == len(set(written))
    assert set(written) == published


def test_the_keys_are_in_the_partitions_that_the_page_says() -> None:
    rows = table_after(text_of("telephony.md"), "| key | partition |")
    assert len(rows) == 4
    assert {key: int(number) for key, number in rows} == {
        key: partition_of(key.strip("`").encode(), 8) for key, _ in rows
    }


def test_every_panel_is_on_the_dashboard() -> None:
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/tollgate.json").read_text(encoding="utf-8"))
    panels = {panel["title"] for panel in dashboard["panels"]}
    rows = table_after(text_of("grafana.md"), "| question | panel | healthy |")
    assert rows
    assert {panel for _, panel, _ in rows} <= panels
    named = set(re.findall(r"look at \*([^*]+)\*", text_of("grafana.md")))
    assert named <= panels


def test_the_books_have_every_item_of_the_report_once() -> None:
    finance = (ROOT / "docs/finance.md").read_text(encoding="utf-8")
    booked: dict[str, list[str]] = {}
    section = ""
    for name, items, *_ in table_after(finance, "| section | item | debit | credit |"):
        section = name or section
        booked.setdefault(section, []).extend(re.findall(r"`(\w+)`", items))
    left_out = {"total", "opening", "closing"}
    # Sales of credits are booked with the wallets.
    sold = {"cards": {"purchase", "refill"}}
    assert {name: sorted(items) for name, items in booked.items()} == {
        name: sorted(set(SECTIONS[name]) - left_out - sold.get(name, set()))
        for name in ("wallets", "invoiced", "cards")
    }
