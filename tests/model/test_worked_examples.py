"""The naive model against numbers worked out by hand: the product's worked examples first, then examples of our own.

A model that is wrong in the same way as the rules proves nothing; this is what it is held to. Amounts in dollars.
"""

from typing import Any

import pytest

from tests.model.history import DOLLAR, SIGNUP_MS, History
from tests.model.naive_lots import Movement, Wallet
from tests.model.naive_model import NaiveModel
from tests.model.naive_plans import NaivePlan
from tests.model.naive_time import DAY_MS, HOUR_MS, instant, period_start, wire_time
from tests.model.naive_world import payment_name

ALL = ("extra_calls", "live_agent", "appointment_booking")
USED: dict[str, Any] = {"features": ["live_agent", "appointment_booking"]}


def run(history: History, *plans: NaivePlan) -> tuple[NaiveModel, list[list[dict[str, Any]]]]:
    model = NaiveModel(*plans)
    return model, [model.step(wire) for wire in history.wires]


def opened(*features: str, dollars: float = 0) -> History:
    history = History()
    history.open()
    history.switch(*features)
    if dollars:
        history.grant(round(dollars * DOLLAR))
    return history


def of_type(facts: list[list[dict[str, Any]]], kind: str) -> list[dict[str, Any]]:
    return [fact for of_input in facts for fact in of_input if fact["type"] == kind]


# Rules C3, C4, C5, C6, C10, C11.
@pytest.mark.parametrize(
    ("earlier", "features", "dollars", "end", "charged_and_left"),
    [
        pytest.param(26, ALL, 20, USED, (6, 11), id="call 27 with everything is capped; call 26 cost 3 before"),
        pytest.param(9, ALL[1:], 20, USED, (6, 14), id="call 10 with live agent and booking"),
        pytest.param(9, (), 20, {"features": ["live_agent"]}, (0, 20), id="call 10, the switch is off"),
        pytest.param(25, ALL, 0.01, USED, (6, -5.99), id="a cent admits call 26"),
        pytest.param(25, ALL[:1], 20, USED, (3, 17), id="call 26, only extra calls are on"),
        pytest.param(24, ALL[:1], 20, USED, (0, 20), id="call 25 is included"),
        pytest.param(9, ALL[1:2], 20, {"features": ["live_agent"] * 3}, (3, 17), id="once per call however often"),
    ],
)
def test_what_one_call_costs(
    earlier: int,
    features: tuple[str, ...],
    dollars: float,
    end: dict[str, Any],
    charged_and_left: tuple[int, float],
) -> None:
    charged, balance = charged_and_left
    history = opened(*features, dollars=dollars)
    history.calls(earlier)
    history.calls(1, **end)
    model, facts = run(history)
    last = of_type(facts, "call-charged")[-1]
    assert last["ordinal"] == earlier + 1
    assert last["amount_micros"] == charged * DOLLAR
    assert model.accounts["a"].balance == round(balance * DOLLAR)


def test_added_credits_pay_the_debt_first() -> None:
    history = opened(*ALL, dollars=0.01)
    history.calls(25)
    history.calls(1, **USED)
    history.grant(20 * DOLLAR)
    model, _ = run(history)
    assert model.accounts["a"].balance == 14_010_000


def test_an_empty_wallet_connects_within_the_included_calls_and_redirects_beyond_them() -> None:
    history = opened(*ALL)
    history.calls(25, **USED)
    history.start("beyond")
    history.start("beyond-too")
    _, facts = run(history)
    assert all(fact["features_enabled"] == [] for fact in of_type(facts, "call-admitted"))
    assert all(fact["amount_micros"] == 0 for fact in of_type(facts, "call-charged"))
    assert [fact["reason"] for fact in of_type(facts, "call-redirected")] == ["insufficient_balance"] * 2
    assert [fact["redirected_calls"] for fact in of_type(facts, "funds-needed")] == [1]


# Rules C8, C9: $5, 30 extra calls together, only extra calls on.
@pytest.mark.parametrize(("admission", "admitted"), [("available", 2), ("balance", 30)])
def test_calls_started_together(admission: Any, admitted: int) -> None:
    history = opened("extra_calls", dollars=5)
    history.calls(25)
    for number in range(30):
        history.start(f"together-{number}")
    model, facts = run(history, NaivePlan(admission=admission))
    assert len(of_type(facts, "call-admitted")) - 25 == admitted
    assert len(of_type(facts, "call-redirected")) == 30 - admitted
    assert len(of_type(facts, "funds-needed")) == (1 if admitted < 30 else 0)
    assert model.accounts["a"].available == (-DOLLAR if admission == "available" else 5 * DOLLAR)


def test_periods_start_on_the_anniversary_clamped_to_the_month() -> None:
    signup = instant("2024-01-31T15:30:00.000Z")
    starts = [wire_time(period_start(signup, "UTC", number))[:10] for number in range(1, 5)]
    assert starts == ["2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]


def test_a_midnight_that_daylight_saving_skips_is_the_first_instant_of_the_day() -> None:
    signup = instant("2018-10-04T15:00:00.000Z")
    assert wire_time(period_start(signup, "America/Sao_Paulo", 1)) == "2018-11-04T03:00:00.000Z"
    assert wire_time(period_start(signup, "America/Sao_Paulo", 0)) == "2018-10-04T03:00:00.000Z"


# Rule C18, with 2 included calls and $20: c1 c2 c3 each an answered call, all three counted.
def test_a_call_that_was_not_real_makes_the_first_extra_call_an_included_one() -> None:
    history = opened("extra_calls", dollars=20)
    for number in range(1, 5):
        history.now_ms += 1_000
        history.start(f"c{number}")
        history.end(f"c{number}")
    history.add("call-reclassified", call_id="c1", real=False)
    history.add("call-reclassified", call_id="c1", real=True)
    model, facts = run(history, NaivePlan(included_calls=2))
    # c1 cost nothing. c3 was the first extra call and is now the second counted; c4 stays extra, as the third: no fact.
    for of_input, difference in ((facts[-2], -3), (facts[-1], 3)):
        adjusted = of_type([of_input], "charge-adjusted")
        assert [(fact["call_id"], fact["amount_micros"]) for fact in adjusted] == [("c3", difference * DOLLAR)]
    assert model.accounts["a"].balance == 14 * DOLLAR


def lots_after(movements: list[Movement]) -> dict[str, int]:
    return {lot.lot: lot.left for lot in Wallet(movements).lots}


def test_lots_are_used_oldest_first_and_refilled_newest_used_first() -> None:
    movements = [
        Movement("credit", 5, "old"),
        Movement("credit", 5, "new"),
        Movement("use", 12),
        Movement("back", 3),
        Movement("refund", 1, "new"),
        Movement("credit", 4, "newest"),
        Movement("unrefund", 1, "new"),
    ]
    assert lots_after(movements[:3]) == {"old": 0, "new": 0}
    assert Wallet(movements[:3]).debt == 2
    assert lots_after(movements[:4]) == {"old": 0, "new": 1}
    assert lots_after(movements) == {"old": 0, "new": 1, "newest": 4}


# Rule R5: what is taken back comes out of its own lot first, and goes back there.
def test_a_reversal_takes_from_its_own_lot_first_and_gives_back_to_it() -> None:
    credits_and_use = [Movement("credit", 10, "old"), Movement("credit", 10, "new"), Movement("use", 6)]
    taken = [*credits_and_use, Movement("reverse", 8, "new")]
    assert lots_after(taken) == {"old": 4, "new": 2}
    assert lots_after([*taken, Movement("unreverse", 8, "new")]) == {"old": 4, "new": 10}
    more = [*credits_and_use, Movement("reverse", 10, "old")]
    assert lots_after(more) == {"old": 0, "new": 4}
    assert lots_after([*more, Movement("use", 5), Movement("unreverse", 10, "old")]) == {"old": 4, "new": 5}


# Rules C13, C14: a refill of $20 below $10, three retries after 1, 6 and 24 hours, then a pause.
def test_a_refill_is_retried_three_times_then_paused() -> None:
    history = opened()
    history.card()
    history.tick()
    history.add("auto-refill-set", enabled=True, amount_micros=20 * DOLLAR)
    for wait_ms in [HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS, 0]:
        payment_id = payment_name("a", history.wires[-1]["id"], "refill")
        declined_ms = history.now_ms
        history.add("payment-declined", payment_id=payment_id, reason="try later", retryable=True)
        if wait_ms:
            history.tick(declined_ms + wait_ms - 1)
            history.tick(declined_ms + wait_ms)
    _, facts = run(history)
    requested = of_type(facts, "refill-requested")
    assert [fact["payment_id"] for fact in requested] == [
        payment_name("a", fact["caused_by"], "refill") for fact in requested
    ]
    assert len(requested) == 4
    assert len({fact["refill_id"] for fact in requested}) == 1
    assert [fact["type"] for fact in facts[-1]] == ["refill-declined", "refill-paused"]
    assert facts[-1][1]["reason"] == "retries_exhausted"


def test_a_refund_gives_back_the_unused_part_within_thirty_days() -> None:
    history = opened("live_agent")
    history.card()
    bought = history.add("credits-purchase-requested", purchase_id="p1", amount_micros=20 * DOLLAR)
    history.add("payment-succeeded", payment_id=payment_name("a", bought["id"]))
    history.calls(1, features=["live_agent"])
    refund_ms = SIGNUP_MS + 30 * DAY_MS
    history.add("credits-refund-requested", purchase_id="p1", at_ms=refund_ms + 1)
    refunded = history.add("credits-refund-requested", purchase_id="p1", at_ms=refund_ms)
    history.add("credits-refund-requested", purchase_id="p1", at_ms=refund_ms)
    history.add(
        "payment-declined",
        payment_id=payment_name("a", refunded["id"], "refund"),
        reason="card closed",
        retryable=False,
    )
    model, facts = run(history)
    late, given, again, declined = facts[-4:]
    assert late == [{"type": "dead-letter", "code": "refund_window_passed"}]
    assert [fact["amount_micros"] for fact in given if "amount_micros" in fact] == [-17 * DOLLAR, 17 * DOLLAR]
    assert again == [{"type": "dead-letter", "code": "nothing_to_refund"}]
    assert [fact["balance_after_micros"] for fact in declined] == [17 * DOLLAR]
    account = model.accounts["a"]
    assert [account.unused_of(payment) for payment in account.credited_by("p1")] == [17 * DOLLAR]


def test_low_balance_is_told_once_for_each_crossing() -> None:
    history = opened("live_agent", "appointment_booking", dollars=12)
    history.calls(3, **USED)
    history.grant(7 * DOLLAR)
    history.grant(-2 * DOLLAR)
    _, facts = run(history)
    assert [(f["threshold_micros"], f["balance_micros"]) for f in of_type(facts, "balance-low")] == [
        (10 * DOLLAR, 6 * DOLLAR),
        (0, 0),
    ]


def test_a_start_without_an_end_is_stuck_after_four_hours_and_still_charges() -> None:
    history = opened("live_agent", dollars=12)
    history.start("c1")
    started_ms = history.now_ms
    history.tick(started_ms + 4 * HOUR_MS - 1)
    history.tick(started_ms + 4 * HOUR_MS)
    history.switch("live_agent", enabled=False)
    history.end("c1", started_ms=started_ms, features=["live_agent"])
    model, facts = run(history)
    assert [len(of_input) for of_input in facts[-4:]] == [0, 1, 0, 3]
    assert facts[-3][0]["type"] == "call-stuck"
    assert of_type(facts, "call-charged")[0]["amount_micros"] == 3 * DOLLAR
    assert model.accounts["a"].held == 0
