"""The real rules against the naive model where both products meet: minutes, changes of plan, bills, period ends."""

from collections import Counter

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.billing_histories import BillingHistories
from tests.model.hold_against import hold_against

HISTORIES_OF_A_TEST_RUN = 150
# What the histories of every test run come to at least once: a model that agrees on nothing much proves nothing.
REACHED = {
    "admitted on a subscription",
    "cancelled",
    "credits plan after the end",
    "dead letter future_time",
    "dead letter last_payment_method",
    "dead letter no_subscription",
    "first card",
    "invoice asked of a new card (exhausted)",
    "invoice asked of a new card (waiting)",
    "invoice declined",
    "invoice open",
    "invoice paid at once",
    "invoice paid later",
    "invoice retried",
    "invoice retries exhausted",
    "invoice succeeded",
    "invoice without a card",
    "minutes plan after a credits plan",
    "number changed",
    "number removed",
    "number taken back",
    "overage declined",
    "overage given back to the card",
    "overage given back to the wallet",
    "overage on both",
    "overage on the card",
    "overage succeeded",
    "overage threshold reached",
    "overage waits for a card",
    "plan change waits",
    "proration of nothing",
    "rated again at the same minutes",
    "rated anew: moved",
    "rated anew: real again",
    "redirected after the end",
    "renewed",
    "renewed on a credits plan",
    "renewed on another plan",
    "resumed",
    "tick ahead of its arrival",
    "split over the end of the pool",
    "subscription asked of a new card (exhausted)",
    "subscription asked of a new card (waiting)",
    "subscription declined",
    "subscription ended",
    "subscription retried",
    "subscription retries exhausted",
    "subscription succeeded",
    "subscription without a card",
    "upgrade",
    "upgrade while cancelled",
    "waiting change taken back",
    "wallet overage",
}

# What the long profile comes to as well.
RARE = {
    "another credits plan",
    "ended without a tick",
    "minutes plan after the end",
    "overage asked of a new card",
}


def test_m02_to_m13_p03_p11_p12_p14_both_products_against_the_model() -> None:
    """Every fact, refusal and snapshot of random histories. `HYPOTHESIS_PROFILE=long` writes some thousands of them.

    Some 40 seconds: fewer histories do not come to everything that is to be reached.
    """
    reached: Counter[str] = Counter()

    class Billing(BillingHistories):
        def check(self) -> None:
            reached.update(self.model.world.reached)
            hold_against(self.history, self.model, self.expected)

    examples = settings().max_examples * 3 // 2
    run_state_machine_as_test(Billing, settings=settings(max_examples=examples))
    expected = REACHED | RARE if settings().max_examples > HISTORIES_OF_A_TEST_RUN else REACHED
    assert reached.keys() >= expected, expected - reached.keys()
