"""Input may arrive as CloudEvents 1.0: in binary mode (attributes in headers) or structured (one JSON object)."""

import base64
import json
from typing import Any

import pytest

from schemas.batch import Headers
from schemas.codec import Unreadable, decode_input
from schemas.inputs import AnyInput, RedirectSet

FLAT = {
    "type": "redirect-set",
    "id": "i1",
    "account_id": "acme",
    "occurred_at": "2026-01-31T10:00:00Z",
    "redirect_to": "+15550100",
}
STRUCTURED: Headers = (("content-type", b"application/cloudevents+json"),)
ATTRIBUTES = {"specversion": "1.0", "id": "i1", "source": "/pbx", "type": "redirect-set"}
ALL_ATTRIBUTES = {**ATTRIBUTES, "subject": "acme", "time": "2026-01-31T10:00:00Z"}
ONLY_DATA = {"redirect_to": "+15550100"}


def binary(**attributes: str | None) -> Headers:
    given = {**ALL_ATTRIBUTES, **attributes}
    return tuple((f"ce_{name}", text.encode()) for name, text in given.items() if text is not None)


def read(value: object, headers: Headers = ()) -> AnyInput | Unreadable:
    return decode_input(json.dumps(value).encode(), headers)


EXPECTED = read(FLAT)


def code_of(event: AnyInput | Unreadable) -> str | None:
    return event.code if isinstance(event, Unreadable) else None


def test_flat_is_flat() -> None:
    assert isinstance(EXPECTED, RedirectSet)


# Each way of saying the same input.
SAME: dict[str, tuple[object, Headers]] = {
    "flat, other headers beside it": (FLAT, (("trace", b"1"), ("content-type", b"application/json"), ("x", None))),
    "binary, the data is the flat input": (FLAT, binary()),
    "binary, attributes in headers only": (ONLY_DATA, binary()),
    "binary, time in the data": ({**ONLY_DATA, "occurred_at": FLAT["occurred_at"]}, binary(time=None)),
    "binary, the data's own fields are what was meant": (FLAT, binary(type="x", id="other", subject="b")),
    "binary, an attribute without a value": (FLAT, (*binary(), ("ce_trace", None))),
    "structured, the data is the flat input": ({**ATTRIBUTES, "data": FLAT}, STRUCTURED),
    "structured, known by specversion": ({**ATTRIBUTES, "data": FLAT}, ()),
    "structured, attributes only": ({**ALL_ATTRIBUTES, "data": ONLY_DATA}, STRUCTURED),
    "structured, a charset beside the type": (
        {**ALL_ATTRIBUTES, "data": ONLY_DATA},
        (("content-type", b"application/cloudevents+json; charset=UTF-8"),),
    ),
    "structured, base64": (
        {**ALL_ATTRIBUTES, "data_base64": base64.b64encode(json.dumps(ONLY_DATA).encode()).decode()},
        STRUCTURED,
    ),
    "flat, with its version": ({**FLAT, "specversion": "1.0"}, ()),
    "flat, with its version, in either mode": ({**FLAT, "specversion": "1.0"}, (*STRUCTURED, *binary())),
    "structured, extensions beside it": (
        {**ALL_ATTRIBUTES, "traceparent": "x", "datacontenttype": "application/json", "data": ONLY_DATA},
        STRUCTURED,
    ),
    "structured, the data's own fields are what was meant": (
        {**ATTRIBUTES, "id": "other", "type": "x", "subject": "b", "data": FLAT},
        STRUCTURED,
    ),
}


@pytest.mark.parametrize(("value", "headers"), SAME.values(), ids=SAME.keys())
def test_each_mode_says_the_same_input(value: object, headers: Headers) -> None:
    assert read(value, headers) == EXPECTED


REFUSED: dict[str, tuple[object, Headers, str]] = {
    "binary, version 0.3": (FLAT, binary(specversion="0.3"), "unsupported_version"),
    "binary, version 1.1": (ONLY_DATA, binary(specversion="1.1"), "unsupported_version"),
    "binary, an empty version": (ONLY_DATA, binary(specversion=""), "unsupported_version"),
    "structured, version 0.3": ({**ALL_ATTRIBUTES, "specversion": "0.3", "data": FLAT}, (), "unsupported_version"),
    "flat, version 0.3": ({**FLAT, "specversion": "0.3"}, (), "unsupported_version"),
    "flat, version null": ({**FLAT, "specversion": None}, (), "unsupported_version"),
    "flat, version 0.3 in a value of which nothing else is right": (
        {"specversion": "0.3", "type": "redirect-set"},
        (),
        "unsupported_version",
    ),
    "structured, version 0.3, data a text": (
        {**ALL_ATTRIBUTES, "specversion": "0.3", "data": json.dumps(ONLY_DATA)},
        (),
        "unsupported_version",
    ),
    "structured, version 0.3, not base64": (
        {**ALL_ATTRIBUTES, "specversion": "0.3", "data_base64": "!!"},
        STRUCTURED,
        "unsupported_version",
    ),
    "structured, version as a number": (
        {**ALL_ATTRIBUTES, "specversion": 1.0, "data": FLAT},
        (),
        "unsupported_version",
    ),
    "structured by its type, no version": ({"data": FLAT}, STRUCTURED, "unsupported_version"),
    "binary, no version": (ONLY_DATA, binary(specversion=None), "unknown_type"),
    "structured, data a list": ({**ALL_ATTRIBUTES, "data": [1]}, STRUCTURED, "not_an_object"),
    "structured, data a text": ({**ALL_ATTRIBUTES, "data": "x"}, STRUCTURED, "not_an_object"),
    "structured, no data": (ALL_ATTRIBUTES, STRUCTURED, "schema_invalid"),
    "structured, data null": ({**ALL_ATTRIBUTES, "data": None}, STRUCTURED, "schema_invalid"),
    "structured, not base64": ({**ALL_ATTRIBUTES, "data_base64": "!!"}, STRUCTURED, "malformed_json"),
    "structured, base64 a number": ({**ALL_ATTRIBUTES, "data_base64": 7}, STRUCTURED, "malformed_json"),
    "structured, base64 of no JSON": ({**ALL_ATTRIBUTES, "data_base64": "e30x"}, STRUCTURED, "malformed_json"),
    "structured, base64 of a list": ({**ALL_ATTRIBUTES, "data_base64": "W10="}, STRUCTURED, "not_an_object"),
    "binary, a time without offset": (ONLY_DATA, binary(time="2026-01-31T10:00:00"), "schema_invalid"),
    "binary, another type": (ONLY_DATA, binary(type="com.example.redirect"), "unknown_type"),
    "binary, no subject": (ONLY_DATA, binary(subject=None), "schema_invalid"),
    "binary, an id that is none": (ONLY_DATA, binary(id="a b"), "schema_invalid"),
}


@pytest.mark.parametrize(("value", "headers", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_what_a_cloudevent_may_not_be(value: object, headers: Headers, code: str) -> None:
    assert code_of(read(value, headers)) == code


@pytest.mark.parametrize("name", ["ce_id", "ce_type", "ce_subject", "ce_time", "ce_specversion", "content-type"])
def test_headers_that_are_not_utf8_raise_nothing(name: str) -> None:
    headers: Any = (*(pair for pair in binary() if pair[0] != name), (name, b"\xff\xfe"))
    assert code_of(read(ONLY_DATA, headers)) in {None, "schema_invalid", "unknown_type", "unsupported_version"}


# The check is one of the value's, whatever its type (rule X1); the word in a text is no version.
def test_a_version_is_checked_in_every_type_of_input() -> None:
    card = {
        "payment_method_id": "pm1",
        "token": "t",
        "brand": "visa",
        "last4": "4242",
        "exp_month": 4,
        "exp_year": 2031,
    }
    for event in (FLAT, {**FLAT, **card, "type": "payment-method-added"}):
        assert code_of(read({**event, "specversion": "0.3"})) == "unsupported_version"
        assert read({**event, "specversion": "1.0"}) == read(event)
    named = read({**FLAT, "redirect_to": "specversion"})
    assert isinstance(named, RedirectSet)
    assert named.redirect_to == "specversion"
