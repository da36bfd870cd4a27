"""What owners and support do during the month, whatever the plan: top-ups, refunds, new cards, switches, goodwill."""

from collections.abc import Iterator
from operator import attrgetter
from random import Random

from demo.accounts import Account, card, purchase
from demo.arrivals import DAYS, moment
from demo.subscriptions import subscription_commands
from demo.wire import Timed
from schemas.instant import DAY_MS, MINUTE_MS, SECOND_MS
from schemas.money import MICROS_PER_UNIT

LAST_COMMAND = 0.9  # Of the month's calls: what a command causes (a payment, a refund) still happens within the month.


def commands(accounts: list[Account], midnight_ms: int, rng: Random) -> Iterator[Timed]:
    """Everything that is asked for during the month, in order. What would follow only after it is left out."""
    end_ms = midnight_ms + DAYS * DAY_MS
    drawn = [record for account in accounts for record in _of(account, midnight_ms, rng) if record.at_ms < end_ms]
    return iter(sorted(drawn, key=attrgetter("at_ms")))


def _of(account: Account, midnight_ms: int, rng: Random) -> Iterator[Timed]:
    def some_time() -> int:
        return moment(rng.random() * LAST_COMMAND, midnight_ms)

    if account.has_card:
        if rng.random() < 0.4:
            yield from _top_up(account, some_time(), rng)
        if rng.random() < 0.1:
            yield from _change_cards(account, some_time(), rng)
    elif rng.random() < 0.6:
        at_ms = some_time()
        yield account.say("card", at_ms, card(account, 1, rng))
        yield from _top_up(account, at_ms + MINUTE_MS, rng)
    if not account.subscribes and rng.random() < 0.15:
        feature = rng.choice(("extra_calls", "live_agent", "appointment_booking"))
        yield account.say("switch", some_time(), ("feature-set", {"feature": feature, "enabled": rng.random() < 0.7}))
    if rng.random() < 0.03:
        amount_micros = rng.choice((-2, 3, 5, 10)) * MICROS_PER_UNIT
        grant = {"grant_id": "goodwill", "amount_micros": amount_micros, "reason": "goodwill", "actor": "support-7"}
        yield account.say("grant", some_time(), ("credits-granted", grant))
    if rng.random() < 0.04:
        email = {"billing_email": f"books.{account.account_id}@example.com"}
        yield account.say("email", some_time(), ("billing-email-set", email))
    yield from subscription_commands(account, midnight_ms, some_time, rng)


def _top_up(account: Account, at_ms: int, rng: Random) -> Iterator[Timed]:
    """The owner adds credits; an impatient one presses the button twice; now and then one wants the money back."""
    command = purchase(account, "more", rng)
    yield account.say("buy", at_ms, command)
    if rng.random() < 0.1:
        yield account.say("buy-again", at_ms + 3 * SECOND_MS, command)
    if rng.random() < 0.06:
        refund = "credits-refund-requested", {"purchase_id": command[1]["purchase_id"]}
        yield account.say("refund", at_ms + rng.randrange(DAY_MS, 3 * DAY_MS), refund)


def _change_cards(account: Account, at_ms: int, rng: Random) -> Iterator[Timed]:
    """A new card becomes the default one, which also pays what the old one could not; some old ones are removed."""
    added = card(account, 2, rng)
    yield account.say("new-card", at_ms, added)
    new = {"payment_method_id": added[1]["payment_method_id"]}
    yield account.say("new-default", at_ms + SECOND_MS, ("payment-method-defaulted", new))
    if rng.random() < 0.5:
        old = {"payment_method_id": f"pm1-{account.account_id}"}
        yield account.say("old-card", at_ms + MINUTE_MS, ("payment-method-removed", old))
