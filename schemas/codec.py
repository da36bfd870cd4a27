"""Decodes inputs. An input that cannot be read gives a refusal with the contract's code, never an exception."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import msgspec
import msgspec.inspect
import orjson

from schemas.batch import Headers
from schemas.card_number import holds_card_number, text_holds_card_number
from schemas.inputs import AnyInput, PaymentMethodAdded, PaymentMethodDefaulted, PaymentMethodRemoved
from schemas.instant import Instant, parse_instant

VALUE_BYTES_MAX = 65_536
_MESSAGE_MAX = 400
_CLOUDEVENTS_VERSION = "1.0"
_VERSION = b"specversion"
_STRUCTURED = b"application/cloudevents+json"
_CARD_INPUTS = (PaymentMethodAdded, PaymentMethodRemoved, PaymentMethodDefaulted)

# CloudEvents attributes, and the fields that they supply where the value leaves them out.
_ATTRIBUTES = {"type": "type", "id": "id", "time": "occurred_at", "subject": "account_id"}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The refusal of an input, with the contract's code. `masked`: no part of its value may be written anywhere."""

    code: str
    message: str
    masked: bool = False


def _read_instant(kind: type, value: object) -> object:
    if kind is Instant:
        return parse_instant(value)
    raise NotImplementedError(kind)


_decoder = msgspec.json.Decoder(AnyInput, dec_hook=_read_instant)


def decode_input(value: bytes | None, headers: Headers = ()) -> AnyInput | Unreadable:
    """The input in a record's value: flat JSON, or CloudEvents 1.0 in binary or structured mode."""
    if value is None:
        return Unreadable("malformed_json", "the record has no value: expected one flat JSON object")
    if len(value) > VALUE_BYTES_MAX:
        return Unreadable("too_large", f"the value has {len(value)} bytes: at most {VALUE_BYTES_MAX} are read")
    try:
        event: AnyInput = _decoder.decode(value)
        if not value.isascii():
            value.decode("utf-8")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _decode_slowly(value, headers)
    # A value that decodes is flat, whatever the headers say: its own fields are the input, and they are what was
    # signed.
    if isinstance(event, _CARD_INPUTS) or _VERSION in value or (headers and _check_version(headers) is not None):
        return _decode_slowly(value, headers)
    return event


def readable_type(value: bytes | None, headers: Headers = ()) -> str:
    """The `type` of an input, even if nothing else of it can be read; empty when the type cannot be read either."""
    kind = (flat_input(value, headers) or {}).get("type")
    return kind if isinstance(kind, str) else ""


def flat_input(value: bytes | None, headers: Headers = ()) -> dict[str, Any] | None:
    """The fields of an input within the size limit, unchecked; None when the value is not a JSON object. A CloudEvent
    of an unknown version gives those of its envelope.
    """
    if value is None or len(value) > VALUE_BYTES_MAX:
        return None
    table = _parse(value)
    if isinstance(table, Unreadable):
        return None
    flat = flatten_event(table, dict(headers))
    return table if isinstance(flat, Unreadable) else flat


def read_field(value: object, kind: Any) -> Any:
    """One field's value as an input's type `kind` has it, None when it is not valid."""
    try:
        return msgspec.convert(value, kind, dec_hook=_read_instant)
    except msgspec.ValidationError:
        return None


class _Arrival(msgspec.Struct):
    arrived_at: Instant | None = None


_arrival_decoder = msgspec.json.Decoder(_Arrival, dec_hook=_read_instant)


def read_arrival(line: bytes) -> int | Unreadable | None:
    """When the broker received the input on a line of a replay, from the line's `arrived_at`: milliseconds, None when
    the line has none.

    `arrived_at` stands beside the input's fields and is not part of the input. The line must be one that `decode_input`
    has read.
    """
    try:
        try:
            arrived = _arrival_decoder.decode(line).arrived_at
        except RecursionError:  # An ignored field may be nested more deeply than this decoder goes.
            arrived = msgspec.convert(_parse(line), _Arrival, dec_hook=_read_instant).arrived_at
    except msgspec.MsgspecError as error:
        return _schema_invalid(error)
    return None if arrived is None else int(arrived)


def _check_version(headers: Headers) -> Unreadable | None:
    for name, text in headers:
        if name == "ce_specversion" and text != _CLOUDEVENTS_VERSION.encode():
            return Unreadable("unsupported_version", f"`ce_specversion` is not {_CLOUDEVENTS_VERSION}")
    return None


def _decode_slowly(value: bytes, headers: Headers) -> AnyInput | Unreadable:
    """The same in steps, which give each fault its own code in the order of rule X1, and find card numbers anywhere."""
    table = _parse(value)
    if isinstance(table, Unreadable):
        return table
    refusal = _check_version(headers)
    if refusal is not None:
        return refusal
    flat = flatten_event(table, dict(headers))
    if isinstance(flat, Unreadable):
        return flat
    kind = flat.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        return Unreadable("unknown_type", _unknown_type(flat))
    refusal = _refuse_card_number(value, flat) if kind.startswith("payment-method-") else None
    if refusal is not None:
        return refusal
    try:
        return cast("AnyInput", msgspec.convert(flat, AnyInput, dec_hook=_read_instant))
    except msgspec.ValidationError as error:
        return _schema_invalid(error, kind)


def _schema_invalid(error: msgspec.MsgspecError, kind: str = "") -> Unreadable:
    """The refusal of an input of type `kind`, with the decoder's message. Where a value is not one of an enum's, the
    message lists those instead: the decoder's quotes the value, which may be a phone number or a card number.
    """
    message = str(error).replace("`$.", "`")
    what, at, place = message.rpartition(" - at `")
    allowed = _allowed_values(kind).get(place.rstrip("`").partition("[")[0], ())
    if allowed and what.startswith("Invalid enum value"):
        message = f"`{place} must be {'one of ' if len(allowed) > 1 else ''}{', '.join(allowed)}"
    elif text_holds_card_number(message):
        message = f"Invalid value{at}{place}" if at else "Invalid value"
    return Unreadable("schema_invalid", message[:_MESSAGE_MAX])


@cache
def _allowed_values(kind: str) -> Mapping[str, tuple[str, ...]]:
    """The values of each enum field of an input of type `kind`, by the field's name on the wire."""
    found: dict[str, tuple[str, ...]] = {}
    for struct in AnyInput.__args__:
        if struct.__struct_config__.tag != kind:
            continue
        described = msgspec.inspect.type_info(struct)
        assert isinstance(described, msgspec.inspect.StructType)
        for field in described.fields:
            for one in _parts(field.type):
                if isinstance(one, msgspec.inspect.LiteralType):
                    found[field.encode_name] = tuple(map(str, one.values))
    return found


def _parts(described: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type]:
    """A type, and those of the union or the items that it consists of."""
    yield described
    if isinstance(described, msgspec.inspect.UnionType):
        for one in described.types:
            yield from _parts(one)
    elif isinstance(described, msgspec.inspect.VarTupleType):
        yield from _parts(described.item_type)


def _refuse_card_number(value: bytes, flat: dict[str, Any]) -> Unreadable | None:
    """Rule P16. Searches the flat input as well: it may have arrived in base64."""
    try:
        found = holds_card_number(value) or holds_card_number(orjson.dumps(flat))
    except (RecursionError, orjson.JSONEncodeError):
        return Unreadable("malformed_json", "nested too deeply", masked=True)
    if not found:
        return None
    message = "a value holds a card number: send the payment provider's token instead"
    return Unreadable("card_number_refused", message, masked=True)


def _parse(value: bytes) -> dict[str, Any] | Unreadable:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        return Unreadable("not_utf8", f"byte {error.start} is not UTF-8")
    try:
        table = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        table = _parse_with_great_numbers(text)
        if table is None:
            return Unreadable("malformed_json", f"not JSON: {error.msg} at byte {error.pos}")
    if not isinstance(table, dict):
        return Unreadable("not_an_object", f"expected one JSON object, got {_json_type(table)}")
    return table


def _parse_with_great_numbers(text: str) -> Any:
    """The value of JSON with a number beyond the greatest double, such as `1e999`, which orjson does not read; None for
    what is not JSON. No field may hold such a number, but a field that is ignored may.
    """
    try:
        table = json.loads(text, parse_int=_read_integer, parse_constant=_refuse_constant)
        json.dumps(table, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # Not JSON, or a lone surrogate, or nested too deeply.
        return None
    return table


_INTEGER_DIGITS_MAX = 18
_BEYOND_EVERY_FIELD = 10**_INTEGER_DIGITS_MAX


def _read_integer(digits: str) -> int:
    return int(digits) if len(digits) <= _INTEGER_DIGITS_MAX else _BEYOND_EVERY_FIELD


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _json_type(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _unknown_type(flat: Mapping[str, Any]) -> str:
    if "type" not in flat:
        return "`type` is missing: expected one of the contract's inputs"
    return "`type` names no input of the contract"


def flatten_event(table: dict[str, Any], headers: Mapping[str, bytes | None]) -> dict[str, Any] | Unreadable:
    """The flat input of a CloudEvent. A value that is not a CloudEvent is already flat."""
    if (headers.get("content-type") or b"").lower().startswith(_STRUCTURED) or "specversion" in table:
        return _flatten_structured(table)
    attributes = {
        name[3:]: text.decode("utf-8", "replace")
        for name, text in headers.items()
        if name.startswith("ce_") and text is not None
    }
    if not attributes or "specversion" not in attributes:
        return table
    return _merge(attributes, table)


def _flatten_structured(table: dict[str, Any]) -> dict[str, Any] | Unreadable:
    if table.get("specversion") != _CLOUDEVENTS_VERSION:
        return _WRONG_VERSION  # Another version may encode its data in another way.
    data = table.get("data")
    if data is None and "data_base64" in table:
        try:
            data = orjson.loads(base64.b64decode(table["data_base64"], validate=True))
        except (binascii.Error, TypeError, ValueError):
            return Unreadable("malformed_json", "`data_base64` is not JSON in base64")
    if data is None:
        data = table  # Only attributes, or a flat input that names its version.
    if not isinstance(data, dict):
        return Unreadable("not_an_object", f"expected `data` to be a JSON object, got {_json_type(data)}")
    return _merge(table, data)


def _merge(attributes: Mapping[str, Any], data: dict[str, Any]) -> dict[str, Any] | Unreadable:
    """CloudEvents attributes plus the data's own fields. The data, which is what was signed, takes precedence."""
    if attributes.get("specversion") != _CLOUDEVENTS_VERSION:
        return _WRONG_VERSION
    supplied = {field: attributes[name] for name, field in _ATTRIBUTES.items() if name in attributes}
    return supplied | data


_WRONG_VERSION = Unreadable("unsupported_version", f"`specversion` is not {_CLOUDEVENTS_VERSION}")

TYPES = frozenset(str(kind.__struct_config__.tag) for kind in AnyInput.__args__)
