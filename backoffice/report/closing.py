"""Sums what needs all events to be read: invoices, card payments, wallets, and what stands at the month's end."""

from collections import Counter

from backoffice.documents.facts import Invoice
from backoffice.report.books import Books
from backoffice.report.facts import Entry
from backoffice.report.sums import Key, Sums
from schemas.instant import parse_instant

# Rule R1: these kinds give back what the two others have taken.
GIVES_BACK = {"dispute_won": "dispute", "refund_failed": "refund"}


def close_month(books: Books) -> Sums:
    """All sums of the month."""
    _sum_invoices(books)
    _sum_cards(books)
    _sum_wallets(books)
    _sum_open(books)
    _sum_carried(books)
    _sum_reversals(books)
    if not alerts_missing(books):
        _sum_disputes(books)
    return books.sums


def alerts_missing(books: Books) -> int:
    """The number of reversals whose alert is not among the events: without it nobody knows what is in dispute."""
    alerted = {(alert.account_id, alert.caused_by) for alert in books.reversals.reported.values()}
    return len(books.reversals.causes - alerted)


def _sum_invoices(books: Books) -> None:
    """A fee or proration counts for the plan that its line names, other lines for the plan at the period's end."""
    for account in books.invoices.values():
        for at_ms, invoice in account.issued:
            if not books.month.holds(at_ms):
                continue
            plan = _plan_of(books, invoice)
            for line in invoice.lines:
                key = Key(invoice.currency, books.plans.of_line(line) or plan, "invoiced", line.kind)
                books.sums.add(key, line.amount_micros)
                books.sums.add(key._replace(item="total"), line.amount_micros, amounts=0)
            books.sums.add(Key(invoice.currency, plan, "invoiced", "total"), 0)
    for at_ms, marked in books.reversals.marked.values():
        if books.month.holds(at_ms):
            plan = books.plans.at(marked.account_id, at_ms)
            micros = -marked.amount_micros if marked.kind in GIVES_BACK else marked.amount_micros
            books.sums.add(Key(marked.currency, plan, "invoiced", "reversed"), micros)


def _plan_of(books: Books, invoice: Invoice) -> str:
    return books.plans.at(invoice.account_id, int(parse_instant(invoice.period_end)) - 1)


def _sum_cards(books: Books) -> None:
    for at_ms, receipt in books.receipts.values():
        plan = books.plans.at(receipt.account_id, at_ms)
        for item in (receipt.purpose, "total"):
            books.sums.add(Key(receipt.currency, plan, "cards", item), receipt.amount_micros)


def _sum_wallets(books: Books) -> None:
    """Balances of accounts that changed their plan in the month open under the one and close under the other."""
    month = books.month
    for account_id, ledger in books.ledgers.accounts.items():
        opening = Key(ledger.currency, books.plans.at(account_id, month.start_ms - 1), "wallets", "opening")
        books.sums.add(opening, ledger.opening_micros)
        for at_ms, entry in ledger.month:
            plan = books.plans.at(account_id, at_ms)
            books.sums.add(Key(ledger.currency, plan, "wallets", _item_of(entry)), entry.amount_micros)
        closing = Key(ledger.currency, books.plans.at(account_id, month.end_ms - 1), "wallets", "closing")
        books.sums.add(closing, ledger.closing_micros)
        if ledger.closing_micros:
            item = "liability" if ledger.closing_micros > 0 else "debt"
            books.sums.add(closing._replace(section="month_end", item=item), ledger.closing_micros)


def _item_of(entry: Entry) -> str:
    return "paid_out" if entry.pays_out_carried else entry.kind


def _sum_open(books: Books) -> None:
    for account in books.invoices.values():
        for _, invoice in account.issued:
            open_micros = _open_micros(books, invoice)
            if open_micros:
                books.sums.add(Key(invoice.currency, _plan_of(books, invoice), "month_end", "open"), open_micros)


def _open_micros(books: Books, invoice: Invoice) -> int:
    """What was open at the issue, less what card payments for the invoice brought since then."""
    key = invoice.account_id, invoice.invoice_id
    if invoice.status == "paid" or key in books.paid:
        return 0
    return max(0, invoice.unpaid_micros - books.collected[key])


def _sum_carried(books: Books) -> None:
    """What goes on to each account's next invoice: by its snapshot, if that is not older than its newest invoice, else
    by that invoice. Only a snapshot has what was paid beyond an invoice since its issue. Rules B3, B6 and P7.
    """
    for account_id in sorted(books.invoices.keys() | books.snapshots.accounts()):
        issued = books.invoices[account_id].issued
        newest_ms, newest = max(issued, key=lambda one: one[1].number) if issued else (-1, None)
        known = books.snapshots.at_end(account_id)
        if known is not None and known[0] >= newest_ms:
            snapshot = known[1]
            key, micros = Key(snapshot.currency, snapshot.plan, "month_end", "carried"), snapshot.carried_micros
        elif newest is not None:
            key = Key(newest.currency, _plan_of(books, newest), "month_end", "carried")
            micros = (newest.carried_micros or 0) + books.paid_out[account_id, newest.invoice_id]
        else:
            continue
        if micros:
            books.sums.add(key, micros)


def _sum_reversals(books: Books) -> None:
    """The payments that are back at the month's end: of wallets, and of invoices before and after their issue."""
    back = Counter[tuple[str, str]]()
    for account_id, micros in books.reversals.wallet_micros.items():
        back[account_id, books.ledgers.accounts[account_id].currency] -= micros
    for account_id, account in books.invoices.items():
        for _, invoice in account.issued:
            back[account_id, invoice.currency] += invoice.reversed_micros or 0
    for _, marked in books.reversals.marked.values():
        sign = -1 if marked.kind in GIVES_BACK else 1
        back[marked.account_id, marked.currency] += sign * marked.amount_micros
    for (account_id, currency), micros in back.items():
        if micros:
            plan = books.plans.at(account_id, books.month.end_ms - 1)
            books.sums.add(Key(currency, plan, "month_end", "reversed"), micros)


def _sum_disputes(books: Books) -> None:
    """What banks took by disputes that are not won, as they reported it."""
    disputed = Counter[tuple[str, str, str]]()
    for alert in books.reversals.reported.values():
        if "dispute" in (alert.kind, GIVES_BACK.get(alert.kind)):
            sign = -1 if alert.kind in GIVES_BACK else 1
            disputed[alert.account_id, alert.payment_id, alert.currency] += sign * alert.amount_micros
    for (account_id, _, currency), micros in disputed.items():
        if micros > 0:
            plan = books.plans.at(account_id, books.month.end_ms - 1)
            books.sums.add(Key(currency, plan, "month_end", "disputed"), micros)
