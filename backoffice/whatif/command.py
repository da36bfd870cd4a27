"""`tollgate whatif INPUTS.jsonl --plans A,B,C`: the cost of the same calls on other plans. Rule C16."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import orjson
import typer

from agents.wallet.rating.compare import SWITCHES, CostOnPlan
from agents.wallet.turn import Refusal
from backoffice.replay import open_inputs
from backoffice.whatif.comparison import (
    AccountCompared,
    Comparison,
    Plans,
    UnknownPlanError,
    choose_plans,
    compare_account,
)
from backoffice.whatif.counted_calls import collect_calls
from backoffice.whatif.report import console_for, print_account, print_assumptions, print_total
from schemas.codec import Unreadable
from schemas.currencies import CatalogueError
from schemas.instant import format_instant
from schemas.plan import CreditsPlan, load_catalogue
from stream.progress import with_progress

Compared = AccountCompared | Comparison


def command(
    events: Annotated[
        str, typer.Argument(metavar="INPUTS.jsonl", help="Inputs, as `export --inputs` writes them; - reads stdin.")
    ],
    plans: Annotated[
        str | None, typer.Option(metavar="NAME,NAME", help="The plans to compare. Default: all of the catalogue.")
    ] = None,
    account: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this account; may be repeated.")] = None,
    catalogue: Annotated[Path | None, typer.Option(help="Use this plan catalogue instead of the shipped one.")] = None,
    currencies: Annotated[Path | None, typer.Option(help="Currencies whose entries replace the shipped ones.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object a line instead of tables.")] = False,
) -> None:
    """Compare what the same calls would cost on other plans.

    Rates the calls on each plan, and prints the cost of subscription and calls, the total and the cheapest plan.
    Applies the rules to the inputs as `replay` does, and rates each account's calls in their final state, by billing
    period. `export --inputs` writes such a file of inputs. An account is compared on the plans that have prices in its
    currency. On credits plans, extra calls and every feature that a call used count as switched on and paid for.
    Refused lines are reported on standard error and skipped. `upgrade-suggested` has the same costs.
    """
    try:
        offered = load_catalogue(catalogue, currencies)
        chosen = choose_plans(offered, plans)
        only = frozenset(account or ())
        with open_inputs(events) as lines:
            calls = collect_calls(with_progress(lines, "whatif"), offered, only, _report_rejected)
    except (CatalogueError, UnknownPlanError) as error:
        _stop(str(error), 2)
    unknown = sorted(only - calls.keys())
    if unknown:
        _stop(f"no `account-opened` in the inputs opens account `{unknown[0]}`", 1)
    compared = (compare_account(account_id, calls[account_id], chosen, offered) for account_id in sorted(calls))
    show = _write_json if json else _print
    show(_with_totals(compared), chosen)


def _stop(message: str, status: int) -> NoReturn:
    typer.echo(f"whatif: {message}", err=True)
    raise typer.Exit(status) from None


def _report_rejected(line: int, refusal: Unreadable | Refusal) -> None:
    typer.echo(f"whatif: line {line} was skipped: {refusal.code}: {refusal.message}", err=True)


def _with_totals(accounts: Iterable[AccountCompared]) -> Iterator[Compared]:
    """The accounts, then a total for each currency that more than one of them has."""
    totals: dict[str, Comparison] = {}
    for account in accounts:
        yield account
        currency = account.whole.currency
        totals[currency] = totals[currency] + account.whole if currency in totals else account.whole
    yield from (total for _, total in sorted(totals.items()) if total.accounts > 1)


def _print(compared: Iterator[Compared], plans: Plans) -> None:
    console = console_for(sys.stdout)
    empty = True
    for one in compared:
        empty = False
        if isinstance(one, AccountCompared):
            print_account(console, one, plans)
        else:
            print_total(console, one, plans)
        console.print()
    if empty:
        console.print("No `account-opened` in the inputs opens an account.")
    else:
        print_assumptions(console, plans)


def _write_json(compared: Iterator[Compared], plans: Plans) -> None:
    for one in compared:
        for name in (one.whole if isinstance(one, AccountCompared) else one).costs:
            sys.stdout.buffer.write(orjson.dumps(_row(one, name, plans)) + b"\n")


def _row(one: Compared, name: str, plans: Plans) -> dict[str, Any]:
    """The JSON of an account, or of the total of a currency, on one plan."""
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
