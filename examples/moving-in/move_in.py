"""Writes the inputs that move accounts from another billing system to Tollgate.

    python move_in.py --at 2026-03-20T09:00:00Z > inputs.jsonl

Reads accounts.csv and calls.csv beside it: what the old system knows at the time of the move. Needs Python alone.
"""

import argparse
import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def rows(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def micros(amount: str) -> int:
    return int(Decimal(amount) * 1_000_000)


def move(accounts: list[dict[str, str]], calls: list[dict[str, str]], at: str) -> Iterator[dict[str, Any]]:
    """All inputs in order. The tick is for `replay`: on a cluster the workers write their own."""
    calls_of = defaultdict(list)
    for call in sorted(calls, key=lambda call: call["ended_at"]):
        calls_of[call["account_id"]].append(call)
    yield {"type": "clock-ticked", "id": "move:tick", "account_id": "*", "occurred_at": at}
    for account in accounts:
        yield from move_account(account, calls_of[account["account_id"]], at)


def move_account(account: dict[str, str], calls: list[dict[str, str]], at: str) -> Iterator[dict[str, Any]]:
    """Opening, switches and card, what the wallet held before the period's calls, the calls, and auto-refill last:
    otherwise the calls would request refills that the old system has already made.
    """

    def moved(kind: str, name: str, occurred_at: str = at, **fields: Any) -> dict[str, Any]:
        head = {"type": kind, "id": f"move:{name}", "account_id": account["account_id"], "occurred_at": occurred_at}
        return head | fields

    optional = {"billing_email": account["billing_email"]} if account["billing_email"] else {}
    yield moved("account-opened", "open", account["signed_up"],
                plan=account["plan"], time_zone=account["time_zone"], billing_from=at, **optional)  # fmt: skip
    for feature in account["features"].split():
        yield moved("feature-set", feature, feature=feature, enabled=True)
    if account["token"]:
        year, month = account["expires"].split("-")
        yield moved("payment-method-added", "card", payment_method_id=account["payment_method_id"],
                    token=account["token"], brand=account["brand"], last4=account["last4"],
                    exp_month=int(month), exp_year=int(year))  # fmt: skip
    opening = micros(account["balance"]) + sum(micros(call["cost"]) for call in calls)
    if opening:
        yield moved("credits-granted", "balance", grant_id="moving-in", amount_micros=opening,
                    reason="balance in the old system, and what it has billed for this period's calls",
                    actor="moving-in")  # fmt: skip
    for call in calls:
        name = hashlib.sha256(call["call_id"].encode()).hexdigest()[:32]
        yield moved("call-ended", name, call["ended_at"], call_id=call["call_id"], direction=call["direction"],
                    started_at=call["started_at"], answered_at=call["answered_at"] or None,
                    outcome=call["outcome"], features=call["features"].split())  # fmt: skip
    if account["refill_amount"]:
        yield moved("auto-refill-set", "refill", enabled=True, amount_micros=micros(account["refill_amount"]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the inputs that move accounts in, one JSON object a line.")
    parser.add_argument("--at", required=True, help="time of the move, as in 2026-03-20T09:00:00Z")
    for event in move(rows("accounts.csv"), rows("calls.csv"), parser.parse_args().at):
        print(json.dumps(event))
