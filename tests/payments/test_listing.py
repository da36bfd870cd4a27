"""When a partition lists the provider's disputes and refunds, and since when. Decision 0039."""

import pytest

from payments.adapter.listing import (
    LISTED_KEY,
    OVERLAP_MS,
    RETRY_MS,
    ListedTo,
    Listing,
    decode_listed,
    encode_listed,
)
from schemas.instant import DAY_MS, MINUTE_MS
from schemas.rows import CHECKPOINT_KEY, CorruptRowError
from tests.payments.requests import REQUESTED_MS, opened, request

EVERY_MS = 10 * MINUTE_MS
NOW_MS = REQUESTED_MS + 30 * DAY_MS
OLD, YOUNG = opened(request("p1"), REQUESTED_MS), opened(request("p2"), REQUESTED_MS + DAY_MS)


def test_the_first_listing_is_made_at_once_and_begins_at_the_oldest_payment() -> None:
    """Its customers may have disputed payments for as long as no version of the adapter looked."""
    listing = Listing(EVERY_MS, None, [YOUNG, OLD], NOW_MS)
    assert (listing.due_ms, listing.since_ms) == (NOW_MS, REQUESTED_MS - OVERLAP_MS)


def test_without_payments_it_begins_now() -> None:
    assert Listing(EVERY_MS, None, [], NOW_MS).since_ms == NOW_MS - OVERLAP_MS


@pytest.mark.parametrize("down_ms", [0, MINUTE_MS, 20 * DAY_MS])
def test_a_later_one_begins_where_the_last_one_ended_however_long_nothing_ran(down_ms: int) -> None:
    listing = Listing(EVERY_MS, ListedTo(NOW_MS), [OLD], NOW_MS + down_ms)
    assert (listing.due_ms, listing.since_ms) == (NOW_MS + EVERY_MS, NOW_MS - OVERLAP_MS)


def test_only_a_listing_that_is_committed_moves_the_time() -> None:
    listing = Listing(EVERY_MS, ListedTo(NOW_MS), [], NOW_MS)
    listing.failed(NOW_MS + EVERY_MS)
    assert (listing.due_ms, listing.since_ms) == (NOW_MS + EVERY_MS + RETRY_MS, NOW_MS - OVERLAP_MS)
    began_ms = listing.due_ms
    listing.succeeded(ListedTo(began_ms), began_ms + 3)
    assert (listing.due_ms, listing.since_ms) == (began_ms + 3 + EVERY_MS, began_ms - OVERLAP_MS)


def test_the_row_comes_back_as_it_was_written_and_keeps_its_bytes() -> None:
    value = encode_listed(ListedTo(NOW_MS))
    assert decode_listed(value) == ListedTo(NOW_MS)
    assert value == b'\x01t^0p{"at_ms":1772445600250}'
    assert LISTED_KEY.decode() != CHECKPOINT_KEY


@pytest.mark.parametrize("damaged", [b"", b"\x01\x00\x00\x00\x00{}", encode_listed(ListedTo(1))[:-1] + b"]"])
def test_a_damaged_row_is_refused(damaged: bytes) -> None:
    with pytest.raises(CorruptRowError):
        decode_listed(damaged)
