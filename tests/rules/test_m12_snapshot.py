"""M12 and the contract's `account-snapshot`: the account as it now stands, apart from minutes and costs."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.rules.story import SIGNUP, Event, Story, later, only, opened, usd
from tests.rules.subscriber import APRIL, DAY_MS, FEBRUARY, MARCH, Subscriber, minutes_plans, paying, subscriber


def free() -> Subscriber:
    return Subscriber().opens("free")


# Contract: what the account was opened with and the owner has set since; left out where there is none.
def test_m12_the_owner_s_settings() -> None:
    bare = opened().snapshot()
    assert (bare["currency"], bare["time_zone"]) == ("USD", "UTC")
    assert bare["alert_thresholds_micros"] == [usd(10), 0]
    assert (bare["payment_methods"], bare["phone_numbers"], bare["refundable"], bare["pending_payments"]) == ([],) * 4
    assert {"billing_email", "redirect_to", "billing_details", "plan_change"}.isdisjoint(bare)
    story = opened(billing_email="a@x.de", time_zone="Europe/Berlin").says("redirect-set", redirect_to="+15550100")
    snapshot = story.says("alert-thresholds-set", thresholds_micros=[usd(3), 0, usd(25), usd(3)]).snapshot()
    assert (snapshot["billing_email"], snapshot["time_zone"]) == ("a@x.de", "Europe/Berlin")
    assert (snapshot["redirect_to"], snapshot["alert_thresholds_micros"]) == ("+15550100", [usd(25), usd(3), 0])


def card(payment_method_id: str, *, default: bool, brand: str = "visa", last4: str = "4242") -> Event:
    told = {"payment_method_id": payment_method_id, "brand": brand, "last4": last4, "exp_month": 4, "exp_year": 2031}
    return {**told, "default": default, "blocked": False}


# Contract: the cards in the order in which they came, never with a token.
@pytest.mark.parametrize(
    ("then", "cards"),
    [
        (lambda s: s, [card("pm1", default=True), card("pm2", default=False, brand="discover", last4="9424")]),
        (
            lambda s: s.defaults_card("pm2"),
            [card("pm1", default=False), card("pm2", default=True, brand="discover", last4="9424")],
        ),
        (lambda s: s.removes_card("pm1"), [card("pm2", default=True, brand="discover", last4="9424")]),
        (
            lambda s: s.adds_card("pm1", last4="1111"),
            [card("pm1", default=True, last4="1111"), card("pm2", default=False, brand="discover", last4="9424")],
        ),
        (lambda s: s.removes_card("pm1").removes_card("pm2"), []),
    ],
    ids=["two", "another default", "the default removed", "replaced under its id", "none left"],
)
def test_m9_the_cards(then: Callable[[Subscriber], Subscriber], cards: list[Event]) -> None:
    assert (
        then(free().adds_card("pm1").adds_card("pm2", brand="discover", last4="9424")).snapshot()["payment_methods"]
        == cards
    )


# Contract: the numbers held; one that was removed is on the next invoice and no longer here.
def test_m13_the_phone_numbers() -> None:
    story = free().adds_number("+1", 2).adds_number("+2", 1).adds_number("+1", 3)
    held = [{"number": "+1", "monthly_fee_micros": usd(3)}, {"number": "+2", "monthly_fee_micros": usd(1)}]
    assert sorted(story.snapshot()["phone_numbers"], key=lambda phone: str(phone["number"])) == held
    assert story.removes_number("+1").snapshot()["phone_numbers"] == held[1:]


# Contract: status, renews_at, term_start and fee_micros: null where no term runs.
@pytest.mark.parametrize(
    ("told", "subscription"),
    [
        (free, ("none", None, None, None)),
        (paying, ("active", FEBRUARY, SIGNUP, usd(49))),
        (lambda: paying().ticks(FEBRUARY), ("active", MARCH, FEBRUARY, usd(49))),
        (lambda: paying().changes_plan("dental"), ("active", FEBRUARY, SIGNUP, usd(99))),
        (lambda: paying().cancels(), ("cancelling", None, SIGNUP, usd(49))),
        (lambda: paying().cancels().ticks(FEBRUARY), ("ended", None, None, None)),
        (
            lambda: paying(catalogue=minutes_plans(professional={"interval": "year"})),
            ("active", "2027-01-01T00:00:00Z", SIGNUP, usd(588)),
        ),
    ],
    ids=["free", "first term", "renewed", "upgraded", "cancelled", "ended", "yearly"],
)
def test_m1_the_term(told: Callable[[], Subscriber], subscription: tuple[Any, ...]) -> None:
    shown = told().subscription()
    assert tuple(shown[name] for name in ("status", "renews_at", "term_start", "fee_micros")) == subscription


# Contract: `plan_change`, a change that waits, and from when.
@pytest.mark.parametrize(
    ("told", "change"),
    [
        (lambda: paying(plan="dental").changes_plan("professional"), {"plan": "professional", "at": FEBRUARY}),
        (lambda: paying().changes_plan("free"), {"plan": "free", "at": FEBRUARY}),
        (lambda: paying().changes_plan("dental"), None),
        (lambda: paying().changes_plan("free").changes_plan("professional"), None),
        (lambda: paying().changes_plan("free").ticks(FEBRUARY), None),
    ],
    ids=["down", "to credits", "up", "withdrawn", "done"],
)
def test_m7_a_change_that_waits(told: Callable[[], Subscriber], change: Event | None) -> None:
    assert told().snapshot().get("plan_change") == change


def refill_of(story: Story) -> tuple[Any, ...]:
    shown = story.snapshot()["auto_refill"]
    return tuple(
        shown[n] for n in ("spent_this_period_micros", "paused", "paused_reason", "in_flight", "next_attempt_at")
    )


# Contract: auto-refill as it stands; a reason and a next attempt are null where there is none. Dollars.
def test_c14_the_refill_as_it_stands() -> None:
    story = free().adds_card().refills(20)
    assert refill_of(story) == (usd(20), False, None, True, None)
    story.declines(retryable=True)
    assert refill_of(story) == (0, False, None, False, later(SIGNUP, hours=1).replace(".000", ""))
    story.ticks(hours=1)
    assert refill_of(story) == (usd(20), False, None, True, None)
    story.pays()
    assert refill_of(story) == (usd(20), False, None, False, None)
    story.ticks(FEBRUARY)
    assert refill_of(story) == (0, False, None, False, None)


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (lambda s: s.declines(), "hard_decline"),
        (lambda s: [s.declines(retryable=True).ticks(hours=24) for _ in range(3)][-1].declines(retryable=True),
            "retries_exhausted"),
    ],
    ids=["hard", "exhausted"],
)  # fmt: skip
def test_c14_why_the_refill_is_paused(then: Callable[[Story], Story], reason: str) -> None:
    story = then(free().adds_card().refills(20))
    assert refill_of(story) == (0, True, reason, False, None)
    assert refill_of(story.refills(enabled=False)) == (0, False, None, False, None)


# P8: the monthly limit is no pause (C14).
def test_p08_the_monthly_limit_is_no_pause() -> None:
    assert refill_of(free().adds_card().refills(20, monthly_limit_micros=usd(5))) == (0, False, None, False, None)


# Contract: payments without an answer, in order of request, with what they are for.
def test_m12_pending_payments() -> None:
    story = paying().adds_number(fee=2).waits(minutes=1).buys("p1", 20).refills(5, threshold_micros=10_000)
    purchase, refill = (story.newest(purpose) for purpose in ("purchase", "refill"))
    refill_id = only(story.facts("refill-requested"))["refill_id"]
    at = later(SIGNUP, minutes=1).replace(".000", "")
    pending = {
        "p1": {"payment_id": purchase, "purpose": "purchase", "amount_micros": usd(20), "reference": "p1"},
        refill_id: {"payment_id": refill, "purpose": "refill", "amount_micros": usd(5), "reference": refill_id},
    }
    shown = story.snapshot()["pending_payments"]
    assert {each["reference"]: each for each in shown} == {
        n: each | {"requested_at": at} for n, each in pending.items()
    }
    story.settles("refill").settles("purchase").refills(enabled=False).ticks(FEBRUARY)
    shown = story.snapshot()["pending_payments"]
    invoice_id = only(story.invoices())["invoice_id"]
    purposes = {each["purpose"]: (each["reference"], each["requested_at"]) for each in shown}
    assert purposes["invoice"] == (invoice_id, FEBRUARY)
    assert set(purposes) == {"invoice", "subscription"}
    assert [each["requested_at"] for each in shown] == sorted(each["requested_at"] for each in shown)
    assert story.settles_all().snapshot()["pending_payments"] == []


def test_m12_a_declined_payment_and_a_refund() -> None:
    story = free().adds_card().buys("p1", 20)
    assert story.declines().snapshot()["pending_payments"] == []
    story.buys("p2", 20).pays().says("credits-refund-requested", purchase_id="p2")
    [refund] = story.snapshot()["pending_payments"]
    assert (refund["purpose"], refund["amount_micros"], refund["reference"]) == ("refund", usd(20), "p2")
    assert story.pays().snapshot()["pending_payments"] == []


# M12: projected calls of a credits plan, linear in elapsed time, none before 5 % of the period. April has 30 days.
@pytest.mark.parametrize(
    ("elapsed_ms", "projected"),
    [
        (30 * DAY_MS // 20 - 1, None),
        (30 * DAY_MS // 20, 60),
        (3 * DAY_MS, 30),
        (7 * DAY_MS, 13),
        (15 * DAY_MS, 6),
        (30 * DAY_MS - 1, 3),
    ],
)
def test_m12_projected_calls(elapsed_ms: int, projected: int | None) -> None:
    story = Story(signup=APRIL).opens().calls(3).ticks(later(APRIL, milliseconds=elapsed_ms))
    usage = story.snapshot()["usage"]
    assert (usage["projected_calls"], usage["projected_minutes"]) == (projected, None)


def test_m12_a_minutes_plan_projects_no_calls() -> None:
    usage = subscriber(signup=APRIL).uses(12).ticks(later(APRIL, days=15)).usage()
    assert (usage["projected_calls"], usage["projected_minutes"]) == (None, 24)


# B5: what is carried to the next invoice; nothing so far.
def test_b5_nothing_is_carried_at_first() -> None:
    assert free().snapshot()["carried_micros"] == 0
