"""Bytes to inputs: what cannot be read is a refusal with the contract's code, and never an exception."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import Unreadable, decode_input
from schemas.inputs import (
    AutoRefillSet,
    CallEnded,
    CallStarted,
    CreditsGranted,
    FeatureSet,
    RedirectSet,
)

QUICK = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

HEAD: dict[str, Any] = {"id": "i1", "account_id": "acme", "occurred_at": "2026-01-31T10:00:00.250Z"}
REDIRECT = {"type": "redirect-set", **HEAD, "redirect_to": "+15550100"}
GRANT = {"type": "credits-granted", **HEAD, "grant_id": "g1", "amount_micros": 5, "reason": "r", "actor": "a"}
END = {
    "type": "call-ended",
    **HEAD,
    "call_id": "c1",
    "direction": "inbound",
    "started_at": "2026-01-31T09:58:00Z",
    "answered_at": "2026-01-31T09:58:10Z",
    "outcome": "completed",
}


def raw(event: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({**event, **changes}).encode()


def code_of(value: bytes | None) -> str | None:
    event = decode_input(value)
    return event.code if isinstance(event, Unreadable) else None


# Bytes -> code. The message is for a person: never empty, never the value itself.
UNREADABLE: dict[str, tuple[bytes | None, str]] = {
    "no value": (None, "malformed_json"),
    "empty": (b"", "malformed_json"),
    "blank": (b"  ", "malformed_json"),
    "half an object": (raw(REDIRECT)[:-1], "malformed_json"),
    "two objects": (raw(REDIRECT) * 2, "malformed_json"),
    "a trailing comma": (raw(REDIRECT)[:-1] + b",}", "malformed_json"),
    "single quotes": (raw(REDIRECT).replace(b'"', b"'"), "malformed_json"),
    "a byte order mark": (b"\xef\xbb\xbf" + raw(REDIRECT), "malformed_json"),
    "NaN": (raw(GRANT).replace(b"5,", b"NaN,"), "malformed_json"),
    "Infinity": (raw(GRANT).replace(b"5,", b"Infinity,"), "malformed_json"),
    "a leading zero": (raw(GRANT).replace(b"5,", b"05,"), "malformed_json"),
    "a lone surrogate": (raw(REDIRECT, redirect_to="\ud800"), "malformed_json"),
    "a lone surrogate in an unknown field": (raw(REDIRECT, more="\udc00x"), "malformed_json"),
    "a raw control character": (raw(REDIRECT).replace(b"+15550100", b"a\nb"), "malformed_json"),
    "an avro head": (b"\x00\x00\x00\x00\x01" + raw(REDIRECT), "malformed_json"),
    "latin 1": (raw(REDIRECT).replace(b"+15550100", b"caf\xe9"), "not_utf8"),
    "an encoded surrogate": (raw(REDIRECT).replace(b"+15550100", b"\xed\xa0\x80"), "not_utf8"),
    "an overlong slash": (raw(REDIRECT).replace(b"+15550100", b"\xc0\xaf"), "not_utf8"),
    "half a character": (raw(REDIRECT)[:-2] + b"\xe2\x82", "not_utf8"),
    "utf-16": (raw(REDIRECT).decode().encode("utf-16"), "not_utf8"),
    "not UTF-8 in an unknown field": (raw(REDIRECT, more="x").replace(b'"x"', b'"\xff"'), "not_utf8"),
    "an array": (b"[" + raw(REDIRECT) + b"]", "not_an_object"),
    "a text": (b'"x"', "not_an_object"),
    "a number": (b"7", "not_an_object"),
    "null": (b"null", "not_an_object"),
    "a boolean": (b"true", "not_an_object"),
    "no type": (raw({**HEAD, "redirect_to": "x"}), "unknown_type"),
    "another type": (raw(REDIRECT, type="call-paused"), "unknown_type"),
    "a fact's type": (raw(REDIRECT, type="call-charged"), "unknown_type"),
    "a type that is no text": (raw(REDIRECT, type=7), "unknown_type"),
    "a type that is null": (raw(REDIRECT, type=None), "unknown_type"),
    "a type of other case": (raw(REDIRECT, type="Redirect-Set"), "unknown_type"),
    "an object without anything": (b"{}", "unknown_type"),
}


@pytest.mark.parametrize(("value", "code"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_is_a_refusal(value: bytes | None, code: str) -> None:
    event = decode_input(value)
    assert isinstance(event, Unreadable)
    assert (event.code, event.masked) == (code, False)
    assert 0 < len(event.message) <= 400


# Which change of a good input makes it `schema_invalid`, and what the message names.
@pytest.mark.parametrize(
    ("event", "changes", "names"),
    [
        (REDIRECT, {"id": None}, "id"),
        (REDIRECT, {"id": ""}, "id"),
        (REDIRECT, {"id": "x" * 129}, "id"),
        (REDIRECT, {"id": "a b"}, "id"),
        (REDIRECT, {"id": "a/b"}, "id"),
        (REDIRECT, {"id": "a\n"}, "id"),
        (REDIRECT, {"id": "é"}, "id"),
        (REDIRECT, {"id": 7}, "id"),
        (REDIRECT, {"account_id": "*"}, "account_id"),
        (REDIRECT, {"account_id": "a/b"}, "account_id"),
        (REDIRECT, {"occurred_at": "yesterday"}, "occurred_at"),
        (REDIRECT, {"occurred_at": 1_769_853_600_250}, "occurred_at"),
        (REDIRECT, {"occurred_at": "2026-01-31T10:00:00"}, "occurred_at"),
        (REDIRECT, {"occurred_at": "2026-01-31 10:00:00Z"}, "occurred_at"),
        (REDIRECT, {"occurred_at": "2026-01-31T10:00:00.0000000000Z"}, "occurred_at"),
        (REDIRECT, {"redirect_to": None}, "redirect_to"),
        (GRANT, {"amount_micros": 0}, "amount_micros"),
        (GRANT, {"amount_micros": 5.0}, "amount_micros"),
        (GRANT, {"amount_micros": 5.5}, "amount_micros"),
        (GRANT, {"amount_micros": "5"}, "amount_micros"),
        (GRANT, {"amount_micros": True}, "amount_micros"),
        (GRANT, {"amount_micros": 9 * 10**15}, "amount_micros"),
        (GRANT, {"amount_micros": -9 * 10**15}, "amount_micros"),
        (GRANT, {"amount_micros": 2**63}, "amount_micros"),
        (GRANT, {"amount_micros": 2**64}, "amount_micros"),
        (GRANT, {"actor": None}, "actor"),
        (END, {"direction": "sideways"}, "direction"),
        (END, {"outcome": "COMPLETED"}, "outcome"),
        (END, {"features": ["extra_calls"]}, "features"),
        (END, {"features": "live_agent"}, "features"),
        (END, {"real": 1}, "real"),
        (END, {"real": "true"}, "real"),
        (END, {"started_at": None}, "started_at"),
        # An answer before its start, an end before its answer or its start.
        (END, {"answered_at": "2026-01-31T09:57:59.999Z"}, "answered_at"),
        (END, {"occurred_at": "2026-01-31T09:58:09.999Z"}, "answered_at"),
        (END, {"answered_at": None, "occurred_at": "2026-01-31T09:57:59.999Z"}, "started_at"),
        ({"type": "clock-ticked", **HEAD}, {}, "account_id"),
        ({"type": "account-opened", **HEAD, "plan": "free"}, {"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"type": "account-opened", **HEAD, "plan": "free"}, {"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"type": "account-opened", **HEAD, "plan": "free"}, {"time_zone": "+02:00"}, "time_zone"),
        # Names that a machine's own zone files hold and the IANA database does not: each machine would read another.
        ({"type": "account-opened", **HEAD, "plan": "free"}, {"time_zone": "localtime"}, "time_zone"),
        ({"type": "account-opened", **HEAD, "plan": "free"}, {"time_zone": "posixrules"}, "time_zone"),
        ({"type": "account-opened", **HEAD, "plan": "free"}, {"time_zone": "right/Europe/Berlin"}, "time_zone"),
        ({"type": "account-opened", **HEAD, "plan": "free"}, {"currency": "usd"}, "currency"),
        ({"type": "account-opened", **HEAD, "plan": "free"}, {"currency": "DOLLAR"}, "currency"),
        ({"type": "account-opened", **HEAD, "plan": "free"}, {"billing_email": "nobody"}, "billing_email"),
        ({"type": "account-opened", **HEAD}, {}, "plan"),
        ({"type": "auto-refill-set", **HEAD, "enabled": True}, {"amount_micros": 0}, "amount_micros"),
        ({"type": "auto-refill-set", **HEAD, "enabled": True}, {"threshold_micros": -(9 * 10**15)}, "threshold_micros"),
        ({"type": "alert-thresholds-set", **HEAD}, {"thresholds_micros": list(range(17))}, "thresholds_micros"),
        ({"type": "payment-declined", **HEAD, "payment_id": "p", "reason": "r"}, {"retryable": None}, "retryable"),
    ],
    ids=lambda value: str(value)[:60] if not isinstance(value, str) else value,
)
def test_a_wrong_field_is_named(event: dict[str, Any], changes: dict[str, Any], names: str) -> None:
    refusal = decode_input(raw(event, **changes))
    assert isinstance(refusal, Unreadable)
    assert refusal.code == "schema_invalid"
    assert names in refusal.message


# The bounds themselves are taken.
@pytest.mark.parametrize(
    ("event", "changes"),
    [
        (REDIRECT, {"id": "x"}),
        (REDIRECT, {"id": "x" * 128}),
        (REDIRECT, {"id": "AZaz09._:+@-"}),
        (GRANT, {"amount_micros": 9 * 10**15 - 1}),
        (GRANT, {"amount_micros": -9 * 10**15 + 1}),
        (END, {"answered_at": "2026-01-31T09:58:00Z", "occurred_at": "2026-01-31T09:58:00Z"}),
        (END, {"answered_at": None, "occurred_at": "2026-01-31T09:58:00Z"}),
    ],
    ids=repr,
)
def test_the_bounds_themselves_are_taken(event: dict[str, Any], changes: dict[str, Any]) -> None:
    assert code_of(raw(event, **changes)) is None


# Left out and null are the same where a field is optional; what is unknown is ignored.
def test_null_is_left_out_and_unknown_fields_are_ignored() -> None:
    bare = decode_input(raw(END))
    nulls = decode_input(raw(END, features=None, real=None, x=None, y={"deep": [1, {"z": 2.5}]}))
    assert isinstance(bare, CallEnded)
    assert nulls == bare
    start = {"type": "call-started", **HEAD, "call_id": "c1", "direction": "web"}
    said = decode_input(raw(start, **{"from": None, "to": None}))
    assert isinstance(said, CallStarted)
    assert said == decode_input(raw(start))
    refill = decode_input(raw({"type": "auto-refill-set", **HEAD, "enabled": False}, amount_micros=None))
    assert isinstance(refill, AutoRefillSet)


def test_of_two_equal_keys_the_last_counts_on_both_ways_through() -> None:
    twice = raw(REDIRECT)[:-1] + b',"redirect_to":"last"}'
    event = decode_input(twice)
    assert isinstance(event, RedirectSet)
    assert event.redirect_to == "last"
    # A wrong last one is refused although the first was right.
    assert code_of(raw(REDIRECT)[:-1] + b',"redirect_to":7}') == "schema_invalid"
    assert code_of(raw(REDIRECT)[:-1] + b',"type":"nothing"}') == "unknown_type"


# At most 65 536 bytes are read, bytes and not characters.
@pytest.mark.parametrize(("size", "code"), [(65_536, None), (65_537, "too_large"), (10**6, "too_large")])
def test_a_value_has_a_size_limit(size: int, code: str | None) -> None:
    padding = size - len(raw(REDIRECT, pad=""))
    assert code_of(raw(REDIRECT, pad="x" * padding)) == code
    assert code_of(json.dumps(REDIRECT | {"pad": "é"}, ensure_ascii=False).encode().ljust(65_537)) == "too_large"


# Depth: nothing nested, however deep, ends the worker. Levels of arrays and of objects.
@pytest.mark.parametrize("depth", [10, 100, 300, 500, 1_000, 1_024, 1_025, 5_000, 20_000])
@pytest.mark.parametrize("kind", ["redirect-set", "payment-method-added", "nothing", "call-ended"])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["arrays", "objects"])
def test_a_deeply_nested_value_is_read_or_refused(kind: str, depth: int, opening: str, closing: str) -> None:
    nested = opening * depth + ("1" if "{" in opening else "") + closing * depth
    text = json.dumps({**REDIRECT, "type": kind, "deep": 0}).replace('"deep": 0', f'"deep": {nested}')
    assert code_of(text.encode()[:65_536]) in {None, "malformed_json", "schema_invalid", "unknown_type", "too_large"}


def test_unicode_stays_as_it_is() -> None:
    for text in ("café", "日本語", "😀", "\u2028", "\x7f", "a\tb"):
        event = decode_input(raw(REDIRECT, redirect_to=text))
        assert isinstance(event, RedirectSet)
        assert event.redirect_to == text
        plain = decode_input(json.dumps({**REDIRECT, "redirect_to": text}, ensure_ascii=False).encode())
        assert plain == event


def test_an_integer_stays_exact() -> None:
    event = decode_input(raw(GRANT, amount_micros=8_999_999_999_999_999))
    assert isinstance(event, CreditsGranted)
    assert event.amount_micros == 8_999_999_999_999_999


@QUICK
@given(st.binary(max_size=300))
def test_no_bytes_raise(value: bytes) -> None:
    assert isinstance(decode_input(value), Unreadable)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from([*REDIRECT, *END, *GRANT, "feature", "enabled", "token", "payment_method_id", "more"])
KINDS = ["redirect-set", "call-ended", "credits-granted", "feature-set", "payment-method-added", "account-opened"]


@QUICK
@given(st.sampled_from(KINDS), st.dictionaries(FIELDS, JSON, max_size=3))
def test_no_object_raises(kind: str, changes: dict[str, Any]) -> None:
    event = {**END, **GRANT, **REDIRECT, "feature": "live_agent", "enabled": True, "type": kind}
    value = json.dumps({**event, **changes}).encode("utf-8", "surrogatepass")
    answer = decode_input(value)
    assert answer is not None


def test_a_good_input_is_its_type() -> None:
    event = decode_input(raw({"type": "feature-set", **HEAD}, feature="live_agent", enabled=True))
    assert isinstance(event, FeatureSet)
    assert (event.id, event.account_id, event.occurred_at_ms) == ("i1", "acme", 1_769_853_600_250)


# JSON sets no limit to a number. In a field that is ignored such a number changes nothing, whatever else is wrong.
@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1E+400", b"9" * 400, b"9" * 5_000])
def test_a_number_beyond_the_greatest_double_is_json(number: bytes) -> None:
    more = b',"more":[' + number + b"]}"
    assert code_of(raw(REDIRECT)[:-1] + more) is None
    assert code_of(raw(REDIRECT, redirect_to=7)[:-1] + more) == "schema_invalid"
    assert code_of(raw(REDIRECT, type="call-paused")[:-1] + more) == "unknown_type"
    assert code_of(raw(GRANT).replace(b": 5", b": " + number)) == "schema_invalid"
    card = {"type": "payment-method-defaulted", **HEAD, "payment_method_id": "pm1"}
    assert code_of(raw(card)[:-1] + more) is None
    assert code_of(raw(card, note="4242 4242 4242 4242")[:-1] + more) == "card_number_refused"
    for broken in (b"NaN", b"Infinity", b'"\\ud800"', b"1e", b'"\x01"'):
        assert code_of(raw(REDIRECT)[:-1] + b',"more":[' + number + b"," + broken + b"]}") == "malformed_json"


# Contract: an input has at most 65 536 bytes; a text that is only repeated in facts, or ignored, has no other bound.
@pytest.mark.parametrize(
    ("event", "name"),
    [
        ({"type": "call-started", **HEAD, "call_id": "c1", "direction": "web"}, "from"),
        ({"type": "call-reclassified", **HEAD, "call_id": "c1", "real": True}, "reason"),
        (GRANT, "reason"),
        ({"type": "subscription-cancel-requested", **HEAD}, "reason"),
        ({"type": "payment-declined", **HEAD, "payment_id": "p", "retryable": False}, "reason"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["type"],
)
def test_a_text_may_fill_the_input(event: dict[str, Any], name: str) -> None:
    room = 65_536 - len(raw(event, **{name: ""}))
    assert code_of(raw(event, **{name: "x" * room})) is None
    assert code_of(raw(event, **{name: "x" * (room + 1)})) == "too_large"
