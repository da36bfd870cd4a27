"""The naive model of both products: what each input should lead to, worked out the plain way.

Written from the product rules and the wire contract alone and sharing no code with the real rules. Amounts are micros.
An input is a wire dict; a payment or refill that the real rules name by an id of their own is named here by the
input that led to it (`payment_name`, `refill_name`), and the history uses those names in answers and refunds.
"""

from typing import Literal

from tests.model import (
    naive_alert,
    naive_answers,
    naive_calls,
    naive_cards,
    naive_credits,
    naive_details,
    naive_reversals,
    naive_settle,
    naive_subscription,
    naive_wallet,
)
from tests.model.naive_account import NaiveAccount
from tests.model.naive_plans import AnyPlan, NaivePlan
from tests.model.naive_time import DAY_MS, MINUTE_MS, instant
from tests.model.naive_wire import Wire, answer_of, arrived_ms, refusal_of
from tests.model.naive_world import Fact, Refused, Repeated, World

HORIZON_MS = 35 * DAY_MS
FUTURE_MS = 5 * MINUTE_MS
TICK_AHEAD_MS = MINUTE_MS

_HANDLERS = {
    "call-started": naive_calls.start_call,
    "call-ended": naive_calls.end_call,
    "call-reclassified": naive_calls.reclassify_call,
    "feature-set": naive_credits.set_feature,
    "redirect-set": naive_credits.set_redirect,
    "auto-refill-set": naive_wallet.set_refill,
    "alert-thresholds-set": naive_credits.set_thresholds,
    "credits-purchase-requested": naive_wallet.purchase,
    "credits-granted": naive_wallet.grant,
    "credits-refund-requested": naive_wallet.refund,
    "payment-method-added": naive_cards.add_card,
    "payment-method-removed": naive_cards.remove_card,
    "payment-method-defaulted": naive_cards.default_card,
    "payment-succeeded": naive_answers.succeed_payment,
    "payment-declined": naive_answers.decline_payment,
    "plan-change-requested": naive_subscription.change_plan,
    "subscription-cancel-requested": naive_subscription.cancel,
    "subscription-resume-requested": naive_subscription.resume,
    "phone-number-added": naive_details.add_number,
    "phone-number-removed": naive_details.remove_number,
    "tax-rate-set": naive_details.set_tax_rate,
    "billing-email-set": naive_details.set_billing_email,
    "billing-details-set": naive_details.set_billing_details,
    "payment-reversed": naive_reversals.reverse_payment,
}


SIGNED = {"payment-succeeded", "payment-declined", "payment-reversed", "credits-granted", "clock-ticked"}


def name_of(wire: Wire) -> tuple[str, bool, str]:
    """An id is unique per account within the signed inputs, and within all others. Rule G4."""
    return wire["account_id"], wire["type"] in SIGNED, wire["id"]


class NaiveModel:
    def __init__(self, *plans: AnyPlan, time: Literal["broker", "ticks"] = "broker") -> None:
        self.world = World({plan.name: plan for plan in plans or [NaivePlan()]}, time=time)
        self.accounts: dict[str, NaiveAccount] = {}
        self.seen: set[tuple[str, bool, str]] = set()
        self.decided: set[tuple[str, str]] = set()

    def step(self, wire: Wire) -> list[Fact]:
        """What one input leads to: facts, one dead letter, or nothing for a repeat. Rule G10."""
        self.world.facts = []
        try:
            self._take(wire)
        except Refused as refused:
            self.world.reached.add(f"dead letter {refused.code}")
            return [*self._answer(wire, refused.code), {"type": "dead-letter", "code": refused.code}]
        except Repeated:
            self.world.reached.add("repeat")
            return []
        for fact in self.world.facts:
            if fact["account_id"] in self.accounts:
                naive_alert.dress(self.accounts[fact["account_id"]], fact)
        gate = [fact for fact in self.world.facts if fact["type"] in ("call-admitted", "call-redirected")]
        self.decided |= {(fact["account_id"], fact["call_id"]) for fact in gate if fact["account_id"] in self.accounts}
        return self.world.facts

    def _answer(self, wire: Wire, code: str) -> list[Fact]:
        """A gate always gets an answer, unless the call has its decision. It leaves no trace. Rule X2."""
        answer = answer_of(wire)
        if answer is None or code not in ("schema_invalid", "future_time", "too_late", "before_account"):
            return []
        account_id = wire["account_id"]
        if (account_id, wire["call_id"]) in self.decided:
            self.world.reached.add("refused start of a decided call")
            return []
        self.world.reached.add(f"refused start {code}")
        account = self.accounts.get(account_id)
        redirect_to = None if account is None else account.redirect_to
        return [{"account_id": account_id, "redirect_to": redirect_to, **answer}]

    def _take(self, wire: Wire) -> None:
        """Order of checks, rule X1: readable, schema, ahead of now, account known, too late, repeat of the id, then the
        account's state, of which a repeat of the call comes first.
        """
        code = refusal_of(wire)
        if code is not None:
            raise Refused(code)
        wire = {name: value for name, value in wire.items() if value is not None or name == "answered_at"}
        if wire["type"] == "clock-ticked":
            self._tick(wire)
            return
        account_id = wire["account_id"]
        account = self.accounts.get(account_id)
        self._check_future(wire)
        if account is None and wire["type"] not in ("call-started", "account-opened"):
            raise Refused("unknown_account")
        if account is not None:
            self._check_late(wire, account)
        elif wire["type"] == "call-started":
            self._redirect_unknown(wire)
            return
        if name_of(wire) in self.seen:
            raise Repeated
        try:
            self._apply(wire, account)
        except Repeated:
            self.seen.add(name_of(wire))
            raise
        self.seen.add(name_of(wire))

    def _apply(self, wire: Wire, account: NaiveAccount | None) -> None:
        if account is None:
            self._open(wire)
        elif wire["type"] == "account-opened":
            raise Refused("account_exists")
        else:
            _HANDLERS[wire["type"]](self.world, account, wire)
            account.accepted.append(wire)
            naive_settle.settle(self.world, account, wire)

    def _check_future(self, wire: Wire) -> None:
        """Rules P17, G2. Nothing is too far ahead where nobody knows what now is."""
        known = self._now(wire)
        if known and instant(wire["occurred_at"]) > max(known) + FUTURE_MS:
            raise Refused("future_time")

    def _check_late(self, wire: Wire, account: NaiveAccount) -> None:
        """Rules P17, G2. By the clock nothing is too late before the first tick."""
        clock = self.world.clock
        at_ms = instant(wire["occurred_at"])
        if clock is None:
            return
        if wire["type"] in ("call-started", "call-ended") and at_ms < clock - HORIZON_MS:
            raise Refused("too_late")
        if wire["type"] == "call-reclassified":
            call = account.calls.get(wire["call_id"])
            about_ms = call.whole.ended_ms if call is not None and call.ends else at_ms
            if about_ms < clock - HORIZON_MS:
                raise Refused("too_late")

    def _now(self, wire: Wire) -> list[int]:
        """What future_time is checked against, the greatest of it: the clock alone in simulation; otherwise that and
        the broker timestamp, and nothing without one.
        """
        clock = [] if self.world.clock is None else [self.world.clock]
        if self.world.time == "ticks":
            return clock
        arrived = arrived_ms(wire)
        return [] if arrived is None else [*clock, arrived]

    def _redirect_unknown(self, wire: Wire) -> None:
        """A start for nobody is answered whenever it comes, and leaves no trace. Rule X3."""
        self.world.reached.add("start of an unknown account")
        given = {name: wire.get(name) for name in ("direction", "from", "to")}
        self.world.fact(
            wire["account_id"],
            wire,
            type="call-redirected",
            call_id=wire["call_id"],
            reason="unknown_account",
            **given,
        )

    def _open(self, wire: Wire) -> None:
        account_id = wire["account_id"]
        if wire["plan"] not in self.world.plans:
            raise Refused("unknown_plan")
        code = wire.get("currency") or self.world.plans[wire["plan"]].currency
        plan = self.world.plans[wire["plan"]].priced_in(code)
        if plan is None:
            raise Refused("unsupported_currency")
        account = NaiveAccount(account_id, wire, plan)
        account.take_plan(plan, 0)
        if account.currency != self.world.plans[wire["plan"]].currency:
            self.world.reached.add("account in another currency")
        levels = plan.alert_thresholds
        account.thresholds = [account.money.low_balance, 0] if levels is None else list(levels)
        account.billing.billing_email = wire.get("billing_email")
        naive_subscription.open_billing(self.world, account, wire)
        account.accepted.append(wire)
        self.accounts[account_id] = account

    def _forget_reclassified(self, clock: int) -> None:
        """A reclassification of a call never seen waits 35 x 24 h, from its own time, for the end. Rule P17."""
        for account in self.accounts.values():
            for call_id, call in list(account.calls.items()):
                if call.start is None and not call.ends:
                    newest_ms = max(instant(wire["occurred_at"]) for wire in call.reclassified)
                    if newest_ms < clock - HORIZON_MS:
                        self.world.reached.add("reclassification forgotten")
                        del account.calls[call_id]

    def _tick(self, wire: Wire) -> None:
        """Only the greatest tick counts. Rule G2."""
        at_ms = instant(wire["occurred_at"])
        arrived = arrived_ms(wire)
        if self.world.time == "broker" and arrived is not None and at_ms > arrived + TICK_AHEAD_MS:
            self.world.reached.add("tick ahead of its arrival")
            raise Refused("future_time")
        if self.world.clock is not None and at_ms <= self.world.clock:
            self.world.reached.add("old tick")
            return
        self.world.clock = at_ms
        self._forget_reclassified(at_ms)
        for account in self.accounts.values():
            naive_settle.tick_account(self.world, account, wire)
