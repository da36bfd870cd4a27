"""Prints a comparison of plans: a table for each account, its periods, and a total."""

from collections.abc import Iterator, Mapping
from typing import IO

from rich import box
from rich.console import Console
from rich.table import Table

from agents.wallet.rating.compare import CostOnPlan
from backoffice.whatif.comparison import AccountCompared, Comparison, Plans, cheapest
from schemas.instant import MINUTE_MS
from schemas.money import format_money
from schemas.period import local_date
from schemas.plan import AnyPlan, CreditsPlan

# A pipe or a file has no width: this is wide enough that no cell breaks over two lines.
_WIDTH_OF_A_FILE = 200

_CALLS = "Only calls that were answered, real and not redirected count."
_SUBSCRIPTION = (
    "A subscription costs its monthly price in each period, from the period of the first call to that of the last."
    " Taxes and phone numbers are left out."
)


def console_for(file: IO[str]) -> Console:
    """A console that does not interpret markup: account ids may look like it."""
    width = None if file.isatty() else _WIDTH_OF_A_FILE
    return Console(file=file, width=width, markup=False, emoji=False, highlight=False)


def print_account(console: Console, compared: AccountCompared, plans: Plans) -> None:
    whole, periods = compared.whole, compared.periods
    first, end = (local_date(at_ms, compared.time_zone) for at_ms in (periods[0].start_ms, periods[-1].end_ms))
    _print_line(console, f"Account {compared.account_id}, now on {compared.plan}: {_calls(whole)}")
    _print_line(console, f"{_counted(len(periods), 'period')}, {first} until {end} ({compared.time_zone})")
    console.print(_plans_table(whole, plans, compared.plan))
    if len(periods) > 1:
        console.print()
        console.print(_periods_table(compared))


def print_total(console: Console, total: Comparison, plans: Plans) -> None:
    _print_line(console, f"All {total.accounts} accounts in {total.currency}: {_calls(total)}")
    console.print(_plans_table(total, plans, None))


def print_assumptions(console: Console, plans: Plans) -> None:
    """The assumptions behind the figures. docs/decisions/0021."""
    _print_line(console, _CALLS)
    credit_plans = _names(name for name, plan in plans.items() if isinstance(plan, CreditsPlan))
    if credit_plans:
        assumed = "extra calls and every feature that a call used count as switched on and paid for"
        _print_line(console, f"On {credit_plans}, {assumed}.")
    _print_line(console, _SUBSCRIPTION)
    yearly = _names(name for name, plan in plans.items() if plan.interval == "year")
    if yearly:
        _print_line(console, f"The subscription of {yearly} is paid twelve months in advance.")


def _plans_table(compared: Comparison, plans: Plans, now: str | None) -> Table:
    """One row for each plan. The difference is to the cost on the accounts' own plans."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("plan")
    for title in ("calls", "minutes", "included used", "subscription", "for calls", "total", "difference"):
        table.add_column(title, justify="right")
    table.add_column("")
    for name, cost in compared.costs.items():
        difference_micros = cost.total_micros - compared.now_micros
        table.add_row(
            f"{name} (now)" if name == now else name,
            f"{cost.calls:,}",
            "-" if isinstance(plans[name], CreditsPlan) else format_minutes(cost.rated_ms),
            _included(plans[name], cost),
            format_money(cost.subscription_micros, compared.currency),
            format_money(cost.calls_micros, compared.currency),
            format_money(cost.total_micros, compared.currency),
            f"{'+' if difference_micros > 0 else ''}{format_money(difference_micros, compared.currency)}",
            "cheapest" if name in compared.cheapest else "",
        )
    return table


def _periods_table(compared: AccountCompared) -> Table:
    """One row for each period: the total on each plan."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("period from")
    for title in ("calls", *compared.whole.costs):
        table.add_column(title, justify="right")
    table.add_column("cheapest")
    for period in compared.periods:
        table.add_row(
            str(local_date(period.start_ms, compared.time_zone)),
            f"{period.calls:,}",
            *_totals(period.costs, compared.whole.currency),
            _names(name for name in period.costs if name in cheapest(period.costs)),
        )
    return table


def _totals(costs: Mapping[str, CostOnPlan], currency: str) -> list[str]:
    return [format_money(cost.total_micros, currency) for cost in costs.values()]


def _calls(compared: Comparison) -> str:
    """Number and duration of the calls, and the amount actually charged for them."""
    talk = f"{_counted(compared.calls, 'call')}, {format_minutes(compared.billable_ms)} min"
    charged = f"{format_money(compared.charged_micros, compared.currency)} charged for calls"
    redirected = compared.redirected_calls
    return f"{talk}, {charged}" + (f"; {_counted(redirected, 'redirected call')} in no figure" if redirected else "")


def _included(plan: AnyPlan, cost: CostOnPlan) -> str:
    if isinstance(plan, CreditsPlan):
        return f"{cost.included_calls:,} of {plan.included_calls * cost.periods:,} calls"
    return f"{format_minutes(cost.included_ms)} of {plan.included_minutes * cost.periods:,} min"


def format_minutes(millis: int) -> str:
    """Minutes with at most two decimals, the rest cut off, for display."""
    whole, rest = divmod(millis, MINUTE_MS)
    return f"{whole:,}.{rest * 100 // MINUTE_MS:02d}".rstrip("0").rstrip(".")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _names(names: Iterator[str]) -> str:
    return ", ".join(names)


def _print_line(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True)
