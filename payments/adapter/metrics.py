"""The adapter's metrics. No label carries an account or a payment."""

from collections import Counter as Counts
from collections.abc import Callable, Mapping
from functools import partial
from typing import get_args

from prometheus_client import Counter

from payments.outcome import Why
from stream.ops.instruments import Instruments, Meaning

REQUESTS = ("new", "repeat", "unreadable")
ANSWERS = ("succeeded", "declined", "declined_for_now")
RETRIES = ("pending", "unknown", "refused")
REVERSALS = ("dispute", "dispute_won", "refund", "refund_failed")
LOOKS = ("done", "listed", "unknown")
WEBHOOKS = ("taken", "not_ours", "refused", "unknown")
# A provider usually takes a second or two, and up to half a minute during an outage.
SECONDS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 40, 80)

METRICS = (
    Meaning("tollgate_payments_requests_total", "counter", ("outcome",), "Payment requests read, by outcome."),
    Meaning("tollgate_payments_answers_total", "counter", ("outcome",), "Answers committed, by outcome."),
    Meaning(
        "tollgate_payments_retries_total", "counter", ("why",), "Provider calls that left the payment open, by reason."
    ),
    Meaning("tollgate_payments_reversals_total", "counter", ("kind",), "Reversals committed, by kind."),
    Meaning(
        "tollgate_payments_looks_total",
        "counter",
        ("outcome",),
        "Listings of disputes and refunds at the provider, by outcome.",
    ),
    Meaning("tollgate_payments_provider_seconds", "histogram", (), "Duration of one provider call."),
    Meaning("tollgate_payments_webhooks_total", "counter", ("outcome",), "Webhooks received, by outcome."),
    Meaning(
        "tollgate_payments_refused",
        "gauge",
        ("why",),
        "Payments and listings whose last request the provider refused, and not because of the card. They are retried.",
    ),
    Meaning("tollgate_payments_open", "gauge", (), "Unanswered payments in the partitions of this process."),
    Meaning(
        "tollgate_payments_oldest_open_seconds",
        "gauge",
        (),
        "Age of the oldest unanswered payment in the partitions of this process; 0 without one.",
    ),
)


class Metrics:
    """The metrics of one adapter, in their own registry. Every label exists from the start.

    `refused`, `open_count` and `oldest_open_s` are called at each scrape.
    """

    def __init__(
        self,
        open_count: Callable[[], int],
        oldest_open_s: Callable[[], float],
        refused: Callable[[], Counts[Why]] = Counts,
    ) -> None:
        made = Instruments(METRICS)
        self.registry = made.registry
        self.requests = made.counter("tollgate_payments_requests_total", REQUESTS)
        self.answers = made.counter("tollgate_payments_answers_total", ANSWERS)
        self.retries = made.counter("tollgate_payments_retries_total", RETRIES)
        self.reversals = made.counter("tollgate_payments_reversals_total", REVERSALS)
        self.looks = made.counter("tollgate_payments_looks_total", LOOKS)
        self.webhooks = made.counter("tollgate_payments_webhooks_total", WEBHOOKS)
        self.provider_seconds = made.histogram("tollgate_payments_provider_seconds", SECONDS)
        made.gauge("tollgate_payments_open").set_function(open_count)
        made.gauge("tollgate_payments_oldest_open_seconds").set_function(oldest_open_s)
        not_accepted = made.gauge("tollgate_payments_refused")
        for why in get_args(Why):
            not_accepted.labels(why).set_function(partial(_count_of, refused, why))

    def count(self, tally: Mapping[tuple[str, str], int]) -> None:
        """Add what one transaction committed, by family and label."""
        for (family, label), count in tally.items():
            counter: Counter = getattr(self, family)
            counter.labels(label).inc(count)


def _count_of(refused: Callable[[], Counts[Why]], why: Why) -> float:
    return refused()[why]
