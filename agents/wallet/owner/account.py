"""Opening an account, and its settings. Rules C7, G3, G9 and M13."""

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from agents.wallet.alert import to_owner
from agents.wallet.turn import Effect, Refusal, Turn, View
from schemas.account import Account, BillingDetails, RefillSetting, Threshold
from schemas.alerts import INFO, BillingEmailChanged
from schemas.facts import Buyer
from schemas.inputs import (
    AccountOpened,
    BillingDetailsSet,
    BillingEmailSet,
    FeatureSet,
    RedirectSet,
    TaxRateSet,
)
from schemas.period import period_at
from schemas.plan import AnyPlan


def open_account(view: View, event: AccountOpened) -> Account | Refusal:
    """A new account on a plan of the catalogue, in a currency that the plan has prices in, with all switches off. Its
    levels stay those of the plan at the opening. Rules C7, C13, G12, K2 and K3.
    """
    offer = view.catalogue.plans.get(event.plan)
    if offer is None:
        return unknown_plan(view)
    plan = offer.priced_in(event.currency or offer.currency)
    if plan is None:
        return unsupported_currency(offer, event.currency or "")
    opened_at_ms, time_zone = int(event.occurred_at_ms), event.time_zone or "UTC"
    billed_from_ms = _billed_from_ms(view, event, opened_at_ms, time_zone)
    if billed_from_ms is None:
        return _BILLED_BEFORE
    return Account(
        currency=plan.currency,
        time_zone=time_zone,
        plan=event.plan,
        opened_at_ms=opened_at_ms,
        refill_setting=RefillSetting(plan.refill_threshold_micros),
        thresholds=tuple(Threshold(t) for t in sorted(set(plan.alert_thresholds_micros), reverse=True)),
        billing_email=event.billing_email,
        billed_from_ms=billed_from_ms,
    )


def _billed_from_ms(view: View, event: AccountOpened, opened_at_ms: int, time_zone: str) -> int | None:
    """The start of the first billed period: the one that holds the instant of the opening, or the first one that begins
    at or after `billing_from`; None where that is before it. Rule G3.
    """
    instant_ms = opened_at_ms if view.clock_ms is None else max(opened_at_ms, view.clock_ms)
    running_ms, _ = period_at(opened_at_ms, time_zone, instant_ms)
    if event.billing_from_ms is None:
        return running_ms
    if event.billing_from_ms < running_ms:
        return None
    start_ms, end_ms = period_at(opened_at_ms, time_zone, int(event.billing_from_ms))
    return start_ms if start_ms == event.billing_from_ms else end_ms


_BILLED_BEFORE = Refusal("schema_invalid", "`billing_from` is before the billing period in which the account is opened")


def unknown_plan(view: View) -> Refusal:
    names = ", ".join(f"`{name}`" for name in view.catalogue.plans)
    return Refusal("unknown_plan", f"`plan` is not in the catalogue: expected one of {names}")


def unsupported_currency(offer: AnyPlan, currency: str) -> Refusal:
    codes = ", ".join(f"`{code}`" for code in (offer.currency, *offer.currencies))
    return Refusal("unsupported_currency", f"`plan` has no prices in {currency}: expected one of {codes}")


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
    """Set where invoices, receipts and alerts go. The former address, if there was another one, learns of the change.
    Rules M13 and A1.
    """
    if turn.account.billing_email not in (None, event.billing_email):
        turn.emit(BillingEmailChanged(**to_owner(turn, INFO), new_billing_email=event.billing_email))
    turn.account = replace(turn.account, billing_email=event.billing_email)
    return Effect.APPLIED


def set_billing_details(turn: Turn, event: BillingDetailsSet) -> Effect:
    """Replace all four fields of the buyer. A field that is left out, null or empty is cleared. Rule B9."""
    given = BillingDetails(event.name or "", event.address or "", event.country or "", event.tax_id or "")
    turn.account = replace(turn.account, billing_details=None if given == BillingDetails() else given)
    return Effect.APPLIED


def buyer_of(account: Account) -> Buyer | UnsetType:
    """The buyer as an invoice and the snapshot show it; UNSET when the owner gave no details. Rule B9."""
    details = account.billing_details
    if details is None:
        return UNSET
    return Buyer(
        name=details.name or UNSET,
        address=details.address or UNSET,
        country=details.country or UNSET,
        tax_id=details.tax_id or UNSET,
    )


def set_tax_rate(turn: Turn, event: TaxRateSet) -> Effect:
    turn.billing = replace(turn.billing, tax_rate_ppm=event.rate_ppm)
    return Effect.APPLIED
