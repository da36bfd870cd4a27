"""Where the real rules and the product's words once parted, each with the shortest history that showed it."""

from hypothesis import event, given
from hypothesis import strategies as st

from tests.model.history import DOLLAR, History
from tests.model.hold_against import hold_against_model
from tests.model.naive_plans import NaivePlan
from tests.model.naive_time import HOUR_MS, MINUTE_MS, instant
from tests.model.naive_world import payment_name
from tests.model.plan_histories import MINUTES_PLANS


def test_extra_calls_that_end_before_the_included_ones_do_not_take_the_balance_to_the_cap_below_zero() -> None:
    """Rule C9 where rule P2 works against it: what ends first is ranked first, and its hold must not be let go."""
    history = History()
    history.open()
    history.switch("extra_calls")
    history.grant(10_000)
    first_ms = history.now_ms
    for number, call_id in enumerate(["long-1", "long-2"]):
        history.start(call_id, at_ms=first_ms + number)
    for number in range(1, 4):
        started_ms = first_ms + number * 2 * MINUTE_MS
        history.start(f"short-{number}", at_ms=started_ms)
        history.end(f"short-{number}", started_ms=started_ms)
    for number, call_id in enumerate(["long-1", "long-2"]):
        history.end(call_id, started_ms=first_ms + number, lasted_ms=20 * MINUTE_MS)
    real = hold_against_model(history, NaivePlan(included_calls=2))
    balances = [fact["balance_after_micros"] for fact in real.facts if fact["type"] == "ledger-entry-posted"]
    assert min(balances) > -NaivePlan().cap_micros


# Rule C9: which of the open calls ends next, or 0 for another start, in any order.
@given(
    steps=st.lists(st.integers(0, 6), min_size=10, max_size=60),
    features=st.lists(st.sampled_from(["live_agent", "appointment_booking"]), unique=True),
    funds=st.sampled_from([10_000, 20_000, 3 * DOLLAR, 10 * DOLLAR]),
    included=st.sampled_from([2, 4]),
)
def test_no_order_of_starts_and_ends_takes_the_balance_to_the_cap_below_zero(
    steps: list[int], features: list[str], funds: int, included: int
) -> None:
    history = History()
    history.open()
    for feature in ["extra_calls", *features]:
        history.switch(feature)
    history.grant(funds)
    started: dict[str, int] = {}
    for number, step in enumerate([*steps, *[1] * 60]):
        if step == 0 and number < len(steps):
            started[f"c{number}"] = history.now_ms
            history.start(f"c{number}", at_ms=history.now_ms)
        elif started:
            call_id = sorted(started)[step % len(started)]
            history.end(call_id, started_ms=started.pop(call_id), features=features)
    real = hold_against_model(history, NaivePlan(included_calls=included))
    balances = [fact["balance_after_micros"] for fact in real.facts if fact["type"] == "ledger-entry-posted"]
    event(f"lowest balance {min(balances) // DOLLAR}")
    assert min(balances) > -NaivePlan().cap_micros


def test_setting_the_same_thresholds_again_keeps_what_is_armed() -> None:
    history = History()
    history.open()
    history.grant(9 * DOLLAR)
    history.grant(-9 * DOLLAR)
    history.add("alert-thresholds-set", thresholds_micros=[0])
    history.grant(-10_000)
    hold_against_model(history, NaivePlan())


def test_a_retry_over_the_limit_is_dropped_without_a_pause_when_a_smaller_refill_fits() -> None:
    history = History()
    history.open()
    history.card()
    asked = history.add("auto-refill-set", enabled=True, amount_micros=15 * DOLLAR)
    history.add(
        "payment-declined", payment_id=payment_name("a", asked["id"], "refill"), reason="try later", retryable=True
    )
    history.add("auto-refill-set", enabled=True, amount_micros=6 * DOLLAR, monthly_limit_micros=10 * DOLLAR)
    history.tick(history.now_ms + HOUR_MS)
    hold_against_model(history, NaivePlan())


# Minutes plans, with the small plans of the generated histories. `big` includes no minutes: a minute costs 11 cents.
FREE = NaivePlan(included_calls=2)


def opened(plan: str, *, card: bool = True, paid: bool = False) -> History:
    history = History()
    history.open(plan=plan)
    if card:
        asked = history.card()
        if paid:
            history.add("payment-succeeded", payment_id=payment_name("a", asked["id"], "subscription"))
    return history


def overage(history: History, call_id: str, at: str) -> None:
    history.now_ms = instant(at)
    history.end(call_id, started_ms=history.now_ms)


def test_overage_of_the_next_period_is_not_open_on_an_invoice_whose_tick_comes_late() -> None:
    """Decision 0016: the first invoice would have had more open than its total, the second would have been paid."""
    history = opened("big", card=False)
    overage(history, "next", "2026-03-02T00:00:00.000Z")
    history.tick(instant("2026-04-02T00:00:00.000Z"))
    hold_against_model(history, FREE, *MINUTES_PLANS)


def test_what_is_given_back_to_the_card_does_not_pay_what_the_card_was_asked_for() -> None:
    """Decision 0016: the invoice was told as paid, and then its payment was declined."""
    history = opened("big", paid=True)
    overage(history, "one", "2026-02-01T00:00:00.000Z")
    boundary = history.tick(instant("2026-02-28T00:00:00.000Z"))
    overage(history, "two", "2026-02-28T00:00:00.000Z")
    history.add("call-reclassified", call_id="two", real=False)
    history.add(
        "payment-declined", payment_id=payment_name("a", boundary["id"], "invoice"), reason="stolen", retryable=False
    )
    hold_against_model(history, FREE, *MINUTES_PLANS)


def test_a_call_corrected_after_its_invoice_lowers_the_next_one() -> None:
    """Decision 0016, without a card: what both invoices have open is what is due."""
    history = opened("big", card=False)
    overage(history, "invoiced", "2026-02-01T00:00:00.000Z")
    history.tick(instant("2026-02-28T00:00:00.000Z"))
    overage(history, "next", "2026-02-28T00:00:00.000Z")
    history.add("call-reclassified", call_id="invoiced", real=False)
    history.tick(instant("2026-03-31T00:00:00.000Z"))
    hold_against_model(history, FREE, *MINUTES_PLANS)


def test_a_change_after_a_period_goes_on_the_invoice_of_its_own() -> None:
    """Rule P12: the tick that ends the period came after the change."""
    history = opened("small", paid=True)
    history.add("subscription-cancel-requested")
    history.tick(instant("2026-02-27T23:59:00.000Z"))
    history.now_ms = instant("2026-02-28T00:00:00.000Z")
    history.add("plan-change-requested", plan="fine")
    history.tick()
    hold_against_model(history, FREE, *MINUTES_PLANS)


def test_a_yearly_term_that_begins_late_costs_its_days() -> None:
    """Decision 0018: a whole year was asked for, a month before the signup's anniversary, and then again."""
    history = opened("big")
    history.tick(instant("2027-01-01T00:00:00.000Z"))
    history.add("plan-change-requested", plan="year-up")
    history.tick(instant("2026-12-31T00:00:00.000Z"))
    history.tick(instant("2027-01-31T00:00:00.000Z"))
    hold_against_model(history, FREE, *MINUTES_PLANS)


def test_a_proration_below_nothing_is_not_asked_of_the_card() -> None:
    """Rule P11: two plans of one price that round differently."""
    history = opened("small")
    history.now_ms = instant("2026-02-07T00:00:00.000Z")
    for plan in ("exact", "small", "exact"):
        history.add("plan-change-requested", plan=plan)
    history.tick(instant("2026-02-28T00:00:00.000Z"))
    hold_against_model(history, FREE, *MINUTES_PLANS)


def test_overage_declined_after_the_subscription_is_asked_for_at_the_next_period_end() -> None:
    """Rule P14: the account had gone to a credits plan, of which nothing else was due."""
    history = opened("big", paid=True)
    overage(history, "one", "2026-02-01T00:00:00.000Z")
    history.add("plan-change-requested", plan="free")
    boundary = history.tick(instant("2026-02-28T00:00:00.000Z"))
    history.add(
        "payment-declined", payment_id=payment_name("a", boundary["id"], "invoice"), reason="busy", retryable=True
    )
    history.tick(instant("2026-03-31T00:00:00.000Z"))
    hold_against_model(history, FREE, *MINUTES_PLANS)


def test_what_is_beyond_the_greatest_charge_is_asked_for_when_the_rest_is_paid() -> None:
    """Rule B4 and decision 0049: the model waited for a retry that never came."""
    history = opened("big")
    history.add("phone-number-added", number="+15550101", monthly_fee_micros=999_999 * DOLLAR)
    boundary = history.tick(instant("2026-02-28T00:00:00.000Z"))
    for cause, purpose in ((history.wires[1], "subscription"), (boundary, "invoice")):
        name = payment_name("a", cause["id"], purpose)
        history.add("payment-declined", payment_id=name, reason="busy", retryable=True)
    retry = history.tick(instant("2026-03-04T00:00:00.000Z"))
    history.add("payment-succeeded", payment_id=payment_name("a", retry["id"], "invoice"))
    real = hold_against_model(history, FREE, *MINUTES_PLANS)
    asked = [fact["amount_micros"] for fact in real.facts if fact.get("purpose") == "invoice" and "token" in fact]
    assert len(asked) == 3
    assert asked[1] > asked[0] > asked[2]


def test_a_tick_that_passes_several_boundaries_leaves_what_ticks_at_each_would() -> None:
    """Rules G2 and P8: the month's limit ends before the term does, and a refill is asked for in between."""
    history = opened("year", paid=True)
    ten = 10 * DOLLAR
    asked = history.add("auto-refill-set", enabled=True, amount_micros=ten, monthly_limit_micros=ten)
    history.add("payment-succeeded", payment_id=payment_name("a", asked["id"], "refill"))
    history.grant(-5 * DOLLAR)
    history.add("subscription-cancel-requested")
    history.tick(instant("2027-03-01T00:00:00.000Z"))
    real = hold_against_model(history, FREE, *MINUTES_PLANS)
    assert [fact["type"] for fact in real.facts].count("refill-requested") == 2


# Rule C9 for calls by legs: start a call, start another leg of an open one, or end a leg, in any order.
@given(
    steps=st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["start", "leg", "end", "end"])), max_size=50),
    features=st.lists(st.sampled_from(["live_agent", "appointment_booking"]), unique=True),
    funds=st.sampled_from([10_000, 3 * DOLLAR, 10 * DOLLAR]),
    included=st.sampled_from([2, 4]),
)
def test_no_order_of_legs_takes_the_balance_to_the_cap_below_zero(
    steps: list[tuple[int, str]], features: list[str], funds: int, included: int
) -> None:
    history = History()
    history.open()
    history.switch("extra_calls", *features)
    history.grant(funds)
    running: dict[str, tuple[int, list[str]]] = {}
    calls = 0
    for which, step in [*steps, *[(1, "end")] * 100]:
        call_id = sorted(running)[which % len(running)] if running else ""
        if step == "start":
            calls += 1
            running[f"c{calls}"] = (history.now_ms, ["l0"])
            history.start(f"c{calls}", leg_id="l0")
        elif running and step == "leg":
            legs = running[call_id][1]
            legs.append(f"l{len(legs) + 10 * which}")
            history.start(call_id, leg_id=legs[-1])
        elif running:
            started_ms, legs = running[call_id]
            leg_id = legs.pop(which % len(legs))
            history.end(call_id, started_ms=started_ms, leg_id=leg_id, features=features if which % 2 else features[:1])
            if not legs:
                del running[call_id]
    real = hold_against_model(history, NaivePlan(included_calls=included))
    balances = [fact["balance_after_micros"] for fact in real.facts if fact["type"] == "ledger-entry-posted"]
    event(f"lowest balance {min(balances) // DOLLAR}")
    assert min(balances) > -NaivePlan().cap_micros
