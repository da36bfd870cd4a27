"""What becomes of subscriptions during the month: upgrades, downgrades, cancellations, and who comes back."""

from collections.abc import Callable, Iterator
from random import Random

from demo.accounts import LARGE_PLANS, SMALL_PLAN, Account
from demo.opening import phone_number
from demo.wire import Timed
from schemas.instant import DAY_MS

CANCEL_REASONS = ("too expensive", "too few calls", "another provider", "business closes")


def subscription_commands(
    account: Account, midnight_ms: int, some_time: Callable[[], int], rng: Random
) -> Iterator[Timed]:
    """In any order; `some_time` draws a moment of the month (epoch ms)."""
    fate = rng.random()
    if not account.subscribes:
        # Somebody who pays by the call has seen what the same calls cost on a plan with minutes.
        if account.has_card and fate < 0.06:
            yield _change(account, some_time(), SMALL_PLAN)
        return
    renews_ms = account.renews_ms(midnight_ms)
    if fate < 0.1:
        yield from _cancel(account, midnight_ms, renews_ms, rng)
    elif account.plan == SMALL_PLAN and fate < 0.3:
        yield _change(account, some_time(), rng.choice(LARGE_PLANS))
    elif account.plan in LARGE_PLANS and fate < 0.2:
        yield _change(account, rng.randrange(midnight_ms, renews_ms), SMALL_PLAN)
    if rng.random() < 0.1:
        number = phone_number(account, 7, rng)
        added_ms = some_time()
        yield account.say("number", added_ms, number)
        if rng.random() < 0.5:
            back = "phone-number-removed", {"number": number[1]["number"]}
            yield account.say("number-back", added_ms + rng.randrange(DAY_MS, 6 * DAY_MS), back)


def _change(account: Account, at_ms: int, plan: str) -> Timed:
    return account.say("plan", at_ms, ("plan-change-requested", {"plan": plan}))


def _cancel(account: Account, midnight_ms: int, renews_ms: int, rng: Random) -> Iterator[Timed]:
    """Before the renewal, so that the month sees the end. Some change their mind in time, some too late."""
    at_ms = rng.randrange(midnight_ms, renews_ms)
    yield account.say("cancel", at_ms, ("subscription-cancel-requested", {"reason": rng.choice(CANCEL_REASONS)}))
    mind = rng.random()
    if mind < 0.3:
        yield account.say("resume", rng.randrange(at_ms, renews_ms), ("subscription-resume-requested", {}))
    elif mind < 0.45:
        back = "plan-change-requested", {"plan": account.plan}
        yield account.say("come-back", renews_ms + rng.randrange(DAY_MS, 3 * DAY_MS), back)
