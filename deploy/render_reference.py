"""Renders the reference pages in docs/reference from the code: inputs, events, topics, the HTTP API,
settings, metrics, commands. And the picture of an invoice, docs/images/invoice.png.

    python -m deploy.render_reference

The pages depend on nothing but the code, never on the environment or the day. A test compares them with the code.
"""

from pathlib import Path

from deploy.reference.commands import commands_page
from deploy.reference.dead_letters import dead_letters_page
from deploy.reference.http import http_page
from deploy.reference.invoice_picture import PICTURE, marked_picture
from deploy.reference.markdown import page, table
from deploy.reference.metrics import metrics_page
from deploy.reference.plans import plans_page
from deploy.reference.settings import settings_page
from deploy.reference.topics import topics_page
from deploy.reference.wire import events_page, inputs_page
from deploy.reference.words import TEXT

FOLDER = Path(__file__).resolve().parents[1] / "docs/reference"

# Page, its title, what a reader finds there.
CONTENTS = (
    ("inputs.md", "Inputs", "what a producer may send to `account-events`: every type, field, unit, and an example"),
    ("events.md", "Events", "what Tollgate publishes: every type, field, unit, and an example"),
    ("topics.md", "Topics", "names, retention, broker settings, and which events are where"),
    ("dead-letters.md", "Dead letters", "every code, its cause, and what to do"),
    ("http.md", "HTTP API", "every call of the gateway, its scope and its answers, and every problem"),
    ("commands.md", "Commands", "every command of `tollgate`, its arguments and options"),
    ("settings.md", "Settings", "every environment variable of every process"),
    ("metrics.md", "Metrics", "every metric, its labels and their values"),
    ("plans.md", "Plan catalogue", "every key of the plans, the rules and the currencies"),
)


def pages() -> dict[str, str]:
    """The text of every page by the name of its file."""
    return {
        "README.md": _index(),
        "inputs.md": inputs_page(),
        "events.md": events_page(),
        "topics.md": topics_page(),
        "dead-letters.md": dead_letters_page(),
        "http.md": http_page(),
        "commands.md": commands_page(),
        "settings.md": settings_page(),
        "metrics.md": metrics_page(),
        "plans.md": plans_page(),
    }


def _index() -> str:
    return page(
        "Reference",
        TEXT["index"],
        table(("page", "holds"), ((f"[{title}]({name})", text) for name, title, text in CONTENTS)),
    )


def main() -> None:
    texts = pages()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.glob("*.md"):
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(marked_picture())
    print(f"{len(texts)} pages written to {FOLDER}, and {PICTURE}")


if __name__ == "__main__":
    main()
