"""B8: quantity and unit price of an invoice's lines. Money in dollars."""

from collections.abc import Callable

import pytest

from schemas.plan import Catalogue
from tests.rules.story import BOTH, Event, usd
from tests.rules.subscriber import FEBRUARY, MARCH, MINUTE_MS, Subscriber, minutes_plans, paying

YEARLY = minutes_plans(professional={"interval": "year"})
# The same direction has another rate after a change of plan. Both plans include 100 minutes.
TWO_RATES = minutes_plans(dental={"inbound_micros": usd("0.20"), "included_minutes": 100})

Line = tuple[str, float | None, str | int | None]
FEE: Line = ("subscription", 1, 49)


def priced(invoice: Event) -> list[Line]:
    """(kind, quantity, unit price in micros) of each line, None where a line has none; overage with its direction."""
    return [
        (
            f"{line['kind']} {line['direction']}" if "direction" in line else line["kind"],
            line.get("quantity"),
            line.get("unit_amount_micros"),
        )
        for line in invoice["lines"]
    ]


def micros(lines: list[Line]) -> list[Line]:
    return [(kind, quantity, None if unit is None else usd(unit)) for kind, quantity, unit in lines]


def payer(catalogue: Catalogue | None = None) -> Subscriber:
    return paying() if catalogue is None else paying(catalogue=catalogue)


def on_credits() -> Subscriber:
    """25 included calls, an extra one at $3, and another with two features, which costs the cap."""
    story = Subscriber().opens().switches("extra_calls", *BOTH).adds_card().is_granted(100)
    return story.calls(26).call("both", used=BOTH)


# B8. what happened in January -> the lines of its invoice.
@pytest.mark.parametrize(
    ("story", "lines"),
    [
        pytest.param(payer, [FEE], id="a month's fee"),
        pytest.param(lambda: payer(YEARLY), [("subscription", 12, 49)], id="a year's fee: twelve months"),
        pytest.param(
            lambda: payer().adds_number(fee=2).adds_number("+15550101", fee=3),
            [FEE, ("phone_number", 1, 2), ("phone_number", 1, 3)],
            id="each number: one month",
        ),
        pytest.param(
            lambda: payer().uses(99).talks("split", 150_000).uses(2, direction="web"),
            [FEE, ("overage inbound", 2, "0.11"), ("overage web", 2, "0.08")],
            id="minutes beyond the included ones, at their rate",
        ),
        pytest.param(
            lambda: payer().uses(100).uses(5).uses(3, "wrong").reclassifies("wrong", real=False),
            [FEE, ("overage inbound", 5, "0.11")],
            id="a correction takes its minutes off",
        ),
        pytest.param(
            lambda: payer(TWO_RATES).uses(100).uses(5).changes_plan("dental").settles("subscription").uses(5),
            [FEE, ("proration", None, None), ("proration", None, None), ("overage inbound", 10, None)],
            id="no rate where calls had several",
        ),
        pytest.param(
            on_credits, [("overage inbound", 2, None), ("wallet_credit", None, None)], id="calls that cost something"
        ),
        pytest.param(
            lambda: on_credits().changes_plan("professional").settles("subscription").uses(110),
            [("proration", None, None), ("overage inbound", None, None), ("wallet_credit", None, None)],
            id="neither where calls of both families are in one line",
        ),
        pytest.param(
            lambda: payer().is_taxed(100_000).buys("p1", 20).settles("purchase").uses(110),
            [
                FEE,
                ("overage inbound", 10, "0.11"),
                ("top_up", None, None),
                ("tax", None, None),
                ("wallet_credit", None, None),
            ],
            id="top-ups, tax and what the wallet paid have neither",
        ),
    ],
)
def test_b08_quantity_and_unit_price(story: Callable[[], Subscriber], lines: list[Line]) -> None:
    assert priced(story().ticks(FEBRUARY).invoices()[0]) == micros(lines)


# B8: a late correction counts with its sign, like its amount.
def test_b08_a_late_correction_has_a_negative_quantity() -> None:
    story = (
        payer().uses(100).uses(5, "late").ticks(FEBRUARY).settles_all().reclassifies("late", real=False).ticks(MARCH)
    )
    (line,) = [line for line in story.invoices()[1]["lines"] if line["kind"] == "overage"]
    assert (line["quantity"], line["unit_amount_micros"], line["amount_micros"]) == (-5, usd("0.11"), -usd("0.55"))


# B8: the product need not be the amount, because each call is rounded by itself: three calls of 6 s at $0.11 a minute.
def test_b08_the_product_need_not_be_the_amount() -> None:
    by_second = minutes_plans(professional={"included_minutes": 0, "increment_first_s": 1, "increment_next_s": 1})
    story = payer(by_second)
    for number in range(3):
        story.talks(f"short{number}", MINUTE_MS // 10)
    (line,) = [line for line in story.ticks(FEBRUARY).invoices()[0]["lines"] if line["kind"] == "overage"]
    assert (line["quantity"], line["unit_amount_micros"], line["amount_micros"]) == (0.3, usd("0.11"), usd("0.03"))
