"""Opening an account and what its owner switches. Rules C7, G3 and G9."""

from msgspec.structs import replace

from agents.wallet.turn import Refusal, Turn, View
from schemas.account import Account, RefillSetting, Threshold
from schemas.inputs import AccountOpened, BillingEmailSet, FeatureSet, RedirectSet


def open_account(view: View, event: AccountOpened) -> Account | Refusal:
    """A new account on a plan of the catalogue, all switches off, nothing armed. Rules C7 and C13."""
    plan = view.catalogue.plans.get(event.plan)
    if plan is None:
        return Refusal("unknown_plan", f"`plan` is none of the catalogue: expected one of {_names(view)}")
    return Account(
        currency=event.currency or "USD",
        time_zone=event.time_zone or "UTC",
        plan=event.plan,
        opened_at_ms=int(event.occurred_at_ms),
        refill_setting=RefillSetting(plan.refill_threshold_micros),
        thresholds=tuple(Threshold(t) for t in sorted(set(plan.alert_thresholds_micros), reverse=True)),
        billing_email=event.billing_email,
    )


def _names(view: View) -> str:
    return ", ".join(f"`{name}`" for name in view.catalogue.plans)


def set_feature(turn: Turn, event: FeatureSet) -> None:
    """Switch a paid feature. It may be on before any credit exists, and is in force from the next call. Rules C7 and
    G9.
    """
    features = set(turn.account.features) - {event.feature}
    if event.enabled:
        features.add(event.feature)
    turn.account = replace(turn.account, features=tuple(sorted(features)))


def set_redirect(turn: Turn, event: RedirectSet) -> None:
    turn.account = replace(turn.account, redirect_to=event.redirect_to)


def set_billing_email(turn: Turn, event: BillingEmailSet) -> None:
    turn.account = replace(turn.account, billing_email=event.billing_email)
