"""`tollgate redact INPUTS.jsonl`: the same inputs without people's data, which replay to the same money.

Telephone numbers, e-mail and postal addresses, names, tax ids, tokens, card data and free text become pseudonyms: equal
values get equal pseudonyms, and without the key nobody can compute them again. Ids, times, amounts and plans stay. A
line that the rules refuse unread becomes one without content that they refuse for the same reason.
"""

import hashlib
import hmac
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
import orjson
import typer
from msgspec.structs import FieldInfo

from backoffice.replay import open_inputs
from schemas.codec import Unreadable, decode_input, flat_input, read_arrival, read_field
from schemas.inputs import AnyInput, input_type
from schemas.instant import Instant, format_instant
from stream.progress import with_progress

KEY_BYTES_MIN = 16
_LETTERS = "abcdefghijklmnop"  # Pseudonyms with digits could look like card numbers, which would be refused.
# No field accepts it: an invalid value stays invalid, whatever it was.
_INVALID: dict[str, Any] = {}
_FREE_TEXT = {"call-reclassified", "credits-granted", "subscription-cancel-requested"}


class Pseudonyms:
    """Replaces values by others of the same kind that depend on them and on the key alone."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def number(self, value: str) -> str:
        """A telephone number with a country code that is not assigned to any country."""
        return f"+999{int.from_bytes(self._digest('number', value)[:5]) % 10**11:011d}"

    def email(self, value: str) -> str:
        return f"{self._letters('email', value)}@redacted.invalid"

    def text(self, value: str) -> str:
        return f"redacted {self._letters('text', value)}" if value else value

    def token(self, value: str) -> str:
        return f"redacted_{self._letters('token', value)}"

    def last4(self, value: str) -> str:
        return f"{int.from_bytes(self._digest('last4', value)[:4]) % 10_000:04d}"

    def _letters(self, kind: str, value: str) -> str:
        return "".join(_LETTERS[byte >> 4] + _LETTERS[byte & 15] for byte in self._digest(kind, value)[:10])

    def _digest(self, kind: str, value: str) -> bytes:
        return hmac.digest(self._key, f"{kind}/{value}".encode(), hashlib.sha256)


# By the field's name in the contract. Every other field is an id, a time, a number or a word of the contract.
REPLACED: Mapping[str, Callable[[Pseudonyms, Any], object]] = {
    "from": Pseudonyms.number,
    "to": Pseudonyms.number,
    "redirect_to": Pseudonyms.number,
    "number": Pseudonyms.number,
    "billing_email": Pseudonyms.email,
    "name": Pseudonyms.text,
    "address": Pseudonyms.text,
    "tax_id": Pseudonyms.text,
    "country": lambda _, value: value and "ZZ",
    "actor": Pseudonyms.text,
    "reason": Pseudonyms.text,  # Only where a person wrote it: a provider's reason is a code.
    "token": Pseudonyms.token,
    "brand": lambda _, __: "visa",
    "last4": Pseudonyms.last4,
    "exp_month": lambda _, __: 12,
    "exp_year": lambda _, __: 2099,
}

# For each code by which a line is refused unread, a line without content that is refused by it too.
_STAND_INS = {
    "malformed_json": b"{",
    "not_utf8": b'"\xff"',
    "not_an_object": b"[]",
    "unsupported_version": b'{"specversion":"redacted"}',
    "unknown_type": b'{"type":"redacted"}',
    "card_number_refused": b'{"type":"payment-method-added","token":"4242 4242 4242 4242"}',
}


def command(
    events: Annotated[
        str, typer.Argument(metavar="INPUTS.jsonl", help="Inputs, one JSON object a line; - reads stdin.")
    ],
    account: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Redact only the inputs of this account; may be repeated.")
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(help="Secret of at least 16 bytes; one secret gives the same pseudonyms in several files."),
    ] = None,
) -> None:
    """Replace people's data in a file of inputs by pseudonyms.

    Pseudonyms replace telephone numbers, e-mail and postal addresses, names, tax ids, tokens, card data and free text.
    `replay` of the result gives the same events except for these fields. Without --key-file the key is random and is
    not kept, so nobody can link a pseudonym to its value. Ids do not change. With --account, inputs of other accounts
    do not change either; a line whose account cannot be read is always redacted.
    """
    key = secrets.token_bytes() if key_file is None else key_file.read_bytes().strip()
    if len(key) < KEY_BYTES_MIN:
        raise typer.BadParameter(
            f"--key-file: {key_file} has fewer than {KEY_BYTES_MIN} bytes: write a longer secret into it"
        )
    with open_inputs(events) as lines:
        for line in redact_lines(with_progress(lines, "redact"), key, frozenset(account or ())):
            sys.stdout.buffer.write(line + b"\n")


def redact_lines(lines: Iterable[bytes], key: bytes, accounts: frozenset[str] = frozenset()) -> Iterator[bytes]:
    """One line for each line, blank ones too, so that dead letters keep their line numbers. No `accounts`: all."""
    pseudonyms = Pseudonyms(key)
    for raw in lines:
        line = raw.strip()
        yield _redact(line, pseudonyms, accounts) if line else line


def _redact(line: bytes, pseudonyms: Pseudonyms, accounts: frozenset[str]) -> bytes:
    event = decode_input(line)
    if not isinstance(event, Unreadable):
        return line if accounts and event.account_id not in accounts else _write(_taken(event), line, pseudonyms)
    flat = flat_input(line)
    if accounts and flat is not None and _is_of_another(flat, accounts):
        return line
    if event.code != "schema_invalid":
        return _STAND_INS.get(event.code, b"x" * len(line))  # The only other one is `too_large`.
    assert flat is not None, "a line with an invalid field is an object"
    return _write(_refused(flat), line, pseudonyms)


def _is_of_another(flat: Mapping[str, Any], accounts: frozenset[str]) -> bool:
    account_id = flat.get("account_id")
    return isinstance(account_id, str) and account_id not in accounts


def _taken(event: AnyInput) -> dict[str, Any]:
    """The fields of an input, by their names in the contract, without those that are left out."""
    fields = _fields_of(input_type(event))
    values = {field.encode_name: getattr(event, field.name) for field in fields if _is_given(event, field)}
    return {"type": input_type(event), **{name: _written(value) for name, value in values.items()}}


def _is_given(event: AnyInput, field: FieldInfo) -> bool:
    return field.required or getattr(event, field.name) is not None


def _written(value: object) -> object:
    return format_instant(value) if isinstance(value, Instant) else value


def _refused(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The same of an input with an invalid field, whose value may be anything. Unknown fields are left out."""
    fields = [field for field in _fields_of(flat["type"]) if field.encode_name in flat]
    return {
        "type": flat["type"],
        **{field.encode_name: _valid(flat[field.encode_name], field.type) for field in fields},
    }


def _valid(value: Any, kind: Any) -> Any:
    return value if value is None or read_field(value, kind) is not None else _INVALID


def _write(fields: Mapping[str, Any], line: bytes, pseudonyms: Pseudonyms) -> bytes:
    redacted = {name: _replace(pseudonyms, fields["type"], name, value) for name, value in fields.items()}
    arrived = read_arrival(line)
    if arrived is not None:
        redacted["arrived_at"] = format_instant(arrived) if isinstance(arrived, int) else _INVALID
    return orjson.dumps(redacted)


def _replace(pseudonyms: Pseudonyms, type_name: str, name: str, value: Any) -> object:
    replace = REPLACED.get(name)
    if replace is None or value is None or value is _INVALID or (name == "reason" and type_name not in _FREE_TEXT):
        return value
    return replace(pseudonyms, value)


@cache
def _fields_of(type_name: str) -> tuple[FieldInfo, ...]:
    kind = next(one for one in AnyInput.__args__ if one.__struct_config__.tag == type_name)
    return msgspec.structs.fields(kind)
