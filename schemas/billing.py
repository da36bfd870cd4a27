"""Rows of what an account is billed for besides its calls: fees, numbers, bills and invoices."""

from schemas.account import Row


class FeeLine(Row, frozen=True, array_like=True):
    """A line of the invoice of the period that holds `at_ms`: a term's fee, or one side of a proration (rules M6 and
    M7). `months` is the length of the term that a fee pays, 0 in rows of earlier versions and in prorations.
    """

    kind: str
    description: str
    amount_micros: int
    at_ms: int
    months: int = 0


class PhoneNumber(Row, frozen=True, array_like=True):
    """A phone number with a monthly fee (rule M13). A removed number is kept until its last invoice."""

    number: str
    monthly_fee_micros: int
    added_at_ms: int
    removed_at_ms: int | None = None


class Billing(Row, frozen=True, array_like=True):
    """What an account is billed for besides its calls. Money in micros.

    `lines` are to be invoiced, and `bills` names the bills for them. `fees` counts those bills so far, `overages` the
    overage payments, `invoices` the invoices; invoices below `open_from` are paid. `carried_micros` goes on the next
    invoice as its `carried` line (rule B3). `closing_micros` is where the wallet statement of the last period ended
    (rule B7). `overage_asked_micros` is what overage payments requested since the last invoice have paid or are asking
    for (rule P14).

    `version` is 1 once the row is as this version of the engine writes it. The other fields are read in older rows
    (`agents/wallet/billing/upgrade.py`) and not used otherwise.
    """

    lines: tuple[FeeLine, ...] = ()
    bills: tuple[str, ...] = ()
    numbers: tuple[PhoneNumber, ...] = ()
    tax_rate_ppm: int = 0
    fees: int = 0
    overages: int = 0
    overage_wanted: bool = False
    card_settled_micros: int = 0
    invoices: int = 0
    open_from: int = 1
    card_invoiced_micros: int = 0
    credit_micros: int = 0
    plan_before: str = ""
    version: int = 0
    carried_micros: int = 0
    closing_micros: int = 0
    overage_asked_micros: int = 0


class Bill(Row, frozen=True, array_like=True):
    """What is requested from the default card until it is paid: a fee or a proration, an issued invoice, or the overage
    since the last invoice. Rules B4 and M6.

    `amount_micros` is what is not paid, and `asked_micros` is what payments without an answer are asking for; the rest
    is open. A proration may be negative: it is never requested and reduces its invoice. Of overage, `amount_micros` is
    0 and `Account.card_due_micros` is what is open. `attempts` counts the payments, `declines` the declines that the
    next wait depends on. `due_ms` is when the open part is requested again, or when a paid invoice is forgotten.
    `alerted` has the reasons why no card could be asked that the owner knows of. `reversed_micros` is the money of it
    that came back (rule R8).

    The bill of a fee stays until the invoice of the period that holds `at_ms` takes it over, the bill of an invoice
    until it is paid. `status` and `invoice` are read in older rows only.
    """

    purpose: str
    amount_micros: int
    status: str = ""
    at_ms: int = 0
    invoice: int = 0
    attempts: int = 0
    declines: int = 0
    due_ms: int = 0
    asked_micros: int = 0
    alerted: tuple[str, ...] = ()
    reversed_micros: int = 0

    @property
    def open_micros(self) -> int:
        """The amount that is neither paid nor requested."""
        return max(0, self.amount_micros - self.asked_micros)


class Invoice(Row, frozen=True, array_like=True):
    """An unpaid invoice of an earlier version: the bill of the invoice has taken its place.

    It was paid when nothing of its bills was open (`bills_micros`) and the account's settled overage had reached
    `card_mark_micros`.
    """

    bills_micros: int
    card_mark_micros: int
