"""The picture of an invoice in the README is of the current engine, templates and example."""

import re

import pytest

from deploy.reference.invoice_picture import PICTURE, ROOT, mark, marked_picture

BYTES_MAX = 150_000


def test_the_picture_is_what_the_example_gives_today() -> None:
    """Compares what it was made from: a processor of another kind may draw other pixels."""
    stored = PICTURE.read_bytes()
    assert mark() in stored, "stale: run `python -m deploy.render_reference`"
    assert len(stored) <= BYTES_MAX


def test_it_is_a_png_and_the_same_bytes_each_time() -> None:
    made = marked_picture()
    assert made.startswith(b"\x89PNG\r\n\x1a\n")
    assert made.endswith(b"IEND\xaeB`\x82")
    assert made == marked_picture()
    assert mark() in made


@pytest.mark.parametrize("page", ["README.md", "docs/documents.md"])
def test_it_is_shown(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^\]]+\]\((\S+)\)", text)
    assert [(ROOT / page).parent / link for link in shown] == [PICTURE]
