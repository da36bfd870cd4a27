"""The names that other systems rely on, written down once more by hand: a `?` marks what may be missing.

Anything else here is a change of the contract, to be made on purpose. More fields than these may be there.
"""

from typing import Any

import pytest

from tests.wire.published import read_schema

HEAD = "type id account_id occurred_at"
INPUTS = {
    "call-started": "call_id leg_id? direction from? to?",
    "call-ended": "call_id leg_id? direction started_at answered_at outcome features? real?",
    "call-reclassified": "call_id real reason? actor?",
    "account-opened": "plan currency? time_zone? billing_email? billing_from?",
    "feature-set": "feature enabled",
    "redirect-set": "redirect_to",
    "auto-refill-set": "enabled amount_micros? threshold_micros? payment_method_id? monthly_limit_micros?",
    "alert-thresholds-set": "thresholds_micros",
    "credits-purchase-requested": "purchase_id amount_micros payment_method_id?",
    "credits-granted": "grant_id amount_micros reason actor",
    "credits-refund-requested": "purchase_id",
    "payment-method-added": "payment_method_id token brand last4 exp_month exp_year",
    "payment-method-removed": "payment_method_id",
    "payment-method-defaulted": "payment_method_id",
    "plan-change-requested": "plan",
    "subscription-cancel-requested": "reason?",
    "subscription-resume-requested": "",
    "phone-number-added": "number monthly_fee_micros",
    "phone-number-removed": "number",
    "tax-rate-set": "rate_ppm",
    "billing-email-set": "billing_email",
    "billing-details-set": "name? address? country? tax_id?",
    "payment-succeeded": "payment_id provider_reference?",
    "payment-declined": "payment_id reason retryable",
    "payment-reversed": "payment_id amount_micros kind provider_reference?",
    "clock-ticked": "",
}
OWNER = "severity audience billing_email? time_zone?"
OF_CARD = f"{OWNER} amount_micros currency brand? last4?"
CHARGE = (
    "call_id amount_micros currency lines wallet_micros card_micros balance_before_micros balance_after_micros"
    " plan plan_version period_start ordinal? billable_ms reported_ms? minutes_before? minutes_after?"
)
FACTS = {
    "call-admitted": "call_id reason features_enabled hold_micros direction from? to?",
    "call-redirected": "call_id reason redirect_to? direction? from? to?",
    "call-charged": CHARGE,
    "charge-adjusted": f"{CHARGE} adjusts reason",
    "balance-low": f"{OWNER} threshold_micros balance_micros currency",
    "funds-needed": f"{OWNER} redirected_calls",
    "purchase-declined": f"{OF_CARD} purchase_id reason",
    "refill-declined": f"{OF_CARD} refill_id reason retry_at?",
    "refill-paused": f"{OF_CARD} refill_id reason",
    "refill-unresolved": f"{OF_CARD} refill_id payment_id",
    "subscription-payment-declined": f"{OF_CARD} purpose payment_id? invoice_id? reason retry_at?",
    "upgrade-suggested": f"{OWNER} period_start calls cost_micros other_plans currency",
    "call-stuck": f"{OWNER} call_id hold_micros currency",
    "call-overlong": f"{OWNER} call_id reported_ms",
    "payment-reversed-alert": f"{OF_CARD} payment_id kind",
    "payment-contradicted": f"{OF_CARD} payment_id",
    "billing-email-changed": f"{OWNER} new_billing_email",
    "refill-requested": "refill_id payment_id amount_micros payment_method_id",
    "refill-succeeded": "refill_id",
    "payment-requested": "payment_id purpose amount_micros currency payment_method_id token",
    "ledger-entry-posted": "entry_id kind amount_micros balance_after_micros reference",
    "invoice-issued": "invoice_id number reference buyer? period_start period_end lines wallet carried_micros"
    " reversed_micros? total_micros tax_micros status billing_email? time_zone",
    "invoice-paid": "invoice_id",
    "invoice-reversed": "invoice_id payment_id kind amount_micros currency reversed_micros",
    "receipt-issued": "receipt_id payment_id purpose amount_micros currency brand last4 provider_reference? reference?"
    " billing_email? time_zone",
    "account-snapshot": "version plan plan_version subscription balance_micros held_micros available_micros features"
    " auto_refill usage card_due_micros carried_micros open_calls currency time_zone billing_email? redirect_to?"
    " alert_thresholds_micros payment_methods phone_numbers refundable plan_change? billing_details? pending_payments",
}
PARTS = {
    ("call-charged", "Line"): "kind quantity unit_amount_micros amount_micros",
    ("invoice-issued", "InvoiceLine"): "kind description amount_micros",
    ("invoice-issued", "WalletStatement"): "opening_micros credited_micros used_micros closing_micros",
    ("account-snapshot", "Subscription"): "status renews_at term_start fee_micros",
    ("account-snapshot", "AutoRefillView"): "enabled amount_micros threshold_micros payment_method_id"
    " monthly_limit_micros spent_this_period_micros paused paused_reason in_flight next_attempt_at",
    ("account-snapshot", "PaymentMethodView"): "payment_method_id brand last4 exp_month exp_year default blocked",
    ("account-snapshot", "PhoneNumberView"): "number monthly_fee_micros",
    ("account-snapshot", "Refundable"): "purchase_id amount_micros until",
    ("account-snapshot", "PlanChange"): "plan at",
    ("account-snapshot", "PendingPayment"): "payment_id purpose amount_micros reference requested_at",
    ("account-snapshot", "Usage"): "period_start period_end calls_counted calls_included minutes_used minutes_included"
    " minutes_remaining projected_minutes projected_calls cost_by_call_type_micros",
}
VALUES = {
    ("call-started", "direction"): "inbound outbound web",
    ("call-ended", "outcome"): "completed no_answer busy failed canceled redirected",
    ("feature-set", "feature"): "extra_calls live_agent appointment_booking",
    ("payment-reversed", "kind"): "dispute dispute_won refund refund_failed",
    ("payment-method-added", "brand"): "visa mastercard american_express discover",
    ("call-admitted", "reason"): "included credits subscription",
    ("call-redirected", "reason"): "insufficient_balance extra_calls_off subscription_ended unknown_account refused",
    ("balance-low", "severity"): "info warning critical",
    ("balance-low", "audience"): "owner operator",
    ("subscription-payment-declined", "purpose"): "subscription overage invoice",
    ("payment-reversed-alert", "kind"): "dispute dispute_won refund refund_failed",
    ("payment-requested", "purpose"): "refill purchase overage subscription refund invoice",
    ("invoice-issued", "status"): "open paid",
    ("invoice-reversed", "kind"): "dispute dispute_won refund refund_failed",
    ("ledger-entry-posted", "kind"): "purchase refill grant charge adjustment refund reversal",
}


def fields(text: str) -> tuple[set[str], set[str]]:
    """The fields that must be there, and those that may."""
    names = text.split()
    return {n for n in names if not n.endswith("?")}, {n.rstrip("?") for n in names if n.endswith("?")}


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_has_these_fields_and_no_other(name: str) -> None:
    schema = read_schema(name)
    must, may = fields(f"{HEAD} {INPUTS[name]}")
    assert set(schema["required"]) == must
    assert set(schema["properties"]) == must | may


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_has_these_fields(name: str) -> None:
    schema = read_schema(name)
    must, may = fields(f"{HEAD} caused_by {FACTS[name]}")
    assert must <= set(schema["required"])
    assert may <= set(schema["properties"]) - set(schema["required"])


@pytest.mark.parametrize("part", PARTS, ids=" ".join)
def test_a_part_of_a_fact_has_these_fields(part: tuple[str, str]) -> None:
    name, title = part
    schema: dict[str, Any] = read_schema(name)["$defs"][title]
    assert fields(PARTS[part])[0] == set(schema["required"])


@pytest.mark.parametrize("where", VALUES, ids=" ".join)
def test_a_word_is_one_of_these(where: tuple[str, str]) -> None:
    name, field = where
    assert set(read_schema(name)["properties"][field]["enum"]) == set(VALUES[where].split())


# Several amounts under one name.
SETS = {"thresholds_micros", "alert_thresholds_micros", "cost_by_call_type_micros"}


@pytest.mark.parametrize("name", [*INPUTS, *FACTS])
def test_units_have_types(name: str) -> None:
    """Money and durations are integers, times are text with a format: in every part of every type."""
    schema = read_schema(name)
    for part in (schema, *schema.get("$defs", {}).values()):
        for field, property_ in part["properties"].items():
            branches = property_.get("anyOf", [property_])
            if field.endswith(("_micros", "_ms")) and field not in SETS:
                assert branches[0]["type"] == "integer", field
            if field.endswith("_at") or field in {"period_start", "period_end"}:
                assert "'format': 'date-time'" in str(branches[0]), field
