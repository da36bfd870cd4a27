"""Compares the calls of a Story on several plans, in dollars."""

from decimal import Decimal

from backoffice.whatif.comparison import AccountCompared, compare_account
from backoffice.whatif.counted_calls import AccountCalls, collect_calls
from schemas.plan import Catalogue
from tests.rules.story import SHIPPED, Event, Story

Dollars = dict[str, str]


def account_calls(story: Story) -> AccountCalls:
    return collect_calls(story.lines(), story.catalogue)[story.account_id]


def compared(story: Story, catalogue: Catalogue | None = None) -> AccountCompared:
    """The story's account on every plan of its catalogue."""
    offered = catalogue or story.catalogue
    return compare_account(story.account_id, account_calls(story), offered.plans, offered)


def dollars(micros: int) -> str:
    return str(Decimal(micros) / 1_000_000)


def totals(story: Story) -> Dollars:
    """plan -> total in dollars."""
    return {name: dollars(cost.total_micros) for name, cost in compared(story).whole.costs.items()}


def for_calls(story: Story, plan: str) -> str:
    """The cost of the calls alone on a plan, in dollars."""
    return dollars(compared(story).whole.costs[plan].calls_micros)


def by_period(story: Story, plan: str) -> list[tuple[int, str]]:
    """(calls, total in dollars) of each period on a plan."""
    return [(period.calls, dollars(period.costs[plan].total_micros)) for period in compared(story).periods]


def hint_costs(hint: Event) -> Dollars:
    """plan -> its cost in `upgrade-suggested`, in dollars."""
    return {plan["plan"]: dollars(plan["cost_micros"]) for plan in hint["other_plans"]}


def log(*stories: Story) -> bytes:
    """The inputs of some accounts as a file, one after the other."""
    return b"".join(line + b"\n" for story in stories for line in story.lines())


def subscriber(plan: str = "professional", catalogue: Catalogue = SHIPPED, **fields: str) -> Story:
    return Story(catalogue=catalogue).opens(plan, **fields)


def talk(story: Story, *seconds: int, **fields: object) -> Story:
    """Calls of so many seconds, a second apart."""
    for number, length in enumerate(seconds, len(story.inputs)):
        story.call(f"talk-{number:04d}", seconds=length, **fields)
    return story
