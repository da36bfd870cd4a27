"""Where the real rules and the product's words once parted, each with the shortest history that showed it."""

from hypothesis import event, given
from hypothesis import strategies as st

from tests.wallet.history import DOLLAR, History
from tests.wallet.hold_against import hold_against_model
from tests.wallet.naive_plans import NaivePlan
from tests.wallet.naive_time import HOUR_MS, MINUTE_MS
from tests.wallet.naive_world import payment_name


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
    funds=st.sampled_from([1, 10_000, 3 * DOLLAR, 10 * DOLLAR]),
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
        "payment-declined", payment_id=payment_name("a", asked["id"], kind="refill"), reason="try later", retryable=True
    )
    history.add("auto-refill-set", enabled=True, amount_micros=6 * DOLLAR, monthly_limit_micros=10 * DOLLAR)
    history.tick(history.now_ms + HOUR_MS)
    hold_against_model(history, NaivePlan())
