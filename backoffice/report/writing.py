"""Writes the sums of a month as tables and as CSV, and the receipts as CSV."""

import csv
from typing import IO

from rich import box
from rich.console import Console
from rich.table import Table

from backoffice.documents.facts import Receipt
from backoffice.report.month import Month
from backoffice.report.sums import SECTIONS, TITLES, Sums
from schemas.money import MICROS_PER_UNIT, USUAL_DIGITS, format_money, shipped_digits

# A pipe or a file has no width: this is wide enough that no cell breaks over two lines.
_WIDTH_OF_A_FILE = 200
_SUM_COLUMNS = ("month", "time_zone", "currency", "plan", "section", "item", "amount", "number")
_RECEIPT_COLUMNS = (
    *("paid_at", "account_id", "receipt_id", "payment_id", "purpose", "reference"),
    *("currency", "amount", "brand", "last4", "provider_reference"),
)
# A spreadsheet takes text that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def print_tables(file: IO[str], sums: Sums, month: Month) -> None:
    """A table for each currency: a row for each item, a column for each plan, and one for all of them."""
    width = None if file.isatty() else _WIDTH_OF_A_FILE
    console = Console(file=file, width=width, markup=False, emoji=False, highlight=False)
    for number, currency in enumerate(sums.currencies()):
        if number:
            console.print()
        console.print(f"{month.name} in {currency} (days in {month.time_zone})", soft_wrap=True)
        console.print(_table(sums, currency))
    if not sums.by_key:
        console.print(f"{month.name}: no money moved.")


def _table(sums: Sums, currency: str) -> Table:
    plans = sums.plans(currency)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("")
    for plan in (*plans, "all plans"):
        table.add_column(plan, justify="right")
    table.add_column("number", justify="right")
    last_section = ""
    for section, item in sums.items(currency):
        if section != last_section:
            if last_section:
                table.add_row()
            table.add_row(TITLES[section])
            last_section = section
        whole = sums.of(currency, section, item)
        by_plan = [sums.of(currency, section, item, plan) for plan in plans]
        shown = ["" if one is None else format_money(one.micros, currency) for one in (*by_plan, whole)]
        table.add_row(f"  {SECTIONS[section][item]}", *shown, "" if whole is None else f"{whole.amounts:,}")
    return table


def write_sums(file: IO[str], sums: Sums, month: Month) -> None:
    """One row for each currency, plan and item; amounts as decimals with the currency's own digits."""
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(_SUM_COLUMNS)
    for currency in sums.currencies():
        for section, item in sums.items(currency):
            for plan in sums.plans(currency):
                one = sums.of(currency, section, item, plan)
                if one is not None:
                    amount = decimal(one.micros, currency)
                    rows.writerow((month.name, month.time_zone, currency, plan, section, item, amount, one.amounts))


def write_receipts(file: IO[str], receipts: list[Receipt]) -> None:
    """One row for each card payment, with the provider's reference, by which a payout is matched."""
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(_RECEIPT_COLUMNS)
    for receipt in sorted(receipts, key=lambda one: (one.occurred_at, one.account_id, one.receipt_id)):
        rows.writerow(
            (
                *(receipt.occurred_at, receipt.account_id, receipt.receipt_id, receipt.payment_id, receipt.purpose),
                *(_cell(receipt.reference), receipt.currency, decimal(receipt.amount_micros, receipt.currency)),
                *(receipt.brand, receipt.last4, _cell(receipt.provider_reference)),
            )
        )


def decimal(micros: int, currency: str) -> str:
    """`-5.99`: the currency's own digits, more only where they are needed, and nothing else."""
    units, rest = divmod(abs(micros), MICROS_PER_UNIT)
    fraction = f"{rest:06d}".rstrip("0").ljust(shipped_digits().get(currency, USUAL_DIGITS), "0")
    return f"{'-' if micros < 0 else ''}{units}{'.' if fraction else ''}{fraction}"


def _cell(text: str | None) -> str:
    """Free text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text and text.startswith(_FORMULA) else text or ""
