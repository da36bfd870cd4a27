"""The rule book (docs/rules.md) keeps step with code and tests: every rule that is cited is defined, and every rule
names a file that keeps it and a test that checks it, by its id.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.test_tidy import ROOT, found, name_of, tracked, tree_of

INDEX = ROOT / "docs/rules.md"
PAGES = sorted((ROOT / "docs/rules").glob("*.md"))

# How many rules each family has. P begins with 0, the others with 1.
FAMILIES = {"G": 15, "C": 18, "M": 13, "P": 21, "K": 4, "B": 10, "R": 9, "L": 5, "X": 4, "A": 2}
IDS = [f"{family}{n}" for family, last in FAMILIES.items() for n in range(family != "P", last + 1)]

CITED = re.compile(r"(?<![\w/#-])([GCMPKBRLXA])([0-9]{1,2})(?![\w%])(?:( to )\1([0-9]{1,2})\b)?")
IN_A_NAME = re.compile(r"(?<=_)([gcmpkbrlxa])([0-9]{1,2})(?:_to_\1([0-9]{1,2}))?(?=_|$)")
HEADING = re.compile(r'^## <a id="(\w+)"></a>(\w+) (.+)$', re.MULTILINE)
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")


def ids_in(text: str) -> set[str]:
    """The rules that a text cites: `C6`, `C2 to C6`."""
    found_ids: set[str] = set()
    for family, first, _, last in CITED.findall(text):
        found_ids.update(f"{family}{n}" for n in range(int(first), int(last or first) + 1))
    return found_ids


def ids_in_name(name: str) -> set[str]:
    """The rules that the name of a test has: `test_c06_…`, `test_c02_to_c06_…`."""
    found_ids: set[str] = set()
    for family, first, last in IN_A_NAME.findall(name):
        found_ids.update(f"{family.upper()}{n}" for n in range(int(first), int(last or first) + 1))
    return found_ids


@cache
def sections() -> dict[str, tuple[Path, str, str]]:
    """The page, title and text of each rule, by its id."""
    rules: dict[str, tuple[Path, str, str]] = {}
    for page in PAGES:
        _, *parts = HEADING.split(page.read_text(encoding="utf-8"))
        for anchor, rule, title, text in zip(*[iter(parts)] * 4, strict=True):
            assert anchor == rule.lower(), f"{page.name}: {rule} has the anchor {anchor}"
            assert rule not in rules, f"{rule} is defined twice"
            rules[rule] = page, title, text
    return rules


def footer(rule: str, label: str) -> list[tuple[str, str]]:
    """The links, as (text, path), of the line that begins with `label`."""
    (line,) = re.findall(rf"^{label} (.+?)\\?$", sections()[rule][2], re.MULTILINE)
    return [(text, target.removeprefix("../../")) for text, target in LINK.findall(line)]


@cache
def comments_of(path: Path) -> dict[int, str]:
    source = io.StringIO(path.read_text(encoding="utf-8"))
    return {t.start[0]: t.string for t in tokenize.generate_tokens(source.readline) if t.type == tokenize.COMMENT}


@cache
def carried_by(path: Path) -> dict[str, set[str]]:
    """The rules that each test of a file carries: in its name, in its docstring, or in a comment above or inside it."""
    carried: dict[str, set[str]] = {}
    comments, above = comments_of(path), 0
    for node in tree_of(path).body:
        assert node.end_lineno is not None
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            said = " ".join(text for line, text in comments.items() if above < line <= node.end_lineno)
            carried[node.name] = ids_in_name(node.name) | ids_in(f"{said} {ast.get_docstring(node) or ''}")
        above = node.end_lineno
    return carried


def texts() -> Iterator[tuple[str, str]]:
    """Every text of ours that may cite a rule."""
    for path in tracked():
        if path.suffix in {".py", ".md", ".toml", ".yml", ".yaml", ".typ"} and "golden" not in path.parts:
            yield name_of(path), path.read_text(encoding="utf-8")


def test_the_book_defines_every_rule() -> None:
    assert sorted(sections()) == sorted(IDS)


# The names of lint rules, and encoded bytes of URLs.
NO_RULES = r"noqa: [A-Z0-9, ]+|%[0-9A-F]{2}"


def test_every_rule_that_is_cited_is_defined() -> None:
    found(
        f"{name}: {rule} is in no page of docs/rules"
        for name, text in texts()
        for rule in sorted(ids_in(re.sub(NO_RULES, "", text)) - set(IDS))
    )
    found(
        f"{name_of(path)}: {test} names {rule}, which is in no page of docs/rules"
        for path in tracked()
        if path.suffix == ".py" and path.name.startswith("test_")
        for test in carried_by(path)
        for rule in sorted(ids_in_name(test) - set(IDS))
    )


@pytest.mark.parametrize("rule", IDS)
def test_a_rule_names_a_file_that_keeps_it_and_cites_it(rule: str) -> None:
    files = footer(rule, "Kept by")
    assert files, "no file is named"
    assert all(text == path and (ROOT / path).is_file() for text, path in files), files
    assert any(rule in ids_in((ROOT / path).read_text(encoding="utf-8")) for _, path in files), (
        f"none of the files cites {rule}"
    )


@pytest.mark.parametrize("rule", IDS)
def test_a_rule_names_tests_that_carry_its_id(rule: str) -> None:
    tests = footer(rule, "Tested by")
    assert tests, "no test is named"
    for test, path in tests:
        assert (ROOT / path).is_file(), path
        carried = carried_by(ROOT / path)
        assert test in carried, f"{path} has no {test}"
        assert rule in carried[test], f"{test} carries {sorted(carried[test])}, not {rule}"


@pytest.mark.parametrize("page", [INDEX, *PAGES], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for _, target in LINK.findall(page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            assert f'<a id="{anchor}"></a>' in file.read_text(encoding="utf-8"), target


def test_the_index_lists_every_rule_by_its_title() -> None:
    listed = re.findall(r"^\| \[(\w+)\]\(rules/(.+)\.md#(\w+)\) \| (.+) \|$", INDEX.read_text("utf-8"), re.MULTILINE)
    assert listed == [(rule, sections()[rule][0].stem, rule.lower(), sections()[rule][1]) for rule in IDS]


def test_every_worked_example_has_a_test() -> None:
    rows = (ROOT / "docs/rules/examples.md").read_text(encoding="utf-8").splitlines()
    examples = [row.split(" | ") for row in rows if row.startswith("| ") and "---" not in row][1:]
    assert examples
    for *_, rules, test in examples:
        ((name, path),) = LINK.findall(test)
        assert name in carried_by(ROOT / path.removeprefix("../../")), name
        assert ids_in(re.sub(r"\([^)]*\)", "", rules)) <= set(IDS)


# Users read *event*; *fact* is a word of the code.
def test_readers_of_the_book_read_of_events() -> None:
    found(
        f"{page.name}: {line}"
        for page in (INDEX, *PAGES)
        for line in page.read_text(encoding="utf-8").splitlines()
        if re.search(r"\bfacts?\b", re.sub(r"\[[^\]]*\]\([^)]*\)", "", line))
    )
