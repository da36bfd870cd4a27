"""Why? of a charge, and the movements of the wallet, from real events. Money in dollars."""

from collections.abc import Iterable

import pytest

from gateway.portal.call_costs import CallCost, call_cost
from gateway.portal.transactions import Around, Transaction, call_id_of, transaction
from gateway.portal.why import Row, Why
from gateway.portal.words import Words
from schemas.facts import call_in_id
from schemas.instant import parse_instant
from tests.rules.story import ALL, BOTH, Event, Story, opened, usd

OF_A_CALL = ("call-admitted", "call-redirected", "call-charged", "charge-adjusted")
X = "\N{MULTIPLICATION SIGN}"


def around(story: Story) -> Around:
    """As the views keep them: of each call its decision, its charge, then its adjustments."""
    calls: dict[str, list[Event]] = {}
    for kind in OF_A_CALL:
        for fact in story.facts(kind):
            calls.setdefault(fact["call_id"], []).append(fact)
    return Around(calls, {fact["caused_by"]: fact for fact in story.facts("receipt-issued")})


def movements(story: Story) -> list[Transaction]:
    """Oldest first."""
    words = Words("USD", "UTC", int(parse_instant(story.now)), lambda _: 2)
    entries, known, snapshot = story.facts("ledger-entry-posted"), around(story), story.snapshot()
    return [transaction(entry, snapshot, known, words) for entry in entries]


def last_why(story: Story) -> Why:
    why = movements(story)[-1].why
    assert why is not None
    return why


def sums(rows: Iterable[Row]) -> list[tuple[str, str, int]]:
    return [(row.label, row.times, row.amount_micros) for row in rows]


def test_every_charge_of_a_long_history_is_explained_and_its_last_line_is_what_moved() -> None:
    story = opened(*ALL, credit=60).calls(25).calls(3, "extra-", used=BOTH)
    story.reclassifies("early-03", real=False).reclassifies("extra-02", real=False)
    story.ends("extra-01", used=["live_agent"], seconds=90)
    shown = movements(story)
    kinds = [entry["kind"] for entry in story.facts("ledger-entry-posted")]
    assert {"charge", "adjustment"} <= set(kinds)
    for kind, one in zip(kinds, shown, strict=True):
        assert (one.why is not None) == (kind in {"charge", "adjustment"})
        if one.why is not None:
            assert one.why.agrees
            assert one.why.sentence.startswith(("This call cost", "Corrected, because "))
            assert one.why.rows[-1].total
            assert abs(one.why.rows[-1].amount_micros) == abs(one.amount_micros)


def test_a_capped_call() -> None:
    why = last_why(opened(*ALL, credit=60).calls(26).call("extra", used=BOTH))
    assert sums(why.rows) == [
        ("Extra call", f"1 {X} $3.00", usd(3)),
        ("Live agent", f"1 {X} $3.00", usd(3)),
        ("Appointment booking", f"1 {X} $3.00", usd(3)),
        ("At most $6.00 a call", "", usd(-3)),
        ("Charged", "", usd(6)),
    ]
    assert why.sentence == (
        "This call cost $6.00: it was call 27 of the period from 1 Jan 2026, beyond the 25 included ones,"
        " a live agent and an appointment were used, and the cap of $6.00 took off $3.00."
    )


def test_a_feature_that_was_off_is_named() -> None:
    why = last_why(opened("live_agent", credit=60).call("one", used=BOTH))
    assert sums(why.rows) == [
        ("Included call", "", 0),
        ("Live agent", f"1 {X} $3.00", usd(3)),
        ("Not switched on, not charged: appointment booking", "", 0),
        ("Charged", "", usd(3)),
    ]


def test_a_correction_gives_back() -> None:
    story = opened("live_agent", credit=60).call("one", used=["live_agent"]).reclassifies("one", real=False)
    [_, charged, corrected] = movements(story)
    assert (charged.amount_micros, corrected.amount_micros) == (usd(-3), usd(3))
    assert corrected.title == "Correction: inbound call"
    assert corrected.why is not None
    assert corrected.why.sentence.startswith("Corrected, because the call was marked as not real. This call costs")
    assert sums(corrected.why.rows)[-2:] == [
        ("Change of the cost", "", usd(-3)),
        ("Back to your credits", "", usd(3)),
    ]


def test_minutes_that_wallet_and_card_share() -> None:
    """The worked example: 99 minutes used, 150 s inbound, wallet $0.10."""
    story = Story().opens("professional").ticks().adds_card().pays().is_granted("0.10")
    story.call("long", seconds=99 * 60).waits(hours=2).call("short", seconds=150)
    why = last_why(story)
    assert sums(why.rows) == [
        ("Included minutes", "1 min", 0),
        ("Minutes beyond the included ones", f"2 min {X} $0.11", usd("0.22")),
        ("Cost of the call", "", usd("0.22")),
        ("On your card", "", usd("-0.12")),
        ("From your credits", "", usd("0.10")),
    ]
    assert "the wallet paid $0.10, and $0.12 went on the card" in why.sentence


@pytest.mark.parametrize(
    ("story", "title", "detail"),
    [
        (opened(credit=5), "Credits given by support", ""),
        (opened(credit=5).is_granted(-2), "Credits taken back by support", ""),
        (opened().adds_card().buys("p1", 20).pays(), "Credits added", "Visa •••• 4242"),
        (opened().ticks().adds_card().refills(20).pays(), "Credits added automatically", "Visa •••• 4242"),
        (opened("live_agent", credit=5).starts("c", **{"from": "+14155550123"}).ends("c", used=["live_agent"],
         seconds=185), "Call from +1 415 555 0123", "3 min 5 s"),
        (opened("live_agent", credit=5).starts("c", direction="outbound", to="+14155550199").ends("c",
         direction="outbound", used=["live_agent"], seconds=45), "Call to +1 415 555 0199", "45 s"),
        (opened("live_agent", credit=5).starts("c", direction="web").ends("c", direction="web", used=["live_agent"]),
         "Web call", "1 min"),
        (opened().adds_card().buys("p1", 20).pays().says("credits-refund-requested", purchase_id="p1"),
         "Refund to your card", ""),
    ],
)  # fmt: skip
def test_what_a_movement_is_called(story: Story, title: str, detail: str) -> None:
    shown = movements(story)[-1]
    assert (shown.title, shown.detail) == (title, detail)
    assert shown.balance_after_micros == story.balance()


def test_a_purchase_has_its_receipt_and_says_until_when_it_can_be_refunded() -> None:
    story = opened().adds_card().buys("p1", 20).pays()
    [shown] = movements(story)
    [receipt], [refundable] = story.facts("receipt-issued"), story.snapshot()["refundable"]
    assert shown.receipt_id == receipt["receipt_id"]
    assert (shown.refundable_micros, shown.refundable_until) == (usd(20), refundable["until"])
    [later] = movements(story.ticks(days=31))
    assert (later.refundable_micros, later.refundable_until) == (0, "")


@pytest.mark.parametrize("call_id", ["plain", "a/b", "100%", "%2F", "sip:%25/x"])
def test_a_call_is_found_by_its_reference(call_id: str) -> None:
    assert call_id_of({"kind": "charge", "reference": call_in_id(call_id)}) == call_id


def test_a_call_whose_events_are_no_longer_kept_is_shown_without_why() -> None:
    story = opened("live_agent", credit=5).call("c", used=["live_agent"])
    words = Words("USD", "UTC", 0, lambda _: 2)
    [*_, entry] = story.facts("ledger-entry-posted")
    shown = transaction(entry, story.snapshot(), Around({"c": []}, {}), words)
    assert (shown.title, shown.why, shown.amount_micros) == ("Call", None, usd(-3))


def costs(story: Story) -> dict[str, CallCost]:
    """Each call of the story, as the views join it."""
    words, found = Words("USD", "UTC", int(parse_instant(story.now)), lambda _: 2), dict[str, CallCost]()
    for call_id, events in around(story).calls.items():
        kinds = {event["type"]: event for event in events}
        item = {
            "call_id": call_id,
            "first_at": events[0]["occurred_at"],
            "decision": kinds.get("call-admitted", kinds.get("call-redirected")),
            "charge": kinds.get("call-charged"),
            "adjustments": [event for event in events if event["type"] == "charge-adjusted"],
        }
        if "call-charged" in kinds:
            item["net_micros"] = story.costs()[call_id]
        found[call_id] = call_cost(item, story.snapshot(), words)
    return found


def test_every_call_says_what_it_costs_now_and_why() -> None:
    """Also one that costs nothing, and one whose cost was corrected: the last line is its cost."""
    story = opened(*ALL, credit=60).calls(25).calls(3, "extra-", used=BOTH).reclassifies("extra-02", real=False)
    story.switches("extra_calls", on=False).call("redirected")
    story.switches("extra_calls").starts("open")
    shown = costs(story)
    for call_id, cost in story.costs().items():
        one = shown[call_id]
        assert one.cost_micros == cost
        assert one.why is not None
        assert one.why.agrees
        assert one.why.rows[-1] == Row("Cost of the call", "", cost, total=True)
        assert sum(row.amount_micros for row in one.why.rows if not row.total) == cost
    assert shown["early-01"].why is not None
    assert shown["early-01"].why.sentence.startswith("This call cost nothing: it was call 1 of the period")
    assert shown["redirected"].state == "Redirected: extra calls are off"
    assert (shown["open"].state, shown["open"].cost_micros, shown["open"].why) == ("In progress", None, None)


def test_a_call_that_the_card_paid_alone_is_explained_too() -> None:
    """It moves no credits, so it is no transaction."""
    story = Story().opens("professional").ticks().adds_card().pays().call("long", seconds=100 * 60).call("more")
    assert movements(story) == []
    why = costs(story)["more"].why
    assert why is not None
    assert sums(why.rows) == [
        ("Minutes beyond the included ones", f"1 min {X} $0.11", usd("0.11")),
        ("Cost of the call", "", usd("0.11")),
    ]
    assert "all of it went on the card" in why.sentence


def test_wallet_and_card_each_paid_a_part_of_a_call() -> None:
    story = Story().opens("professional").ticks().adds_card().pays().is_granted("0.10")
    why = costs(story.call("long", seconds=102 * 60))["long"].why
    assert why is not None
    assert sums(why.rows)[-3:] == [
        ("Of it from your credits", "", usd("0.10")),
        ("Of it on your card", "", usd("0.12")),
        ("Cost of the call", "", usd("0.22")),
    ]
