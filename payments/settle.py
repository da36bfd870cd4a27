"""What the provider said, as the payment's next row. Rules C12 and C14."""

from payments.outcome import Declined, Outcome, Pending, Succeeded
from payments.payment import Payment, ask_again, decline, succeed, wait_for_it
from schemas.instant import parse_instant


def settle(payment: Payment, outcome: Outcome, now_ms: int) -> Payment:
    """The next row of an open payment. Where the provider gave no time, the answer bears that of the request.

    A time before the request, by a clock that is behind, is put right: an answer does not precede its question.
    """
    requested_ms = int(parse_instant(payment.requested_at))
    match outcome:
        case Succeeded(reference, at_ms):
            return succeed(payment, reference, max(requested_ms, at_ms or 0), now_ms)
        case Declined(reason, retryable, reference, at_ms):
            return decline(payment, reason, reference, max(requested_ms, at_ms or 0), now_ms, retryable=retryable)
        case Pending(reference, look_at_ms):
            return wait_for_it(payment, reference, look_at_ms, now_ms)
        case _:
            return ask_again(payment, now_ms)
