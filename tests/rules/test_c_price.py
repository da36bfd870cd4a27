"""C2 to C6 and C11: what one call costs. Money in dollars unless a column says micros."""

from typing import Any

import pytest

from schemas.plan import Catalogue
from tests.rules.story import ALL, BOTH, SHIPPED, Story, kinds_and_amounts, only, opened, plans, usd


def charge_of(
    earlier: int, on: tuple[str, ...], used: tuple[str, ...], credit: str | int = 60, catalogue: Catalogue = SHIPPED
) -> tuple[Story, dict[str, Any]]:
    """The charge of the call after `earlier` real ones, with these switches on and these features used."""
    story = opened(*on, credit=credit, catalogue=catalogue).calls(earlier).starts("c1").ends("c1", used=used)
    return story, only(story.answer("call-charged"))


# The ordinal is the call's place among the real calls of its period; the wallet holds $60.
@pytest.mark.parametrize(
    ("ordinal", "on", "used", "lines_usd", "charge_usd"),
    [
        # C2: 25 are included.
        (1, (), (), [("included", 0)], 0),
        (25, ALL, (), [("included", 0)], 0),
        # C3: each beyond them is $3.
        (26, ("extra_calls",), (), [("extra_call", 3)], 3),
        (27, ALL, (), [("extra_call", 3)], 3),
        # C4 and C5: once per call however often, also within the included ones.
        (10, ("live_agent",), ("live_agent",), [("included", 0), ("live_agent", 3)], 3),
        (10, ("live_agent",), ("live_agent",) * 4, [("included", 0), ("live_agent", 3)], 3),
        (10, BOTH, ("appointment_booking",), [("included", 0), ("appointment_booking", 3)], 3),
        # The worked example: call 10, both on and used.
        (10, BOTH, BOTH, [("included", 0), ("live_agent", 3), ("appointment_booking", 3)], 6),
        # C6, the worked example: call 27 with everything is 3 + 3 + 3 = 9, capped; the forgiven part is a line.
        (27, ALL, BOTH, [("extra_call", 3), ("live_agent", 3), ("appointment_booking", 3), ("cap", -3)], 6),
        (26, ALL, ("live_agent",), [("extra_call", 3), ("live_agent", 3)], 6),
        # C11, the worked example: call 10, live agent used, switch off.
        (10, (), ("live_agent",), [("included", 0), ("not_enabled", 0)], 0),
        (10, ("live_agent",), BOTH, [("included", 0), ("live_agent", 3), ("not_enabled", 0)], 3),
        (26, ("extra_calls",), BOTH, [("extra_call", 3), ("not_enabled", 0), ("not_enabled", 0)], 3),
    ],
)
def test_c02_to_c06_and_c11_the_lines_of_a_call(
    ordinal: int,
    on: tuple[str, ...],
    used: tuple[str, ...],
    lines_usd: list[tuple[str, int]],
    charge_usd: int,
) -> None:
    _, charge = charge_of(ordinal - 1, on, used)
    assert kinds_and_amounts(charge["lines"]) == [(kind, usd(amount)) for kind, amount in lines_usd]
    assert (charge["ordinal"], charge["amount_micros"]) == (ordinal, usd(charge_usd))


# The worked examples by their balances: (balance before, call, charge, balance after).
@pytest.mark.parametrize(
    ("ordinal", "on", "credit", "charge_usd", "balance_usd"),
    [(10, BOTH, "20", "6", "14"), (10, (), "20", "0", "20"), (26, ALL, "0.01", "6", "-5.99"), (1, BOTH, "6", "6", "0")],
)
def test_c06_one_call_costs_at_most_the_cap_and_is_drawn_from_the_wallet(
    ordinal: int, on: tuple[str, ...], credit: str, charge_usd: str, balance_usd: str
) -> None:
    story, charge = charge_of(ordinal - 1, on, BOTH, credit)
    assert charge["amount_micros"] == charge["wallet_micros"] == usd(charge_usd)
    assert charge["card_micros"] == 0
    assert (charge["balance_before_micros"], charge["balance_after_micros"]) == (usd(credit), usd(balance_usd))
    assert story.balance() == usd(balance_usd)


def test_c06_there_is_no_monthly_cap() -> None:
    story = opened(*ALL, credit=1000).calls(125, used=BOTH)
    assert story.balance() == usd(1000 - 25 * 6 - 100 * 6)


# C2 and G7: which of 26 calls the first is decides whether the 26th is the 25th counted one.
@pytest.mark.parametrize(
    ("first_call", "last_ordinal", "last_usd"),
    [
        ({}, 26, 3),
        ({"real": True}, 26, 3),
        ({"real": None, "features": None}, 26, 3),
        ({"real": False}, 25, 0),
        ({"answered": False}, 25, 0),
        ({"answered": False, "outcome": "busy"}, 25, 0),
        ({"answered": False, "outcome": "failed"}, 25, 0),
        ({"outcome": "redirected"}, 25, 0),
        # Answered is `answered_at`, whatever the outcome is called; and zero seconds count (P4).
        ({"outcome": "failed"}, 26, 3),
        ({"seconds": 0}, 26, 3),
    ],
)
def test_c02_only_real_answered_calls_count(first_call: dict[str, Any], last_ordinal: int, last_usd: int) -> None:
    story = opened("extra_calls", credit=20).call("first", **first_call).calls(24).starts("last").ends("last")
    charge = only(story.answer("call-charged"))
    assert (charge["ordinal"], charge["amount_micros"]) == (last_ordinal, usd(last_usd))


# G7 and P4: one charge of 0, without an ordinal, and no ledger entry, for a call that does not cost or count.
@pytest.mark.parametrize(
    "end", [{"answered": False}, {"real": False}, {"outcome": "redirected"}, {"answered": False, "real": False}]
)
def test_g07_p04_a_call_that_does_not_count_has_a_charge_of_zero_without_an_ordinal(end: dict[str, Any]) -> None:
    story = opened(*ALL, credit=20).starts("c1").ends("c1", used=BOTH, **end)
    charge = only(story.answer())
    assert (charge["type"], charge["amount_micros"], "ordinal" in charge) == ("call-charged", 0, False)
    assert sum(line["amount_micros"] for line in charge["lines"]) == 0
    assert story.balance() == usd(20)


@pytest.mark.parametrize(
    ("end", "billable_ms"),
    [({"seconds": 90}, 90_000), ({"seconds": 0}, 0), ({"answered": False, "seconds": 30}, 0)],
)
def test_g07_billable_time_is_from_the_answer_to_the_end(end: dict[str, Any], billable_ms: int) -> None:
    story = opened().starts("c1").ends("c1", **end)
    assert only(story.answer("call-charged"))["billable_ms"] == billable_ms


def test_g07_ringing_is_not_billable() -> None:
    story = opened().ends("c1", started="2026-01-01T10:00:00Z", answered_at="2026-01-01T10:00:20.500Z")
    assert only(story.answer("call-charged"))["billable_ms"] == 39_500


# P4: what the gate redirected costs nothing whatever its end says.
@pytest.mark.parametrize("outcome", ["completed", "redirected", "failed"])
def test_p04_a_call_that_the_gate_redirected_is_charged_zero(outcome: str) -> None:
    story = opened(*BOTH, credit=20).calls(25).starts("c1").ends("c1", used=BOTH, outcome=outcome)
    charge = only(story.answer())
    assert kinds_and_amounts(charge["lines"]) == [("not_enabled", 0)]
    assert (charge["amount_micros"], "ordinal" in charge) == (0, False)
    assert story.snapshot()["usage"]["calls_counted"] == 25


# Plans are data: (changed plan, ordinal, used, lines in micros, charge in micros). All switches on.
@pytest.mark.parametrize(
    ("changes", "ordinal", "used", "lines_micros", "charge_micros"),
    [
        ({"included_calls": 0}, 1, (), [("extra_call", 3_000_000)], 3_000_000),
        ({"included_calls": 2}, 2, (), [("included", 0)], 0),
        ({"included_calls": 2}, 3, (), [("extra_call", 3_000_000)], 3_000_000),
        ({"extra_call_micros": 2_500_000}, 26, (), [("extra_call", 2_500_000)], 2_500_000),
        ({"live_agent_micros": 4_250_000}, 1, BOTH[:1], [("included", 0), ("live_agent", 4_250_000)], 4_250_000),
        ({"cap_micros": 4_000_000}, 1, BOTH, None, 4_000_000),
        ({"cap_micros": 9_000_000}, 26, BOTH, None, 9_000_000),
        ({"cap_micros": 0}, 26, BOTH, None, 0),
        # Rounded once, half up, to the quantum (G1): 1.105 -> 1.11; 1.104999 -> 1.10.
        ({"live_agent_micros": 1_105_000}, 1, BOTH[:1], None, 1_110_000),
        ({"live_agent_micros": 1_104_999}, 1, BOTH[:1], None, 1_100_000),
        # 1.004 + 1.004 = 2.008: once, not 1.00 + 1.00.
        ({"live_agent_micros": 1_004_000, "appointment_booking_micros": 1_004_000}, 1, BOTH, None, 2_010_000),
        ({"live_agent_micros": 1_004_000, "charge_quantum_micros": 1_000}, 1, BOTH[:1], None, 1_004_000),
        ({"live_agent_micros": 1_500_000, "charge_quantum_micros": 1_000_000}, 1, BOTH[:1], None, 2_000_000),
        # Half a cent above the cap is still the cap.
        ({"cap_micros": 4_000_000, "live_agent_micros": 4_005_000}, 1, BOTH[:1], None, 4_000_000),
    ],
)
def test_c03_to_c06_and_g01_prices_caps_and_rounding_are_plan_data(
    changes: dict[str, Any],
    ordinal: int,
    used: tuple[str, ...],
    lines_micros: list[tuple[str, int]] | None,
    charge_micros: int,
) -> None:
    _, charge = charge_of(ordinal - 1, ALL, used, catalogue=plans(**changes))
    assert charge["amount_micros"] == charge_micros == sum(line["amount_micros"] for line in charge["lines"])
    if lines_micros is not None:
        assert kinds_and_amounts(charge["lines"]) == lines_micros


def test_g01_the_receipt_keeps_the_unrounded_value() -> None:
    _, charge = charge_of(0, ALL, BOTH[:1], catalogue=plans(live_agent_micros=1_104_999))
    assert charge["receipt"]["unrounded_micros"] == 1_104_999
    assert charge["receipt"]["amount_micros"] == 1_100_000


# G11: plan and version, ordinal, lines, cap, rounding, what paid, balances, input ids; the sum is the amount.
@pytest.mark.parametrize(("ordinal", "used"), [(27, BOTH), (10, BOTH), (26, ()), (3, ()), (26, ("live_agent",))])
def test_g11_a_receipt_recomputes_to_the_same_amount(ordinal: int, used: tuple[str, ...]) -> None:
    story, charge = charge_of(ordinal - 1, ALL, used, catalogue=plans(version=7))
    receipt = charge["receipt"]
    assert (charge["plan"], charge["plan_version"], charge["ordinal"]) == ("free", 7, ordinal)
    assert receipt["input_ids"] == [story.inputs[-2]["id"], story.inputs[-1]["id"]]
    assert (receipt["cap_micros"], receipt["charge_quantum_micros"], receipt["calls_included"]) == (
        6_000_000,
        10_000,
        25,
    )
    prices = {"live_agent": 3_000_000, "appointment_booking": 3_000_000}
    total = sum(prices[feature] for feature in receipt["features_used"] if feature in receipt["features_active"])
    total += 3_000_000 * (charge["ordinal"] > receipt["calls_included"])
    assert min(total, receipt["cap_micros"]) == receipt["unrounded_micros"] == charge["amount_micros"]
    assert charge["balance_before_micros"] - charge["wallet_micros"] == charge["balance_after_micros"]
    assert all(line["quantity"] * line["unit_amount_micros"] == line["amount_micros"] for line in receipt["lines"])
