"""The picture of an invoice for people who read about it: what `tollgate invoice` makes of the events of an example."""

import struct
import zlib
from hashlib import sha256
from pathlib import Path

import msgspec

from backoffice.documents.compose import page_of
from backoffice.documents.issued import find_document, read_issued
from backoffice.documents.issuer import load_issuer
from backoffice.documents.page import Page
from backoffice.documents.typeset import picture, sources
from backoffice.replay import replay_lines

ROOT = Path(__file__).resolve().parents[2]
INPUTS = ROOT / "docs/examples/invoice.jsonl"
ISSUER = ROOT / "docs/examples/issuer.toml"
INVOICE = "acct-9k2/invoice/1"
PICTURE = ROOT / "docs/images/invoice.png"
PIXELS_PER_INCH = 100
_KEYWORD = b"Source\0"
# The signature, and the header's chunk: its length, name, 13 bytes and checksum. Other chunks may follow them.
_HEAD_BYTES = 8 + 4 + 4 + 13 + 4


def marked_picture() -> bytes:
    """The first page as PNG, with the hash of what it was made from: pixels may differ between processors."""
    png = picture(_page(), PIXELS_PER_INCH)
    chunk = b"tEXt" + mark()
    mark_chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png[:_HEAD_BYTES] + mark_chunk + png[_HEAD_BYTES:]


def mark() -> bytes:
    """What a current picture contains: the hash of the invoice's content, the templates and the resolution."""
    content = msgspec.json.encode((_page(), PIXELS_PER_INCH)) + b"".join(sources())
    return _KEYWORD + sha256(content).hexdigest().encode()


def _page() -> Page:
    facts = [msgspec.json.encode(fact) for fact in replay_lines(INPUTS.read_bytes().splitlines())]
    warnings: list[str] = []
    issued = read_issued(facts, warnings.append)
    assert not warnings, warnings
    return page_of(find_document(issued, INVOICE, None), issued, *load_issuer(ISSUER))
