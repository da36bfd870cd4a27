"""The pages of docs/guides as tests read them: their code, their JSON examples, their tables."""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "guides"
PAGES = sorted(GUIDES.glob("*.md"))
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def text_of(page: str) -> str:
    return (GUIDES / page).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return [body for _, found, body in FENCE.findall(text) if found == language]


def code_of(page: str, name: str) -> dict[str, Any]:
    """What the Python block that begins with the comment `name` defines."""
    (block,) = [body for body in blocks(text_of(page), "python") if body.startswith(f"# {name}\n")]
    defined: dict[str, Any] = {"__name__": name}
    exec(compile(block, f"{page}:{name}", "exec"), defined)
    return defined


def events_of(text: str) -> list[dict[str, Any]]:
    """The JSON objects of all JSON blocks, in order."""
    decoder, found = json.JSONDecoder(), []
    for body in blocks(text, "json"):
        rest = body.strip()
        while rest:
            event, end = decoder.raw_decode(rest)
            found.append(event)
            rest = rest[end:].strip()
    return found


def table_after(text: str, header: str) -> list[list[str]]:
    """The cells of the rows of the table with this header line."""
    rows = text.split(f"{header}\n", 1)[1].split("\n\n", 1)[0].splitlines()[1:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
