"""A rule as small as a rule can be, behind the interface of the real one: each input adds an amount to its account.

One output for each input, with the account's count and balance after it: any input lost, repeated or reordered shows.
"""

import os
import struct
import threading
import zlib
from collections.abc import Sequence
from datetime import datetime

import msgspec

from agents.wallet.dead_letter import dead_letter, unreadable_letter
from schemas.batch import BatchResult, Output, Record, UnreadableRecord
from schemas.rows import CorruptRowError
from stream import log

HEAD = struct.Struct("<IQq")  # checksum, count (grows by one), balance


class Deposit(msgspec.Struct):
    id: str
    account_id: str
    amount: int = 0
    type: str = "deposit"
    occurred_at: str = ""


def clock_of(tick: Deposit) -> int:
    return int(datetime.fromisoformat(tick.occurred_at).timestamp()) * 1_000


class Charge(msgspec.Struct):
    caused_by: str
    account_id: str
    count: int
    balance: int


_decode = msgspec.json.Decoder(Deposit).decode


def row(key: bytes, count: int, balance: int) -> bytes:
    body = struct.pack("<Qq", count, balance)
    return struct.pack("<I", zlib.crc32(key + body)) + body


PAUSE_S = 3  # Of a rule that takes its time.
RESTORE_PAUSE_S = float(os.environ.get("TALLY_RESTORE_PAUSE_S", "0"))
OPEN_PAUSE_S = float(os.environ.get("TALLY_OPEN_PAUSE_S", "0"))


def check_row(key: bytes, value: bytes, previous: bytes | None) -> None:
    if RESTORE_PAUSE_S:
        log.get("tally").info("row checked")
        threading.Event().wait(RESTORE_PAUSE_S)  # A table so large that it takes longer than the group's patience.
    if len(value) != HEAD.size:
        raise CorruptRowError("wrong length")
    checksum, count, _ = HEAD.unpack(value)
    if checksum != zlib.crc32(key + value[4:]):
        raise CorruptRowError("wrong checksum")
    if previous is not None and HEAD.unpack(previous)[1] >= count:
        raise CorruptRowError("the sequence goes back")


def do_other(result: BatchResult, deposit: Deposit) -> None:
    assert deposit.type != "crash", "a rule that fails"
    if deposit.type == "pause":
        log.get("tally").info("rule pauses")
        threading.Event().wait(PAUSE_S)
    if deposit.type == "hang":
        threading.Event().wait()  # A rule that never returns: the loop is stuck.
    if deposit.type == "clock-ticked":
        result.clock_ms = clock_of(deposit)


class TallyWallets:
    def __init__(self) -> None:
        self._rows: dict[int, dict[str, bytes]] = {}
        self._balances: dict[int, int] = {}
        self.deciding: Record | None = None

    def open(self, partition: int, rows: dict[str, bytes]) -> None:
        threading.Event().wait(OPEN_PAUSE_S)  # A table of millions of rows, from which much is derived.
        self._rows[partition] = rows
        self._balances[partition] = sum(HEAD.unpack(value)[2] for value in rows.values())

    def close(self, partition: int) -> None:
        del self._rows[partition]

    def balances(self, partition: int) -> dict[str, int]:
        return {"USD": self._balances[partition]}

    def oldest_unanswered_ms(self, partition: int) -> int | None:
        """None: no deposit requests a payment."""

    def gauges(self) -> dict[str, int]:
        return {"held_micros": 0, "open_calls": 0, "accounts": sum(map(len, self._rows.values())), "rows": 0}

    def overdue(self, partition: int) -> bool:
        """Never: the small rule has no timed work."""
        assert partition in self._rows
        return False

    def decide(self, partition: int, records: Sequence[Record], *, timed: bool = True) -> BatchResult:  # noqa: ARG002
        result = BatchResult()
        rows, changed = self._rows[partition], dict[str, tuple[int, int]]()
        for record in records:
            self.deciding = record
            try:
                deposit = _decode(record.value or b"")
            except msgspec.DecodeError as error:
                if isinstance(record, UnreadableRecord):
                    code, letter = "unreadable_record", unreadable_letter(record)
                else:
                    code, letter = "malformed_json", dead_letter(record, "malformed_json", str(error))
                result.outputs.append(letter)
                result.tally["inputs", "dead_letter"] += 1
                result.tally["dead_letters", code] += 1
                continue
            result.tally["inputs", "accepted"] += 1
            if deposit.type != "deposit":
                do_other(result, deposit)
                continue
            account_id = deposit.account_id
            if account_id in changed:
                count, balance = changed[account_id]
            else:
                known = rows.get(account_id)
                _, count, balance = HEAD.unpack(known) if known else (0, 0, 0)
            count, balance = count + 1, balance + deposit.amount
            changed[account_id] = (count, balance)
            self._balances[partition] += deposit.amount
            sums = result.given_back_micros if deposit.amount < 0 else result.charged_micros
            sums["USD"] += abs(deposit.amount)
            charge = msgspec.json.encode(Charge(deposit.id, account_id, count, balance))
            result.outputs.append(Output("charges", record.key, charge, ()))
        if records:
            result.arrived_ms = records[-1].timestamp
        result.rows = [(key, row(key.encode(), *state)) for key, state in changed.items()]
        return result
