"""Renders docs/operations/runbook.md into the page that Prometheus serves and that the alerts link to.

    python -m deploy.render_runbook

Prometheus serves `/consoles/NAME.html` from its folder of templates, so no other server or address is needed.
"""

import re
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "docs/operations/runbook.md"
PAGE = ROOT / "deploy/prometheus/consoles/runbook.html"

STYLE = """
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; color: #1b1f24; }
h2 { margin-top: 2.5rem; border-top: 1px solid #d0d7de; padding-top: 1rem; }
h2:target { background: #fff3c4; }
code { background: #eff1f3; padding: .1em .3em; border-radius: 3px; overflow-wrap: anywhere; }
table { border-collapse: collapse; }
th, td { border: 1px solid #d0d7de; padding: .3em .6em; text-align: left; vertical-align: top; }
pre { background: #eff1f3; padding: .6em; overflow-x: auto; }
a { color: #0b57a4; }
"""


def anchor_of(heading: str) -> str:
    """The id of a heading, as GitHub makes it: lower case, no punctuation, hyphens for spaces."""
    return re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")


def render(source: str) -> str:
    """The page. Prometheus interprets it as a template, so literal braces are escaped as template strings."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(source)
    for opening, text in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", anchor_of(_plain(text)))
    body = markdown.renderer.render(tokens, markdown.options, {})
    page = (
        "<!DOCTYPE html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Tollgate runbook</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
    return page.replace("{{", '{{"{{"}}')


def _plain(inline: Token) -> str:
    return "".join(token.content for token in inline.children or () if token.type in {"text", "code_inline"})


if __name__ == "__main__":
    PAGE.write_text(render(SOURCE.read_text(encoding="utf-8")), encoding="utf-8")
