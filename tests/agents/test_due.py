"""Time passing finds the accounts that wait for it, and no others; what it passes, it does in order."""

import pytest

from tests.agents.partition import Partition, facts_of, outputs_to
from tests.rules.story import SIGNUP, Story, later

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
