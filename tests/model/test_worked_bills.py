"""The naive model's bills against numbers worked out by hand: the product's examples, then some of our own. Dollars."""

from typing import Any

import pytest

from tests.model.history import DOLLAR, History
from tests.model.hold_against import hold_against_model
from tests.model.naive_model import NaiveModel
from tests.model.naive_plans import AnyPlan, NaiveMinutes, NaivePlan
from tests.model.naive_time import DAY_MS, SECOND_MS, instant
from tests.model.naive_world import payment_name
from tests.model.test_worked_examples import of_type

CENT = DOLLAR // 100
PROFESSIONAL = NaiveMinutes("professional", included_minutes=0)
FEBRUARY_END = instant("2026-02-28T00:00:00.000Z")
MARCH_END = instant("2026-03-31T00:00:00.000Z")


def run(history: History, *plans: AnyPlan) -> tuple[NaiveModel, list[list[dict[str, Any]]]]:
    """The naive model on a history, which the real rules agree with."""
    model = NaiveModel(*(plans or [NaivePlan(), PROFESSIONAL]))
    facts = [model.step(wire) for wire in history.wires]
    hold_against_model(history, *model.world.plans.values())
    return model, facts


def answer(history: History, asked: dict[str, Any], purpose: str, how: str = "succeeded", number: int = 1) -> None:
    payment_id = payment_name("a", asked["id"], purpose, number)
    if how == "succeeded":
        history.add("payment-succeeded", payment_id=payment_id)
    else:
        history.add("payment-declined", payment_id=payment_id, reason=how, retryable=True)


def bought(history: History, dollars: int, purchase_id: str = "p1") -> dict[str, Any]:
    asked = history.add("credits-purchase-requested", purchase_id=purchase_id, amount_micros=dollars * DOLLAR)
    answer(history, asked, "purchase")
    return asked


def subscriber() -> History:
    """On Professional, the first fee paid."""
    history = History()
    history.open(plan="professional")
    answer(history, history.card(), "subscription")
    return history


def lines(invoice: dict[str, Any]) -> list[tuple[str, float]]:
    return [(kind, amount / DOLLAR) for kind, amount, _ in invoice["costing_lines"]]


def requested(facts: list[list[dict[str, Any]]]) -> list[tuple[str, float]]:
    return [(fact["purpose"], fact["amount_micros"] / DOLLAR) for fact in of_type(facts, "payment-requested")]


# Rules B3, B5.
def test_a_phone_fee_below_the_least_charge_is_carried() -> None:
    history = History()
    history.open()
    history.card()
    history.add("phone-number-added", number="+15550100", monthly_fee_micros=25 * CENT)
    history.tick(FEBRUARY_END)
    history.tick(MARCH_END)
    model, facts = run(history)
    first, second = of_type(facts, "invoice-issued")
    assert (first["total_micros"], first["carried_micros"], first["status"]) == (25 * CENT, 25 * CENT, "paid")
    assert lines(second) == [("phone_number", 0.25), ("carried", 0.25)]
    assert (second["total_micros"], second["carried_micros"], second["status"]) == (50 * CENT, 0, "open")
    assert requested(facts) == [("invoice", 0.5)]
    assert model.accounts["a"].billing.carried == 0


# Rules B2, B7.
def test_what_a_credits_wallet_paid_is_no_second_charge() -> None:
    history = History()
    history.open()
    history.switch("extra_calls", "live_agent", "appointment_booking")
    history.card()
    bought(history, 20)
    history.calls(4, features=["live_agent", "appointment_booking"])
    history.tick(FEBRUARY_END)
    model, facts = run(history)
    (invoice,) = of_type(facts, "invoice-issued")
    assert lines(invoice) == [("overage", 24), ("top_up", 20), ("wallet_credit", -24)]
    assert (invoice["total_micros"], invoice["carried_micros"], invoice["status"]) == (20 * DOLLAR, 0, "paid")
    assert list(invoice["wallet"].values()) == [0, 20 * DOLLAR, 24 * DOLLAR, -4 * DOLLAR]
    assert model.accounts["a"].balance == -4 * DOLLAR


# Rules B1, B2, B7, B8.
def test_what_the_wallet_did_not_pay_is_requested_with_the_invoice() -> None:
    history = subscriber()
    bought(history, 20)
    history.calls(1, lasted_ms=200 * 60 * SECOND_MS)
    history.calls(1, lasted_ms=18 * 60 * SECOND_MS)
    history.add("call-reclassified", call_id=history.wires[-1]["call_id"], real=False)
    history.calls(1, lasted_ms=18 * 60 * SECOND_MS)
    plan = NaiveMinutes("professional", included_minutes=0, inbound_micros=110_000)
    history.tick(FEBRUARY_END)
    _, facts = run(history, NaivePlan(), plan)
    (invoice,) = of_type(facts, "invoice-issued")
    # 218 minutes: $23.98, of which the wallet paid $20.00.
    assert lines(invoice) == [("subscription", 49), ("overage", 23.98), ("top_up", 20), ("wallet_credit", -20)]
    assert invoice["line_units"][:2] == [(1, 49 * DOLLAR), (218, 110_000)]
    assert invoice["total_micros"] == 72_980_000
    assert requested(facts)[-2:] == [("invoice", 3.98), ("subscription", 49)]
    assert list(invoice["wallet"].values()) == [0, 20 * DOLLAR, 20 * DOLLAR, 0]


# Rules M5, M6: $10 at once, retries after 1, 3 and 5 days, then a new card.
def test_declined_overage_goes_on_until_a_new_card_comes() -> None:
    history = subscriber()
    history.tick()
    history.calls(1, lasted_ms=100 * 60 * SECOND_MS)
    asked = history.wires[-1]
    for days in (1, 3, 5):
        answer(history, asked, "overage", "busy")
        history.calls(1, lasted_ms=100 * 60 * SECOND_MS)
        clock = max(instant(wire["occurred_at"]) for wire in history.wires if wire["type"] != "call-ended")
        asked = history.tick(max(clock, history.now_ms) + days * DAY_MS)
    answer(history, asked, "overage", "busy")
    history.card("pm2")
    history.add("payment-method-defaulted", payment_method_id="pm2")
    _, facts = run(history)
    assert requested(facts)[1:] == [("overage", amount) for amount in (11, 22, 33, 44, 44)]
    told = of_type(facts, "subscription-payment-declined")
    assert [(fact["purpose"], fact["severity"]) for fact in told] == [("overage", "warning")] * 3 + [
        ("overage", "critical")
    ]


# Rules B4, P7: a fee that is declined once its invoice is out goes back into the bill; what succeeds late lowers it.
@pytest.mark.parametrize(
    ("late", "second", "carried"),
    [
        pytest.param(False, "succeeded", 0, id="the bill pays"),
        pytest.param(True, "succeeded", -49, id="both pay: one too many is carried"),
        pytest.param(True, "busy", 0, id="the fee paid after all: the bill is not open again"),
    ],
)
def test_a_fee_declined_after_its_invoice(late: bool, second: str, carried: int) -> None:
    history = History()
    history.open(plan="professional")
    first = history.card()
    history.tick(FEBRUARY_END)
    answer(history, first, "subscription", "busy")
    asked = history.tick(FEBRUARY_END + DAY_MS)
    if late:
        answer(history, first, "subscription")
    answer(history, asked, "invoice", second)
    history.tick(FEBRUARY_END + 3 * DAY_MS)
    model, facts = run(history)
    assert requested(facts) == [("subscription", 49), ("subscription", 49), ("invoice", 49)]
    assert len(of_type(facts, "invoice-paid")) == 1
    assert len(of_type(facts, "payment-contradicted")) == (1 if late else 0)
    assert model.accounts["a"].billing.carried == carried * DOLLAR


# Rule M7: 1 April to 1 May, $100 to $200 on 16 April.
def test_an_upgrade_costs_the_days_that_are_left() -> None:
    history = History(instant("2026-04-01T10:00:00.000Z"))
    history.open(plan="small")
    answer(history, history.card(), "subscription")
    history.tick(instant("2026-04-16T12:00:00.000Z"))
    history.add("plan-change-requested", plan="large")
    history.tick(instant("2026-05-01T00:00:00.000Z"))
    plans = [NaiveMinutes("small", 100 * DOLLAR), NaiveMinutes("large", 200 * DOLLAR)]
    _, facts = run(history, *plans)
    assert requested(facts) == [("subscription", 100), ("subscription", 50), ("subscription", 200)]
    (invoice,) = of_type(facts, "invoice-issued")
    assert lines(invoice) == [("subscription", 100), ("proration", -50), ("proration", 100)]


# Rule M8: what waits when a cancelled term ends.
@pytest.mark.parametrize(
    ("plan", "undone", "status", "on"),
    [
        pytest.param(None, False, "ended", "large", id="nothing waits"),
        pytest.param("small", False, "ended", "small", id="a minutes plan is stored as ended"),
        pytest.param("free", False, None, "free", id="a credits plan starts"),
        pytest.param("small", True, "active", "small", id="not cancelled after all"),
    ],
)
def test_a_change_that_waits_for_the_end_of_a_cancelled_term(
    plan: str | None, undone: bool, status: str | None, on: str
) -> None:
    history = History()
    history.open(plan="large")
    history.add("subscription-cancel-requested")
    if plan:
        history.add("plan-change-requested", plan=plan)
    if undone:
        history.add("subscription-resume-requested")
    history.tick(FEBRUARY_END)
    plans: list[AnyPlan] = [NaivePlan(), NaiveMinutes("small", 10 * DOLLAR), NaiveMinutes("large", 20 * DOLLAR)]
    model, _ = run(history, *plans)
    account = model.accounts["a"]
    assert account.plan.name == on
    subscription = account.billing.subscription
    assert (None if subscription is None else subscription.status) == status
    assert len(account.billing.fees) == (2 if undone else 1)


# Rule G3: billed from a day within the second period, hence from the third.
def test_billing_begins_with_the_first_period_after_billing_from() -> None:
    history = History()
    history.open(plan="professional", billing_from="2026-03-01T00:00:00.000Z")
    history.card()
    history.calls(1, lasted_ms=5 * 60 * SECOND_MS)
    for day in (FEBRUARY_END, MARCH_END, instant("2026-04-30T00:00:00.000Z")):
        history.tick(day)
    model, facts = run(history)
    assert requested(facts) == [("subscription", 49), ("invoice", 0.55), ("subscription", 49)]
    (invoice,) = of_type(facts, "invoice-issued")
    assert invoice["period_start"] == MARCH_END
    assert lines(invoice) == [("subscription", 49), ("overage", 0.55)]
    subscription = model.accounts["a"].billing.subscription
    assert subscription is not None
    assert (subscription.first_period, subscription.end_period) == (3, 4)


def test_billing_from_before_the_running_period_is_refused() -> None:
    history = History()
    history.open(plan="professional", billing_from="2026-01-30T23:59:59.999Z")
    assert run(history)[1] == [[{"type": "dead-letter", "code": "schema_invalid"}]]


# Rules B5, B6, P7: without a subscription or a number nobody may ever take a negative sum, so the wallet gets it.
def test_a_negative_carried_sum_is_paid_into_the_wallet() -> None:
    history = History()
    history.open()
    history.card()
    history.add("phone-number-added", number="+15550100", monthly_fee_micros=2 * DOLLAR)
    history.add("phone-number-removed", number="+15550100")
    first = history.tick(FEBRUARY_END)
    answer(history, first, "invoice", "busy")
    second = history.tick(FEBRUARY_END + DAY_MS)
    answer(history, first, "invoice")
    answer(history, second, "invoice")
    history.tick(MARCH_END)
    model, facts = run(history)
    assert requested(facts) == [("invoice", 2), ("invoice", 2)]
    assert len(of_type(facts, "invoice-issued")) == 1
    (entry,) = of_type(facts, "ledger-entry-posted")
    assert (entry["kind"], entry["amount_micros"], entry["reference"]) == ("adjustment", 2 * DOLLAR, "a/invoice/1")
    account = model.accounts["a"]
    assert (account.balance, account.billing.carried) == (2 * DOLLAR, 0)
