"""The live view: a table that refreshes on a terminal, a plain line every few seconds elsewhere."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.table import Table

from demo.progress import Progress
from demo.subscription_changes import SubscriptionChanges
from demo.watch import Money, Totals
from schemas.money import format_money
from schemas.plan_prices import DEFAULT_CURRENCY

LINE_EVERY_S = 5.0
KINDS_MAX = 4  # Dead letters have twenty codes, which would fill the screen.


class Show:
    """Use as a context manager. `update` limits its own output."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._next_line_s = time.monotonic() + LINE_EVERY_S

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, progress: Progress, *, last: bool = False) -> None:
        if self._live is not None:
            self._live.update(panel(progress, self._title), refresh=True)
        elif last or time.monotonic() >= self._next_line_s:
            self._console.print(line(progress), soft_wrap=True, highlight=False)
            self._next_line_s = time.monotonic() + LINE_EVERY_S


def clock(progress: Progress) -> str:
    """The virtual time of the newest fact, to the minute."""
    newest = progress.totals.newest
    return f"{newest[:10]} {newest[11:16]}" if newest else "-"


def line(progress: Progress) -> str:
    totals = progress.totals
    return (
        f"{clock(progress)}  {progress.per_second:,} events/s  lag {progress.waiting:,}  "
        f"charged {totals.calls.total():,} calls ({money(totals.charged_micros)})  "
        f"redirected {totals.of('call-decisions', 'call-redirected'):,}  "
        f"renewals {totals.renewals:,}  invoices {totals.of('invoices', 'invoice-issued'):,}, "
        f"{totals.invoices_paid:,} paid  "
        f"declines {totals.changes.counts['declines']:,}  dead letters {totals.dead_letters.total():,}"
    )


def panel(progress: Progress, title: str) -> Panel:
    totals = progress.totals
    table = Table.grid(padding=(0, 3), expand=False)
    table.add_column(style="dim")
    table.add_column(justify="right", style="bold", min_width=12)
    table.add_column(style="dim", overflow="fold")
    table.add_row("virtual time", clock(progress), "")
    table.add_row("events decided", f"{progress.decided:,}", f"{progress.per_second:,} per second")
    table.add_row("lag", f"{progress.waiting:,}", f"{progress.unpaid:,} payments in progress")
    table.add_row("calls admitted", f"{totals.of('call-decisions', 'call-admitted'):,}", "")
    table.add_row("calls redirected", f"{totals.of('call-decisions', 'call-redirected'):,}", summed(totals.reasons))
    adjusted = f"{totals.of('charges', 'charge-adjusted'):,} adjusted later"
    table.add_row("calls charged", f"{totals.calls.total():,}", f"{summed(totals.calls)}; {adjusted}")
    table.add_row("money charged", in_all(totals.charged_micros), money(totals.charged_micros))
    table.add_row("", "", f"minutes beyond those included: {overage(totals)}")
    table.add_row("renewals", f"{totals.renewals:,}", summed(owners(totals.changes)))
    table.add_row("invoices", f"{totals.of('invoices', 'invoice-issued'):,}", f"{totals.invoices_paid:,} paid")
    table.add_row("card payments", f"{totals.of('invoices', 'receipt-issued'):,}", cards(totals))
    table.add_row("refills", f"{totals.of('refills', 'refill-succeeded'):,}", summed(totals.types("refills")))
    table.add_row("alerts", f"{totals.of('alerts'):,}", summed(totals.types("alerts")))
    table.add_row("dead letters", f"{totals.dead_letters.total():,}", summed(totals.dead_letters, KINDS_MAX))
    return Panel(table, title=title, title_align="left", expand=False)


def amounts(micros: Mapping[str, int]) -> str:
    """A sum of each currency, dollars first: `$21.00 and 3.30 EUR`. Sums of different currencies are never added."""
    ordered = sorted(micros.items(), key=lambda sum_of: (sum_of[0] != DEFAULT_CURRENCY, sum_of[0]))
    return " and ".join(format_money(amount, currency) for currency, amount in ordered) or format_money(0)


def named(micros: Money, name: str) -> Counter[str]:
    """The sum of each currency under one name."""
    return Counter({currency: amount for (what, currency), amount in micros.items() if what == name})


def in_all(micros: Money) -> str:
    """The sum of each currency over all names."""
    return amounts(sum_by((currency, amount) for (_, currency), amount in micros.items()))


def sum_by(sums: Iterable[tuple[str, int]]) -> Counter[str]:
    """The sum of the amounts of each name or currency. Zero sums stay."""
    found: Counter[str] = Counter()
    for name, amount in sums:
        found[name] += amount
    return found


def money(micros: Money) -> str:
    """Amounts by name: `credits $21.00 and 2.80 EUR, minutes $3.30`."""
    names = sorted({name for name, _ in micros})
    return ", ".join(f"{name} {amounts(named(micros, name))}" for name in names) or "none"


def overage(totals: Totals) -> str:
    paid_micros = totals.paid_micros
    return f"{amounts(named(paid_micros, 'wallet'))} from wallets, {amounts(named(paid_micros, 'card'))} on cards"


def owners(changes: SubscriptionChanges) -> Counter[str]:
    """The changes that owners requested, without declines of their cards."""
    return Counter({name: count for name, count in changes.counts.items() if name != "declines"})


def cards(totals: Totals) -> str:
    return (
        f"{amounts(named(totals.paid_micros, 'receipts'))} with receipts; "
        f"{totals.changes.counts['declines']:,} declined, {totals.retried:,} requests retried"
    )


def summed(counts: Counter[str], most: int | None = None) -> str:
    """The most frequent first: `insufficient_balance 12, extra_calls_off 3`; beyond `most`, the number of kinds
    left.
    """
    shown = [f"{name} {count:,}" for name, count in counts.most_common(most)]
    more = len(counts) - len(shown)
    return ", ".join([*shown, f"{more} more kinds"] if more else shown)
