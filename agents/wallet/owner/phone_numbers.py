"""Phone numbers with a monthly fee. Rules M13 and P12."""

from msgspec.structs import replace

from agents.wallet.billing.usage import period_to_invoice, schedule_period_end
from agents.wallet.funds.amounts import refuse_fraction
from agents.wallet.turn import Effect, Refusal, Turn
from schemas.billing import Billing, PhoneNumber
from schemas.inputs import PhoneNumberAdded, PhoneNumberRemoved
from schemas.money import AMOUNT_LIMIT_MICROS

# An account has a handful. Without a bound a faulty sender could make its row grow for ever.
NUMBERS_MAX = 64
# Fees that no card can be charged are carried from month to month. One month's are bounded like any other amount, so
# that their sum fits 64 bits, as a row holds them, for decades.
_TOO_MUCH = Refusal("schema_invalid", f"`monthly_fee_micros` would take the account's fees to {AMOUNT_LIMIT_MICROS}")


def add_number(turn: Turn, event: PhoneNumberAdded) -> Effect | Refusal:
    """Add a number, or set the fee of a number that the account holds; with the same fee it is a repeat. Rules K4, M13
    and P7.
    """
    refusal = refuse_fraction(turn, "monthly_fee_micros", event.monthly_fee_micros)
    if refusal is not None:
        return refusal
    billing, at_ms = turn.billing, turn.instant_ms
    known = _held(billing, event.number)
    if known is not None and known.removed_at_ms is None and known.monthly_fee_micros == event.monthly_fee_micros:
        return Effect.REPEAT
    if known is None and len(billing.numbers) >= NUMBERS_MAX:
        return Refusal("schema_invalid", f"the account has {NUMBERS_MAX} phone numbers: remove one first")
    numbers, added = billing.numbers, PhoneNumber(event.number, event.monthly_fee_micros, at_ms)
    start_ms = turn.period(at_ms).start_ms
    if known is None or (known.removed_at_ms is not None and known.removed_at_ms < start_ms):
        numbers = (*numbers, added)
    elif known.added_at_ms < start_ms and 0 < turn.account.billing_due_ms <= start_ms:
        # A period that no tick has ended yet is to pay the fee that the number had: this is another holding. Rule B7.
        numbers = _with(numbers, known, replace(known, removed_at_ms=start_ms), added)
    else:
        numbers = _with(numbers, known, replace(known, monthly_fee_micros=event.monthly_fee_micros, removed_at_ms=None))
    if sum(number.monthly_fee_micros for number in numbers) >= AMOUNT_LIMIT_MICROS:
        return _TOO_MUCH
    turn.billing = replace(billing, numbers=numbers)
    schedule_period_end(turn, period_to_invoice(turn, at_ms))
    return Effect.APPLIED


def remove_number(turn: Turn, event: PhoneNumberRemoved) -> Effect:
    """Remove a number. The current period is the last one that pays for it. A number that is not held is a repeat.
    Rules M13 and P7.
    """
    billing = turn.billing
    known = _held(billing, event.number)
    if known is None or known.removed_at_ms is not None:
        return Effect.REPEAT
    gone = replace(known, removed_at_ms=max(turn.instant_ms, known.added_at_ms))
    turn.billing = replace(billing, numbers=_with(billing.numbers, known, gone))
    return Effect.APPLIED


def _with(numbers: tuple[PhoneNumber, ...], known: PhoneNumber, *instead: PhoneNumber) -> tuple[PhoneNumber, ...]:
    """The numbers with others in the place of a known one."""
    at = next(place for place, phone in enumerate(numbers) if phone is known)
    return (*numbers[:at], *instead, *numbers[at + 1 :])


def _held(billing: Billing, number: str) -> PhoneNumber | None:
    """The newest holding of a number."""
    return next((phone for phone in reversed(billing.numbers) if phone.number == number), None)
