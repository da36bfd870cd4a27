"""M8, with G2, P15 and P20: a cancelled subscription is usable until its period ends, then its calls redirect."""

from typing import Any

import pytest

from tests.rules.story import later, only, usd
from tests.rules.subscriber import APRIL, FEBRUARY, MARCH, Subscriber, asked, billed, dollars, paying, subscriber


def cancelled(credit: str | int = 0, **fields: Any) -> Subscriber:
    return paying(credit, **fields).waits(days=9).cancels(reason="too dear")


def ended(credit: str | int = 0) -> Subscriber:
    return cancelled(credit).ticks(FEBRUARY)


# P20: the status, from the opening to the end. `renews_at` is null when it does not renew.
def test_p20_m08_the_status() -> None:
    story = paying()
    assert (story.subscription()["status"], story.subscription()["renews_at"]) == ("active", FEBRUARY)
    story.cancels()
    assert story.answer() == []
    subscription = story.subscription()
    assert (subscription["status"], subscription["renews_at"], subscription["ends_at"]) == (
        "cancelling",
        None,
        FEBRUARY,
    )
    story.resumes()
    assert story.answer() == []
    assert (story.subscription()["status"], story.subscription()["renews_at"]) == ("active", FEBRUARY)
    assert story.cancels().ticks(later(FEBRUARY, milliseconds=-1)).subscription()["status"] == "cancelling"
    story.ticks(FEBRUARY)
    assert (story.subscription()["status"], story.subscription()["renews_at"]) == ("ended", None)
    assert Subscriber().opens("free").subscription()["status"] == "none"


# M8: active and usable until the period ends, not charged again.
def test_m08_it_is_usable_until_the_period_ends_and_not_charged_again() -> None:
    story = cancelled().uses(100).uses(5)
    assert (story.charge()["amount_micros"], story.charge()["plan"]) == (usd("0.55"), "professional")
    story.ticks(FEBRUARY)
    # What has accrued is still asked for; the fee is not.
    assert story.asks() == dollars(("invoice", "0.55"))
    assert billed(only(story.invoices())) == dollars(("subscription", 49), ("overage inbound", "0.55"))
    assert story.settles_all().ticks("2027-06-01T00:00:00Z").answer() == []
    assert asked(story.facts()) == dollars(("subscription", 49), ("invoice", "0.55"))


# M12: included minutes end with the subscription, and another subscription has its own.
def test_m08_m12_an_ended_subscription_has_no_included_minutes() -> None:
    story = cancelled().uses(30)
    assert (story.usage()["minutes_included"], story.usage()["minutes_remaining"]) == (100, 70)
    # The allowance of a call that starts now is 0 already, before a tick ends the subscription.
    story.waits(FEBRUARY).switches("live_agent")
    assert (story.usage()["minutes_included"], story.usage()["minutes_remaining"]) == (0, 0)
    story.ticks(FEBRUARY)
    assert (story.usage()["minutes_included"], story.usage()["minutes_remaining"]) == (0, 0)
    story.changes_plan("professional")
    assert (story.usage()["minutes_included"], story.usage()["minutes_remaining"]) == (100, 100)


# The monthly fee is not refundable.
def test_m08_the_fee_is_not_refundable() -> None:
    story = cancelled()
    assert asked(story.ticks(FEBRUARY).facts()) == dollars(("subscription", 49))
    fee = story.newest("subscription")
    assert story.says("credits-refund-requested", purchase_id=fee).refusal() == "unknown_purchase"


# P7: a second cancel is a repeat, also under another id and with another reason.
def test_p07_m08_a_second_cancel_is_a_repeat() -> None:
    story = cancelled().cancels(reason="moved away")
    assert story.answer() == []
    assert story.subscription()["status"] == "cancelling"


# M8: can be undone until then.
def test_m08_a_resumed_subscription_goes_on() -> None:
    story = cancelled().ticks(later(FEBRUARY, milliseconds=-1)).resumes().ticks(FEBRUARY)
    assert story.asks() == dollars(("subscription", 49))
    assert (story.subscription()["status"], story.subscription()["renews_at"]) == ("active", MARCH)
    assert story.starts("c1").answer_types() == ["call-admitted"]


def test_m08_it_can_be_cancelled_and_resumed_again_and_again() -> None:
    story = cancelled().resumes().cancels().resumes().cancels()
    assert story.subscription()["status"] == "cancelling"
    assert story.ticks(FEBRUARY).asks() == []


def test_m08_after_the_end_it_cannot_be_resumed() -> None:
    story = ended().resumes()
    assert story.refusal() == "no_subscription"
    assert story.subscription()["status"] == "ended"


@pytest.mark.parametrize("kind", ["subscription-cancel-requested", "subscription-resume-requested"])
def test_m08_a_credits_plan_has_no_subscription(kind: str) -> None:
    assert Subscriber().opens("free").says(kind).refusal() == "no_subscription"
    assert Subscriber().says(kind).refusal() == "unknown_account"


# M8 and G2: after the end calls redirect; the end comes with the tick, or without one for a call that starts at or
# after the period's end.
@pytest.mark.parametrize("ticked", [True, False])
@pytest.mark.parametrize(
    ("start", "answer"),
    [
        (later(FEBRUARY, milliseconds=-1), ("call-admitted", "subscription")),
        (FEBRUARY, ("call-redirected", "subscription_ended")),
        (later(FEBRUARY, milliseconds=1), ("call-redirected", "subscription_ended")),
        ("2026-05-05T00:00:00Z", ("call-redirected", "subscription_ended")),
    ],
)
def test_m08_g02_after_the_end_calls_redirect(start: str, answer: tuple[str, str], *, ticked: bool) -> None:
    story = cancelled(20).says("redirect-set", redirect_to="+15550199").waits(start)
    if ticked:
        story.ticks()
    decided = only(story.starts("c1").answer("call-admitted", "call-redirected"))
    assert (decided["type"], decided["reason"]) == answer
    if answer[0] == "call-redirected":
        assert decided["redirect_to"] == "+15550199"


# A call that started before the end, and ends after it, is one of the period (G8: nothing cuts it off).
@pytest.mark.parametrize("ticked", [True, False])
def test_m08_g08_a_call_over_the_end_is_charged_as_ever(*, ticked: bool) -> None:
    story = cancelled(20).uses(100).waits(later(FEBRUARY, milliseconds=-1)).starts("c1").waits(minutes=2)
    if ticked:
        story.ticks()
    charge = story.ends("c1", seconds=120).charge()
    assert (charge["amount_micros"], charge["period_start"], charge["minutes_before"]) == (
        usd("0.22"),
        "2026-01-01T00:00:00Z",
        100,
    )
    assert story.balance() == usd("19.78")


# P4: a call that was redirected is charged 0 and not counted, whatever its end says.
def test_p04_m08_a_redirected_call_costs_nothing() -> None:
    story = ended(20).starts("c1").ends("c1", used=["live_agent"])
    charge = story.charge()
    assert (charge["amount_micros"], charge["minutes_before"], charge["minutes_after"]) == (0, 0, 0)
    assert [line["kind"] for line in charge["lines"]] == ["not_enabled"]
    assert (story.balance(), story.usage()["minutes_used"], story.usage()["calls_counted"]) == (usd(20), 0, 0)
    # No notice to add funds: money would not help.
    assert story.facts("funds-needed") == []
    assert story.reclassifies("c1", real=True).answer("charge-adjusted") == []


# The wallet keeps its credits.
def test_m08_m10_the_wallet_keeps_its_credits() -> None:
    story = ended().ticks(MARCH).is_granted(20)
    assert (story.refusal(), story.balance()) == (None, usd(20))
    assert story.buys("p1", 5).pays().balance() == usd(25)
    story.says("credits-refund-requested", purchase_id="p1")
    assert only(story.answer("payment-requested"))["amount_micros"] == usd(5)


# M9 and P15: the only card is protected while a minutes subscription is active, cancelled but not ended included.
@pytest.mark.parametrize(
    ("story", "refusal"),
    [
        (paying, "last_payment_method"),
        (lambda: subscriber().adds_card(), "last_payment_method"),
        (cancelled, "last_payment_method"),
        (lambda: cancelled().resumes(), "last_payment_method"),
        (ended, None),
        (lambda: Subscriber().opens("free").adds_card(), None),
        (lambda: Subscriber().opens("free").adds_card().changes_plan("professional"), "last_payment_method"),
        (lambda: ended().changes_plan("professional"), "last_payment_method"),
        (lambda: paying().adds_card("pm2"), None),
    ],
    ids=["active", "fee asked", "cancelling", "resumed", "ended", "free", "upgraded", "subscribed anew", "two cards"],
)
def test_m09_p15_the_only_card_is_protected(story: Any, refusal: str | None) -> None:
    assert story().removes_card().refusal() == refusal


def test_m09_p15_the_one_that_remains_is_protected_then() -> None:
    story = paying().adds_card("pm2").removes_card("pm1")
    assert story.removes_card("pm2").refusal() == "last_payment_method"
    assert story.removes_card("pm9").refusal() == "unknown_payment_method"
    # It has become the default (P15).
    assert story.ticks(FEBRUARY).answer("payment-requested")[0]["payment_method_id"] == "pm2"


# After the end: subscribing anew, at once, for the days that are left; the anchor stays (decision 0014).
@pytest.mark.parametrize(
    ("at", "plan", "asks"),
    [
        ("2026-02-01T12:00:00Z", "professional", "49"),
        ("2026-02-15T00:00:00Z", "professional", "24.50"),
        ("2026-02-15T00:00:00Z", "dental", "49.50"),
        # 99 x 1/28 = 3.5357
        ("2026-02-28T23:59:59.999Z", "dental", "3.54"),
    ],
)
def test_m08_p11_subscribing_anew(at: str, plan: str, asks: str) -> None:
    story = ended().ticks(at).changes_plan(plan)
    assert story.asks() == dollars(("subscription", asks))
    assert (story.subscription()["status"], story.subscription()["renews_at"]) == ("active", MARCH)
    assert story.subscription().get("ends_at") is None
    assert story.starts("c1").answer_types() == ["call-admitted"]
    story.ends("c1", answered=False).settles_all().ticks(MARCH)
    assert billed(story.invoices()[-1]) == dollars(("proration", asks))
    assert story.asks() == dollars(("subscription", {"professional": 49, "dental": 99}[plan]))


# At the very boundary and before its tick the subscription has not ended, and no plan change undoes a cancellation: of
# the term no day is left to prorate, and the tick ends it. January's invoice is not concerned.
def test_m08_p12_changing_plan_at_the_boundary_before_its_tick() -> None:
    story = cancelled().waits(FEBRUARY).changes_plan("dental").ticks()
    assert asked(story.facts()) == dollars(("subscription", 49))
    invoice = only(story.invoices())
    assert (billed(invoice), invoice["status"]) == (dollars(("subscription", 49)), "paid")
    assert story.subscription()["status"] == "ended"
    story.changes_plan("dental")
    assert story.asks() == dollars(("subscription", 99))


def test_m08_p20_after_the_end_to_the_credits_plan_at_once() -> None:
    story = ended(20).changes_plan("free")
    assert story.answer() == []
    assert (story.snapshot()["plan"], story.subscription()["status"]) == ("free", "none")
    admitted = only(story.starts("c1").answer("call-admitted"))
    assert (admitted["reason"], story.balance()) == ("included", usd(20))


# M7 and 0014: a change while cancelled does not undo the cancellation.
def test_m08_m07_a_change_while_cancelled_does_not_undo_it() -> None:
    story = cancelled(signup=APRIL).waits("2026-04-16T00:00:00Z").changes_plan("dental")
    # Half a month: 49.50 - 24.50
    assert story.asks() == dollars(("subscription", 25))
    assert (story.snapshot()["plan"], story.subscription()["status"]) == ("dental", "cancelling")
    assert story.settles_all().ticks("2026-05-01T00:00:00Z").asks() == []
    assert story.subscription()["status"] == "ended"


def test_m08_m07_a_waiting_downgrade_ends_with_the_subscription() -> None:
    story = paying(plan="dental").changes_plan("professional").cancels().ticks(FEBRUARY)
    assert (story.asks(), story.subscription()["status"]) == ([], "ended")
    assert story.starts("c1").answer_types() == ["call-redirected"]


# Cancelled without ever a card: the last invoice carries the fee, and asks for it when a card comes.
def test_m08_p11_without_a_card_the_last_invoice_waits() -> None:
    story = subscriber().cancels().ticks(FEBRUARY)
    assert story.asks() == []
    assert only(story.invoices())["open_micros"] == usd(49)
    assert story.adds_card().asks() == dollars(("invoice", 49))


# A fee that was declined is not forgiven by the end: the invoice carries it (decision 0016).
def test_m08_p12_a_declined_fee_is_on_the_last_invoice() -> None:
    story = paying().ticks(FEBRUARY).declines().cancels()
    for days in (1, 3, 5):
        assert story.ticks(days=days).asks() == dollars(("subscription", 49))
        story.declines()
    assert story.ticks(MARCH).asks() == dollars(("invoice", 49))
    assert story.subscription()["status"] == "ended"
    assert "invoice-paid" in story.settles("invoice").answer_types()
    assert story.ticks("2026-06-01T00:00:00Z").answer() == []
