"""Time passing finds the accounts that wait for it, and no others; what it passes, it does in order."""

import pytest

from schemas.rows import CLOCK_KEY, Clock, decode_row
from tests.agents.partition import Event, InputRecord, Partition, facts_of, outputs_to, record_of
from tests.rules.story import SIGNUP, Story, later
from tests.schemas.golden_rows import GOLDEN

IDLE = 3_000


def opened(partition: Partition, number: int, plan: str, at: str = SIGNUP) -> None:
    partition.take(*[Story(f"a{n:04}", signup=at).opens(plan).inputs[0] for n in range(number)])


# A tick that finds nothing due writes the clock and nothing else, however many accounts there are.
@pytest.mark.parametrize("plan", ["free", "professional"])
def test_g02_a_tick_touches_no_idle_account(plan: str) -> None:
    partition = Partition()
    opened(partition, IDLE, plan)
    for _ in range(2):
        outcome = partition.take(*Story(signup="2026-01-20T00:00:00Z").ticks().inputs)
        assert [key for key, _ in outcome.rows] in (["*"], [])
        assert outcome.outputs == []


# A credits account without anything to pay for is not looked at when its period ends; a subscription is.
def test_g02_p12_only_who_has_something_to_bill_is_looked_at_when_a_period_ends() -> None:
    partition = Partition()
    opened(partition, 50, "free")
    partition.take(*Story("busy").opens("professional").inputs)
    before = len(partition.rows)
    outcome = partition.take(*Story().ticks("2026-02-01T00:00:00Z").inputs)
    assert {output.key for output in outputs_to(outcome, "account-snapshots")} == {b"busy"}
    assert len(facts_of(outcome, "invoice-issued")) == 1
    assert len(partition.rows) > before


# A worker that was down: one tick passes the period ends of several accounts, each as often as it must, by time.
def test_g02_m06_a_tick_that_passes_several_boundaries_goes_in_order_of_time() -> None:
    partition = Partition()
    for n, day in ((1, 20), (2, 10), (3, 15)):
        story = Story(f"a{n}", signup=f"2026-01-{day}T00:00:00Z").opens("professional").adds_card().pays()
        partition.take(*story.inputs)
    outcome = partition.take(*Story().ticks("2026-03-18T12:00:00Z").inputs)
    issued = [
        (fact["period_end"][:10], fact["account_id"], fact["number"]) for fact in facts_of(outcome, "invoice-issued")
    ]
    assert issued == [
        ("2026-02-10", "a2", 1),
        ("2026-02-15", "a3", 1),
        ("2026-02-20", "a1", 1),
        ("2026-03-10", "a2", 2),
        ("2026-03-15", "a3", 2),
    ]
    fees = [fact["account_id"] for fact in facts_of(outcome, "payment-requested") if fact["purpose"] == "subscription"]
    assert fees == ["a2", "a3", "a1", "a2", "a3"]


# What one tick does for three months at once is what a tick a day does.
def test_g02_catching_up_gives_the_invoices_that_daily_ticks_give() -> None:
    def invoices(*ticks: str) -> list[tuple[int, str, int]]:
        partition, story = Partition(), Story("a").opens("dental").says("tax-rate-set", rate_ppm=100_000)
        story.says("phone-number-added", number="+15550100", monthly_fee_micros=1_500_000)
        partition.take(*story.inputs)
        outcomes = [partition.take(*Story().ticks(at).inputs) for at in ticks]
        facts = [fact for outcome in outcomes for fact in facts_of(outcome, "invoice-issued")]
        return [(fact["number"], fact["period_end"], fact["total_micros"]) for fact in facts]

    daily = [later(SIGNUP, days=day) for day in range(1, 95)]
    # Three months of $99 and $1.50, and a tenth of that.
    assert invoices(daily[-1]) == invoices(*daily)
    assert [total for _, _, total in invoices(daily[-1])] == [110_550_000] * 3


# Times of ticks; the subscriptions of the accounts that are behind end their period at the first.
BOUNDARY = "2026-02-01T00:00:00Z"
FIRST, SECOND, THIRD = (later(BOUNDARY, seconds=n) for n in (0, 2, 4))


def behind() -> Partition:
    """A partition whose clock is at SECOND with work left that FIRST has made due, one piece done with each batch."""
    partition = Partition(slice_units=1)
    opened(partition, 20, "professional")
    for at in (FIRST, SECOND):
        partition.decide(tick(at))
    assert partition.wallets.overdue(0)
    return partition


def tick(at: str) -> InputRecord:
    return record_of({"type": "clock-ticked", "id": f"tick-{at}", "account_id": "*", "occurred_at": at})


def decided(partition: Partition, story: Story) -> list[Event]:
    """The facts of the story's newest input's own account."""
    record = record_of(story.inputs[-1])
    outcome = partition.decide(record)
    return [fact for fact in facts_of(outcome) if fact["account_id"] == story.account_id]


# A call reported five hours late is due at once: no tick before it has to do with it, though one is remembered.
@pytest.mark.parametrize("restarts", [False, True])
def test_g02_what_comes_when_it_is_due_waits_for_the_next_tick_also_while_others_are_behind(*, restarts: bool) -> None:
    partition, story = behind(), Story("late")
    assert decided(partition, story.opens(at=later(FIRST, hours=-5))) == []
    assert [fact["type"] for fact in decided(partition, story.starts("c1", at=later(FIRST, hours=-5)))] == [
        "call-admitted"
    ]
    if restarts:
        partition = partition.restarted()
    assert decided(partition, story.switches("live_agent")) == []
    assert partition.wallets.overdue(0)
    # The earliest due time of all, so it is the one piece of work done with the tick.
    stuck = facts_of(partition.decide(tick(THIRD)))
    assert [(fact["type"], fact["caused_by"]) for fact in stuck] == [("call-stuck", f"tick-{THIRD}")]


# An account with its true signup date: each of its periods ends with the tick that came next, none with one before.
@pytest.mark.parametrize("restarts", [False, True])
def test_g02_what_due_work_brings_is_done_by_its_own_tick_and_no_earlier_one(*, restarts: bool) -> None:
    partition, story = behind(), Story("moved", signup="2025-10-10T00:00:00Z")
    decided(partition, story.opens("professional"))
    months_later = "2026-04-15T00:00:00Z"
    facts = facts_of(partition.decide(tick(months_later)))
    while partition.wallets.overdue(0):
        if restarts:
            partition = partition.restarted()
        facts += facts_of(partition.decide())
    issued = [
        (fact["period_end"], fact["caused_by"])
        for fact in facts
        if (fact["type"], fact["account_id"]) == ("invoice-issued", "moved")
    ]
    ends = [f"2026-{month}-10T00:00:00Z" for month in ("02", "03", "04")]
    assert issued == [(end, f"tick-{months_later}") for end in ends]


# The ticks that still have work are in the clock's row; none when all is done, and none for a tick that finds nothing.
def test_g02_ticks_are_remembered_while_they_have_work() -> None:
    def remembered(partition: Partition) -> tuple[tuple[int, str], ...]:
        clock = decode_row(CLOCK_KEY, partition.rows[CLOCK_KEY])
        assert isinstance(clock, Clock)
        return clock.ticks

    partition = behind()
    assert [tick_id for _, tick_id in remembered(partition)] == [f"tick-{FIRST}", f"tick-{SECOND}"]
    while partition.wallets.overdue(0):
        partition.decide()
    assert remembered(partition) == ()
    partition.decide(tick(THIRD))
    assert remembered(partition) == ()


# A row of an earlier version has no ticks: what is due then is done by the next one, as it was.
def test_g02_a_clock_of_an_earlier_version_is_read() -> None:
    partition = Partition()
    opened(partition, 3, "professional")
    golden = (GOLDEN / "clock.row").read_bytes()
    partition = Partition({**partition.rows, CLOCK_KEY: golden})
    assert not partition.wallets.overdue(0)
    outcome = partition.take({**Story().ticks(BOUNDARY).inputs[0], "id": "next"})
    assert {fact["caused_by"] for fact in facts_of(outcome, "invoice-issued")} == {"next"}


def newest(story: Story) -> Event:
    return story.inputs[-1]


def test_p14_the_oldest_payment_without_an_answer() -> None:
    partition, story = Partition(), Story("a").opens("professional").adds_card()
    partition.take(*story.inputs)
    asked = partition.wallets.oldest_unanswered_ms(0)
    assert asked == 1_767_225_600_000
    partition.take(newest(story.waits(hours=1).buys("p1", 20)))
    assert partition.restarted().wallets.oldest_unanswered_ms(0) == asked
    partition.take(newest(story.pays(payment_id="a/subscription/1/1")))
    assert partition.wallets.oldest_unanswered_ms(0) == asked + 3_600_000
    partition.take(newest(story.declines(payment_id="a/purchase/p1")))
    assert partition.wallets.oldest_unanswered_ms(0) is None
    assert partition.restarted().wallets.oldest_unanswered_ms(0) is None
