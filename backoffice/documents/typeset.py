"""Makes the PDF of a page, the same bytes each time: no clock, no randomness, only the typesetter's own fonts. Rule
M11.
"""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
import typst

from backoffice.documents.issued import DocumentError
from backoffice.documents.page import InvoicePage, Page

_TEMPLATES = Path(__file__).parent
# PDF/A-2a, for archives: the file includes its fonts, its text and its reading order.
_ARCHIVAL: Final = "a-2a"
_PROBE = "probe.typ"


@dataclass(frozen=True, slots=True)
class Typeset:
    """A PDF. `remark` gives the reason when it is not PDF/A, and is empty when it is."""

    pdf: bytes
    remark: str = ""


def typeset(page: Page) -> Typeset:
    """The PDF of a page. Raises DocumentError when it cannot be typeset, which only a broken logo causes."""
    name, content = _template(page), msgspec.json.encode(page).decode()
    try:
        return Typeset(_compile(name, content, archival=True))
    except typst.TypstError as error:
        remark = _why_not_archival(page, error.message)
    try:
        return Typeset(_compile(name, content, archival=False), remark)
    except typst.TypstError as error:
        raise DocumentError(f"{page.title} cannot be typeset: {error.message}; check the logo file") from None


def picture(page: Page, pixels_per_inch: int) -> bytes:
    """The first page as PNG."""
    name, content = _template(page), msgspec.json.encode(page).decode()
    made = _compiler(name).compile(format="png", ppi=pixels_per_inch, sys_inputs={"page": content})
    first = made[0] if isinstance(made, list) else made
    assert isinstance(first, bytes)
    return first


def sources() -> list[bytes]:
    """The templates, on which every page depends."""
    return [path.read_bytes() for path in sorted(_TEMPLATES.glob("*.typ"))]


def _template(page: Page) -> str:
    return "invoice.typ" if isinstance(page, InvoicePage) else "receipt.typ"


def fingerprint(page: Page) -> str:
    """A text that differs whenever the bytes of the PDF do: of the page, the templates and the typesetter."""
    parts = [version("typst").encode(), _templates(), type(page).__name__.encode(), msgspec.json.encode(page)]
    return sha256(b"\0".join(parts)).hexdigest()


@cache
def _templates() -> bytes:
    return b"".join(path.read_bytes() for path in sorted(_TEMPLATES.glob("*.typ")))


def _compile(name: str, content: str, *, archival: bool) -> bytes:
    pdf = _compiler(name).compile(
        format="pdf", sys_inputs={"page": content}, pdf_standards=[_ARCHIVAL] if archival else []
    )
    assert isinstance(pdf, bytes)
    return pdf


@cache
def _compiler(name: str) -> typst.Compiler:
    return typst.Compiler(
        _TEMPLATES / name, root=_TEMPLATES, font_paths=typst.Fonts(include_system_fonts=False), ignore_system_fonts=True
    )


def _why_not_archival(page: Page, message: str) -> str:
    text = msgspec.json.encode(msgspec.structs.replace(page, issuer=msgspec.structs.replace(page.issuer, logo=None)))
    missing = [character for character in sorted(set(text.decode())) if _is_missing(character)]
    if missing:
        return f"no font has {' '.join(missing)}: the document shows a box for each, and is not PDF/A"
    return f"the document is not PDF/A: {message}"


def _is_missing(character: str) -> bool:
    if character.isascii():
        return False
    try:
        _compile(_PROBE, character, archival=True)
    except typst.TypstError:
        return True
    return False
