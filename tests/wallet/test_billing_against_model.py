"""The real rules against the naive model where both products meet: minutes, changes of plan, bills, period ends."""

from collections import Counter

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.wallet.billing_histories import BillingHistories
from tests.wallet.hold_against import hold_against

# What the histories of every test run come to at least once: a model that agrees on nothing much proves nothing.
REACHED = {
    "admitted on a subscription",
    "cancelled",
    "first card",
    "invoice paid later",
    "number removed",
    "overage asked of a new card",
    "overage given back to the card",
    "overage given back to the wallet",
    "overage threshold reached",
    "overage waits for a card",
    "plan change waits",
    "proration of nothing",
    "rated again at the same minutes",
    "renewed on a credits plan",
    "resumed",
    "split over the end of the pool",
    "subscription ended",
}


def test_m02_to_m13_p03_p11_p12_p14_both_products_against_the_model() -> None:
    """Every fact, refusal and snapshot of random histories. `HYPOTHESIS_PROFILE=long` writes some thousands of them."""
    reached: Counter[str] = Counter()

    class Billing(BillingHistories):
        def check(self) -> None:
            reached.update(self.model.world.reached)
            hold_against(self.history, self.model, self.expected)

    run_state_machine_as_test(Billing, settings=settings())
    assert reached.keys() >= REACHED, REACHED - reached.keys()
