"""The sender of invoices and receipts, from a TOML file. Every key has a default."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

LOGO_BYTES_MAX = 1_000_000
ACCENT = "#1f4e66"
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The space there is: a line beside the name, and a note at the foot of a page.
_Line = Annotated[str, Meta(max_length=100)]
_Note = Annotated[str, Meta(max_length=300)]


class IssuerError(ValueError):
    """The issuer file cannot be used. The message names the key and the expected value."""


@dataclass(frozen=True, slots=True)
class Logo:
    """An image in the form that the typesetter takes: the text of an SVG, or the bytes of a PNG as numbers."""

    format: Literal["png", "svg"]
    source: str | tuple[int, ...]


class Issuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of the file. `address` has one string a line, `accent` is a colour as `#rrggbb`, `logo` the path of a
    PNG or SVG file, relative to the issuer file.
    """

    name: Annotated[str, Meta(min_length=1, max_length=100)] = "Tollgate"
    address: Annotated[tuple[_Line, ...], Meta(max_length=8)] = ()
    vat_id: _Line = ""
    email: _Line = ""
    footer: _Note = ""
    accent: Annotated[str, Meta(pattern=r"^#[0-9a-fA-F]{6}$")] = ACCENT
    logo: str = ""


def load_issuer(path: Path | None) -> tuple[Issuer, Logo | None]:
    """The issuer of the file and its logo; the default issuer when `path` is None. Raises IssuerError."""
    if path is None:
        return Issuer(), None
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise IssuerError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise IssuerError(f"{path}: not TOML: {error}") from None
    issuer = _convert(table, path)
    return issuer, load_logo(path.parent / issuer.logo, path) if issuer.logo else None


def _convert(table: dict[str, object], path: Path) -> Issuer:
    unknown = sorted(table.keys() - set(Issuer.__struct_fields__))
    if unknown:
        known = ", ".join(Issuer.__struct_fields__)
        raise IssuerError(f"{path}: {unknown[0]}: unknown key; expected one of {known}")
    try:
        return msgspec.convert(table, Issuer)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        raise IssuerError(f"{path}: {where.rstrip('`')}: {what}; {_examples(where)}") from None


def _examples(where: str) -> str:
    examples = {"address": 'write `address = ["1 High Street", "London"]`', "accent": f'write `accent = "{ACCENT}"`'}
    key = where.rstrip("`").partition("[")[0]
    return examples.get(key, f'write `{key} = "…"`')


def load_logo(path: Path, named_by: Path | str) -> Logo:
    """The logo in a file. Raises IssuerError, which begins with the file or table that names it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise IssuerError(f"{named_by}: logo: {path}: cannot be read: {error.strerror}") from None
    if len(content) > LOGO_BYTES_MAX:
        raise IssuerError(
            f"{named_by}: logo: {path} has {len(content):,} bytes; at most {LOGO_BYTES_MAX:,} are allowed"
        )
    if content.startswith(_PNG_SIGNATURE):
        return Logo("png", tuple(content))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if "<svg" not in text:
        raise IssuerError(f"{named_by}: logo: {path} is neither a PNG nor an SVG file; save it as one of them")
    return Logo("svg", text)
