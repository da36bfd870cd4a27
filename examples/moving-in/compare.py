"""Compares what Tollgate charged with the old system's bills. Exit status 1 if anything differs.

    python compare.py published.jsonl

The file has the events of `tollgate replay`, or of `tollgate export`. Needs Python alone.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from move_in import micros, rows


def differences(events: Iterable[dict[str, Any]]) -> Iterator[str]:
    """One line for each call or balance that differs, and for each input that Tollgate refused."""
    charged: Counter[tuple[str, str]] = Counter()
    balances: Counter[str] = Counter()
    known = set()
    for event in events:
        if event["type"] in ("call-charged", "charge-adjusted"):
            call = event["account_id"], event["call_id"]
            charged[call] += event["amount_micros"]
            known.add(call)
        elif event["type"] == "ledger-entry-posted":
            balances[event["account_id"]] = event["balance_after_micros"]
        elif event["type"] == "dead-letter":
            yield f"line {event.get('line', '?')} was refused: {event['code']}: {event['message']}"
    for old in rows("calls.csv"):
        call = old["account_id"], old["call_id"]
        if call not in known:
            yield f"call {old['call_id']} of {old['account_id']}: not charged, the old system {old['cost']}"
        elif charged[call] != micros(old["cost"]):
            yield f"call {old['call_id']} of {old['account_id']}: {units(charged[call])}, the old system {old['cost']}"
    for account in rows("accounts.csv"):
        balance = balances[account["account_id"]]
        if balance != micros(account["balance"]):
            yield f"balance of {account['account_id']}: {units(balance)}, the old system {account['balance']}"


def units(amount_micros: int) -> str:
    return f"{Decimal(amount_micros) / 1_000_000:.2f}"


if __name__ == "__main__":
    with Path(sys.argv[1]).open(encoding="utf-8") as file:
        found = list(differences(json.loads(line) for line in file))
    print("\n".join(found) or "Every call and every balance is the same.")
    sys.exit(bool(found))
