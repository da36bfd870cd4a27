"""Opening an account, and its settings. Rules C7, G3, G9 and M13."""

from msgspec.structs import replace

from agents.wallet.turn import Effect, Refusal, Turn, View
from schemas.account import Account, RefillSetting, Threshold
from schemas.inputs import AccountOpened, BillingEmailSet, FeatureSet, RedirectSet, TaxRateSet


def open_account(view: View, event: AccountOpened) -> Account | Refusal:
    """A new account on a plan of the catalogue, with all switches off. Rules C7 and C13."""
    plan = view.catalogue.plans.get(event.plan)
    if plan is None:
        return unknown_plan(view)
    return Account(
        currency=event.currency or "USD",
        time_zone=event.time_zone or "UTC",
        plan=event.plan,
        opened_at_ms=int(event.occurred_at_ms),
        refill_setting=RefillSetting(plan.refill_threshold_micros),
        thresholds=tuple(Threshold(t) for t in sorted(set(plan.alert_thresholds_micros), reverse=True)),
        billing_email=event.billing_email,
    )


def unknown_plan(view: View) -> Refusal:
    names = ", ".join(f"`{name}`" for name in view.catalogue.plans)
    return Refusal("unknown_plan", f"`plan` is none of the catalogue: expected one of {names}")


def set_feature(turn: Turn, event: FeatureSet) -> Effect:
    """Switch a paid feature on or off, from the next call on. An account without credits may switch it on too. Rules
    C7 and G9.
    """
    features = set(turn.account.features) - {event.feature}
    if event.enabled:
        features.add(event.feature)
    turn.account = replace(turn.account, features=tuple(sorted(features)))
    return Effect.APPLIED


def set_redirect(turn: Turn, event: RedirectSet) -> Effect:
    turn.account = replace(turn.account, redirect_to=event.redirect_to)
    return Effect.APPLIED


def set_billing_email(turn: Turn, event: BillingEmailSet) -> Effect:
    turn.account = replace(turn.account, billing_email=event.billing_email)
    return Effect.APPLIED


def set_tax_rate(turn: Turn, event: TaxRateSet) -> Effect:
    turn.billing = replace(turn.billing, tax_rate_ppm=event.rate_ppm)
    return Effect.APPLIED
