"""C13, C14 and P8, P9, P19, P20: auto-refill. Money in dollars, delays in milliseconds."""

import pytest

from tests.rules.story import SIGNUP, Story, later, only, opened, usd

HOUR_MS = 3_600_000


def low(balance: str | int = 0) -> Story:
    """An account with a card and that balance, its auto-refill untouched; the clock has been seen."""
    return opened(credit=balance).ticks().adds_card()


# C13: off at first; strictly below the threshold (default $10); exactly the owner's amount; at once.
@pytest.mark.parametrize(
    ("balance", "fields", "asked_usd"),
    [
        ("9.99", {"amount": 20}, ["20"]),
        ("10", {"amount": 20}, []),
        ("-3", {"amount": "12.34"}, ["12.34"]),
        ("0", {"amount": 20, "enabled": False}, []),
        ("5", {"amount": 20, "threshold_micros": 5_000_000}, []),
        ("4.99", {"amount": 20, "threshold_micros": 5_000_000}, ["20"]),
        ("-0.01", {"amount": 20, "threshold_micros": 0}, ["20"]),
        ("0", {"amount": 20, "threshold_micros": 0}, []),
    ],
)
def test_c13_enabling_it_while_below_requests_at_once(
    balance: str, fields: dict[str, int], asked_usd: list[str]
) -> None:
    story = low(balance).refills(**fields)  # type: ignore[arg-type]  # keywords of a row
    assert [fact["amount_micros"] for fact in story.answer("refill-requested")] == [usd(a) for a in asked_usd]
    assert [fact["amount_micros"] for fact in story.answer("payment-requested")] == [usd(a) for a in asked_usd]


def test_c13_off_at_first() -> None:
    story = low(20).is_granted(-20)
    assert story.facts("refill-requested") == []
    assert story.snapshot()["auto_refill"] == {
        "enabled": False,
        "amount_micros": None,
        "threshold_micros": 10_000_000,
        "payment_method_id": None,
        "monthly_limit_micros": None,
        "spent_this_period_micros": 0,
        "paused": False,
        "paused_reason": None,
        "in_flight": False,
        "next_attempt_at": None,
    }


def test_c13_at_most_one_is_in_flight_and_the_balance_is_looked_at_again_when_it_is_settled() -> None:
    story = low("0.5").refills(6).is_granted("-0.1").ticks(seconds=30)
    assert len(story.facts("refill-requested")) == 1
    # $0.40 + $6 is still below $10: the next one at once; $12.40 is not.
    assert story.pays().answer_types() == [
        "refill-succeeded",
        "ledger-entry-posted",
        "receipt-issued",
        "refill-requested",
        "payment-requested",
    ]
    assert story.pays().answer_types() == ["refill-succeeded", "ledger-entry-posted", "receipt-issued"]
    assert story.balance() == usd("12.4")
    requested = story.facts("refill-requested")
    assert len({fact["refill_id"] for fact in requested}) == len({fact["payment_id"] for fact in requested}) == 2


def test_c13_a_call_that_takes_the_balance_below_requests() -> None:
    story = opened("live_agent", credit=12).adds_card().refills(20).starts("c1")
    assert story.facts("refill-requested") == []  # held is not spent
    assert only(story.ends("c1", used=["live_agent"]).answer("refill-requested"))["amount_micros"] == usd(20)


def test_p08_no_card_no_request_until_one_comes() -> None:
    story = opened().refills(20)
    assert story.answer() == []
    assert only(story.adds_card().answer("refill-requested"))["payment_method_id"] == "pm1"


def test_c13_the_owners_card_for_refills_is_charged() -> None:
    story = low().adds_card("pm2").refills(20, payment_method_id="pm2")
    assert only(story.answer("payment-requested"))["token"] == "tok_pm2"


# C14: a retryable decline is retried 1 h, 6 h and 24 h after the latest decline, then it pauses.
def test_c14_p08_a_retryable_decline_is_retried_then_pauses() -> None:
    story = low().refills(20)
    refill_id = only(story.answer("refill-requested"))["refill_id"]
    for delay_ms in (HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS):
        assert story.waits(minutes=3).declines(retryable=True).answer_types() == ["refill-declined"]
        declined_at = story.now
        assert story.ticks(later(declined_at, milliseconds=delay_ms - 1)).answer("refill-requested") == []
        again = only(story.ticks(later(declined_at, milliseconds=delay_ms)).answer("refill-requested"))
        assert (again["refill_id"], again["amount_micros"]) == (refill_id, usd(20))
    assert story.declines(retryable=True).answer_types() == ["refill-declined", "refill-paused"]
    assert story.snapshot()["auto_refill"]["paused"]
    assert story.ticks(days=3).answer() == []
    requested = story.facts("refill-requested")
    assert len({fact["payment_id"] for fact in requested}) == len(requested) == 4
    assert {fact["refill_id"] for fact in story.facts("refill-declined", "refill-paused")} == {refill_id}


def test_c14_only_a_tick_retries() -> None:
    story = low().refills(20).declines(retryable=True).waits(hours=2).is_granted(1)
    assert story.answer("refill-requested") == []


def test_c14_a_hard_decline_pauses_at_once() -> None:
    story = low().refills(20).declines(reason="stolen_card")
    declined, paused = story.answer()
    assert (declined["type"], declined["reason"], paused["type"]) == ("refill-declined", "stolen_card", "refill-paused")
    assert story.ticks(days=2).answer() == []
    assert story.is_granted(-1).answer("refill-requested") == []


def test_c14_a_retry_that_succeeds_adds_the_credits() -> None:
    story = low().refills(20).declines(retryable=True).ticks(hours=1).pays()
    assert (story.balance(), story.ticks(days=2).answer()) == (usd(20), [])


# C14 re-arms: on a new default card, on setting it again, on a successful purchase; R7: on a default card that is added
# again or made default again.
@pytest.mark.parametrize(
    ("does", "requests"),
    [
        ("new default", 1),
        ("set again", 1),
        ("purchase", 1),
        ("second card", 0),
        ("grant", 0),
        ("default again", 1),
        ("default added again", 1),
    ],
)
def test_c14_what_arms_a_paused_refill_again(does: str, requests: int) -> None:
    story = low().refills(20).declines()
    before = len(story.facts("refill-requested"))
    if does == "new default":
        story.adds_card("pm2").says("payment-method-defaulted", payment_method_id="pm2")
    elif does == "set again":
        story.refills()
    elif does == "purchase":
        story.buys("p1", 5).pays()
    elif does == "second card":
        story.adds_card("pm2")
    elif does == "grant":
        story.is_granted(1)
    elif does == "default added again":
        story.adds_card("pm1")
    else:
        story.says("payment-method-defaulted", payment_method_id="pm1")
    assert len(story.facts("refill-requested")) - before == requests


def test_c14_a_declined_purchase_does_not_arm_it() -> None:
    story = low().refills(20).declines().buys("p1", 5).declines()
    assert len(story.facts("refill-requested")) == 1


# C14 and P17: no answer in 15 min raises `refill-unresolved`, once, and it is never asked again under another id.
def test_c14_p17_a_refill_without_an_answer_is_unresolved_after_fifteen_minutes() -> None:
    story = low().refills(20)
    payment_id = story.payment_id()
    assert story.ticks(later(SIGNUP, minutes=15, milliseconds=-1)).answer() == []
    alert = only(story.ticks(later(SIGNUP, minutes=15)).answer())
    assert (alert["type"], alert["payment_id"]) == ("refill-unresolved", payment_id)
    assert story.ticks(days=20).is_granted(-1).answer("refill-requested", "refill-unresolved") == []
    assert story.refills(20).answer("refill-requested") == []
    assert story.pays(payment_id=payment_id).balance() == usd(19)


# C14 and P8: refills requested and not declined in the billing period, never above the owner's limit.
def test_p08_the_monthly_limit_is_never_passed() -> None:
    story = low().refills(20, monthly_limit_micros=usd(45)).pays().is_granted(-20)
    assert len(story.facts("refill-requested")) == 2
    story.pays().is_granted(-20)
    paused = only(story.facts("refill-paused"))
    assert (len(story.facts("refill-requested")), paused["reason"]) == (2, "monthly_limit")
    # Once a period; the next period asks again by its first tick.
    assert story.is_granted(-1).ticks(later("2026-02-01T00:00:00Z", milliseconds=-1)).answer() == []
    assert len(story.facts("refill-paused")) == 1
    asked = ["refill-requested", "payment-requested"]
    assert story.ticks("2026-02-01T00:00:00Z").answer_types() == ["invoice-issued", *asked]


@pytest.mark.parametrize(("limit_usd", "requested"), [("20", 1), ("19.99", 0), ("39.99", 1), ("40", 2)])
def test_p08_exactly_the_limit_is_within_it(limit_usd: str, requested: int) -> None:
    story = low().refills(20, monthly_limit_micros=usd(limit_usd))
    if requested:
        story.pays().is_granted(-20)
    assert len(story.facts("refill-requested")) == requested


def test_p08_a_declined_refill_does_not_count_for_the_limit() -> None:
    story = low().refills(20, monthly_limit_micros=usd(20)).declines().refills()
    assert len(story.facts("refill-requested")) == 2
    assert [fact["reason"] for fact in story.facts("refill-paused")] != ["monthly_limit"]


def test_p08_a_higher_limit_asks_at_once() -> None:
    story = low().refills(20, monthly_limit_micros=usd(10))
    assert story.answer_types() == ["refill-paused"]
    assert only(story.refills(monthly_limit_micros=usd(30)).answer("refill-requested"))["amount_micros"] == usd(20)


# P8: a limit of 0 removes the limit.
def test_p08_a_limit_of_0_removes_the_limit() -> None:
    story = low().refills(20, monthly_limit_micros=usd(10))
    assert story.answer_types() == ["refill-paused"]
    assert only(story.refills(monthly_limit_micros=0).answer("refill-requested"))["amount_micros"] == usd(20)
    assert story.snapshot()["auto_refill"]["monthly_limit_micros"] is None


# P9: what is left out is kept; enabled with no amount ever set is refused.
def test_p09_auto_refill_set_keeps_what_it_leaves_out() -> None:
    story = low(50).refills(20, threshold_micros=usd(5), payment_method_id="pm1", monthly_limit_micros=usd(100))
    story.refills(enabled=False).refills(25).refills(threshold_micros=None)
    assert story.snapshot()["auto_refill"] == {
        "enabled": True,
        "amount_micros": 25_000_000,
        "threshold_micros": 5_000_000,
        "payment_method_id": "pm1",
        "monthly_limit_micros": 100_000_000,
        "spent_this_period_micros": 0,
        "paused": False,
        "paused_reason": None,
        "in_flight": False,
        "next_attempt_at": None,
    }


@pytest.mark.parametrize(("first", "refusal"), [({}, "schema_invalid"), ({"amount": 20, "enabled": False}, None)])
def test_p09_enabled_with_no_amount_ever_set_is_refused(first: dict[str, int], refusal: str | None) -> None:
    story = low(50)
    if first:
        story.refills(**first)  # type: ignore[arg-type]  # keywords of a row
    assert story.refills().refusal() == refusal


def test_p09_a_card_that_the_account_does_not_have_is_refused() -> None:
    assert low().refills(20, payment_method_id="pm9").refusal() == "unknown_payment_method"


# P19: one fact each, for two topics. In a replay it is one line.
def test_p19_a_decline_and_a_pause_are_one_fact_each() -> None:
    story = low().refills(20).declines()
    facts = story.facts("refill-declined", "refill-paused")
    assert len(facts) == len({fact["id"] for fact in facts}) == 2


# P20: switched off, or without a card, while a retry waits: dropped. Armed again while one is in flight: no change.
@pytest.mark.parametrize("how", ["off", "no card"])
def test_p20_a_waiting_retry_is_dropped(how: str) -> None:
    story = low().refills(20).declines(retryable=True)
    if how == "off":
        story.refills(enabled=False)
        assert story.refills(enabled=True).answer_types() == ["refill-requested", "payment-requested"]
    else:
        story.says("payment-method-removed", payment_method_id="pm1")
        assert story.adds_card("pm2").answer_types() == ["refill-requested", "payment-requested"]
    # It is a new refill: the retry is not made beside it.
    assert len({fact["refill_id"] for fact in story.facts("refill-requested")}) == 2
    assert story.ticks(hours=1).answer("refill-requested") == []


def test_p20_arming_again_changes_nothing_for_one_in_flight() -> None:
    story = low().refills(20)
    assert story.refills(50).answer() == []
    assert story.adds_card("pm2").says("payment-method-defaulted", payment_method_id="pm2").answer() == []
    assert story.pays().balance() == usd(20)


def test_p20_a_retry_that_nobody_needs_any_more_is_dropped() -> None:
    story = low().refills(20).declines(retryable=True).is_granted(50).ticks(hours=1)
    assert story.answer("refill-requested") == []
    assert story.ticks(hours=9).answer() == []
