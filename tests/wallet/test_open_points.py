"""Where the real rules and the product's words part: each expected to fail until one of the two has changed.

Strict, so that a change makes itself known; the generated histories of histories.py stay clear of these points.
"""

from typing import Any

import pytest

from tests.wallet.history import DOLLAR, History
from tests.wallet.hold_against import hold_against_model
from tests.wallet.naive_money import NaivePlan
from tests.wallet.naive_time import DAY_MS, HOUR_MS, MINUTE_MS


@pytest.mark.xfail(strict=True, reason="C9 against P2: a call that ends early is ranked early, and its hold is let go")
def test_extra_calls_that_end_before_the_included_ones_do_not_take_the_balance_to_the_cap_below_zero() -> None:
    """Rule C9 where rule P2 works against it: what ends first is ranked first, and its hold is let go."""
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


@pytest.mark.xfail(strict=True, reason="P10: a level that the balance is exactly at has been above it, and is let go")
def test_setting_the_same_thresholds_again_keeps_what_is_armed() -> None:
    history = History()
    history.open()
    history.grant(9 * DOLLAR)
    history.grant(-9 * DOLLAR)
    history.add("alert-thresholds-set", thresholds_micros=[0])
    history.grant(-10_000)
    hold_against_model(history, NaivePlan())


@pytest.mark.xfail(strict=True, reason="P8: told that the limit pauses refills, and one is requested by the same tick")
def test_a_retry_over_the_limit_is_dropped_without_a_pause_when_a_smaller_refill_fits() -> None:
    history = History()
    history.open()
    history.card()
    history.add("auto-refill-set", enabled=True, amount_micros=15 * DOLLAR)
    history.add("payment-declined", payment_id="payment-1-of-a", reason="try later", retryable=True)
    history.add("auto-refill-set", enabled=True, amount_micros=6 * DOLLAR, monthly_limit_micros=10 * DOLLAR)
    history.tick(history.now_ms + HOUR_MS)
    hold_against_model(history, NaivePlan())


@pytest.mark.xfail(strict=True, reason="P17, G10: a correction of a call that is forgotten has no outcome at all")
def test_a_correction_of_a_call_past_the_horizon_is_too_late() -> None:
    history = History()
    history.open()
    history.calls(1)
    call: dict[str, Any] = history.wires[-1]
    history.tick(history.now_ms + 36 * DAY_MS)
    history.tick(history.now_ms + DAY_MS)
    history.add("call-reclassified", call_id=call["call_id"], real=False)
    hold_against_model(history, NaivePlan())
