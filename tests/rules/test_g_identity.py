"""G4, G10, P7 and P17: what is taken once, what is a repeat, what is refused. Ages in milliseconds unless said."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from backoffice.replay import replay_lines, snapshot_lines
from tests.rules.story import ALL, BOTH, SIGNUP, Story, later, only, opened, usd

HORIZON_MS = 35 * 86_400_000


# G4: `(account_id, call_id)` is one call, charged at most once.
def test_g04_a_call_is_charged_once() -> None:
    story = opened(*BOTH, credit=20).starts("c1").starts("c1").ends("c1", used=BOTH).ends("c1", used=BOTH).starts("c1")
    assert [f["type"] for f in story.facts("call-admitted", "call-charged")] == ["call-admitted", "call-charged"]
    assert (story.balance(), story.snapshot()["open_calls"]) == (usd(14), 0)


def test_g04_the_same_call_id_on_another_account_is_another_call() -> None:
    one, other = opened(*BOTH, credit=20).ends("c1", used=BOTH), Story("other").opens().ends("c1")
    facts = list(replay_lines(one.lines() + other.lines()))
    assert [f["account_id"] for f in facts if f["type"] == "call-charged"] == ["acme", "other"]


# P7: whatever comes twice, byte for byte, is a repeat: no fact, nothing moves.
@pytest.mark.parametrize("times", [2, 3])
def test_p07_any_input_again_is_a_repeat(times: int) -> None:
    story = opened(*ALL, credit=20).adds_card().adds_card("pm2").refills(5, threshold_micros=usd(1))
    story.says("redirect-set", redirect_to="+15550100").says("alert-thresholds-set", thresholds_micros=[usd(5)])
    story.says("billing-email-set", billing_email="a@example.com").buys("p1", 20).pays()
    story.says("credits-refund-requested", purchase_id="p1").declines().starts("c1").ends("c1", used=BOTH)
    story.reclassifies("c1", real=False).says("payment-method-defaulted", payment_method_id="pm2")
    story.says("payment-method-removed", payment_method_id="pm1").ends("c2", used=BOTH).ticks(minutes=1)
    lines = story.lines()
    repeated = [line for line in lines for _ in range(times)]
    # An opening is refused the second time only if it has another id: the same id is the same input.
    assert list(replay_lines(repeated)) == list(replay_lines(lines))
    assert list(replay_lines(lines * times)) == list(replay_lines(lines))
    assert snapshot_lines(repeated) == snapshot_lines(lines)


# P7: the same id with other content took effect already.
def test_p07_an_id_takes_effect_once_whatever_it_says_the_second_time() -> None:
    story = opened(credit=20, id="open").is_granted(5, id="same").is_granted(7, "another-grant", id="same")
    assert story.answer() == []
    assert story.starts("c0", id="start").starts("c3", id="start").answer() == []
    assert story.starts("c1").starts("c2", id=story.inputs[-1]["id"]).answer() == []
    assert story.balance() == usd(25)


# G4: an id is unique within the signed inputs and within all others: who may only report calls cannot use up the id of
# an answer to a payment, nor can an answer use up that of a call.
@pytest.mark.parametrize("first", ["a call", "an answer"])
def test_g04_signed_inputs_have_ids_of_their_own(first: str) -> None:
    story = opened().adds_card().buys("p1", 20)
    said: list[Callable[[], Any]] = [lambda: story.starts("c1", id="x"), lambda: story.pays(id="x")]
    kinds = [["call-admitted"], ["ledger-entry-posted", "receipt-issued"]]
    for n in (0, 1) if first == "a call" else (1, 0):
        said[n]()
        assert story.answer_types() == kinds[n]
    for say in said:
        say()
        assert story.answer() == []


SIGNED: dict[str, Callable[[Story], Any]] = {
    "a payment that is taken": lambda story: story.buys("p1", 20).pays(id="x"),
    "a payment that is declined": lambda story: story.buys("p1", 20).declines(id="x"),
    "a grant": lambda story: story.is_granted(5, id="x"),
}
OTHERS: dict[str, Callable[[Story], Any]] = {
    "a start": lambda story: story.starts("c1", id="x"),
    "an end": lambda story: story.ends("c1", id="x"),
    "a switch": lambda story: story.says("feature-set", feature="live_agent", enabled=True, id="x"),
}


@pytest.mark.parametrize("signed", SIGNED)
@pytest.mark.parametrize("other", OTHERS)
def test_g04_the_id_of_an_input_of_the_other_class_is_free(other: str, signed: str) -> None:
    story = opened().adds_card()
    OTHERS[other](story)
    SIGNED[signed](story)
    assert story.answer() != []
    assert story.says("alert-thresholds-set", thresholds_micros=[], id="x").answer() == []


def test_p07_an_id_is_unique_per_account() -> None:
    one, other = opened(credit=20), Story("other").opens().switches(*BOTH[:0]).is_granted(1)
    assert {f["account_id"] for f in replay_lines(one.lines() + other.lines())} == {"acme", "other"}


# A refused input took no effect: its id may be used again.
def test_p07_a_refused_input_may_be_sent_again() -> None:
    story = opened().buys("p1", 20, id="buy")
    assert story.refusal() == "unknown_payment_method"
    assert story.adds_card().buys("p1", 20, id="buy").answer_types() == ["payment-requested"]


# P17: calls are corrected for 35 x 24 h after they ended (a start: after it started); one millisecond more is too late.
@pytest.mark.parametrize(
    ("age_ms", "refusal"), [(HORIZON_MS - 1, None), (HORIZON_MS, None), (HORIZON_MS + 1, "too_late")]
)
@pytest.mark.parametrize("what", ["a new end", "a new start", "a contradicting end"])
def test_g04_p17_too_late(what: str, age_ms: int, refusal: str | None) -> None:
    story = opened(*ALL, credit=20)
    if what == "a contradicting end":
        story.ends("c1", started=SIGNUP, at=SIGNUP)
    story.ticks(later(SIGNUP, milliseconds=age_ms))
    if what == "a new start":
        story.starts("c1", at=SIGNUP)
    else:
        story.ends("c1", started=SIGNUP, at=SIGNUP, used=BOTH)
    assert story.refusal() == refusal


# A repeat of the same end is a repeat while it is remembered, then a dead letter, never a second charge.
@pytest.mark.parametrize(
    ("age_ms", "answer"), [(HORIZON_MS, []), (HORIZON_MS + 1, ["dead-letter"]), (2 * HORIZON_MS, ["dead-letter"])]
)
def test_g04_a_repeat_of_a_charged_end_is_never_a_second_charge(age_ms: int, answer: list[str]) -> None:
    story = opened(*BOTH, credit=20).starts("c1").ends("c1", seconds=0, used=BOTH, id="end")
    story.ticks(later(SIGNUP, milliseconds=age_ms)).ends("c1", seconds=0, used=BOTH, id="end")
    assert story.answer_types() == answer
    assert story.balance() == usd(14)


# The standing end says that the call ended ten days before the first one said: a repeat of the first one is within its
# own horizon for ten days longer, and must still be known.
@pytest.mark.parametrize("days", [20, 25, 26, 30, 35])
def test_g04_a_repeat_of_a_contradicted_end_is_never_a_second_charge(days: int) -> None:
    story = opened(*BOTH, credit=20).waits(days=10)
    first: dict[str, Any] = {"started": story.now, "used": BOTH, "id": "first"}
    story.ends("c1", **first).ends("c1", started=SIGNUP, used=BOTH)
    assert story.ticks(later(first["started"], days=days)).ends("c1", **first).facts("call-charged")[1:] == []
    assert story.balance() == usd(14)


@pytest.mark.parametrize("days", [20, 26, 35])
def test_g04_a_repeat_of_a_start_is_never_a_second_decision(days: int) -> None:
    story = opened(*BOTH, credit=20).waits(days=10)
    first: dict[str, Any] = {"at": story.now, "id": "first"}
    story.starts("c1", **first).ends("c1", started=SIGNUP, at=later(SIGNUP, minutes=1), used=BOTH)
    story.ticks(later(first["at"], days=days)).starts("c1", **first)
    assert len(story.facts("call-admitted")) == 1


# P17: a reclassification of a call never seen waits 35 x 24 h from its own `occurred_at` for the call's end.
@pytest.mark.parametrize(("waited_ms", "real"), [(0, False), (HORIZON_MS, False), (HORIZON_MS + 1, True)])
def test_p17_how_long_a_reclassification_waits_for_its_call(waited_ms: int, *, real: bool) -> None:
    said = later(SIGNUP, days=3)
    story = opened().ticks(later(SIGNUP, days=4)).reclassifies("c1", real=False, at=said)
    ended = later(said, milliseconds=waited_ms)
    charge = only(story.ticks(max(ended, story.now)).ends("c1", started=ended, seconds=0).answer("call-charged"))
    assert charge["receipt"]["real"] is real


# P17: `too_late` is an input about a call that ended more than 35 x 24 h before the clock: a reclassification is one,
# whatever its own time.
@pytest.mark.parametrize(("age_ms", "refusal"), [(HORIZON_MS, None), (HORIZON_MS + 1, "too_late")])
def test_p17_a_reclassification_of_a_call_that_is_too_old(age_ms: int, refusal: str | None) -> None:
    story = opened(*BOTH, credit=20).starts("c1").ends("c1", seconds=0, used=BOTH)
    story.ticks(later(SIGNUP, milliseconds=age_ms)).reclassifies("c1", real=False)
    assert story.refusal() == refusal
    assert story.balance() == (usd(20) if refusal is None else usd(14))


# P17: a repeat of any other input is a repeat for at least 35 days; a grant and a purchase for ever.
@pytest.mark.parametrize("days", [34, 35, 36, 400])
def test_p17_a_grant_and_a_purchase_are_remembered_for_ever(days: int) -> None:
    story = opened().is_granted(5, "g1").adds_card().buys("p1", 20).pays().ticks(days=days)
    assert story.is_granted(5, "g1").answer() == []
    assert story.buys("p1", 20).answer() == []
    assert story.balance() == usd(25)


@pytest.mark.parametrize("days", [1, 34, 35])
def test_p17_other_inputs_are_remembered_for_thirty_five_days(days: int) -> None:
    story = opened().switches("live_agent").switches("live_agent", on=False).ticks(days=days)
    again = story.inputs[1]
    story.inputs.append(again)
    assert story.snapshot()["features"]["live_agent"] is False


# G10: each input has exactly one outcome. Every code that a state or a time can refuse with, and what refused it.
REFUSALS: dict[str, tuple[Callable[[], Story], str]] = {
    "an account is opened twice": (lambda: opened().opens(), "account_exists"),
    "a plan that is not offered": (lambda: Story().opens(plan="gold"), "unknown_plan"),
    "a switch of nobody": (lambda: Story().switches("live_agent"), "unknown_account"),
    "credits for nobody": (lambda: Story().is_granted(5), "unknown_account"),
    "an end of nobody's call": (lambda: Story().ends("c1"), "unknown_account"),
    "a reclassification of nobody's call": (lambda: Story().reclassifies("c1", real=True), "unknown_account"),
    "a purchase without a card": (lambda: opened().buys("p1", 5), "unknown_payment_method"),
    "a purchase with another card": (
        lambda: opened().adds_card().buys("p1", 5, payment_method_id="pm9"),
        "unknown_payment_method",
    ),
    "a refund of nothing bought": (
        lambda: opened(credit=5).says("credits-refund-requested", purchase_id="p1"),
        "unknown_purchase",
    ),
    "an answer to no payment": (lambda: opened().pays(payment_id="pay1"), "unknown_payment"),
    "a decline of no payment": (lambda: opened().declines(payment_id="pay1"), "unknown_payment"),
    "a cancellation": (lambda: opened().says("subscription-cancel-requested", reason="x"), "no_subscription"),
    "a resumption": (lambda: opened().says("subscription-resume-requested"), "no_subscription"),
    "from the future": (
        lambda: opened().ticks().is_granted(5, at=later(SIGNUP, minutes=5, milliseconds=1), arrived_at=SIGNUP),
        "future_time",
    ),
    "an unknown type": (lambda: opened().says("call-paused", call_id="c1"), "unknown_type"),
    "a wrong schema": (lambda: opened().switches("video"), "schema_invalid"),
    "a card number": (lambda: opened().adds_card(token="4242424242424242"), "card_number_refused"),
}


@pytest.mark.parametrize(("told", "code"), REFUSALS.values(), ids=REFUSALS.keys())
def test_g10_a_refused_input_is_one_dead_letter_and_changes_nothing(told: Callable[[], Story], code: str) -> None:
    story = told()
    letter = only(story.answer())
    assert (letter["type"], letter["code"], letter["line"]) == ("dead-letter", code, len(story.inputs))
    assert letter["message"]
    assert set(letter) == {"type", "code", "message", "line"}
    with_it = snapshot_lines(story.lines())
    story.inputs.pop()
    assert with_it == snapshot_lines(story.lines())


# G10: bad lines among good ones: each has its own answer, in order, and the good ones theirs.
def test_g10_a_bad_line_never_costs_a_good_one() -> None:
    good = opened("live_agent", credit=20).ends("c1", used=["live_agent"]).lines()
    bad = [b"{", b"[]", b"\xff", b"7", b'{"type":"call-started"}', b'{"type":"nothing"}', b"x" * 65_537]
    facts = list(replay_lines([line for pair in zip(good, bad[: len(good)], strict=False) for line in pair] + bad[4:]))
    codes = [f["code"] for f in facts if f["type"] == "dead-letter"]
    assert codes[:4] == ["malformed_json", "not_an_object", "not_utf8", "not_an_object"]
    assert codes[4:] == ["schema_invalid", "unknown_type", "too_large"]
    assert [f for f in facts if f["type"] != "dead-letter"] == list(replay_lines(good))


# Contract: lines are counted from 1, blank ones included in the count and skipped.
def test_g10_blank_lines_are_skipped_and_counted() -> None:
    facts = list(replay_lines([b"", b"  \n", b"nonsense\n", b"\t"]))
    assert [(f["code"], f["line"]) for f in facts] == [("malformed_json", 3)]


# Contract: what every fact says, and that its id is derived: the same input gives the same bytes.
def test_g10_every_fact_has_its_common_fields_and_an_id_of_its_own() -> None:
    story = opened(*ALL, credit=12).adds_card().refills(5).calls(30, used=BOTH).reclassifies("early-02", real=False)
    story.buys("p1", 9).declines().starts("open").ticks(hours=4)
    facts = story.facts()
    assert all({"type", "id", "account_id", "occurred_at", "caused_by"} <= set(fact) for fact in facts)
    assert len({fact["id"] for fact in facts}) == len(facts)
    assert {fact["caused_by"] for fact in facts} <= {event["id"] for event in story.inputs}
    assert all("currency" in fact for fact in facts if any(name.endswith("_micros") for name in fact))
    assert json.dumps(facts) == json.dumps(story.facts())


# G4: whether a start, an end or a correction comes first, each call has one charge of its own.
@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)], ids=repr)
def test_g05_every_order_of_start_end_and_correction_is_one_call(order: tuple[int, ...]) -> None:
    story = opened(*BOTH, credit=20)
    said: list[Callable[[], Any]] = [
        lambda: story.starts("c1"),
        lambda: story.ends("c1", used=BOTH),
        lambda: story.reclassifies("c1", real=False),
    ]
    for n in order:
        said[n]()
    assert len(story.facts("call-charged")) == 1
    assert (story.costs(), story.balance()) == ({"c1": 0}, usd(20))
    assert (story.snapshot()["open_calls"], story.snapshot()["held_micros"]) == (0, 0)
