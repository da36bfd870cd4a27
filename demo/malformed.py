"""Records that must be rejected, each with the dead-letter code that it must get."""

from collections.abc import Callable, Iterator, Mapping
from itertools import cycle
from random import Random

from demo.accounts import Account
from demo.arrivals import arrivals
from demo.wire import Timed, encode, sign
from schemas.instant import DAY_MS, MINUTE_MS, SECOND_MS, format_instant
from schemas.partitioning import partition_of

VALUE_BYTES_MAX = 65_536

# Makes a value from an account, a unique id and the time (epoch ms).
Maker = Callable[[Account, str, int], bytes]


def _started(account: Account, name: str, at_ms: int, changed: Mapping[str, object] | None = None) -> bytes:
    fields = {"call_id": name, "direction": "inbound", **(changed or {})}
    return encode("call-started", name, account.account_id, at_ms, fields)


def _ended(account: Account, name: str, at_ms: int, changed: Mapping[str, object]) -> bytes:
    fields = {
        "call_id": name,
        "direction": "inbound",
        "started_at": format_instant(at_ms - MINUTE_MS),
        "answered_at": format_instant(at_ms - 50 * SECOND_MS),
        "outcome": "completed",
        **changed,
    }
    return encode("call-ended", name, account.account_id, at_ms, fields)


def _cut_short(account: Account, name: str, at_ms: int) -> bytes:
    return _started(account, name, at_ms)[:-20]


def _latin_1(account: Account, name: str, at_ms: int) -> bytes:
    return _started(account, name, at_ms, {"note": "Cafe"}).replace(b"Cafe", b"Caf\xe9")


def _in_a_list(account: Account, name: str, at_ms: int) -> bytes:
    return b"[" + _started(account, name, at_ms) + b"]"


def _unknown_outcome(account: Account, name: str, at_ms: int) -> bytes:
    return _ended(account, name, at_ms, {"outcome": "vanished"})


def _time_without_offset(account: Account, name: str, at_ms: int) -> bytes:
    return _ended(account, name, at_ms, {"started_at": "2026-01-31T11:00:00"})


def _ended_before_answer(account: Account, name: str, at_ms: int) -> bytes:
    return _ended(account, name, at_ms, {"answered_at": format_instant(at_ms + SECOND_MS)})


def _money_as_text(account: Account, name: str, at_ms: int) -> bytes:
    fields = {"purchase_id": name, "amount_micros": "20.00"}
    return encode("credits-purchase-requested", name, account.account_id, at_ms, fields)


def _nameless_call(account: Account, name: str, at_ms: int) -> bytes:
    return _started(account, name, at_ms, {"call_id": ""})


def _unknown_type(account: Account, name: str, at_ms: int) -> bytes:
    return encode("call-paused", name, account.account_id, at_ms, {"call_id": name})


def _of_another_account(_: Account, name: str, at_ms: int) -> bytes:
    return encode("call-started", name, "somebody-else", at_ms, {"call_id": name, "direction": "inbound"})


def _too_large(account: Account, name: str, at_ms: int) -> bytes:
    return _started(account, name, at_ms, {"note": "x" * VALUE_BYTES_MAX})


def _opened_again(account: Account, name: str, at_ms: int) -> bytes:
    return encode("account-opened", name, account.account_id, at_ms, {"plan": "free"})


def _foreign_card(account: Account, name: str, at_ms: int) -> bytes:
    fields = {"purchase_id": name, "amount_micros": 10_000_000, "payment_method_id": "pm-of-nobody"}
    return encode("credits-purchase-requested", name, account.account_id, at_ms, fields)


def _plan_unknown(account: Account, name: str, at_ms: int) -> bytes:
    return encode("plan-change-requested", name, account.account_id, at_ms, {"plan": "platinum"})


def _refund_of_nothing(account: Account, name: str, at_ms: int) -> bytes:
    return encode("credits-refund-requested", name, account.account_id, at_ms, {"purchase_id": name})


def _card_number(account: Account, name: str, at_ms: int) -> bytes:
    # The test number printed in every payment provider's manual.
    fields = {"payment_method_id": name, "token": "4242 4242 4242 4242", "brand": "visa", "last4": "4242"}
    return encode("payment-method-added", name, account.account_id, at_ms, {**fields, "exp_month": 1, "exp_year": 2031})


def _payment_of_nothing(account: Account, name: str, at_ms: int) -> bytes:
    return encode("payment-succeeded", name, account.account_id, at_ms, {"payment_id": name})


def _months_late(account: Account, name: str, at_ms: int) -> bytes:
    return _ended(
        account,
        name,
        at_ms - 40 * DAY_MS,
        {
            "started_at": format_instant(at_ms - 40 * DAY_MS - MINUTE_MS),
            "answered_at": None,
            "outcome": "no_answer",
        },
    )


def _tomorrow(account: Account, name: str, at_ms: int) -> bytes:
    return _started(account, name, at_ms + DAY_MS)


MAKERS: tuple[tuple[str, Maker], ...] = (
    ("malformed_json", _cut_short),
    ("not_utf8", _latin_1),
    ("not_an_object", _in_a_list),
    ("schema_invalid", _unknown_outcome),
    ("schema_invalid", _time_without_offset),
    ("schema_invalid", _ended_before_answer),
    ("schema_invalid", _money_as_text),
    ("schema_invalid", _nameless_call),
    ("unknown_type", _unknown_type),
    ("key_mismatch", _of_another_account),
    ("wrong_partition", _started),
    ("too_large", _too_large),
    ("account_exists", _opened_again),
    ("unknown_payment_method", _foreign_card),
    ("unknown_plan", _plan_unknown),
    ("unknown_purchase", _refund_of_nothing),
    ("card_number_refused", _card_number),
    ("unknown_payment", _payment_of_nothing),
    ("unauthenticated", _payment_of_nothing),
    ("too_late", _months_late),
    ("future_time", _tomorrow),
)


def malformed(
    accounts: list[Account], count: int, midnight_ms: int, *, partitions: int, signing_key: bytes | None, rng: Random
) -> Iterator[Timed]:
    """`count` malformed records over the month, each kind in turn. Leaves out kinds that these settings cannot
    produce.
    """
    impossible = set[str]()
    if partitions == 1:
        impossible.add("wrong_partition")
    if signing_key is None:
        impossible.add("unauthenticated")
    kinds = cycle([(code, make) for code, make in MAKERS if code not in impossible])
    for number, at_ms in enumerate(arrivals(count, midnight_ms, rng)):
        code, make = next(kinds)
        account = rng.choice(accounts)
        value = make(account, f"{account.account_id}:bad{number:05}", at_ms)
        wrong = (partition_of(account.key, partitions) + 1) % partitions if code == "wrong_partition" else None
        # Signed like all other records, so that each is rejected for its own fault.
        headers = () if code == "unauthenticated" else sign(value, signing_key)
        yield Timed(at_ms, "malformed", account.key, value, headers, partition=wrong, dead_letter=code)
