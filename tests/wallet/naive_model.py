"""The naive model of both products: what each input should lead to, worked out the plain way.

Written from the product rules and the wire contract alone and sharing no code with the real rules. Amounts are micros.
An input is a wire dict; a payment or refill that the real rules name by an id of their own is named here by the
input that led to it (`payment_name`, `refill_name`), and the history uses those names in answers and refunds.
"""

from tests.wallet import naive_calls, naive_credits, naive_invoice, naive_settle, naive_subscription
from tests.wallet.naive_account import NaiveAccount, NaiveCall
from tests.wallet.naive_plans import AnyPlan, NaivePlan
from tests.wallet.naive_time import DAY_MS, MINUTE_MS, instant
from tests.wallet.naive_wire import Wire, refusal_of
from tests.wallet.naive_world import Fact, Refused, Repeated, World

HORIZON_MS = 35 * DAY_MS
FUTURE_MS = 5 * MINUTE_MS

_HANDLERS = {
    "call-started": naive_calls.start_call,
    "call-ended": naive_calls.end_call,
    "call-reclassified": naive_calls.reclassify_call,
    "feature-set": naive_credits.set_feature,
    "redirect-set": naive_credits.set_redirect,
    "auto-refill-set": naive_credits.set_refill,
    "alert-thresholds-set": naive_credits.set_thresholds,
    "credits-purchase-requested": naive_credits.purchase,
    "credits-granted": naive_credits.grant,
    "credits-refund-requested": naive_credits.refund,
    "payment-method-added": naive_credits.add_card,
    "payment-method-removed": naive_credits.remove_card,
    "payment-method-defaulted": naive_credits.default_card,
    "payment-succeeded": naive_credits.succeed_payment,
    "payment-declined": naive_credits.decline_payment,
    "plan-change-requested": naive_subscription.change_plan,
    "subscription-cancel-requested": naive_subscription.cancel,
    "subscription-resume-requested": naive_subscription.resume,
    "phone-number-added": naive_invoice.add_number,
    "phone-number-removed": naive_invoice.remove_number,
    "tax-rate-set": naive_invoice.set_tax_rate,
    "billing-email-set": naive_invoice.set_billing_email,
}


class NaiveModel:
    def __init__(self, *plans: AnyPlan) -> None:
        self.world = World({plan.name: plan for plan in plans or [NaivePlan()]})
        self.accounts: dict[str, NaiveAccount] = {}
        self.seen: set[tuple[str, str]] = set()
        self.redirected_unknown: dict[tuple[str, str], Wire] = {}

    def step(self, wire: Wire) -> list[Fact]:
        """What one input leads to: facts, one dead letter, or nothing for a repeat. Rule G10."""
        self.world.facts = []
        try:
            self._take(wire)
        except Refused as refused:
            self.world.reached.add(f"dead letter {refused.code}")
            return [{"type": "dead-letter", "code": refused.code}]
        except Repeated:
            self.world.reached.add("repeat")
            return []
        return self.world.facts

    def _take(self, wire: Wire) -> None:
        """Order of checks: readable, schema, time, account known, repeat of the id, then the account's state."""
        code = refusal_of(wire)
        if code is not None:
            raise Refused(code)
        wire = {name: value for name, value in wire.items() if value is not None or name == "answered_at"}
        if wire["type"] == "clock-ticked":
            self._tick(wire)
            return
        account_id = wire["account_id"]
        account = self.accounts.get(account_id)
        self._check_time(wire, account)
        if account is None and wire["type"] not in ("call-started", "account-opened"):
            raise Refused("unknown_account")
        if (account_id, wire["id"]) in self.seen:
            raise Repeated
        if account is None:
            self._of_unknown_account(wire)
        elif wire["type"] == "account-opened":
            raise Refused("account_exists")
        else:
            _HANDLERS[wire["type"]](self.world, account, wire)
            account.accepted.append(wire)
            naive_settle.settle(self.world, account, wire)
        self.seen.add((account_id, wire["id"]))

    def _check_time(self, wire: Wire, account: NaiveAccount | None) -> None:
        """Rule P17. Before the first tick nothing is too late or from the future (G2)."""
        clock = self.world.clock
        if clock is None:
            return
        at_ms = instant(wire["occurred_at"])
        if at_ms > clock + FUTURE_MS:
            raise Refused("future_time")
        if wire["type"] in ("call-started", "call-ended") and at_ms < clock - HORIZON_MS:
            raise Refused("too_late")
        call = account.calls.get(wire["call_id"]) if account and wire["type"] == "call-reclassified" else None
        if call is not None and call.ends and instant(call.ends[-1]["occurred_at"]) < clock - HORIZON_MS:
            raise Refused("too_late")

    def _of_unknown_account(self, wire: Wire) -> None:
        account_id = wire["account_id"]
        if wire["type"] == "call-started":
            if (account_id, wire["call_id"]) in self.redirected_unknown:
                raise Repeated
            self.redirected_unknown[account_id, wire["call_id"]] = wire
            self.world.reached.add("start of an unknown account")
            call_id = wire["call_id"]
            self.world.fact(account_id, wire, type="call-redirected", call_id=call_id, reason="unknown_account")
            return
        if wire["plan"] not in self.world.plans:
            raise Refused("unknown_plan")
        account = NaiveAccount(account_id, wire, self.world.plans[wire["plan"]])
        account.take_plan(account.plan, 0)
        account.billing.billing_email = wire.get("billing_email")
        naive_subscription.open_subscription(self.world, account, wire)
        account.accepted.append(wire)
        for (other_id, call_id), start in self.redirected_unknown.items():
            if other_id == account_id:
                account.calls[call_id] = NaiveCall(call_id, start, redirected=True)
        self.accounts[account_id] = account

    def _tick(self, wire: Wire) -> None:
        """Only the greatest tick counts. Rule G2."""
        at_ms = instant(wire["occurred_at"])
        if self.world.clock is not None and at_ms <= self.world.clock:
            self.world.reached.add("old tick")
            return
        self.world.clock = at_ms
        for account in self.accounts.values():
            naive_settle.tick_account(self.world, account, wire)
