"""The real rules against the naive model where both products meet: minutes, changes of plan, bills, period ends."""

from collections import Counter

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.billing_histories import BillingHistories
from tests.model.hold_against import hold_against, shown
from tests.model.naive_sums import unbalanced

HISTORIES_OF_A_TEST_RUN = 150
# What the histories of every test run come to at least once: a model that agrees on nothing much proves nothing.
REACHED = {
    "a leg still runs",
    "account in another currency",
    "admitted on a subscription",
    "another credits plan",
    "another leg ends",
    "balance low",
    "billed later",
    "cancelled",
    "card added again",
    "card blocked",
    "card unblocked",
    "carried more",
    "dead letter amount_not_payable",
    "dead letter future_time",
    "dead letter no_subscription",
    "dead letter nothing_to_refund",
    "dead letter refund_window_passed",
    "dead letter schema_invalid",
    "dead letter unknown_payment_method",
    "dead letter unknown_purchase",
    "dead letter unsupported_currency",
    "dispute of a purchase",
    "dispute_won of a purchase",
    "dispute_won of a purchase, nothing left",
    "first card",
    "invoice asked of a new card",
    "invoice contradicted",
    "invoice declined",
    "invoice of an invoice declined",
    "invoice open",
    "invoice paid at once",
    "invoice paid beyond what was owed",
    "invoice paid later",
    "invoice retried",
    "invoice succeeded",
    "invoice succeeded late",
    "invoice without a card: no_payment_method",
    "minutes plan after a credits plan",
    "overage declined",
    "overage given back to the card",
    "overage given back to the wallet",
    "overage on both",
    "overage on the card",
    "overage taken over by an invoice",
    "overage threshold reached",
    "overage waits for a card",
    "overlong",
    "plan change waits",
    "purchase contradicted",
    "purchase declined",
    "purchase succeeded",
    "purchase succeeded late",
    "rated",
    "rated again at the same minutes",
    "rated anew: moved",
    "rated anew: real again",
    "re-armed by a card",
    "re-armed by a setting",
    "redirected after the end",
    "redirected subscription_ended",
    "refill contradicted",
    "refill declined",
    "refill paused dispute",
    "refill paused hard_decline",
    "refill requested",
    "refill retried",
    "refill retry dropped",
    "refill succeeded",
    "refill succeeded late",
    "refill unresolved",
    "refund declined",
    "refund of a part",
    "refund of all",
    "refund succeeded",
    "renewed",
    "renewed on a credits plan",
    "split over the end of the pool",
    "subscription asked of a new card",
    "subscription contradicted",
    "subscription declined",
    "subscription ended",
    "subscription retried",
    "subscription succeeded",
    "subscription succeeded late",
    "subscription without a card: no_payment_method",
    "tick ahead of its arrival",
    "upgrade",
    "wallet overage",
    "without included minutes",
}

# What the long profile comes to as well.
RARE = {
    "a credits plan after a cancelled term",
    "another leg starts",
    "billing e-mail changed",
    "carried beside a bill",
    "carried less",
    "carried sum paid into the wallet",
    "carried without an invoice",
    "changed before it is billed",
    "credits plan after the end",
    "dead letter last_payment_method",
    "dead letter unknown_payment",
    "dispute of a invoice",
    "dispute of a overage",
    "dispute of a purchase, nothing left",
    "dispute of a refill",
    "dispute of a subscription",
    "dispute of a subscription, nothing left",
    "dispute_won of a invoice",
    "dispute_won of a invoice, nothing left",
    "dispute_won of a refill",
    "dispute_won of a subscription",
    "ended without a tick",
    "invoice of an invoice retries exhausted",
    "invoice reversed",
    "invoice without a card: dispute",
    "minutes plan after the end",
    "number changed",
    "number removed",
    "number taken back",
    "overage asked for in part",
    "overage asked of a new card",
    "overage contradicted",
    "overage of an invoice declined",
    "overage paid ahead",
    "overage paid beyond what was owed",
    "overage retried",
    "overage succeeded",
    "overage succeeded late",
    "overage waits for its retry",
    "proration of nothing",
    "re-armed by a purchase",
    "refill paused monthly_limit",
    "refill paused retries_exhausted",
    "refill retry dropped by a reversal",
    "refund contradicted",
    "refund of a purchase",
    "refund of a purchase, nothing left",
    "refund of a refill",
    "refund of a subscription",
    "refund_failed of a purchase",
    "refund_failed of a purchase, nothing left",
    "refund_failed of a subscription, nothing left",
    "renewed on another plan",
    "resumed",
    "reversal counted in part",
    "reversal of a declined payment",
    "subscription ended on another plan",
    "subscription of an invoice declined",
    "subscription paid beyond what was owed",
    "subscription retries exhausted",
    "subscription without a card: dispute",
    "upgrade suggested",
    "upgrade while cancelled",
    "waiting change taken back",
}


def test_m02_to_m13_p03_p11_p12_p14_both_products_against_the_model() -> None:
    """Every fact, refusal and snapshot of random histories. `HYPOTHESIS_PROFILE=long` writes some thousands of them.

    Some 40 seconds: fewer histories do not come to everything that is to be reached.
    """
    reached: Counter[str] = Counter()

    class Billing(BillingHistories):
        def check(self) -> None:
            reached.update(self.model.world.reached)
            for account in self.model.accounts.values():
                assert not unbalanced(account, self.expected), shown(
                    self.history.wires, unbalanced(account, self.expected)
                )
            hold_against(self.history, self.model, self.expected)

    examples = settings().max_examples * 3 // 2
    run_state_machine_as_test(Billing, settings=settings(max_examples=examples))
    expected = REACHED | RARE if settings().max_examples > HISTORIES_OF_A_TEST_RUN else REACHED
    assert reached.keys() >= expected, expected - reached.keys()
