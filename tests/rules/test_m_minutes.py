"""M1 to M4 on minutes plans, with P4 and G11: how long a call counts, what of it is included, what the rest costs.

Durations in milliseconds, money in dollars, quantities in minutes.
"""

from typing import Any

import pytest

from schemas.plan import MinutesPlan
from tests.rules.story import SHIPPED, SIGNUP, later, only, usd
from tests.rules.subscriber import MINUTE_MS, Subscriber, minutes_plans, rated, subscriber


def stepping(first: int, following: int, included: int = 0, **more: Any) -> Subscriber:
    """Increments of so many seconds, by default with no minute included."""
    changes = {"increment_first_s": first, "increment_next_s": following, "included_minutes": included, **more}
    return subscriber(catalogue=minutes_plans(professional=changes))


# M1: plan name and tier, monthly price, included features, renewal date.
@pytest.mark.parametrize(
    ("name", "display_name", "price_usd", "included_minutes"),
    [("professional", "Professional", 49, 100), ("dental", "Dental", 99, 300), ("real_estate", "Real Estate", 99, 300)],
)
def test_m01_m02_the_shipped_plans(name: str, display_name: str, price_usd: int, included_minutes: int) -> None:
    plan = SHIPPED.plans[name]
    assert isinstance(plan, MinutesPlan)
    assert (plan.display_name, plan.tier, plan.monthly_price_micros) == (display_name, name, usd(price_usd))
    assert plan.included_features
    snapshot = subscriber(plan=name).snapshot()
    assert (snapshot["plan"], snapshot["plan_version"]) == (name, 1)
    assert (snapshot["subscription"]["status"], snapshot["subscription"]["renews_at"]) == (
        "active",
        "2026-02-01T00:00:00Z",
    )
    assert snapshot["usage"]["minutes_included"] == included_minutes


# M5 and the worked examples: Professional, 99 minutes used, 150 s inbound.
# (increments in s, wallet) -> included, overage in minutes, amount, wallet, card, minutes after
@pytest.mark.parametrize(
    ("increments", "wallet", "included", "minutes", "amount", "from_wallet", "from_card", "after"),
    [
        ((60, 60), "0.10", 1, 2, "0.22", "0.10", "0.12", 102),
        ((1, 1), "1", 1, 1.5, "0.17", "0.17", "0", 101.5),
        ((60, 60), "1", 1, 2, "0.22", "0.22", "0", 102),
        ((60, 60), "0", 1, 2, "0.22", "0", "0.22", 102),
        ((60, 1), "1", 1, 1.5, "0.17", "0.17", "0", 101.5),
        ((6, 6), "1", 1, 1.5, "0.17", "0.17", "0", 101.5),
    ],
)
def test_m02_to_m05_worked_examples(
    increments: tuple[int, int],
    wallet: str,
    included: float,
    minutes: float,
    amount: str,
    from_wallet: str,
    from_card: str,
    after: float,
) -> None:
    story = stepping(*increments, included=100).is_granted(wallet) if usd(wallet) else stepping(*increments, 100)
    charge = story.uses(99).talks("c1", 150_000).charge()
    assert rated(charge) == {"included": (included, 0), "minutes": (minutes, usd(amount))}
    assert (charge["amount_micros"], charge["wallet_micros"], charge["card_micros"]) == (
        usd(amount),
        usd(from_wallet),
        usd(from_card),
    )
    assert (charge["minutes_before"], charge["minutes_after"]) == (99, after)
    assert story.balance() == usd(wallet) - usd(from_wallet)
    assert story.card_due() == usd(from_card)


# M4: `first/next` seconds; zero seconds cost nothing. (increments, milliseconds) -> minutes that count
@pytest.mark.parametrize(
    ("first", "following", "rows"),
    [
        (60, 60, [(0, 0), (1, 1), (59_999, 1), (60_000, 1), (60_001, 2), (119_999, 2), (120_000, 2), (120_001, 3)]),
        (60, 1, [(0, 0), (1, 1), (59_999, 1), (60_000, 1), (90_000, 1.5), (90_001, 91 / 60), (90_999, 91 / 60)]),
        (6, 6, [(0, 0), (1, 0.1), (6_000, 0.1), (6_001, 0.2), (59_999, 1), (60_000, 1), (60_001, 1.1)]),
        (1, 1, [(0, 0), (1, 1 / 60), (999, 1 / 60), (1_000, 1 / 60), (15_000, 0.25), (59_001, 1), (60_000, 1)]),
        (30, 6, [(0, 0), (1, 0.5), (30_000, 0.5), (30_001, 0.6), (36_000, 0.6), (36_001, 0.7)]),
        # The next increment may be the longer one.
        (1, 60, [(0, 0), (1_000, 1 / 60), (1_001, 61 / 60), (61_000, 61 / 60), (61_001, 121 / 60)]),
    ],
)
def test_m04_increments(first: int, following: int, rows: list[tuple[int, float]]) -> None:
    for ms, minutes in rows:
        charge = stepping(first, following).talks("c1", ms).charge()
        used = charge["minutes_after"] - charge["minutes_before"]
        assert used == pytest.approx(minutes, abs=1e-9), ms
        assert charge["billable_ms"] == ms
        # A whole number of minutes is an integer on the wire.
        assert isinstance(charge["minutes_after"], int) == float(minutes).is_integer()


# G1 and M4: what a call costs at $0.11 a minute, rounded once to the cent, half up.
# (increments, milliseconds) -> dollars
@pytest.mark.parametrize(
    ("first", "following", "ms", "amount"),
    [
        (60, 60, 0, "0"),
        (60, 60, 1, "0.11"),
        (60, 60, 60_001, "0.22"),
        (1, 1, 90_000, "0.17"),  # 0.165
        (1, 1, 89_000, "0.16"),  # 0.16317
        (1, 1, 1_000, "0"),  # 0.00183
        (1, 1, 2_000, "0"),  # 0.00367
        (1, 1, 3_000, "0.01"),  # 0.0055
        (6, 6, 2_500, "0.01"),  # 6 s: 0.011
        (6, 6, 60_001, "0.12"),  # 66 s: 0.121
        (60, 1, 61_000, "0.11"),  # 0.11183
        (60, 1, 63_000, "0.12"),  # 0.1155
    ],
)
def test_m04_g01_a_call_is_rounded_once_half_up(first: int, following: int, ms: int, amount: str) -> None:
    charge = stepping(first, following).talks("c1", ms).charge()
    assert charge["amount_micros"] == usd(amount) == sum(line["amount_micros"] for line in charge["lines"])


def test_g01_the_quantum_is_the_plans() -> None:
    story = stepping(1, 1, charge_quantum_micros=1)
    charge = story.talks("c1", 1_000).charge()
    # 0.11 / 60 = 0.00183333…
    assert (charge["amount_micros"], charge["receipt"]["unrounded_micros"]) == (1_833, 1_833)
    # Half a micro is rounded up to a whole one.
    assert stepping(1, 1, charge_quantum_micros=1, inbound_micros=30).talks("c1", 1_000).charge()["amount_micros"] == 1


# M3: a rate for each direction. Three minutes each, none included.
@pytest.mark.parametrize(("direction", "amount"), [("inbound", "0.33"), ("outbound", "0.36"), ("web", "0.24")])
def test_m03_each_direction_has_its_rate(direction: str, amount: str) -> None:
    story = stepping(60, 60, outbound_micros=120_000).uses(3, direction=direction)
    charge = story.charge()
    line = only([line for line in charge["lines"] if line["kind"] == "minutes"])
    assert (line["quantity"], line["unit_amount_micros"]) == (3, usd(amount) // 3)
    assert (charge["amount_micros"], charge["direction"]) == (usd(amount), direction)


def test_m03_the_shipped_rates() -> None:
    costs = subscriber().uses(100).uses(1, "i").uses(1, "o", direction="outbound").uses(1, "w", direction="web").costs()
    assert (costs["i"], costs["o"], costs["w"]) == (usd("0.11"), usd("0.11"), usd("0.08"))


# M2: one pool for all call types.
def test_m02_one_pool_for_all_directions() -> None:
    story = subscriber().uses(40).uses(40, direction="outbound").uses(19, direction="web").uses(2, direction="web")
    charge = story.charge()
    assert (charge["minutes_before"], charge["minutes_after"]) == (99, 101)
    assert rated(charge) == {"included": (1, 0), "minutes": (1, usd("0.08"))}


# M4: the call that crosses the end of the pool is split. (minutes used before, this call) -> included, overage
@pytest.mark.parametrize(
    ("before", "minutes", "included", "overage"),
    [
        (0, 100, 100, 0),
        (0, 101, 100, 1),
        (99, 1, 1, 0),
        (99, 2, 1, 1),
        (100, 1, 0, 1),
        (101, 1, 0, 1),
        (50, 80, 50, 30),
    ],
)
def test_m04_a_call_that_crosses_the_end_of_the_pool_is_split(
    before: int, minutes: int, included: int, overage: int
) -> None:
    story = (subscriber().uses(before) if before else subscriber()).uses(minutes, "c1")
    expected = {"included": (included, 0)} if included else {}
    expected |= {"minutes": (overage, overage * usd("0.11"))} if overage else {}
    assert rated(story.charge()) == expected
    assert story.usage()["minutes_used"] == before + minutes
    assert story.usage()["minutes_remaining"] == max(0, 100 - before - minutes)


# The pool may end within an increment of another call: 6/6 and a pool of one minute, 54 s used.
def test_m04_the_split_is_to_the_millisecond_of_the_increment() -> None:
    charge = stepping(6, 6, included=1).talks("c1", 54_000).talks("c2", 13_000).charge()
    # 18 s: 6 s included, 12 s = 0.2 min x 0.11 = 0.022
    assert rated(charge) == {"included": (0.1, 0), "minutes": (0.2, usd("0.02"))}


# M2: no carry-over, and a new pool for each period, decided by the call's own times.
def test_m02_minutes_are_not_carried_over() -> None:
    story = subscriber().uses(10).waits("2026-02-01T00:00:00Z").uses(100)
    assert (story.charge()["minutes_before"], story.charge()["amount_micros"]) == (0, 0)
    assert story.uses(1).charge()["amount_micros"] == usd("0.11")


# G7: billable time is the end less the answer; ringing is not billed.
@pytest.mark.parametrize(
    ("answer_after_ms", "end_after_ms", "billable_ms", "minutes"),
    [(59_999, 60_000, 1, 1), (30_000, 90_000, 60_000, 1), (30_000, 90_001, 60_001, 2), (5_000, 5_000, 0, 0)],
)
def test_g07_m04_billable_time_is_from_the_answer(
    answer_after_ms: int, end_after_ms: int, billable_ms: int, minutes: int
) -> None:
    story = stepping(60, 60).starts("c1")
    story.ends_after("c1", end_after_ms, answered_at=later(SIGNUP, milliseconds=answer_after_ms))
    charge = story.charge()
    assert (charge["billable_ms"], charge["minutes_after"]) == (billable_ms, minutes)
    assert charge["amount_micros"] == minutes * usd("0.11")


# P4: every end has a charge, of 0 when unanswered, not real or redirected; none of it counts.
@pytest.mark.parametrize(
    "end",
    [{"answered": False}, {"real": False}, {"outcome": "redirected"}, {"answered": False, "outcome": "busy"}],
    ids=repr,
)
def test_p04_g07_m02_a_call_that_does_not_count_uses_no_minutes(end: dict[str, Any]) -> None:
    story = subscriber().uses(100).starts("c1").ends("c1", **end)
    charge = story.charge()
    assert (charge["type"], charge["amount_micros"], charge["wallet_micros"], charge["card_micros"]) == (
        "call-charged",
        0,
        0,
        0,
    )
    assert (charge["minutes_before"], charge["minutes_after"]) == (100, 100)
    assert sum(line["amount_micros"] for line in charge["lines"]) == 0
    assert (story.usage()["minutes_used"], story.usage()["calls_counted"]) == (100, 1)


# P4: an answered call of zero seconds costs nothing on a minutes plan.
def test_p04_m04_an_answered_call_of_zero_seconds_costs_nothing() -> None:
    story = subscriber().uses(100).talks("c1", 0)
    assert (story.charge()["amount_micros"], story.charge()["minutes_after"]) == (0, 100)


@pytest.mark.parametrize("outcome", ["no_answer", "busy", "failed", "canceled"])
def test_p05_m04_answered_and_real_counts_whatever_the_outcome_but_redirected(outcome: str) -> None:
    assert subscriber().uses(100).starts("c1").ends("c1", outcome=outcome).charge()["amount_micros"] == usd("0.11")


# M1: features are included: what was used on the call changes nothing.
def test_m01_features_cost_nothing_extra() -> None:
    story = subscriber(credit=20).starts("c1").ends("c1", used=["live_agent", "appointment_booking"])
    assert (story.charge()["amount_micros"], story.balance()) == (0, usd(20))


# G11: what a charge says on a minutes plan. 99 minutes used, then 150 s; wallet $0.10.
def test_g11_m04_what_a_charge_says() -> None:
    story = subscriber("0.10").uses(99).talks("c1", 150_000)
    charge = story.charge()
    said = {
        "type": "call-charged",
        "call_id": "c1",
        "currency": "USD",
        "plan": "professional",
        "plan_version": 1,
        "direction": "inbound",
        "period_start": SIGNUP,
        "billable_ms": 150_000,
        "balance_before_micros": usd("0.10"),
        "balance_after_micros": 0,
        "minutes_before": 99,
        "minutes_after": 102,
        "caused_by": story.inputs[-1]["id"],
    }
    assert {name: charge[name] for name in said} == said
    assert "ordinal" not in charge
    receipt = charge["receipt"]
    assert (receipt["amount_micros"], receipt["unrounded_micros"]) == (usd("0.22"), usd("0.22"))
    assert (receipt["lines"], receipt["charge_quantum_micros"]) == (charge["lines"], 10_000)
    assert receipt["minutes"] == {
        "pool_ms": 100 * MINUTE_MS,
        "used_before_ms": 99 * MINUTE_MS,
        "rated_ms": 180_000,
        "from_pool_ms": 60_000,
        "rate_micros": 110_000,
        "increment_first_s": 60,
        "increment_next_s": 60,
    }
