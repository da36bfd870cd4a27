"""A rule as small as a rule can be, behind the interface of the real one: each input adds an amount to its account.

One output for each input, with the account's count and balance after it: any input lost, repeated or reordered shows.
"""

import os
import struct
import threading
import zlib
from collections.abc import Sequence

import msgspec

from schemas.batch import Outcome, Output, Record
from schemas.rows import CorruptRowError

HEAD = struct.Struct("<IQq")  # checksum, count (grows by one), balance


class Deposit(msgspec.Struct):
    id: str
    account_id: str
    amount: int = 0
    type: str = "deposit"


class Settled(msgspec.Struct):
    caused_by: str
    account_id: str
    count: int
    balance: int


_decode = msgspec.json.Decoder(Deposit).decode


def row(key: bytes, count: int, balance: int) -> bytes:
    body = struct.pack("<Qq", count, balance)
    return struct.pack("<I", zlib.crc32(key + body)) + body


RESTORE_PAUSE_S = float(os.environ.get("TALLY_RESTORE_PAUSE_S", "0"))


def check_row(key: bytes, value: bytes, previous: bytes | None) -> None:
    if RESTORE_PAUSE_S:
        threading.Event().wait(RESTORE_PAUSE_S)  # A table so large that it takes longer than the group's patience.
    if len(value) != HEAD.size:
        raise CorruptRowError("wrong length")
    checksum, count, _ = HEAD.unpack(value)
    if checksum != zlib.crc32(key + value[4:]):
        raise CorruptRowError("wrong checksum")
    if previous is not None and HEAD.unpack(previous)[1] >= count:
        raise CorruptRowError("the sequence goes back")


class TallyWallets:
    def __init__(self) -> None:
        self._rows: dict[int, dict[str, bytes]] = {}

    def open(self, partition: int, rows: dict[str, bytes]) -> None:
        self._rows[partition] = rows

    def close(self, partition: int) -> None:
        del self._rows[partition]

    def gauges(self) -> dict[str, int]:
        return {"held_micros": 0, "open_calls": 0, "accounts": sum(map(len, self._rows.values())), "rows": 0}

    def decide(self, partition: int, records: Sequence[Record]) -> Outcome:
        outcome = Outcome()
        rows, changed = self._rows[partition], dict[str, tuple[int, int]]()
        for record in records:
            try:
                deposit = _decode(record.value or b"")
            except msgspec.DecodeError as error:
                headers = [("errors.code", b"malformed_json"), ("errors.message", str(error).encode())]
                outcome.outputs.append(Output("dead-letters", record.key, record.value or b"", headers))
                outcome.tally["inputs", "dead_letter"] += 1
                outcome.tally["dead_letters", "malformed_json"] += 1
                continue
            outcome.tally["inputs", "accepted"] += 1
            if deposit.type == "hang":
                threading.Event().wait()  # A rule that never returns: the loop is stuck.
            if deposit.type != "deposit":
                continue
            account_id = deposit.account_id
            if account_id in changed:
                count, balance = changed[account_id]
            else:
                known = rows.get(account_id)
                _, count, balance = HEAD.unpack(known) if known else (0, 0, 0)
            count, balance = count + 1, balance + deposit.amount
            changed[account_id] = (count, balance)
            settled = msgspec.json.encode(Settled(deposit.id, account_id, count, balance))
            outcome.outputs.append(Output("charges", record.key, settled, ()))
        outcome.rows = [(key, row(key.encode(), *state)) for key, state in changed.items()]
        return outcome
