"""What the provider refuses at the moment for no fault of a card: for the metric that pages operators, and the log."""

from collections import Counter

from payments.adapter.answer import answer_id
from payments.outcome import Outcome, Refused, Unknown, Why
from payments.payment_state import PaymentState
from payments.reversal import Listed, Looked
from stream import log

logger = log.get("payments")

_LISTING = ""  # The name of the listing among the payments.


class Refusals:
    """The payments of a partition, and its listing, whose last request was refused."""

    def __init__(self) -> None:
        self._why: dict[str, Why] = {}

    def count(self) -> Counter[Why]:
        return Counter(list(self._why.values()))

    def note(self, payment: PaymentState, response: Outcome | Looked) -> None:
        """Record a response about a payment, and log one that leaves it unknown."""
        self._set(payment.payment_id, response)
        if isinstance(response, Unknown):
            event = "payment refused" if isinstance(response, Refused) else "outcome unknown"
            # The payment id contains the account id, so the line names the payment by the id of its answer.
            name, attempts = answer_id(payment.payment_id), payment.attempts + 1
            logger.warning(event, payment=name, what=response.detail, attempts=attempts)

    def note_listing(self, response: Listed | Unknown) -> None:
        self._set(_LISTING, response)
        if isinstance(response, Unknown):
            logger.warning("disputes and refunds not listed", what=response.detail)

    def _set(self, name: str, response: object) -> None:
        if isinstance(response, Refused):
            self._why[name] = response.why
        else:
            self._why.pop(name, None)
