"""The same calls on other plans: `python -m stream whatif EVENTS.jsonl --plans A,B,C`. Rule C16."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import orjson
import typer

from agents.wallet.compare import SWITCHES, CostOnPlan
from agents.wallet.turn import Refusal
from schemas.codec import Unreadable
from schemas.instant import format_instant
from schemas.plan import CreditsPlan, PlanError, load_catalogue
from stream.comparison import AccountCompared, Comparison, Plans, UnknownPlanError, choose_plans, compare_account
from stream.comparison_text import console_for, print_account, print_assumptions, print_total
from stream.counted_calls import hear_calls
from stream.replay import open_inputs

Compared = AccountCompared | Comparison


def command(
    events: Annotated[
        str, typer.Argument(metavar="EVENTS.jsonl", help="Inputs, one JSON object a line; - reads stdin.")
    ],
    plans: Annotated[
        str | None, typer.Option(metavar="NAME,NAME", help="The plans to compare. Default: all of the catalogue.")
    ] = None,
    account: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this account; may be repeated.")] = None,
    catalogue: Annotated[Path | None, typer.Option(help="Use this plan catalogue instead of the shipped one.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object a line instead of tables.")] = False,
) -> None:
    """Rate the same calls under each plan and compare: subscription, calls, total, and which is the cheapest.

    The inputs are run through the rules as `replay` does, and each account's calls are taken as they finally stand, by
    billing period. On credits plans every feature that a call used, and extra calls, count as switched on and paid for.
    Lines that cannot be taken are named on standard error and passed over. `upgrade-suggested` carries the same costs.
    """
    try:
        offered = load_catalogue(catalogue)
        chosen = choose_plans(offered, plans)
        only = frozenset(account or ())
        with open_inputs(events) as lines:
            heard = hear_calls(lines, offered, only, _complain)
    except (PlanError, UnknownPlanError, OSError) as error:
        _stop(str(error), 2)
    unknown = sorted(only - heard.keys())
    if unknown:
        _stop(f"account `{unknown[0]}` is not opened in the inputs", 1)
    compared = (compare_account(account_id, heard[account_id], chosen, offered) for account_id in sorted(heard))
    show = _write_json if json else _print
    show(_with_totals(compared), chosen)


def _stop(message: str, status: int) -> NoReturn:
    typer.echo(f"whatif: {message}", err=True)
    raise typer.Exit(status) from None


def _complain(line: int, refusal: Unreadable | Refusal) -> None:
    typer.echo(f"whatif: line {line} was passed over: {refusal.code}: {refusal.message}", err=True)


def _with_totals(accounts: Iterable[AccountCompared]) -> Iterator[Compared]:
    """The accounts, then a total for each currency that several of them have."""
    totals: dict[str, Comparison] = {}
    for account in accounts:
        yield account
        currency = account.whole.currency
        totals[currency] = totals[currency] + account.whole if currency in totals else account.whole
    yield from (total for _, total in sorted(totals.items()) if total.accounts > 1)


def _print(compared: Iterator[Compared], plans: Plans) -> None:
    console = console_for(sys.stdout)
    nothing = True
    for one in compared:
        nothing = False
        if isinstance(one, AccountCompared):
            print_account(console, one, plans)
        else:
            print_total(console, one, plans)
        console.print()
    if nothing:
        console.print("No account is opened in the inputs.")
    else:
        print_assumptions(console, plans)


def _write_json(compared: Iterator[Compared], plans: Plans) -> None:
    for one in compared:
        for name in plans:
            sys.stdout.buffer.write(orjson.dumps(_wire(one, name, plans)) + b"\n")


def _wire(one: Compared, name: str, plans: Plans) -> dict[str, Any]:
    """An account, or the total of a currency, on one plan."""
    whole = one.whole if isinstance(one, AccountCompared) else one
    cost = whole.costs[name]
    plan = plans[name]
    shared = {
        "plan": name,
        "currency": whole.currency,
        "calls": whole.calls,
        "billable_ms": whole.billable_ms,
        **_costs(cost),
        "difference_micros": cost.total_micros - whole.now_micros,
        "cheapest": name in whole.cheapest,
        "interval": plan.interval,
        "assumed_on": SWITCHES if isinstance(plan, CreditsPlan) else (),
        "charged_micros": whole.charged_micros,
        "redirected_calls": whole.redirected_calls,
    }
    if not isinstance(one, AccountCompared):
        return {"type": "total", "accounts": whole.accounts, **shared}
    periods = [
        {
            "period_start": format_instant(period.start_ms),
            "period_end": format_instant(period.end_ms),
            "calls": period.calls,
            **_costs(period.costs[name]),
        }
        for period in one.periods
    ]
    who = {"account_id": one.account_id, "time_zone": one.time_zone, "now": name == one.plan}
    return {"type": "account", **who, **shared, "periods": periods}


def _costs(cost: CostOnPlan) -> dict[str, int]:
    return {
        "included_calls": cost.included_calls,
        "rated_ms": cost.rated_ms,
        "included_ms": cost.included_ms,
        "subscription_micros": cost.subscription_micros,
        "calls_micros": cost.calls_micros,
        "total_micros": cost.total_micros,
    }
