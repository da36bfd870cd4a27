"""G2: now, the instant of an input, and what a tick may do."""

from typing import Any

import pytest

from backoffice.replay import replay_lines
from tests.rules.story import SIGNUP, Story, later, only, opened, usd
from tests.rules.subscriber import Subscriber


# Now is the later of the clock and the broker timestamp. Units: milliseconds ahead of the later one. 5 minutes are
# accepted, one more millisecond is not (P17).
@pytest.mark.parametrize(
    ("ahead_ms", "refusal"), [(300_000, None), (300_001, "future_time"), (-40 * 86_400_000, None), (0, None)]
)
@pytest.mark.parametrize("arrived", [{"seconds": 0}, {"minutes": -30}, {"minutes": 7}], ids=str)
def test_g02_an_input_may_be_five_minutes_ahead_of_now(
    ahead_ms: int, refusal: str | None, arrived: dict[str, int]
) -> None:
    story = opened().ticks(days=1)
    arrived_at = later(story.now, **arrived)
    at = later(max(story.now, arrived_at), milliseconds=ahead_ms)
    story.says("redirect-set", redirect_to="+15550100", at=at, arrived_at=arrived_at)
    assert story.refusal() == refusal


# A worker was down for 6.5 minutes: the clock is old, the calls that wait are not from the future, and are charged.
def test_g02_a_backlog_is_checked_by_when_it_arrived_and_not_by_the_clock_from_before() -> None:
    story = opened("live_agent", credit=20).ticks()
    for second in range(0, 390, 30):
        started = later(SIGNUP, seconds=second)
        arrived_at = later(started, seconds=21)
        story.ends(f"c{second}", started=started, seconds=20, used=["live_agent"], arrived_at=arrived_at)
    assert [fact["type"] for fact in story.facts("dead-letter")] == []
    assert len(story.facts("call-charged")) == 13


# Before the first tick the broker timestamp alone counts, and without one nothing is checked.
@pytest.mark.parametrize(
    ("ticked", "arrived_at", "time", "refusal"),
    [
        (False, SIGNUP, "broker", "future_time"),
        (False, None, "broker", None),
        (True, None, "broker", None),
        (True, SIGNUP, "broker", "future_time"),
        (True, later(SIGNUP, days=1), "broker", None),
        # In simulation only the clock counts.
        (False, SIGNUP, "ticks", None),
        (True, None, "ticks", "future_time"),
        (True, later(SIGNUP, days=1), "ticks", "future_time"),
        (True, "yesterday", "ticks", "future_time"),
    ],
)
def test_g02_what_future_time_is_checked_against(
    ticked: bool, arrived_at: str | None, time: Any, refusal: str | None
) -> None:
    story = opened()
    if ticked:
        story.ticks()
    given = {} if arrived_at is None else {"arrived_at": arrived_at}
    story.says("redirect-set", redirect_to="+15550100", at=later(SIGNUP, minutes=6), **given)
    codes = [fact["code"] for fact in replay_lines(story.lines(), time=time) if fact["type"] == "dead-letter"]
    assert codes == ([] if refusal is None else [refusal])


# Units: milliseconds ahead of its own broker timestamp. One minute is taken; the clock moves or does not.
@pytest.mark.parametrize(("ahead_ms", "moves"), [(60_000, True), (60_001, False), (4 * 365 * 86_400_000, False)])
def test_g02_a_tick_may_be_one_minute_ahead_of_its_own_broker_timestamp(ahead_ms: int, moves: bool) -> None:
    story = opened("live_agent", credit=5, at=later(SIGNUP, hours=-4)).starts("open", at=later(SIGNUP, hours=-4))
    story.ticks(later(SIGNUP, milliseconds=ahead_ms))
    story.inputs[-1]["arrived_at"] = SIGNUP
    assert story.refusal() == (None if moves else "future_time")
    assert story.answer_types() == (["call-stuck"] if moves else ["dead-letter"])
    # In simulation ticks are checked against nothing, and a later tick is the clock.
    facts = list(replay_lines(story.lines(), time="ticks"))
    assert [fact["type"] for fact in facts if fact["type"] in {"call-stuck", "dead-letter"}] == ["call-stuck"]


# It is no part of the input: a repeat with another one is the repeat that it was; null is none.
def test_g02_arrived_at_is_no_part_of_the_input() -> None:
    story = opened("live_agent", credit=20).ticks().ends("c1", used=["live_agent"], arrived_at=SIGNUP)
    again = {**story.inputs[-1], "arrived_at": later(SIGNUP, seconds=5)}
    story.inputs += [again, {**again, "id": "another"}, {**again, "id": "third", "arrived_at": None}]
    assert [fact["type"] for fact in story.facts("call-charged", "charge-adjusted", "dead-letter")] == ["call-charged"]


# RFC 3339 as everywhere. What is no time refuses its line, after what is wrong with the input itself.
@pytest.mark.parametrize("arrived_at", ["yesterday", 5, "2026-01-01", {}, ""])
def test_g02_x01_an_arrived_at_that_is_no_time(arrived_at: object) -> None:
    story = opened().says("redirect-set", redirect_to="+15550100", arrived_at=arrived_at)
    assert story.refusal() == "schema_invalid"
    assert "arrived_at" in only(story.answer("dead-letter"))["message"]
    assert opened().says("call-paused", arrived_at=arrived_at).refusal() == "unknown_type"


# Any RFC 3339 time, cut to milliseconds: five minutes after it are accepted, one more millisecond is not.
@pytest.mark.parametrize(
    "arrived_at",
    [
        "2026-01-01T00:00:00Z",
        "2026-01-01t00:00:00z",
        "2026-01-01T05:30:00+05:30",
        "2025-12-31T20:00:00-04:00",
        "2026-01-01T00:00:00-00:00",
        "2026-01-01T00:00:00.000999999Z",
        "2026-01-01T00:00:00.0000+00:00",
    ],
)
def test_g02_arrived_at_is_any_rfc_3339_time(arrived_at: str) -> None:
    for ahead_ms, refusal in ((300_000, None), (300_001, "future_time")):
        at = later(SIGNUP, milliseconds=ahead_ms)
        story = opened().says("redirect-set", redirect_to="+15550100", at=at, arrived_at=arrived_at)
        assert story.refusal() == refusal


# Where a rule counts from an input, it counts from the later of its `occurred_at` and the clock: an input of yesterday
# that arrives today is one of today. Each case: the clock is at 12:00 on 10 January, the input says 06:00 or 12:04.
CLOCK = "2026-01-10T12:00:00Z"
INSTANTS = pytest.mark.parametrize(
    ("said", "instant"), [("2026-01-10T06:00:00Z", CLOCK), ("2026-01-10T12:04:00Z", "2026-01-10T12:04:00Z")]
)


def refilling(said: str) -> Story:
    """A refill is requested by an input that says so."""
    return opened(credit=5).adds_card().ticks(CLOCK).refills(20, at=said)


@INSTANTS
def test_g02_c14_a_retry_counts_from_the_instant_of_the_decline(said: str, instant: str) -> None:
    story = refilling(SIGNUP).declines(retryable=True, at=said)
    early = story.ticks(later(instant, hours=1, milliseconds=-1)).answer("refill-requested")
    assert early == []
    assert story.ticks(later(instant, hours=1)).answer_types() == ["refill-requested", "payment-requested"]


@INSTANTS
def test_g02_c14_a_refill_is_unresolved_15_minutes_after_the_instant_of_its_request(said: str, instant: str) -> None:
    story = refilling(said)
    assert story.ticks(later(instant, minutes=15, milliseconds=-1)).answer() == []
    assert story.ticks(later(instant, minutes=15)).answer_types() == ["refill-unresolved"]


# An input that says it is of the next period counts there, one of the period before in the one that runs.
def test_g02_p08_the_monthly_limit_counts_in_the_period_of_the_instant() -> None:
    story = opened(credit=1).adds_card().ticks("2026-02-01T00:00:00Z")
    story.refills(20, at="2026-01-31T23:00:00Z", monthly_limit_micros=usd(30)).pays().is_granted(-20)
    assert [fact["reason"] for fact in story.answer("refill-paused")] == ["monthly_limit"]
    assert len(story.ticks("2026-03-01T00:00:00Z").answer("refill-requested")) == 1


@INSTANTS
def test_g02_p13_the_refund_window_runs_from_the_instant_of_the_answer(said: str, instant: str) -> None:
    story = opened().adds_card().ticks(CLOCK).buys("p1", 20).pays(at=said)
    last = later(instant, days=30)
    story.ticks(last).says("credits-refund-requested", purchase_id="p1")
    assert only(story.answer("payment-requested"))["purpose"] == "refund"


@INSTANTS
def test_g02_p13_the_refund_window_ends_by_the_instant_of_the_request(said: str, instant: str) -> None:
    story = opened().adds_card().ticks(CLOCK).buys("p1", 20).pays(at=said)
    asked = later(instant, days=30, milliseconds=1)
    # What the request itself says changes nothing: it comes when the clock has passed the window.
    story.ticks(asked).says("credits-refund-requested", purchase_id="p1", at=said)
    assert story.refusal() == "refund_window_passed"


@INSTANTS
def test_g02_m06_a_fee_is_retried_from_the_instant_of_the_decline(said: str, instant: str) -> None:
    story = Subscriber().opens("professional").adds_card().ticks(CLOCK).declines(at=said)
    assert only(story.answer("subscription-payment-declined"))["retry_at"] == later(instant, days=1).replace(".000", "")
    assert story.ticks(later(instant, days=1, milliseconds=-1)).answer("payment-requested") == []
    assert len(story.ticks(later(instant, days=1)).answer("payment-requested")) == 1


# 1 April to 1 May, $49 to $99, on the 16th by the clock: half of each, whatever day the request says.
@pytest.mark.parametrize("said", ["2026-04-10T00:00:00Z", "2026-04-15T23:59:59Z", "2026-04-16T00:00:00Z"])
def test_g02_m07_the_day_of_a_proration_is_that_of_the_instant(said: str) -> None:
    story = Subscriber(signup="2026-04-01T00:00:00Z").opens("professional").adds_card().pays()
    story.ticks("2026-04-16T00:00:00Z").says("plan-change-requested", plan="dental", at=said)
    assert only(story.answer("payment-requested"))["amount_micros"] == usd("25.00")


# A number is held from the instant on: it is on the invoice of the period that holds it and on no earlier one.
def test_g02_m13_a_number_is_held_from_the_instant_to_the_instant() -> None:
    story = Subscriber().opens("professional").adds_card().pays().ticks("2026-02-01T00:00:00Z")
    number = {"number": "+15550100", "at": "2026-01-20T00:00:00Z"}
    story.says("phone-number-added", monthly_fee_micros=usd(2), **number)
    story.ticks("2026-03-01T12:00:00Z").says("phone-number-removed", **number).ticks("2026-05-01T00:00:00Z")
    fees = [
        (invoice["period_start"][:10], [line for line in invoice["lines"] if line["kind"] == "phone_number"] != [])
        for invoice in story.facts("invoice-issued")
    ]
    assert fees == [("2026-01-01", False), ("2026-02-01", True), ("2026-03-01", True), ("2026-04-01", False)]


# Only ticks end a subscription; for a call alone a cancelled one ends with its term, also before the tick. Rule M8.
def test_g02_m08_before_its_tick_a_term_has_ended_for_calls_alone() -> None:
    story = Subscriber().opens("professional").adds_card().pays().says("subscription-cancel-requested")
    story.waits("2026-02-01T00:00:00Z").starts("c1")
    assert [fact["reason"] for fact in story.answer("call-redirected")] == ["subscription_ended"]
    story.says("payment-method-removed", payment_method_id="pm1")
    assert story.refusal() == "last_payment_method"
    assert story.says("subscription-resume-requested").refusal() is None
    assert story.starts("c2").answer_types() == ["call-admitted"]


# What an input brings when it is due already is done by the next tick, in order of due time, and carries its id.
def test_g02_what_was_due_when_it_came_is_done_by_the_next_tick() -> None:
    story = opened("live_agent", credit=20).ticks(CLOCK)
    for call_id, hours in (("b", 5), ("a", 6), ("c", 4)):
        story.starts(call_id, at=later(CLOCK, hours=-hours))
    assert story.switches("live_agent", on=False).answer() == []
    stuck = story.ticks(seconds=1).answer()
    assert [(fact["type"], fact["call_id"]) for fact in stuck] == [("call-stuck", call_id) for call_id in "abc"]
    assert {fact["caused_by"] for fact in stuck} == {story.inputs[-1]["id"]}


# One tick passes the retry of a fee, that of a refill, the expiry of a hold and the end of the period. Units: minutes
# from the end of the period. A fee that is not yet due goes into the bill.
@pytest.mark.parametrize("fee", [-54, -30, 30])
@pytest.mark.parametrize("refill", [-48, -24, 36])
@pytest.mark.parametrize("hold", [-42, -18, 42])
def test_g02_a_tick_that_passes_several_boundaries_does_each_in_order_of_due_time(
    fee: int, refill: int, hold: int
) -> None:
    story = Subscriber().opens("professional").ticks(seconds=1).adds_card().refills(20)
    fee_id, refill_id = (fact["payment_id"] for fact in story.facts("payment-requested"))
    end = "2026-02-01T00:00:00Z"
    story.declines(payment_id=fee_id, retryable=True, at=later(end, days=-1, minutes=fee))
    story.declines(payment_id=refill_id, retryable=True, at=later(end, hours=-1, minutes=refill))
    story.starts("open", at=later(end, hours=-4, minutes=hold))
    expected = [(refill, ["refill"]), (hold, ["call-stuck"])]
    expected += [(fee, ["subscription"])] if fee < 0 else []
    expected += [(0, ["invoice-issued", *(["invoice"] if fee > 0 else []), "subscription"])]
    done = story.ticks(later(end, hours=1)).answer("payment-requested", "call-stuck", "invoice-issued")
    names = [fact.get("purpose", fact["type"]) for fact in done]
    assert names == [name for _, names in sorted(expected) for name in names]


# The refill is unresolved after 15 minutes, not when a hold expires before that.
def test_g02_c14_a_refill_is_unresolved_in_its_turn() -> None:
    story = opened("live_agent", credit=5).adds_card().ticks(CLOCK).refills(20)
    story.starts("open", at=later(CLOCK, hours=-4, minutes=10))
    assert story.ticks(minutes=20).answer_types() == ["call-stuck", "refill-unresolved"]


# X1: whether the account exists comes before `too_late`; the start of a call still has its answer (X3).
def test_x01_an_unknown_account_comes_before_too_late() -> None:
    story = Story("nobody").ticks(days=90)
    assert story.ends("c1", started=SIGNUP).refusal() == "unknown_account"
    assert story.reclassifies("c1", real=False, at=SIGNUP).refusal() == "unknown_account"
    answer = only(story.starts("c2", at=SIGNUP).answer())
    assert (answer["type"], answer["reason"]) == ("call-redirected", "unknown_account")
    # The start of a call is refused once there is an account; while there is none it is answered whenever it comes.
    again = only(story.says("call-started", call_id="c2", direction="inbound", at=SIGNUP).answer())
    assert again == answer | {"caused_by": again["caused_by"]}
    assert story.opens().starts("c3", at=SIGNUP).refusal() == "too_late"
    assert story.ticks(days=1).answer() == []


# A start without an account leaves no trace. Sent again it is answered again, as the same fact: it cannot be
# `too_late`, which comes after `unknown_account` (X1, X3).
def test_x03_a_start_without_an_account_is_answered_whenever_it_comes() -> None:
    story = Story("nobody").ticks().starts("c1")
    first, again = only(story.answer()), story.inputs[-1]
    for days in (0, 36, 84):
        story.ticks(later(SIGNUP, days=days))
        story.inputs.append(again)
        assert story.answer() == [first]
