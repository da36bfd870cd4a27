"""M11 over several periods: what is asked for, what the wallet pays and what the invoices say add up. In dollars."""

import pytest

from tests.agents.partition import Partition, facts_of
from tests.rules.story import SIGNUP, only, usd
from tests.rules.subscriber import (
    APRIL,
    FEBRUARY,
    Subscriber,
    asked,
    billed,
    dollars,
    minutes_plans,
    numbers,
    paying,
    subscriber,
)

FEE = ("subscription", 49)
FEE_LINE = ("subscription", "49")


# The sum of the lines is the total, and what is asked for is what is open, over a year of changes.
def test_m11_g01_totals_and_what_was_asked_add_up() -> None:
    story = paying(3, signup=APRIL).is_taxed(72_500).adds_number(fee="1.99").uses(130)
    story.ticks("2026-05-01T00:00:00Z").settles_all().waits("2026-05-10T00:00:00Z").ticks().changes_plan("dental")
    story.settles_all().uses(333, direction="web").buys("p1", 15).settles_all().adds_number("+15550101", "0.01")
    story.ticks("2026-06-01T00:00:00Z").settles_all().changes_plan("professional").removes_number().uses(301)
    story.ticks("2026-07-01T00:00:00Z").settles_all().cancels().ticks("2026-08-01T00:00:00Z").settles_all()
    invoices = story.invoices()
    assert [i["number"] for i in invoices] == [1, 2, 3, 4]
    for invoice in invoices:
        assert invoice["total_micros"] == sum(line["amount_micros"] for line in invoice["lines"])
        assert invoice["tax_micros"] == sum(amount for kind, amount in billed(invoice) if kind == "tax")
    still_open = {i["number"] for i in invoices if i["status"] == "open"}
    assert set(numbers(story.facts("invoice-paid"))) == still_open
    # All that cards paid is on an invoice, once; what the wallet paid for calls is in its statement alone.
    by_card = sum(f["amount_micros"] for f in story.facts("payment-requested"))
    by_wallet = sum(f["wallet_micros"] for f in story.facts("call-charged", "charge-adjusted"))
    assert by_card == sum(i["total_micros"] for i in invoices)
    assert by_wallet == sum(i["wallet"]["used_micros"] for i in invoices)
    assert story.balance() == invoices[-1]["wallet"]["closing_micros"]


# Ten months told without a tick, then one: each has its invoice with its own overage.
def test_m11_g02_many_periods_before_the_first_tick() -> None:
    story = subscriber()
    for month in range(1, 11):
        story.waits(f"2026-{month:02d}-10T00:00:00Z").uses(100 + month, f"c{month}")
    story.ticks("2026-11-01T00:00:00Z")
    assert [billed(i)[1:] for i in story.invoices()] == [
        dollars(("overage inbound", f"{11 * month / 100:.2f}")) for month in range(1, 11)
    ]


# Eight years are not too many: a customer may be moved in with all that an old system knows.
def test_m11_g03_years_before_the_first_tick() -> None:
    story = subscriber(signup="2018-01-01T00:00:00Z")
    for month in range(96):
        story.waits(f"{2018 + month // 12}-{1 + month % 12:02d}-10T00:00:00Z").uses(101)
    story.ticks(SIGNUP)
    assert [billed(i)[1:] for i in story.invoices()] == [dollars(("overage inbound", "0.11"))] * 96


# The same with calls whose holds expire in each of the months, which is work of its own before the month's end.
def test_b07_g05_many_periods_with_stuck_calls_before_the_first_tick() -> None:
    story = Subscriber().opens("free").switches("live_agent").is_granted(100)
    for month in range(1, 11):
        story.waits(f"2026-{month:02d}-10T00:00:00Z").starts(f"stuck{month}").call(f"c{month}", used=["live_agent"])
    story.ticks("2026-11-01T00:00:00Z")
    assert len(story.facts("call-stuck")) == 10
    statements = [invoice["wallet"] for invoice in story.invoices()]
    assert [s["used_micros"] for s in statements] == [usd(3)] * 10
    assert [s["closing_micros"] for s in statements] == [usd(100 - 3 * month) for month in range(1, 11)]


# P5 and B2: an end that moves a call into another period moves what the card pays for it, too: no wallet paid anything.
# The call has 10 minutes in February, then 12 in January.
@pytest.mark.parametrize(
    ("january_is_invoiced", "january", "february"),
    [
        (False, [FEE_LINE, ("overage inbound", "1.32")], [FEE_LINE]),
        # A late call goes on the next invoice.
        (True, [FEE_LINE], [FEE_LINE, ("overage inbound", "1.32")]),
    ],
)
def test_p05_b02_the_card_part_moves_with_the_call(
    january_is_invoiced: bool, january: list[tuple[str, str]], february: list[tuple[str, str]]
) -> None:
    story = paying().uses(100, "pool").waits(FEBRUARY).uses(100, "feb").uses(10, "c1").waits("2026-02-10T00:00:00Z")
    if january_is_invoiced:
        story.ticks(FEBRUARY).settles_all()
    story.ends("c1", started="2026-01-31T00:00:00Z", at="2026-01-31T00:12:00Z").ticks("2026-03-01T00:00:00Z")
    first, second = story.invoices()
    assert (billed(first), billed(second)) == (dollars(*january), dollars(*february))
    assert [invoice["wallet"]["used_micros"] for invoice in (first, second)] == [0, 0]


# M1: the price at the renewal is that of the catalogue then.
def test_m01_m06_a_new_price_holds_from_the_next_renewal() -> None:
    old, new = (minutes_plans(n, professional={"monthly_price_micros": usd(p)}) for n, p in ((1, 49), (2, 59)))
    partition = Partition(catalogue=old)
    story = subscriber().adds_card()
    partition.take(*story.inputs)
    done = len(story.inputs)
    story.pays().ticks(FEBRUARY)
    facts = facts_of(partition.restarted(new).take(*story.inputs[done:]))
    assert asked(facts) == dollars(("subscription", 59))
    assert [billed(f) for f in facts if f["type"] == "invoice-issued"] == [dollars(FEE)]


# P7: the same number with the same fee is a repeat, with another fee it is not.
def test_m13_p07_a_number_added_again() -> None:
    story = paying().adds_number(fee=2)
    assert story.adds_number(fee=2).answer() == []
    assert billed(only(story.adds_number(fee=3).ticks(FEBRUARY).invoices())) == dollars(FEE, ("phone_number", 3))


# P7: a number held, added with the same fee, is a repeat; with another fee that one replaces it.
def test_m13_p07_a_number_that_is_held_and_added_with_the_same_fee_is_a_repeat() -> None:
    story = paying().adds_number(fee=2)
    version = story.snapshot()["version"]
    assert story.adds_number(fee=2).snapshot()["version"] == version
    assert story.adds_number(fee=3).snapshot()["version"] == version + 1
