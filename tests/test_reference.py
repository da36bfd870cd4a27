"""The pages of docs/reference are what the code says; `python -m deploy.render_reference` writes them again."""

import json
import re
from importlib import import_module

import pytest

from deploy.reference.processes import PROCESSES
from deploy.reference.wire import documents_by_name
from deploy.reference.words import WORDS
from deploy.render_reference import FOLDER, pages
from schemas.wire.generate import fact_types, input_types
from stream.ops.metric_table import DEAD_LETTER_CODES
from stream.topics import CONTRACT
from tests.test_tidy import INSIDE_WORD, name_of, tracked
from tollgate import COMMANDS

PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_gives(name: str) -> None:
    stored = (FOLDER / name).read_text(encoding="utf-8")
    assert stored == PAGES[name], f"{name} is stale: run `python -m deploy.render_reference`"


def test_there_are_no_other_pages() -> None:
    assert {path.name for path in FOLDER.iterdir()} == PAGES.keys()


def test_pages_do_not_depend_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLGATE_TOPIC_PREFIX", "other-")
    monkeypatch.setenv("TOLLGATE_APP_ID", "other")
    monkeypatch.setenv("COLUMNS", "40")
    assert pages() == PAGES


def test_every_process_is_on_the_pages_of_settings_and_metrics() -> None:
    """A new process needs an entry in deploy/reference/processes.py."""
    modules = {name_of(path): path.read_text(encoding="utf-8") for path in tracked() if path.suffix == ".py"}
    listed = {process.settings.__module__.replace(".", "/") + ".py" for process in PROCESSES}
    assert listed == {
        name for name, text in modules.items() if re.search(r"^class Settings\(.*Settings\)", text, re.MULTILINE)
    }
    metrics = {row for process in PROCESSES for row in process.metrics}
    for name, text in modules.items():
        if re.search(r"^METRICS = ", text, re.MULTILINE):
            table = import_module(name.removesuffix(".py").replace("/", ".")).METRICS
            assert metrics.issuperset(table), name


def test_every_field_of_every_type_has_a_row_with_a_meaning() -> None:
    text = PAGES["inputs.md"] + PAGES["events.md"]
    for name in input_types() | fact_types():
        section = re.split(r"^## ", text.split(f"\n## {name}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
        schema = json.loads(documents_by_name()[name])
        for part in (schema, *schema.get("$defs", {}).values()):
            for field in part["properties"]:
                row = re.search(rf"^\| `{field}` \| (yes)? \| (.+?) \| (.+) \|$", section, re.MULTILINE)
                assert row is not None, f"{name}.{field}"
        assert "```json" in section, f"{name} has no example"


def test_nothing_is_left_out() -> None:
    assert all(f"\n## tollgate {name}" in PAGES["commands.md"] for name in COMMANDS)
    assert all(f'<a id="{code}"></a>' in PAGES["dead-letters.md"] for code in DEAD_LETTER_CODES)
    assert WORDS["dead_letters"].keys() == set(DEAD_LETTER_CODES)
    assert WORDS["topics"].keys() == {topic.name for topic in CONTRACT}


@pytest.mark.parametrize("name", PAGES)
def test_pages_say_event_and_never_fact(name: str) -> None:
    """The pages hold the help of every command, option, setting and metric, and the words of the contract."""
    assert INSIDE_WORD.findall(PAGES[name]) == []


def test_links_between_pages_lead_somewhere() -> None:
    for name, text in PAGES.items():
        for target in re.findall(r"\]\(([^)#]+\.(?:md|toml))", text):
            assert (FOLDER / target).resolve().is_file(), f"{name}: {target}"
