"""A1 and A2: whom each alert is for, how severe it is, and which card it is about."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.rules.story import ALL, Event, Story, later, only, opened, usd
from tests.rules.subscriber import FEBRUARY, Subscriber, paying, subscriber

EMAIL = "owner@example.com"


def owned(*features: str, credit: str | int = 0, **fields: Any) -> Story:
    """A credits account whose owner has an e-mail address, in Berlin."""
    return opened(*features, credit=credit, billing_email=EMAIL, time_zone="Europe/Berlin", **fields)


def has_low_balance(*thresholds: str) -> Story:
    story = owned(credit=20).says("alert-thresholds-set", thresholds_micros=[usd(t) for t in thresholds])
    return story.is_granted(-25)


def refilling(**fields: Any) -> Story:
    return owned().adds_card().refills(20, **fields)


def is_short_of_funds() -> Story:
    return owned("extra_calls").calls(25).starts("c26")


def with_three_months_of_extra_calls() -> Story:
    story = owned(*ALL, credit=100)
    for month in ("2026-01-02", "2026-02-02", "2026-03-02"):
        story.waits(f"{month}T00:00:00Z").calls(26, prefix=month)
    return story


def exhausted(story: Subscriber) -> Subscriber:
    """The first fee is declined, and so are its three retries."""
    story.adds_card().declines()
    for days in (1, 3, 5):
        story.ticks(days=days).declines()
    return story


# A1. alert -> whom it is for, how severe it is
CASES: dict[str, tuple[Callable[[], Story], str, str, str]] = {
    "upgrade": (with_three_months_of_extra_calls, "upgrade-suggested", "owner", "info"),
    "email": (lambda: owned().says("billing-email-set", billing_email="x@y.de"),
        "billing-email-changed", "owner", "info"),
    "purchase": (lambda: owned().adds_card().buys("p1", 5).declines(), "purchase-declined", "owner", "warning"),
    "refill": (lambda: refilling().declines(retryable=True), "refill-declined", "owner", "warning"),
    "refill for good": (lambda: refilling().declines(), "refill-declined", "owner", "warning"),
    "limit": (lambda: refilling(monthly_limit_micros=10_000), "refill-paused", "owner", "warning"),
    "pause": (lambda: refilling().declines(), "refill-paused", "owner", "critical"),
    "threshold above 0": (lambda: has_low_balance("0.01"), "balance-low", "owner", "warning"),
    "threshold 0": (lambda: has_low_balance("0"), "balance-low", "owner", "critical"),
    "redirected": (is_short_of_funds, "funds-needed", "owner", "critical"),
    "fee, retried": (lambda: subscriber(billing_email=EMAIL, time_zone="Europe/Berlin").adds_card().declines(),
        "subscription-payment-declined", "owner", "warning"),
    "fee, given up": (lambda: exhausted(subscriber(billing_email=EMAIL, time_zone="Europe/Berlin")),
        "subscription-payment-declined", "owner", "critical"),
    "fee, no card": (lambda: subscriber(billing_email=EMAIL, time_zone="Europe/Berlin").ticks("2026-02-01T00:00:00Z"),
        "subscription-payment-declined", "owner", "critical"),
    "stuck": (lambda: owned().starts("c1").ticks(hours=4), "call-stuck", "operator", "warning"),
    "unresolved": (lambda: refilling().ticks(minutes=15), "refill-unresolved", "operator", "critical"),
}  # fmt: skip


@pytest.mark.parametrize(("told", "kind", "audience", "severity"), CASES.values(), ids=CASES.keys())
def test_a1_whom_an_alert_is_for(told: Callable[[], Story], kind: str, audience: str, severity: str) -> None:
    alert = told().answer(kind)[-1]
    assert (alert["audience"], alert["severity"]) == (audience, severity)
    # An alert for the owner says where to send it and in which time zone; one for the operator says neither.
    owner = {"billing_email": EMAIL, "time_zone": "Europe/Berlin"} if audience == "owner" else {}
    assert {name: alert[name] for name in ("billing_email", "time_zone") if name in alert} == owner


# Contract: `retry_at` of a declined subscription payment is there exactly where the severity is `warning`.
def test_a1_a_subscription_payment_is_a_warning_while_a_retry_follows() -> None:
    alerts = exhausted(subscriber()).facts("subscription-payment-declined")
    assert [(a["severity"], "retry_at" in a) for a in alerts] == [("warning", True)] * 3 + [("critical", False)]


# Contract: `retry_at` of a declined refill, where one follows: 1 h, 6 h and 24 h after the decline (C14).
def test_c14_a_declined_refill_says_when_it_is_retried() -> None:
    story, expected = refilling(), []
    for hours in (1, 6, 24):
        expected.append(later(story.declines(retryable=True).now, hours=hours))
        story.ticks(hours=hours)
    story.declines(retryable=True)
    told = [fact.get("retry_at") for fact in story.facts("refill-declined")]
    assert [moment.replace(".000Z", "Z") for moment in expected] == told[:3]
    assert told[3] is None


# A1: `billing-email-changed` goes to the former address, when there was one and the new one differs.
@pytest.mark.parametrize(
    ("addresses", "told"),
    [
        (["a@x.de"], []),
        ([None, "a@x.de"], []),
        (["a@x.de", "a@x.de"], []),
        (["a@x.de", "A@x.de"], [("a@x.de", "A@x.de")]),
        (["a@x.de", "b@x.de", "b@x.de", "a@x.de"], [("a@x.de", "b@x.de"), ("b@x.de", "a@x.de")]),
    ],
)
def test_a1_the_former_address_learns_of_another_one(addresses: list[str], told: list[tuple[str, str]]) -> None:
    first, *others = addresses
    story = Story().opens(**({} if first is None else {"billing_email": first}))
    for address in others:
        story.says("billing-email-set", billing_email=address)
        assert story.refusal() is None
    alerts = story.facts("billing-email-changed")
    assert [(alert["billing_email"], alert["new_billing_email"]) for alert in alerts] == told


# A2: without an address an owner's alert has none.
def test_a2_no_billing_email() -> None:
    alert = only(opened().adds_card().buys("p1", 5).declines().answer("purchase-declined"))
    assert "billing_email" not in alert
    assert alert["time_zone"] == "UTC"


def card_of(alert: Event) -> dict[str, Any]:
    return {name: alert[name] for name in ("amount_micros", "currency", "brand", "last4") if name in alert}


def asked(amount: str | int, brand: str = "visa", last4: str = "4242") -> dict[str, Any]:
    return {"amount_micros": usd(amount), "currency": "USD", "brand": brand, "last4": last4}


def not_asked(amount: str | int) -> dict[str, Any]:
    return {"amount_micros": usd(amount), "currency": "USD"}


# A2: the amount, and where a card was asked, that card. `refill-paused` names it only after a decline.
CARDS: dict[str, tuple[Callable[[], Story], str, dict[str, Any]]] = {
    "purchase": (lambda: owned().adds_card().buys("p1", 5).declines(), "purchase-declined", asked(5)),
    "refill": (lambda: refilling().declines(retryable=True), "refill-declined", asked(20)),
    "pause": (lambda: refilling().declines(), "refill-paused", asked(20)),
    "limit": (lambda: refilling(monthly_limit_micros=10_000), "refill-paused", not_asked(20)),
    "unresolved": (lambda: refilling().ticks(minutes=15), "refill-unresolved", asked(20)),
    "fee": (lambda: subscriber().adds_card().declines(), "subscription-payment-declined", asked(49)),
    "fee, no card": (lambda: subscriber().ticks(FEBRUARY), "subscription-payment-declined", not_asked(49)),
    "invoice": (
        lambda: paying().adds_number(fee=2).ticks(FEBRUARY).refuses("invoice"),
        "subscription-payment-declined",
        asked(2),
    ),
}


@pytest.mark.parametrize(("told", "kind", "card"), CARDS.values(), ids=CARDS.keys())
def test_a2_which_card_an_alert_is_about(told: Callable[[], Story], kind: str, card: dict[str, Any]) -> None:
    assert card_of(told().answer(kind)[-1]) == card


# A2: the card that was asked, whatever has become of it before the answer.
@pytest.mark.parametrize(
    "then",
    [
        lambda s: s.adds_card("pm2").removes_card("pm1"),
        lambda s: s.adds_card("pm1", brand="visa", last4="1111"),
        lambda s: s.adds_card("pm2").defaults_card("pm2"),
    ],
    ids=["removed", "replaced under its id", "another default"],
)
def test_a2_the_card_that_was_asked(then: Callable[[Subscriber], Subscriber]) -> None:
    story = Subscriber().opens("free").adds_card(brand="discover", last4="9424").buys("p1", 5)
    payment_id = story.payment_id()
    alert = only(then(story).declines(payment_id=payment_id).answer("purchase-declined"))
    assert card_of(alert) == asked(5, "discover", "9424")


# Contract: `invoice_id` of a declined invoice.
def test_m6_a_declined_invoice_names_it() -> None:
    story = paying().adds_number(fee=2).ticks(FEBRUARY)
    invoice_id = only(story.invoices())["invoice_id"]
    assert only(story.refuses("invoice").answer("subscription-payment-declined"))["invoice_id"] == invoice_id
    fee = only(paying().ticks(FEBRUARY).refuses("subscription").answer("subscription-payment-declined"))
    assert "invoice_id" not in fee


# P19: one fact on two topics; both have the same fields. The topics are in tests/agents/test_wallets.py.
def test_p19_a_paused_refill_is_one_fact() -> None:
    assert refilling().declines().answer_types() == ["refill-declined", "refill-paused"]
