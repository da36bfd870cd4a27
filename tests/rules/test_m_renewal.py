"""M6 and P11, with G2 and G3: the fee in advance, renewals at the boundary, declines and their retries. Money in
dollars; `professional` is $49 a month.
"""

import pytest

from tests.rules.story import SIGNUP, Event, later, only, usd
from tests.rules.subscriber import (
    DAY_MS,
    FEBRUARY,
    MARCH,
    Subscriber,
    asked,
    dollars,
    minutes_plans,
    paying,
    subscriber,
)

FEE = ("subscription", 49)


def free_of_charge() -> Subscriber:
    return subscriber(catalogue=minutes_plans(professional={"monthly_price_micros": 0}))


def told(facts: list[Event]) -> list[tuple[str, int, str]]:
    """(purpose, micros, reason) of the declines told among `facts`."""
    return [
        (f["purpose"], f["amount_micros"], f["reason"]) for f in facts if f["type"] == "subscription-payment-declined"
    ]


# P11: in advance; the first when the first card is added; at the opening there is no alert (decision 0015).
def test_p11_m06_the_first_fee_is_asked_for_when_the_first_card_comes() -> None:
    story = subscriber()
    assert story.answer() == []
    request = only(story.waits(days=9).adds_card().answer())
    assert (request["type"], request["purpose"], request["amount_micros"]) == (
        "payment-requested",
        "subscription",
        usd(49),
    )
    assert (request["payment_method_id"], request["token"]) == ("pm1", "tok_pm1")
    assert request["payment_id"] == "acme/subscription/1/1"
    # The second card is not asked, and neither is the first one twice.
    assert story.adds_card("pm2").adds_card("pm1", token="tok_new").answer() == []
    assert story.pays().answer_types() == ["receipt-issued"]


# Whether or not it is answered: a fee in flight or paid is not asked for again by another card.
@pytest.mark.parametrize("paid", [True, False])
def test_p11_the_first_fee_is_asked_for_once(*, paid: bool) -> None:
    story = subscriber().adds_card()
    if paid:
        story.pays()
    story.adds_card("pm2").removes_card("pm1").adds_card("pm3").defaults_card("pm3")
    assert asked(story.facts()) == dollars(FEE)


def test_m06_a_plan_of_no_price_asks_for_nothing() -> None:
    story = free_of_charge().adds_card()
    assert story.answer() == []
    assert story.ticks(FEBRUARY).answer("payment-requested", "subscription-payment-declined") == []
    assert story.ticks(MARCH).answer("payment-requested", "subscription-payment-declined") == []
    assert story.subscription()["renews_at"] == "2026-04-01T00:00:00Z"


def test_m06_a_plan_of_no_price_has_no_alert_without_a_card_either() -> None:
    assert told(free_of_charge().ticks(FEBRUARY).facts()) == []


# M6 and G3: renewal at the boundary and not a millisecond before it; only a tick renews.
def test_m06_g03_renewal_is_at_the_boundary() -> None:
    story = paying().ticks(later(FEBRUARY, milliseconds=-1))
    assert story.answer() == []
    assert story.subscription()["renews_at"] == FEBRUARY
    assert story.ticks(FEBRUARY).asks() == dollars(FEE)
    assert story.subscription()["renews_at"] == MARCH
    assert story.newest("subscription") == "acme/subscription/2/1"
    assert {f["caused_by"] for f in story.answer()} == {story.inputs[-1]["id"]}
    assert story.ticks(FEBRUARY).answer() == story.ticks(SIGNUP).answer() == []


def test_m06_g02_without_a_tick_nothing_renews_but_a_call_has_its_own_period() -> None:
    story = paying().uses(100).waits(FEBRUARY).uses(1)
    assert (story.charge()["period_start"], story.charge()["amount_micros"]) == (FEBRUARY, 0)
    assert asked(story.facts()) == dollars(FEE)
    assert story.ticks(days=1).asks() == dollars(FEE)


# G2: a tick that passes several boundaries processes each, in order. Nothing is answered meanwhile.
def test_m06_g02_a_tick_long_after_renews_each_period_in_order() -> None:
    story = paying().ticks("2026-04-15T12:00:00Z")
    assert story.answer_types() == ["invoice-issued", "payment-requested"] * 3
    assert story.asks() == dollars(FEE, FEE, FEE)
    assert [i["period_end"] for i in story.invoices()] == [FEBRUARY, MARCH, "2026-04-01T00:00:00Z"]
    assert len({f["payment_id"] for f in story.facts("payment-requested")}) == 4
    assert story.subscription()["renews_at"] == "2026-05-01T00:00:00Z"


def test_m06_g02_one_late_tick_says_what_ticks_in_time_say() -> None:
    def said(*ticks: str) -> list[Event]:
        story = paying().is_taxed(82_500).adds_number().uses(110)
        for at in ticks:
            story.ticks(at)
        dropped = {"occurred_at", "caused_by"}
        return [
            {k: v for k, v in f.items() if k not in dropped} for f in story.facts("invoice-issued", "payment-requested")
        ]

    assert said(FEBRUARY, MARCH, "2026-04-01T00:00:00Z") == said("2026-04-01T00:00:00Z")


# G3: renewals and invoices follow the original anchor, in the account's time zone.
# (signup, time zone) -> the first boundaries
@pytest.mark.parametrize(
    ("signup", "time_zone", "boundaries"),
    [
        ("2024-01-31T10:00:00Z", "UTC", ["2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]),
        ("2026-01-31T10:00:00Z", "UTC", ["2026-02-28", "2026-03-31", "2026-04-30"]),
        ("2026-08-31T23:59:59.999Z", "UTC", ["2026-09-30", "2026-10-31", "2026-11-30", "2026-12-31", "2027-01-31"]),
        ("2024-02-29T10:00:00Z", "UTC", ["2024-03-29", "2024-04-29"]),
        ("2027-12-29T10:00:00Z", "UTC", ["2028-01-29", "2028-02-29", "2028-03-29"]),
        # Midnight in Berlin is 23:00 UTC in winter, 22:00 in summer.
        ("2026-02-28T23:00:00Z", "Europe/Berlin", ["2026-03-31T22:00", "2026-04-30T22:00"]),
        ("2026-09-30T22:00:00Z", "Europe/Berlin", ["2026-10-31T23:00", "2026-11-30T23:00"]),
        ("2026-02-15T12:00:00Z", "America/New_York", ["2026-03-15T04:00", "2026-04-15T04:00"]),
        # A midnight that is skipped: the first instant of that day.
        ("2018-10-04T15:00:00Z", "America/Sao_Paulo", ["2018-11-04T03:00", "2018-12-04T02:00"]),
    ],
)
def test_g03_m06_renewals_follow_the_anchor(signup: str, time_zone: str, boundaries: list[str]) -> None:
    story = paying(signup=signup, time_zone=time_zone)
    for boundary in boundaries:
        at = f"{boundary}T00:00:00Z" if "T" not in boundary else f"{boundary}:00Z"
        assert story.subscription()["renews_at"] == at
        assert story.ticks(later(at, milliseconds=-1)).answer() == []
        assert story.ticks(at).asks() == dollars(FEE)
        assert story.invoices()[-1]["period_end"] == at
        assert story.invoices()[-1]["time_zone"] == time_zone
        story.settles_all()
    starts, ends = ([i[f"period_{edge}"] for i in story.invoices()] for edge in ("start", "end"))
    assert starts[1:] == ends[:-1]


# M6: declined: an alert, and a retry after 1, 3 and 5 days, each counted from the latest decline (decision 0015);
# a hard decline as well. Service goes on.
@pytest.mark.parametrize("retryable", [True, False])
def test_m06_a_declined_fee_is_retried_after_one_three_and_five_days(*, retryable: bool) -> None:
    story = paying().ticks(FEBRUARY)
    for n, days in enumerate((1, 3, 5), 1):
        story.waits(minutes=3).declines(retryable=retryable, reason="insufficient_funds")
        alert = only(story.answer())
        assert told([alert]) == [("subscription", usd(49), "insufficient_funds")]
        assert alert["payment_id"] == f"acme/subscription/2/{n}"
        due = later(story.now, days=days)
        assert later(alert["retry_at"]) == due
        assert story.starts(f"c{n}").answer_types() == ["call-admitted"]
        story.ends(f"c{n}")
        assert story.ticks(later(due, milliseconds=-1)).answer() == []
        assert story.ticks(due).asks() == dollars(FEE)
        assert story.newest("subscription") == f"acme/subscription/2/{n + 1}"
    # After the last one it waits for another default card, or for the invoice.
    alert = only(story.waits(minutes=3).declines(retryable=retryable).answer())
    assert "retry_at" not in alert
    assert told([alert]) == [("subscription", usd(49), "card_declined")]
    assert story.ticks(later(MARCH, milliseconds=-1)).answer() == []
    assert story.subscription()["status"] == "active"
    assert story.starts("still").answer_types() == ["call-admitted"]


def exhausted() -> Subscriber:
    """February's fee was declined four times, by the 10th."""
    story = paying().ticks(FEBRUARY).declines()
    for days in (1, 3, 5):
        story.ticks(days=days).declines()
    return story


def test_m06_p12_after_the_last_decline_the_invoice_asks() -> None:
    story = exhausted().ticks(MARCH)
    assert story.asks() == dollars(("invoice", 49), FEE)
    invoice = story.invoices()[-1]
    assert (invoice["number"], invoice["status"], invoice["open_micros"]) == (2, "open", usd(49))


def test_m06_p11_after_the_last_decline_another_default_card_is_asked() -> None:
    story = exhausted().adds_card("pm2")
    assert story.asks() == []
    request = only(story.defaults_card("pm2").answer("payment-requested"))
    assert (request["amount_micros"], request["payment_method_id"], request["purpose"]) == (
        usd(49),
        "pm2",
        "subscription",
    )
    assert story.pays().ticks(MARCH).asks() == dollars(FEE)
    assert story.invoices()[-1]["status"] == "paid"


def test_m06_a_retry_takes_the_card_that_is_the_default_then() -> None:
    story = paying().ticks(FEBRUARY).declines().adds_card("pm2").defaults_card("pm2").ticks(days=1)
    requests = [f for f in story.facts("payment-requested") if f["payment_id"] == "acme/subscription/2/2"]
    assert [f["payment_method_id"] for f in requests] == ["pm2"]
    assert len(story.facts("payment-requested")) == 3


def test_m06_a_retry_that_is_paid_ends_the_matter() -> None:
    story = paying().ticks(FEBRUARY).declines().ticks(days=1).pays()
    assert story.answer_types() == ["receipt-issued"]
    assert story.ticks(later(MARCH, milliseconds=-1)).answer() == []
    assert story.ticks(MARCH).asks() == dollars(FEE)
    assert [i["status"] for i in story.invoices()] == ["paid", "paid"]


def test_m06_only_a_tick_retries() -> None:
    story = paying().ticks(FEBRUARY).declines().waits(days=2).switches("live_agent")
    assert story.asks() == []


# G2: a retry that fell due and a boundary after it, in one tick: the retry first; it is in flight then, and the invoice
# does not ask for it again (decision 0016).
def test_m06_g02_a_tick_that_passes_a_retry_and_a_boundary() -> None:
    story = paying().ticks(FEBRUARY).declines().ticks("2026-03-10T00:00:00Z")
    assert story.answer_types() == ["payment-requested", "invoice-issued", "payment-requested"]
    assert [f["payment_id"] for f in story.answer("payment-requested")] == [
        "acme/subscription/2/2",
        "acme/subscription/3/1",
    ]
    assert story.invoices()[-1]["open_micros"] == usd(49)


# P11: no card at a renewal: the alert says so, nothing is asked for; requested when a card comes.
def test_p11_m06_no_card_at_a_renewal() -> None:
    story = subscriber().ticks(FEBRUARY)
    assert story.asks() == []
    fee = only([f for f in story.answer("subscription-payment-declined") if f["purpose"] == "subscription"])
    assert told([fee]) == [("subscription", usd(49), "no_payment_method")]
    assert not {"payment_id", "retry_at"} & set(fee)
    # Nothing is retried without a card.
    assert story.ticks(days=10).answer() == []
    assert story.starts("c1").answer_types() == ["call-admitted"]
    # This period's fee, then the invoice that carries January's (decision 0015).
    assert story.adds_card().asks() == dollars(FEE, ("invoice", 49))
    assert sorted(story.settles("invoice").answer_types()) == ["invoice-paid", "receipt-issued"]
    assert story.settles("subscription").answer_types() == ["receipt-issued"]
    assert story.ticks(MARCH).asks() == dollars(FEE)


def test_p11_no_card_for_several_renewals() -> None:
    story = subscriber().ticks("2026-03-10T00:00:00Z")
    assert len([f for f in told(story.answer()) if f[0] == "subscription"]) == 2
    requests = story.adds_card().answer("payment-requested")
    assert asked(requests) == dollars(FEE, ("invoice", 49), ("invoice", 49))
    assert [f["payment_id"] for f in requests[1:]] == ["acme/invoice/1/1", "acme/invoice/2/1"]


# M9: the fee is charged to the card that is the default at the renewal.
def test_m06_m09_the_default_card_is_charged() -> None:
    story = paying().adds_card("pm2").defaults_card("pm2").ticks(FEBRUARY)
    assert [f["payment_method_id"] for f in story.facts("payment-requested")] == ["pm1", "pm2"]
    assert story.settles_all().removes_card("pm2").ticks(MARCH).answer("payment-requested")[0]["token"] == "tok_pm1"


# P7: the same answer again is a repeat. What contradicts it is in tests/rules/test_b_late_answers.py.
@pytest.mark.parametrize(("first", "second"), [("pays", "pays"), ("declines", "declines")])
def test_p07_m06_the_same_answer_again_is_a_repeat(first: str, second: str) -> None:
    story = paying().ticks(FEBRUARY)
    payment_id = story.payment_id()
    getattr(getattr(story, first)(payment_id=payment_id), second)(payment_id=payment_id)
    assert story.answer() == []


# The invoice is asked for in the same way, with the same alert, which names the purpose (decision 0015).
def test_m06_p12_a_declined_invoice_is_retried_like_a_fee() -> None:
    story = paying().adds_number().ticks(FEBRUARY)
    assert story.asks() == dollars(("invoice", 2), FEE)
    story.settles("subscription")
    for n, days in enumerate((1, 3, 5), 1):
        alert = only(story.refuses("invoice").answer())
        assert told([alert]) == [("invoice", usd(2), "card_declined")]
        assert (alert["payment_id"], later(alert["retry_at"])) == (
            f"acme/invoice/1/{n}",
            later(story.now, milliseconds=days * DAY_MS),
        )
        assert story.ticks(days=days).asks() == dollars(("invoice", 2))
    assert sorted(story.settles("invoice").answer_types()) == ["invoice-paid", "receipt-issued"]
