"""The fake provider: outcomes by seed and payment id, and reversals from its book."""

import subprocess
import sys
from pathlib import Path

import pytest

from payments.adapter.changes import apply_outcome
from payments.outcome import Declined, Outcome, Pending, Succeeded, Unknown
from payments.payment_state import PaymentState
from payments.providers.fake import FakeProvider, FakeSettings
from payments.providers.fake_book import add_entry, read_book
from payments.reversal import Kind, Listed, Looked, Reversal
from schemas.instant import DAY_MS, SECOND_MS
from tests.payments.requests import REQUESTED_MS, opened, request

NEVER_DECLINED = FakeSettings(declined_ppm=0, declined_for_now_ppm=0)
ALWAYS_DECLINED = FakeSettings(declined_ppm=1_000_000, very_slow_ppm=1_000_000)
AT_MS = REQUESTED_MS + DAY_MS
ROW = apply_outcome(opened(request("a-1/buy/1")), Succeeded("ch-1"), REQUESTED_MS)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return tmp_path / "book.jsonl"


async def look(book: Path | None, row: PaymentState = ROW) -> tuple[Reversal, ...]:
    looked = await FakeProvider(NEVER_DECLINED, 1.0, book).look(row, AT_MS)
    assert isinstance(looked, Looked)
    return looked.reversals


async def test_a_payment_is_pending_for_its_delay_and_has_the_same_outcome_in_every_process() -> None:
    async def execute(now_ms: int) -> Outcome:
        return await FakeProvider(NEVER_DECLINED, 1.0).execute(opened(request("a-1/buy/1")), None, now_ms)

    waiting = await execute(REQUESTED_MS)
    assert isinstance(waiting, Pending)
    assert waiting.check_at_ms is not None
    first = await execute(waiting.check_at_ms)
    assert isinstance(first, Succeeded)
    assert await execute(waiting.check_at_ms + DAY_MS) == first


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("fake-card-paid", None),
        ("fake-card-insufficient-funds", ("insufficient_funds", True)),
        ("fake-card-expired", ("expired_card", False)),
        ("fake-card-confirmation", ("authentication_required", False)),
    ],
)
@pytest.mark.parametrize("settings", [NEVER_DECLINED, ALWAYS_DECLINED], ids=["good luck", "bad luck"])
async def test_a_card_for_trials_decides_alone(
    settings: FakeSettings, token: str, expected: tuple[str, bool] | None
) -> None:
    """Within seconds, so that a person who tries the page does not wait."""
    row = opened(request("a-1/buy/1", token=token))
    outcome = await FakeProvider(settings, 1.0).execute(row, None, REQUESTED_MS + 4 * SECOND_MS)
    if expected is None:
        assert isinstance(outcome, Succeeded)
    else:
        assert isinstance(outcome, Declined)
        assert (outcome.reason, outcome.retryable) == expected


async def test_without_a_book_nothing_is_reversed(book: Path) -> None:
    for missing in (None, book):
        assert await look(missing) == ()
        assert await FakeProvider(NEVER_DECLINED, 1.0, missing).list_reversed(0) == Listed()


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (["dispute"], ["dispute fake-1"]),
        (["dispute", "dispute_won"], ["dispute fake-1", "dispute_won fake-1"]),
        (["refund", "refund_failed"], ["refund fake-1", "refund_failed fake-1"]),
        (["refund", "refund", "refund_failed"], ["refund fake-1", "refund fake-2", "refund_failed fake-2"]),
        # The payment is a refund of ours.
        (["refund_failed"], ["refund_failed fake-1"]),
    ],
)
async def test_the_book_gives_each_movement_the_reference_of_its_dispute_or_refund(
    book: Path, kinds: list[Kind], expected: list[str]
) -> None:
    for kind in kinds:
        add_entry(book, "a-1/buy/1", kind, None, AT_MS)
    add_entry(book, "a-1/buy/other", "dispute", None, AT_MS)
    found = await look(book)
    assert [f"{one.kind} {one.reference}" for one in found] == expected
    assert {(one.amount_micros, one.at_ms) for one in found} == {(ROW.amount_micros, AT_MS)}
    assert await FakeProvider(NEVER_DECLINED, 1.0, book).list_reversed(0) == Listed(
        frozenset({"a-1/buy/1", "a-1/buy/other"})
    )


async def test_r1_an_amount_is_a_part_of_the_payment(book: Path) -> None:
    add_entry(book, "a-1/buy/1", "dispute", 5_000_000, AT_MS)
    add_entry(book, "a-1/buy/1", "refund", 90_000_000, AT_MS)
    assert [one.amount_micros for one in await look(book)] == [5_000_000, 20_000_000]


def test_a_dispute_is_won_once(book: Path) -> None:
    for kind in ("dispute", "dispute_won"):
        add_entry(book, "a-1/buy/1", kind, None, AT_MS)
    with pytest.raises(ValueError, match="no dispute that is open"):
        add_entry(book, "a-1/buy/1", "dispute_won", None, AT_MS)


@pytest.fixture
def damaged(book: Path) -> Path:
    book.write_text('{"payment_id": "a-1/buy/1", "kind": "gift"}\n')
    return book


async def test_a_book_that_is_no_book_is_an_outage_and_not_an_empty_one(damaged: Path) -> None:
    provider = FakeProvider(NEVER_DECLINED, 1.0, damaged)
    assert isinstance(await provider.look(ROW, AT_MS), Unknown)
    assert isinstance(await provider.list_reversed(0), Unknown)


def test_the_command_writes_the_book(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reverse(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "payments", "fake-reversal", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert "TOLLGATE_PAYMENTS_FAKE_BOOK" in reverse("a-1/buy/1", "dispute").stderr
    monkeypatch.setenv("TOLLGATE_PAYMENTS_FAKE_BOOK", str(book))
    made = reverse("a-1/buy/1", "dispute", "--amount-micros", "5000000")
    assert (made.returncode, made.stdout) == (0, "dispute fake-1 of a-1/buy/1\n")
    assert reverse("a-1/buy/2", "dispute_won").returncode == 2
    assert [(one.kind, one.amount_micros) for one in read_book(book)] == [("dispute", 5_000_000)]
