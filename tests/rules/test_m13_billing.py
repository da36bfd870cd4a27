"""M13 and M11, with decision 0020: phone numbers and tax. Money in dollars."""

from collections.abc import Callable

import pytest

from tests.rules.story import Event, Story, only, usd
from tests.rules.subscriber import FEBRUARY, MARCH, Subscriber, billed, dollars, paying

APRIL_1 = "2026-04-01T00:00:00Z"
FEE = ("subscription", 49)


def numbers(story: Subscriber) -> list[list[int]]:
    """The phone fees of each invoice, micros, smallest first."""
    return [sorted(m for kind, m in billed(i) if kind == "phone_number") for i in story.invoices()]


# M13: monthly per number; P12: the whole month for each number held at any time in it. Added and removed -> the fees of
# January, February and March.
@pytest.mark.parametrize(
    ("added", "removed", "months"),
    [
        ("2026-01-01T00:00:00Z", None, [2, 2, 2]),
        ("2026-01-31T23:59:59.999Z", None, [2, 2, 2]),
        ("2026-02-01T00:00:00Z", None, [0, 2, 2]),
        ("2026-01-10T00:00:00Z", "2026-01-10T00:00:01Z", [2, 0, 0]),
        ("2026-01-10T00:00:00Z", "2026-01-31T23:59:59.999Z", [2, 0, 0]),
        ("2026-01-10T00:00:00Z", "2026-02-01T00:00:00Z", [2, 0, 0]),
        ("2026-01-10T00:00:00Z", "2026-02-01T00:00:00.001Z", [2, 2, 0]),
        ("2026-01-31T23:59:59.999Z", "2026-02-28T23:59:59.999Z", [2, 2, 0]),
    ],
)
@pytest.mark.parametrize("tick", ["at each boundary", "long after"])
def test_m13_p12_a_number_costs_a_whole_month(added: str, removed: str | None, months: list[int], tick: str) -> None:
    said = [(added, "adds_number"), *([(removed, "removes_number")] if removed else [])]
    if tick == "at each boundary":
        said += [(FEBRUARY, "ticks"), (MARCH, "ticks")]
    story = paying()
    for at, does in sorted(said):
        if tick == "at each boundary":
            story.ticks(at)
        getattr(story.waits(at), does)()
    story.ticks(APRIL_1)
    assert numbers(story) == [[usd(m)] if m else [] for m in months]


# A number added after the boundary, before the tick that ends the period, is not of the period that ended.
def test_m13_p12_a_late_tick_bills_by_the_time_of_the_change() -> None:
    story = paying().waits("2026-02-02T00:00:00Z").adds_number().ticks("2026-02-03T00:00:00Z").ticks(MARCH)
    assert numbers(story) == [[], [usd(2)]]
    story = paying().adds_number().waits("2026-02-02T00:00:00Z").removes_number().ticks("2026-02-03T00:00:00Z")
    assert numbers(story.ticks(MARCH).ticks(APRIL_1)) == [[usd(2)], [usd(2)], []]


# 0020: adding one again sets its fee, or takes its removal back; never two fees for one number.
def test_m13_adding_a_number_again() -> None:
    story = paying().adds_number(fee=2).adds_number(fee=3).ticks(FEBRUARY)
    assert numbers(story) == [[usd(3)]]
    story.ticks(days=1).removes_number().adds_number(fee=3).ticks(MARCH)
    story.ticks(days=1).removes_number().ticks(APRIL_1).adds_number(fee=4).ticks("2026-05-01T00:00:00Z").ticks(
        "2026-06-01T00:00:00Z"
    )
    assert numbers(story) == [[usd(3)], [usd(3)], [usd(3)], [usd(4)], [usd(4)]]


def test_m13_each_number_has_its_line() -> None:
    story = paying()
    for n in range(1, 5):
        story.adds_number(f"+1555010{n}", n)
    story.waits(days=1).removes_number("+15550102").ticks(FEBRUARY)
    assert numbers(story.ticks(MARCH)) == [[usd(1), usd(2), usd(3), usd(4)], [usd(1), usd(3), usd(4)]]
    texts = sorted(line["description"] for line in story.invoices()[1]["lines"] if line["kind"] == "phone_number")
    assert [text.rpartition(" ")[2] for text in texts] == ["+15550101", "+15550103", "+15550104"]


def test_m13_a_removed_number_twice_is_a_repeat() -> None:
    story = paying().adds_number().removes_number()
    assert story.answer() == []
    assert story.removes_number().answer() == []


@pytest.mark.parametrize("told", [paying, lambda: paying().adds_number("+15550999")], ids=["none", "another"])
def test_m13_p07_a_number_that_is_not_held_and_is_removed_is_a_repeat(told: Callable[[], Subscriber]) -> None:
    assert told().removes_number().answer() == []


# 0020: at most 64 numbers; the 65th is refused, a change to one of them is not.
def test_m13_at_most_64_numbers() -> None:
    story = paying()
    for n in range(64):
        story.adds_number(f"+1555{n:04d}", 1)
    assert story.refusal() is None
    assert story.adds_number("+1999", 1).refusal() == "schema_invalid"
    assert story.adds_number("+15550063", 2).refusal() is None
    assert len(numbers(story.ticks(FEBRUARY))[0]) == 64


# M13 and P12: tax = half up of rate x (fee + proration + overage + phone fees). Not on top-ups.
# (parts per million, a number's fee) with $49.00 -> tax
@pytest.mark.parametrize(
    ("rate_ppm", "phone", "tax"),
    [
        (0, "1", "0"),
        (82_500, "1", "4.13"),  # 4.125
        (50_000, "0.10", "2.46"),  # 2.455
        (50_000, "0.09", "2.45"),  # 2.4545
        (50_000, "0.11", "2.46"),  # 2.4555
        (1_000_000, "0.01", "49.01"),
        (1, "1", "0"),  # 0.00005
        (100, "1", "0.01"),  # 0.005
        (99, "1", "0"),  # 0.00495
    ],
)
def test_m13_p12_tax_is_rounded_half_up(rate_ppm: int, phone: str, tax: str) -> None:
    story = paying().is_taxed(rate_ppm).adds_number(fee=phone).ticks(FEBRUARY)
    invoice = only(story.invoices())
    assert invoice["tax_micros"] == usd(tax)
    assert [m for kind, m in billed(invoice) if kind == "tax"] == ([usd(tax)] if usd(tax) else [])
    assert invoice["total_micros"] == usd(49) + usd(phone) + usd(tax)


# What is taxed, at 10 %: everything but top-ups.
@pytest.mark.parametrize(
    ("told", "tax"),
    [
        (lambda s: s, "4.90"),
        (lambda s: s.adds_number(fee=3), "5.20"),
        (lambda s: s.uses(110), "5.01"),
        (lambda s: s.is_granted(1).uses(110), "5.01"),
        (lambda s: s.buys("p1", 100).settles("purchase"), "4.90"),
        (lambda s: s.refills(100).settles("refill"), "4.90"),
        # 49 - 49 + 99 on the first day.
        (lambda s: s.changes_plan("dental"), "9.90"),
    ],
    ids=["fee", "number", "overage on the card", "overage of wallet and card", "purchase", "refill", "proration"],
)
def test_m13_m11_p12_what_is_taxed(told: Callable[[Subscriber], Subscriber], tax: str) -> None:
    story = told(paying().is_taxed(100_000)).ticks(FEBRUARY)
    assert only(story.invoices())["tax_micros"] == usd(tax)


# The rate that is set when the invoice is issued; 0 switches it off.
def test_m13_the_tax_rate_can_change() -> None:
    story = paying().is_taxed(100_000).ticks(FEBRUARY).settles_all().is_taxed(200_000).ticks(MARCH).is_taxed(0)
    story.settles_all().ticks(APRIL_1)
    assert [i["tax_micros"] for i in story.invoices()] == [usd("4.90"), usd("9.80"), 0]


# A late correction lowers the next invoice's base: (49 - 1.10) x 0.1.
def test_m13_m11_tax_of_a_late_correction() -> None:
    story = paying(5).is_taxed(100_000).uses(110, "c1").ticks(FEBRUARY).settles_all().reclassifies("c1", real=False)
    story.ticks(MARCH)
    assert [i["tax_micros"] for i in story.invoices()] == [usd("5.01"), usd("4.79")]


WRONG: dict[str, tuple[str, Event]] = {
    "a rate below 0": ("tax-rate-set", {"rate_ppm": -1}),
    "a rate above 100 %": ("tax-rate-set", {"rate_ppm": 1_000_001}),
    "a rate that is a fraction": ("tax-rate-set", {"rate_ppm": 82_500.5}),
    "a rate as text": ("tax-rate-set", {"rate_ppm": "82500"}),
    "no rate": ("tax-rate-set", {}),
    "a fee below 0": ("phone-number-added", {"number": "+1", "monthly_fee_micros": -1}),
    "a fee without bound": ("phone-number-added", {"number": "+1", "monthly_fee_micros": 9 * 10**15}),
    "no fee": ("phone-number-added", {"number": "+1"}),
    "no number": ("phone-number-added", {"monthly_fee_micros": 1}),
    "an empty number": ("phone-number-added", {"number": "", "monthly_fee_micros": 1}),
    "no number to remove": ("phone-number-removed", {}),
    "no plan": ("plan-change-requested", {}),
    "a plan that is a number": ("plan-change-requested", {"plan": 7}),
    "a reason that is no text": ("subscription-cancel-requested", {"reason": 7}),
    "no e-mail": ("billing-email-set", {"billing_email": "nobody"}),
}


@pytest.mark.parametrize(("kind", "fields"), WRONG.values(), ids=WRONG.keys())
def test_m13_g10_types_and_ranges_are_checked(kind: str, fields: Event) -> None:
    assert paying().says(kind, **fields).refusal() == "schema_invalid"


# 0007: what no card can be charged is carried on, and the sums of years have to fit 64 bits.
def test_m13_the_fees_of_all_numbers_are_bounded_together() -> None:
    story = paying().adds_number("+1", fee="8_999_999_998").adds_number("+2", fee="1.99")
    assert story.refusal() is None
    assert story.adds_number("+3", fee="0.01").refusal() == "schema_invalid"
    assert story.adds_number("+2", fee=2).refusal() == "schema_invalid"
    assert story.adds_number("+2", fee=1).refusal() is None


@pytest.mark.parametrize("rate_ppm", [0, 1_000_000])
def test_m13_the_bounds_of_a_rate_are_rates(rate_ppm: int) -> None:
    assert paying().is_taxed(rate_ppm).refusal() is None


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("tax-rate-set", {"rate_ppm": 1}),
        ("phone-number-added", {"number": "+1", "monthly_fee_micros": 1}),
        ("phone-number-removed", {"number": "+1"}),
        ("billing-email-set", {"billing_email": "a@example.com"}),
        ("billing-details-set", {"name": "Example Ltd"}),
    ],
)
def test_m13_g10_billing_of_nobody_is_refused(kind: str, fields: Event) -> None:
    assert Story().says(kind, **fields).refusal() == "unknown_account"


# B7: a fee that is replaced after the boundary, before its tick: the period before pays the fee that it had.
def test_m13_b07_a_fee_replaced_before_the_tick_counts_from_its_own_period() -> None:
    story = paying().adds_number(fee=1).waits("2026-02-01T00:00:01Z").adds_number(fee=3)
    assert [n["monthly_fee_micros"] for n in story.snapshot()["phone_numbers"]] == [usd(3)]
    story.adds_number(fee=4).ticks("2026-02-01T00:00:02Z").ticks(MARCH)
    assert numbers(story) == [[usd(1)], [usd(4)]]


# The same when the owner removes the number in the new period and adds it again with another fee.
def test_m13_b07_a_number_removed_and_added_again_before_the_tick_keeps_its_fee_in_the_period_before() -> None:
    story = paying().adds_number(fee=1).waits("2026-02-01T00:00:01Z").removes_number().adds_number(fee=3)
    story.removes_number().adds_number(fee=4).ticks("2026-02-01T00:00:02Z").ticks(MARCH)
    assert numbers(story) == [[usd(1)], [usd(4)]]


# 0020: a number that comes back in the next period is another holding: the period before pays the fee that it had.
def test_m13_p12_a_number_that_comes_back_before_the_tick_keeps_its_old_fee_in_the_period_before() -> None:
    story = paying().adds_number(fee=1).waits("2026-01-05T00:00:00Z").removes_number()
    story.waits("2026-02-01T00:00:01Z").adds_number(fee=3).ticks("2026-02-01T00:00:02Z").ticks(MARCH)
    assert [billed(i) for i in story.invoices()] == [
        dollars(("subscription", 49), ("phone_number", 1)),
        dollars(("subscription", 49), ("phone_number", 3)),
    ]


# The same where the number is removed and comes back within the next period: it is paid once there, at the new fee.
def test_m13_b07_a_number_taken_back_before_the_tick_keeps_its_old_fee_in_the_period_before() -> None:
    story = paying().adds_number(fee=1).waits("2026-02-01T00:00:01Z").removes_number().adds_number(fee=3)
    story.ticks("2026-02-01T00:00:02Z").ticks(MARCH)
    assert numbers(story) == [[usd(1)], [usd(3)]]


# Its place among the numbers stays as well.
def test_m13_a_number_with_another_fee_keeps_its_place() -> None:
    story = paying().adds_number("+1", fee=1).adds_number("+2", fee=1)
    story.waits("2026-02-01T00:00:01Z").adds_number("+1", fee=3)
    assert [n["number"] for n in story.snapshot()["phone_numbers"]] == ["+1", "+2"]
    february = story.ticks("2026-02-01T00:00:02Z").ticks(MARCH).invoices()[1]
    assert billed(february) == dollars(FEE, ("phone_number", 3), ("phone_number", 1))
