"""The real rules against the naive model: whole account histories, and the properties that need no model.

`HYPOTHESIS_PROFILE=long` writes some thousands of histories instead of the few that every test run can afford.
"""

import itertools

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from backoffice.replay import replay_lines
from tests.model.against import (
    RealRun,
    run_real,
)
from tests.model.billing_histories import BillingHistories
from tests.model.draws import USED
from tests.model.histories import Histories
from tests.model.history import DOLLAR, History
from tests.model.hold_against import catalogue_of, hold_against, hold_against_model, shown
from tests.model.naive_model import NaiveModel
from tests.model.naive_money import FEATURES
from tests.model.naive_plans import NaivePlan
from tests.model.naive_time import DAY_MS, MINUTE_MS, SECOND_MS, instant
from tests.model.naive_world import payment_name


class AgainstModel(Histories):
    """Every decision, charge, adjustment, ledger entry, alert, refill, payment, refusal and snapshot. Rules G, C, P."""

    def check(self) -> None:
        for situation in sorted(self.model.world.reached):
            event(situation)
        hold_against(self.history, self.model, self.expected)


TestAgainstModel = AgainstModel.TestCase
# The histories of both products (test_billing_against_model.py) come through the credits plan as well.
TestAgainstModel.settings = settings(
    TestAgainstModel.settings, max_examples=TestAgainstModel.settings.max_examples * 2 // 3
)


class Prefixes(BillingHistories):
    """The facts of the first inputs do not depend on what comes after, and the same inputs give the same facts."""

    def check(self) -> None:
        catalogue = catalogue_of(*self.plans)
        time = self.history.time
        real = run_real(self.history.wires, catalogue, time)
        whole = list(replay_lines(real.lines, catalogue, time))
        assert whole == list(replay_lines(real.lines, catalogue, time))
        for cut in (len(real.lines) // 3, len(real.lines) // 2, len(real.lines) - 1):
            part = list(replay_lines(real.lines[:cut], catalogue, time))
            assert part == whole[: len(part)], shown(
                self.history.wires[:cut], [f"the first {cut} inputs say otherwise"]
            )


TestPrefixes = Prefixes.TestCase
# Five replays a history: fewer histories.
TestPrefixes.settings = settings(TestPrefixes.settings, max_examples=TestPrefixes.settings.max_examples // 5)

CALLS = st.lists(
    st.tuples(
        st.integers(0, 5),  # seconds after the first: calls that start together are ranked by their id
        USED,
        st.sampled_from([True, True, True, True, False]),  # answered
        st.sampled_from([None, None, None, True, False]),  # reclassified as
    ),
    min_size=3,
    max_size=6,
)


def period_in_order(
    calls: list[tuple[int, list[str], bool, bool | None]], order: list[int], funds: int, *, gated: bool
) -> History:
    """One period: with `gated` every call is admitted before any of them ends; then ends and corrections in `order`."""
    history = History()
    history.open()
    for feature in FEATURES:
        history.add("feature-set", feature=feature, enabled=True)
    history.grant(funds)
    first_ms = history.now_ms + SECOND_MS
    if gated:
        for number, (second, *_) in enumerate(calls):
            history.start(f"c{number}", at_ms=first_ms + second * SECOND_MS)
    for place in order:
        number = place // 2
        second, used, answered, real = calls[number]
        if place % 2 == 0:
            history.end(f"c{number}", started_ms=first_ms + second * SECOND_MS, answered=answered, features=used)
        elif real is not None:
            history.add("call-reclassified", call_id=f"c{number}", real=real, at_ms=first_ms + MINUTE_MS)
    return history


def final_charges(real: RealRun) -> dict[str, int]:
    charged: dict[str, int] = {}
    for fact in real.facts:
        if fact["type"] in ("call-charged", "charge-adjusted"):
            charged[fact["call_id"]] = charged.get(fact["call_id"], 0) + fact["amount_micros"]
    return charged


# Rule C18.
@given(calls=CALLS, data=st.data(), included=st.sampled_from([2, 1, 0]), gated=st.booleans())
def test_a_period_costs_the_same_in_whatever_order_its_ends_and_corrections_arrive(
    calls: list[tuple[int, list[str], bool, bool | None]], data: st.DataObject, included: int, gated: bool
) -> None:
    plan = NaivePlan(included_calls=included)
    places = list(range(2 * len(calls)))
    ways = [places, data.draw(st.permutations(places)), data.draw(st.permutations(places))]
    results = [
        final_charges(hold_against_model(period_in_order(calls, way, 100 * DOLLAR, gated=gated), plan)) for way in ways
    ]
    assert results[0] == results[1] == results[2]


GATED = st.lists(
    st.tuples(
        st.integers(1, 4), st.permutations([0, 1, 2, 3]), USED, st.sampled_from([1, 3 * SECOND_MS, 40 * MINUTE_MS])
    ),
    min_size=1,
    max_size=6,
)


def gated_history(groups: list[tuple[int, list[int], list[str], int]], features: list[str], funds: int) -> History:
    """Groups of calls in progress together; a group begins when the one before it has ended."""
    history = History()
    history.open()
    for feature in features:
        history.add("feature-set", feature=feature, enabled=True)
    history.grant(funds)
    for group, (size, order, used, lasted_ms) in enumerate(groups):
        history.now_ms += SECOND_MS
        started_ms = history.now_ms
        for number in range(size):
            history.start(f"c{group}-{number}", at_ms=started_ms + number)
        for number in [place for place in order if place < size]:
            history.end(f"c{group}-{number}", started_ms=started_ms + number, lasted_ms=lasted_ms, features=used)
        history.now_ms = started_ms + lasted_ms + MINUTE_MS
    return history


# Rule C9.
@given(
    groups=GATED,
    features=st.lists(st.sampled_from(FEATURES), unique=True),
    funds=st.sampled_from([10_000, 20_000, 3 * DOLLAR, 5 * DOLLAR, 6 * DOLLAR, 10 * DOLLAR]),
    included=st.sampled_from([2, 0, 5]),
)
def test_admitted_calls_never_take_the_balance_to_the_cap_below_zero(
    groups: list[tuple[int, list[int], list[str], int]], features: list[str], funds: int, included: int
) -> None:
    plan = NaivePlan(included_calls=included)
    real = hold_against_model(gated_history(groups, features, funds), plan)
    balances = [fact["balance_after_micros"] for fact in real.facts if fact["type"] == "ledger-entry-posted"]
    event(f"lowest balance {min(balances) // DOLLAR}")
    assert min(balances) > -plan.cap_micros


# Rules C2, C3 with the shipped catalogue: nothing but the 25 included calls is assumed.
@pytest.mark.parametrize("corrected", [None, 0, 24, 25, 29])
def test_thirty_calls_on_the_shipped_plan(corrected: int | None) -> None:
    history = History()
    history.open()
    history.switch("extra_calls")
    history.grant(100 * DOLLAR)
    for number in range(30):
        history.start(f"c{number:02d}")
        history.end(f"c{number:02d}")
        history.now_ms += SECOND_MS
    if corrected is not None:
        history.add("call-reclassified", call_id=f"c{corrected:02d}", real=False)
    real = hold_against_model(history, NaivePlan())
    paid = {call_id for call_id, amount in final_charges(real).items() if amount}
    expected = [number for number in range(30) if number != corrected][25:]
    assert paid == {f"c{number:02d}" for number in expected}


def test_every_order_of_three_ends_and_a_correction() -> None:
    """Rule C18 once more, not sampled but all of it: 24 orders of three ends and one reclassification."""
    calls = [(0, ["live_agent"], True, False), (1, [], True, None), (1, ["appointment_booking"], True, None)]
    results = []
    for order in itertools.permutations([0, 1, 2, 4]):
        real = hold_against_model(
            period_in_order(calls, list(order), 20 * DOLLAR, gated=True), NaivePlan(included_calls=1)
        )
        results.append(final_charges(real))
    assert all(result == {"c0": 0, "c1": 0, "c2": 6 * DOLLAR} for result in results)


def test_the_calendar_of_the_shipped_rules() -> None:
    """Rule G3: a call at each boundary and a millisecond before it, over fourteen months, in four time zones."""
    for signup, time_zone in [
        ("2024-01-31T10:00:00.000Z", "UTC"),
        ("2018-10-04T15:00:00.000Z", "America/Sao_Paulo"),
        ("2025-10-26T03:00:00.000Z", "Europe/Berlin"),
        ("2026-02-08T07:30:00.000Z", "America/New_York"),
    ]:
        history = History(instant(signup))
        history.open(time_zone=time_zone)
        model = NaiveModel()
        model.step(history.wires[0])
        account = model.accounts["a"]
        for day in range(430):
            around_ms = history.now_ms + day * DAY_MS
            if account.period_of(around_ms) != account.period_of(around_ms + DAY_MS):
                low, high = around_ms, around_ms + DAY_MS
                while high - low > 1:
                    middle = (low + high) // 2
                    low, high = (
                        (middle, high) if account.period_of(middle) == account.period_of(around_ms) else (low, middle)
                    )
                history.end(f"before-{day}", started_ms=low)
                history.end(f"at-{day}", started_ms=high)
        hold_against_model(history, NaivePlan())


def test_a_second_answer_to_a_payment_is_a_repeat_a_month_later() -> None:
    """Rules P7, P17: whatever it says, and for each purpose of a payment."""
    history = History()
    history.open()
    history.card()
    history.tick()
    bought = history.add("credits-purchase-requested", purchase_id="p1", amount_micros=20 * DOLLAR)
    history.add("payment-succeeded", payment_id=payment_name("a", bought["id"]))
    refunded = history.add("credits-refund-requested", purchase_id="p1")
    history.add(
        "payment-declined",
        payment_id=payment_name("a", refunded["id"], "refund"),
        reason="card closed",
        retryable=False,
    )
    history.grant(-15 * DOLLAR)
    refilled = history.add("auto-refill-set", enabled=True, amount_micros=20 * DOLLAR)
    history.add("payment-succeeded", payment_id=payment_name("a", refilled["id"], "refill"))
    history.tick(history.now_ms + 34 * DAY_MS)
    for asked, purpose in ((bought, "purchase"), (refunded, "refund"), (refilled, "refill")):
        payment_id = payment_name("a", asked["id"], purpose)
        history.add("payment-declined", payment_id=payment_id, reason="again", retryable=True)
        history.add("payment-succeeded", payment_id=payment_id)
    hold_against_model(history, NaivePlan())
