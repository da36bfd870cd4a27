"""Signatures on inputs that move money; and P16: nothing of a card number is written anywhere."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from schemas.batch import BatchResult, Headers
from tests.agents.partition import Event, InputRecord, Partition, facts_of, header, outputs_to, record_of
from tests.rules.story import SIGNUP, Story, opened, usd

OLD, NEW = b"old-key", b"new-key"
CARD = "4242424242424242"


def signature(value: bytes, key: bytes) -> bytes:
    """As the contract says: HMAC-SHA-256 of the value, `v1=<hex>`."""
    return b"v1=" + hmac.new(key, value, hashlib.sha256).hexdigest().encode()


def worker(*keys: bytes) -> Partition:
    partition = Partition(signing_keys=keys)
    for event in opened().inputs:
        partition.take(event)
    return partition


def granted(**changes: Any) -> bytes:
    return json.dumps({**Story().is_granted(5, "g1").inputs[0], "id": "grant", **changes}).encode()


def code_of(outcome: BatchResult) -> str | None:
    letters = outputs_to(outcome, "dead-letters")
    return header(letters[0], "errors.code") if letters else None


# (keys in force, headers made from the value) -> refused?
@pytest.mark.parametrize(
    ("keys", "signers", "code"),
    [
        ([], [], None),
        ([NEW], [NEW], None),
        ([NEW], [], "unauthenticated"),
        ([NEW], [OLD], "unauthenticated"),
        # While keys are rotated both are in force, and a sender may sign with both.
        ([NEW, OLD], [OLD], None),
        ([NEW, OLD], [NEW], None),
        ([NEW], [OLD, NEW], None),
        ([NEW, OLD], [b"a third"], "unauthenticated"),
    ],
    ids=repr,
)
def test_money_moves_only_when_a_key_in_force_signed_it(
    keys: list[bytes], signers: list[bytes], code: str | None
) -> None:
    value = granted()
    headers = tuple(("signature", signature(value, key)) for key in signers)
    outcome = worker(*keys).decide(InputRecord(b"acme", value, headers))
    assert code_of(outcome) == code
    assert bool(facts_of(outcome, "ledger-entry-posted")) == (code is None)


@pytest.mark.parametrize(
    "wrong",
    [b"", b"v1=", b"v1=00", b"v2=" + signature(granted(), NEW)[3:], signature(granted(), NEW)[3:], b"\xff", None],
    ids=repr,
)
def test_another_form_of_signature_is_none(wrong: bytes | None) -> None:
    outcome = worker(NEW).decide(InputRecord(b"acme", granted(), (("signature", wrong),)))
    assert code_of(outcome) == "unauthenticated"


def test_one_altered_byte_and_the_signature_does_not_hold() -> None:
    value = granted()
    signed = (("signature", signature(value, NEW)),)
    for altered in (value.replace(b"5000000", b"6000000"), value + b" ", value.replace(b"goodwill", b"badwill")):
        assert altered != value
        assert code_of(worker(NEW).decide(InputRecord(b"acme", altered, signed))) == "unauthenticated"


# A payment's answer and `credits-granted` need one, and a tick, which makes card charges due; a payment method and what
# a system that reports calls may send do not.
@pytest.mark.parametrize(
    ("event", "needs"),
    [
        (Story().is_granted(1).inputs[0], True),
        (Story().pays(payment_id="p").inputs[0], True),
        (Story().declines(payment_id="p").inputs[0], True),
        (Story().adds_card().inputs[0], False),
        (Story().says("payment-method-removed", payment_method_id="x").inputs[0], False),
        (Story().says("payment-method-defaulted", payment_method_id="x").inputs[0], False),
        (Story().starts("c1").inputs[0], False),
        (Story().ends("c1").inputs[0], False),
        (Story().switches("live_agent").inputs[0], False),
        (Story().buys("p1", 5).inputs[0], False),
        (Story().ticks().inputs[0], True),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_which_inputs_must_be_signed(event: Event, *, needs: bool) -> None:
    outcome = worker(NEW).decide(record_of({**event, "id": "fresh"}))
    assert (code_of(outcome) == "unauthenticated") == needs


# CloudEvents headers are not signed: they cannot fill in what the signed value leaves out.
@pytest.mark.parametrize(
    "filled",
    [{"id": b"another"}, {"type": b"credits-granted"}, {"time": b"2026-01-01T00:00:00Z"}, {"subject": b"acme"}],
)
def test_headers_cannot_fill_in_what_is_signed(filled: dict[str, bytes]) -> None:
    names = {"id": "id", "type": "type", "time": "occurred_at", "subject": "account_id"}
    value = {**json.loads(granted())}
    for attribute in filled:
        del value[names[attribute]]
    body = json.dumps(value).encode()
    headers: Headers = (
        ("signature", signature(body, NEW)),
        ("ce_specversion", b"1.0"),
        *((f"ce_{name}", text) for name, text in filled.items()),
    )
    assert code_of(worker(NEW).decide(InputRecord(b"acme", body, headers))) == "unauthenticated"


def test_a_signed_cloudevent_whose_data_says_everything_is_taken() -> None:
    headers: Headers = (
        ("signature", signature(granted(), NEW)),
        ("ce_specversion", b"1.0"),
        ("ce_id", b"whatever"),
        ("ce_type", b"payment-succeeded"),
        ("ce_time", SIGNUP.encode()),
    )
    outcome = worker(NEW).decide(InputRecord(b"acme", granted(), headers))
    assert [f["amount_micros"] for f in facts_of(outcome, "ledger-entry-posted")] == [usd(5)]
    structured = json.dumps(
        {"specversion": "1.0", "id": "e", "source": "s", "type": "x", "data": json.loads(granted())}
    )
    signed = (("signature", signature(structured.encode(), NEW)), ("content-type", b"application/cloudevents+json"))
    assert code_of(worker(NEW).decide(InputRecord(b"acme", structured.encode(), signed))) is None


def with_card(**changes: Any) -> Event:
    return {**Story().adds_card(token=CARD).inputs[0], "id": "card", **changes}


STRUCTURED = {"specversion": "1.0", "id": "e", "source": "s", "type": "payment-method-added"}
BINARY: Headers = (("ce_specversion", b"1.0"), ("ce_type", b"payment-method-added"), ("ce_id", b"e"))

# What came, with a card number in it: record value, headers, the code (or either of two).
LEAKS: dict[str, tuple[bytes, Headers, str]] = {
    "flat": (json.dumps(with_card()).encode(), (), "card_number_refused"),
    "in a header too": (json.dumps(with_card()).encode(), (("trace", CARD.encode()),), "card_number_refused"),
    "structured": (
        json.dumps({**STRUCTURED, "data": with_card()}).encode(),
        (("content-type", b"application/cloudevents+json"),),
        "card_number_refused",
    ),
    "structured, beside the data": (
        json.dumps({**STRUCTURED, "pan": CARD, "data": with_card(token="t")}).encode(),
        (),
        "card_number_refused",
    ),
    "binary": (
        json.dumps({k: v for k, v in with_card().items() if k != "type"}).encode(),
        BINARY,
        "card_number_refused",
    ),
    "an escaped type": (
        json.dumps(with_card()).replace("payment-method", "payment\\u002dmethod").encode(),
        (),
        "card_number_refused",
    ),
    "a wrong schema": (json.dumps(with_card(brand=None)).encode(), (), "card_number_refused"),
    "a wrong time": (json.dumps(with_card(occurred_at="x")).encode(), (), "card_number_refused"),
    "an unknown account": (json.dumps(with_card(account_id="nobody")).encode(), (), "card_number_refused"),
    "the first of two equal keys": (
        json.dumps(with_card(account_id="nobody")).replace('"token"', f'"token": "{CARD}", "token"').encode(),
        (),
        "card_number_refused",
    ),
    "hidden behind an equal key": (
        json.dumps(with_card(token="t", account_id="nobody"))
        .replace('"token"', f'"token": "{CARD}", "token"')
        .encode(),
        (),
        "card_number_refused",
    ),
    "half an object": (json.dumps(with_card()).encode()[:-1], (), "malformed_json"),
    "half a binary CloudEvent": (f'{{"token": "{CARD}", '.encode(), BINARY, "malformed_json"),
    "not UTF-8": (json.dumps(with_card()).encode() + b"\xff", (), "not_utf8"),
    "an array": (json.dumps([with_card()]).encode(), (), "not_an_object"),
    "another CloudEvents version": (
        json.dumps(with_card()).encode(),
        (("ce_specversion", b"0.3"),),
        "unsupported_version card_number_refused",
    ),
    "structured, another version": (
        json.dumps({**STRUCTURED, "specversion": "0.3", "data": with_card()}).encode(),
        (),
        "unsupported_version card_number_refused",
    ),
    "too large": (json.dumps(with_card(pad="x" * 65_536)).encode(), (), "too_large"),
    "no JSON, of no known type": (f"paid with {CARD}".encode(), (), "malformed_json"),
    "half an object without a type": (f'{{"card": "{CARD}"'.encode(), (), "malformed_json"),
    "a number alone": (CARD.encode(), (), "not_an_object"),
    "not UTF-8, without a type": (f"{CARD}\xff".encode("latin-1"), (), "not_utf8"),
    "quoted by the message": (json.dumps(with_card(token="t", brand=CARD)).encode(), (), "card_number_refused"),
    "of a type that names nothing": (json.dumps({"type": "x", "number": CARD}).encode(), (), "unknown_type"),
    "of another version": (json.dumps({"specversion": "0.3", "n": CARD}).encode(), (), "unsupported_version"),
    "behind an unknown type": (
        json.dumps(with_card(type="payment-method-swapped")).encode(),
        (),
        "unknown_type",
    ),
}


@pytest.mark.parametrize(("value", "headers", "code"), LEAKS.values(), ids=LEAKS.keys())
def test_p16_nothing_of_a_card_number_is_written_anywhere(value: bytes, headers: Headers, code: str) -> None:
    partition = worker()
    outcome = partition.decide(InputRecord(b"acme", value, headers, offset=7))
    written = [output.value or b"" for output in outcome.outputs]
    written += [text or b"" for output in outcome.outputs for _, text in output.headers]
    written += [row or b"" for _, row in outcome.rows]
    assert not [text for text in written if CARD[:8].encode() in text.replace(b" ", b"").replace(b"-", b"")]
    # P16 is checked before the schema, and before where the record belongs.
    assert (code_of(outcome) or "nothing") in code.split()
    letter = outputs_to(outcome, "dead-letters")[0]
    assert (letter.key, header(letter, "errors.offset"), header(letter, "errors.topic")) == (
        b"acme",
        "7",
        "account-events",
    )


# Not on other inputs: their dead letters keep the input as it came.
def test_p16_other_inputs_are_not_masked() -> None:
    value = json.dumps({**Story().starts(CARD).inputs[0], "direction": "up"}).encode()
    letter = outputs_to(worker().decide(InputRecord(b"acme", value)), "dead-letters")[0]
    assert letter.value == value


# The message of a refusal quotes no card number either, wherever the value is written.
def test_p16_a_message_quotes_no_card_number() -> None:
    quoting = {**Story().starts("c1").inputs[0], "direction": CARD}
    letter = outputs_to(worker().decide(InputRecord(b"acme", json.dumps(quoting).encode())), "dead-letters")[0]
    assert header(letter, "errors.message") == "`direction` must be one of inbound, outbound, web"
    story = opened().says("redirect-set", redirect_to="x", at=CARD)
    assert CARD not in str(story.answer("dead-letter"))


# The account's own id, also where a CloudEvent carries it as its subject, is no card number (P16 leaves it out).
@pytest.mark.parametrize("structured", [False, True])
def test_p16_an_account_id_that_passes_luhn_is_taken(*, structured: bool) -> None:
    partition = Partition()
    partition.take(*Story(CARD).opens().inputs)
    card = {**Story(CARD).adds_card().inputs[0], "id": "card"}
    event = {**STRUCTURED, "subject": CARD, "data": card} if structured else card
    assert code_of(partition.decide(InputRecord(CARD.encode(), json.dumps(event).encode()))) is None
