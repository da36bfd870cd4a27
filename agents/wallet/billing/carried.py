"""The sum that goes on to the next invoice, because no card can be asked for it now. Rules B3, B6 and P7."""

from msgspec.structs import replace

from agents.wallet.billing.usage import period_to_invoice, schedule_period_end
from agents.wallet.turn import Turn


def carry(turn: Turn, micros: int) -> None:
    """Add to what is carried to the next invoice; a negative sum was paid beyond what was due. Rule P7."""
    turn.billing = replace(turn.billing, carried_micros=turn.billing.carried_micros + micros)
    schedule_period_end(turn, period_to_invoice(turn, turn.instant_ms))


def pay_out_carried(turn: Turn, ahead_micros: int) -> None:
    """Pay a negative carried sum into the wallet, because the account may never have another invoice. Rule B6.

    What overage payments have paid of calls of a later period, `ahead_micros`, stays carried. The credits are not
    refundable: they are not a part of any purchase.
    """
    billing = turn.billing
    micros = -billing.carried_micros - ahead_micros
    if micros <= 0 or not billing.invoices:
        return
    turn.billing = replace(billing, carried_micros=billing.carried_micros + micros)
    turn.account = replace(turn.account, credited_micros=turn.account.credited_micros + micros)
    turn.move(micros, "adjustment", f"{turn.account_id}/invoice/{billing.invoices}")
