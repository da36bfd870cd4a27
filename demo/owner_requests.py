"""What owners and support request during the month: top-ups, refunds, cards, features, goodwill and plan changes."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from random import Random

from demo.accounts import LARGE_PLANS, SMALL_PLAN, Account, card, purchase
from demo.arrivals import DAYS, moment
from demo.opening import phone_number, usual_fee_micros
from demo.wire import Timed
from schemas.instant import DAY_MS, MINUTE_MS, SECOND_MS
from schemas.money import MICROS_PER_UNIT

# Share of the month's calls before the last request, so that its payment or refund still happens within the month.
LAST_REQUEST = 0.9
CANCEL_REASONS = ("too expensive", "too few calls", "another provider", "business closes")


def owner_requests(accounts: list[Account], midnight_ms: int, rng: Random) -> Iterator[Timed]:
    """All requests of the month, in order. Leaves out records that would follow after the month."""
    end_ms = midnight_ms + DAYS * DAY_MS
    owners = (account for account in accounts if not account.small)
    drawn = [record for owner in owners for record in _of(owner, midnight_ms, rng) if record.at_ms < end_ms]
    return iter(sorted(drawn, key=attrgetter("at_ms")))


def _of(account: Account, midnight_ms: int, rng: Random) -> Iterator[Timed]:
    def some_time() -> int:
        return moment(rng.random() * LAST_REQUEST, midnight_ms)

    if account.has_card:
        if rng.random() < 0.4:
            yield from _top_up(account, some_time(), rng)
        if rng.random() < 0.1:
            yield from _change_cards(account, some_time(), rng)
    elif rng.random() < 0.6:
        at_ms = some_time()
        yield account.record("card", at_ms, card(account, 1, rng))
        yield from _top_up(account, at_ms + MINUTE_MS, rng)
    if not account.subscribes and rng.random() < 0.15:
        feature = rng.choice(("extra_calls", "live_agent", "appointment_booking"))
        switched_ms = some_time()
        switch = {"feature": feature, "enabled": rng.random() < 0.7}
        yield account.record("switch", switched_ms, ("feature-set", switch))
    if rng.random() < 0.03:
        amount_micros = rng.choice((-2, 3, 5, 10)) * MICROS_PER_UNIT
        grant = {"grant_id": "goodwill", "amount_micros": amount_micros, "reason": "goodwill", "actor": "support-7"}
        yield account.record("grant", some_time(), ("credits-granted", grant))
    if rng.random() < 0.04:
        email = {"billing_email": f"books.{account.account_id}@example.com"}
        yield account.record("email", some_time(), ("billing-email-set", email))
    yield from _subscription_requests(account, midnight_ms, some_time, rng)


def _top_up(account: Account, at_ms: int, rng: Random) -> Iterator[Timed]:
    """The owner adds credits. Some owners send the request twice; some request a refund a day or more later."""
    bought = purchase(account, "more", rng)
    yield account.record("buy", at_ms, bought)
    if rng.random() < 0.1:
        yield account.record("buy-again", at_ms + 3 * SECOND_MS, bought)
    if rng.random() < 0.06:
        refund = "credits-refund-requested", {"purchase_id": bought[1]["purchase_id"]}
        yield account.record("refund", at_ms + rng.randrange(DAY_MS, 3 * DAY_MS), refund)


def _change_cards(account: Account, at_ms: int, rng: Random) -> Iterator[Timed]:
    """A new card becomes the default, which also pays what the old card could not; some old cards are removed."""
    added = card(account, 2, rng)
    yield account.record("new-card", at_ms, added)
    new = {"payment_method_id": added[1]["payment_method_id"]}
    yield account.record("new-default", at_ms + SECOND_MS, ("payment-method-defaulted", new))
    if rng.random() < 0.5:
        old = {"payment_method_id": f"pm1-{account.account_id}"}
        yield account.record("old-card", at_ms + MINUTE_MS, ("payment-method-removed", old))


def _subscription_requests(
    account: Account, midnight_ms: int, some_time: Callable[[], int], rng: Random
) -> Iterator[Timed]:
    """Upgrades, downgrades, cancellations and phone numbers, in any order. `some_time` draws a moment of the month."""
    fate = rng.random()
    if not account.subscribes:
        # An owner who pays by the call has compared the plans and moves to one with minutes.
        if account.has_card and fate < 0.06:
            yield _change_plan(account, some_time(), SMALL_PLAN)
        return
    renews_ms = account.renews_ms(midnight_ms)
    if fate < 0.1:
        yield from _cancel(account, midnight_ms, renews_ms, rng)
    elif account.plan == SMALL_PLAN and fate < 0.3:
        yield _change_plan(account, some_time(), rng.choice(LARGE_PLANS))
    elif account.plan in LARGE_PLANS and fate < 0.2:
        yield _change_plan(account, rng.randrange(midnight_ms, renews_ms), SMALL_PLAN)
    if rng.random() < 0.1:
        number = phone_number(account, 7, usual_fee_micros(rng))
        added_ms = some_time()
        yield account.record("number", added_ms, number)
        if rng.random() < 0.5:
            removed = "phone-number-removed", {"number": number[1]["number"]}
            yield account.record("number-back", added_ms + rng.randrange(DAY_MS, 6 * DAY_MS), removed)


def _change_plan(account: Account, at_ms: int, plan: str) -> Timed:
    return account.record("plan", at_ms, ("plan-change-requested", {"plan": plan}))


def _cancel(account: Account, midnight_ms: int, renews_ms: int, rng: Random) -> Iterator[Timed]:
    """Cancel before the renewal, so that the subscription ends within the month. Some owners resume before the end,
    some subscribe again after it.
    """
    at_ms = rng.randrange(midnight_ms, renews_ms)
    yield account.record("cancel", at_ms, ("subscription-cancel-requested", {"reason": rng.choice(CANCEL_REASONS)}))
    mind = rng.random()
    if mind < 0.3:
        yield account.record("resume", rng.randrange(at_ms, renews_ms), ("subscription-resume-requested", {}))
    elif mind < 0.45:
        again = "plan-change-requested", {"plan": account.plan}
        yield account.record("come-back", renews_ms + rng.randrange(DAY_MS, 3 * DAY_MS), again)
