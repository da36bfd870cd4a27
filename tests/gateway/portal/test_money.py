"""What the pages of money show of real snapshots and events: credits, auto-refill and cards. Money in dollars."""

from collections.abc import Callable

import pytest

from gateway.portal import cards, refill
from gateway.portal import credits as wallet
from gateway.portal.card_words import card_name, reason_words
from payments.providers.declines import HARD, RETRYABLE
from schemas.currencies import load_currencies
from schemas.instant import parse_instant
from schemas.plan import CreditsPlan
from tests.rules.story import SHIPPED, Event, Story, opened, usd

_free = SHIPPED.plans["free"]
assert isinstance(_free, CreditsPlan)
FREE: CreditsPlan = _free
LIVE = "live_agent"
CONFIRM = "authentication_required"


def newest(story: Story, *kinds: str) -> list[Event]:
    return story.facts(*kinds)[::-1]


def with_card(credit: str = "0", *features: str) -> Story:
    return opened(*features, credit=credit).adds_card()


def subscribed() -> Story:
    """A minutes subscription whose fee is paid."""
    return Story().opens("professional").ticks().adds_card().pays()


# C7 and C8: on, and inactive until credit is available; what a call in progress holds is not.
@pytest.mark.parametrize(
    ("story", "states"),
    [
        (opened(), ["off", "off", "off"]),
        (opened(LIVE), ["off", "waiting", "off"]),
        (opened(LIVE, credit="0.01"), ["off", "on", "off"]),
        (opened(LIVE, credit=2).starts("held"), ["off", "waiting", "off"]),
        (opened(LIVE, "extra_calls", "appointment_booking", credit=-1), ["waiting", "waiting", "waiting"]),
    ],
    ids=["new", "without credit", "with credit", "all of it held", "in debt"],
)
def test_switches(story: Story, states: list[str]) -> None:
    shown = wallet.switches(story.snapshot(), FREE)
    assert [one.state for one in shown] == states
    assert [one.price_micros for one in shown] == [usd(3)] * 3


@pytest.mark.parametrize(
    ("code", "units"), [("USD", [20, 50, 100]), ("JPY", [2_000, 5_000, 10_000]), ("KWD", [2, 5, 10])]
)
def test_amounts_to_choose_from_can_be_paid(code: str, units: list[int]) -> None:
    currency = load_currencies()[code]
    shown = wallet.presets(currency)
    assert [micros // 1_000_000 for micros in shown] == units
    assert all(map(currency.is_payable, shown))


@pytest.mark.parametrize(
    ("asked", "shown"), [("", "50.00"), ("20.00", "20.00"), ("other", ""), ("<script>", "50.00"), ("33.00", "50.00")]
)
def test_the_amount_that_is_chosen(asked: str, shown: str) -> None:
    assert wallet.chosen_text(asked, ["20.00", "50.00", "100.00"]) == shown


def test_without_amounts_one_is_typed() -> None:
    assert wallet.chosen_text("20.00", []) == ""


def test_a_pending_purchase_is_shown_until_its_answer() -> None:
    story = with_card().buys("p1", 50)
    [pending] = wallet.pending_purchases(story.snapshot())
    assert (pending["amount_micros"], pending["reference"]) == (usd(50), "p1")
    assert wallet.pending_purchases(story.pays().snapshot()) == []


def test_only_purchases_are_pending_here() -> None:
    assert wallet.pending_purchases(with_card().refills(20).snapshot()) == []


# A declined purchase is shown with its reason until one succeeds, and not while another one waits.
@pytest.mark.parametrize(
    ("then", "shown"),
    [
        (lambda story: story, True),
        (lambda story: story.waits(seconds=1).buys("p2", 20), False),
        (lambda story: story.waits(seconds=1).buys("p2", 20).pays(), False),
        (lambda story: story.waits(seconds=1).buys("p2", 20).declines(reason="expired_card"), True),
        (lambda story: story.waits(seconds=1).is_granted(5), True),
    ],
    ids=["at first", "another waits", "another was paid", "another was declined", "a grant is no purchase"],
)
def test_a_declined_purchase(then: Callable[[Story], Story], *, shown: bool) -> None:
    story = then(with_card().buys("p1", 50).declines(reason="insufficient_funds"))
    alerts = newest(story, "purchase-declined", "balance-low")
    declined = wallet.declined_purchase(story.snapshot(), alerts, newest(story, "ledger-entry-posted"))
    assert (declined is not None) == shown


@pytest.mark.parametrize(
    ("reason", "why", "must_confirm", "remedy"),
    [
        ("insufficient_funds", "insufficient funds", False, "Use another card"),
        (CONFIRM, "the bank wants a confirmation", True, "Confirm the card"),
        ("a_reason_of_next_year", "a reason of next year", False, "Use another card"),
    ],
)
def test_what_is_said_of_a_declined_card(reason: str, why: str, remedy: str, *, must_confirm: bool) -> None:
    story = with_card().buys("p1", 50).declines(reason=reason)
    declined = wallet.declined_purchase(story.snapshot(), newest(story, "purchase-declined"), [])
    assert declined is not None
    assert (declined.card, declined.amount_micros, declined.why) == ("Visa •••• 4242", usd(50), why)
    assert (declined.must_confirm, declined.remedy) == (must_confirm, remedy)


def test_every_known_reason_has_words_and_none_speaks_of_theft_or_fraud() -> None:
    for reason in HARD | RETRYABLE | {CONFIRM}:
        words = reason_words(reason)
        assert words
        assert not {"stolen", "lost", "fraudulent"} & set(words.split())


def test_credits_can_be_refunded_for_thirty_days_from_their_payment() -> None:
    """P13: what of them is unused."""
    story = with_card("0", LIVE).buys("p1", 20).pays().call("one", used=[LIVE])
    [shown] = wallet.refundable(story.snapshot(), SHIPPED.rules.refund_window_ms)
    [paid] = [entry for entry in story.facts("ledger-entry-posted") if entry["kind"] == "purchase"]
    assert shown.amount_micros == usd(17)
    assert parse_instant(paid["occurred_at"]) == shown.added_at_ms
    assert parse_instant(shown.until) - shown.added_at_ms == 30 * 86_400_000


def test_the_default_card_is_the_first_to_pay_with() -> None:
    story = with_card().adds_card("pm2", brand="american_express", last4="0005")
    assert wallet.card_options(story.snapshot()) == [("pm1", "Visa •••• 4242"), ("pm2", "American Express •••• 0005")]
    story.says("payment-method-defaulted", payment_method_id="pm2")
    assert [card for card, _ in wallet.card_options(story.snapshot())] == ["pm2", "pm1"]


def dispute(story: Story) -> Story:
    payment_id = story.payment_id()
    return story.says("payment-reversed", payment_id=payment_id, amount_micros=usd(20), kind="dispute")


# C14, P8 and R6.
@pytest.mark.parametrize(
    ("story", "state", "why"),
    [
        (with_card(), "off", ""),
        (with_card("20").refills(20), "on", ""),
        (with_card("0").ticks().refills(20), "in_flight", ""),
        (with_card("0").ticks().refills(20).declines(retryable=True), "retrying", ""),
        (with_card("0").ticks().refills(20).declines(), "paused", "the card was declined for good"),
        (dispute(with_card("0").ticks().refills(20).pays()), "paused", "a payment is disputed"),
        (with_card("0").ticks().refills(20, monthly_limit_micros=usd(10)), "limited", ""),
        (with_card("0").ticks().refills(20).pays().is_granted(-15), "in_flight", ""),
        (with_card("0").ticks().refills(20, monthly_limit_micros=usd(30)).pays().is_granted(-15), "limited", ""),
        (with_card("0").ticks().refills(20).declines().refills(enabled=False), "off", ""),
    ],
    ids=[
        *("off at first", "on", "in flight", "retrying", "declined", "disputed", "over the limit at once"),
        *("again", "over the limit later", "switched off"),
    ],
)
def test_how_auto_refill_stands(story: Story, state: str, why: str) -> None:
    kinds = ("refill-requested", "refill-succeeded", "refill-declined", "refill-paused")
    status = refill.status_of(story.snapshot(), newest(story, *kinds))
    assert (status.state, status.why) == (state, why)
    assert bool(status.retry_at) == (state == "retrying")
    assert (status.declined is not None) == (state in {"retrying", "paused"} and "disputed" not in why)


@pytest.mark.parametrize(
    ("story", "kind"),
    [
        (with_card("20").refills(20), None),
        (with_card().ticks().refills(20), "requested"),
        (with_card().ticks().refills(20).pays(), "succeeded"),
        (with_card().ticks().refills(20).declines(reason="insufficient_funds"), "declined"),
    ],
    ids=["none yet", "requested", "succeeded", "declined"],
)
def test_the_last_outcome_of_a_refill(story: Story, kind: str | None) -> None:
    kinds = ("refill-requested", "refill-succeeded", "refill-declined", "refill-paused")
    outcome = refill.last_outcome(newest(story, *kinds))
    assert (outcome and outcome.kind) == kind
    if outcome is not None:
        assert outcome.amount_micros == usd(20)
        assert (outcome.declined and outcome.declined.why) == ("insufficient funds" if kind == "declined" else None)


@pytest.mark.parametrize(
    ("story", "paying", "choices"),
    [
        (opened(), None, [""]),
        (with_card(), "Visa •••• 4242", ["", "pm1"]),
        (with_card().adds_card("pm2", last4="0002").refills(20, payment_method_id="pm2"), "Visa •••• 0002",
         ["pm1", "pm2"]),
        (with_card().adds_card("pm2", last4="0002").refills(20, payment_method_id="pm2")
         .says("payment-method-removed", payment_method_id="pm2"), "Visa •••• 4242", ["", "pm1"]),
        (dispute(with_card().buys("p1", 20).pays()), None, ["", "pm1"]),
    ],
    ids=["no card", "the default card", "a chosen card", "the chosen card was removed", "blocked by a dispute"],
)  # fmt: skip
def test_the_card_of_refills(story: Story, paying: str | None, choices: list[str]) -> None:
    """Once a card was chosen, the default one cannot be chosen as such: a field that is left out keeps its value."""
    assert refill.paying_card(story.snapshot()) == paying
    assert [card for card, _ in refill.choices(story.snapshot())] == choices


# P15: the only card is protected while a minutes subscription runs.
@pytest.mark.parametrize(
    ("story", "kept"),
    [
        (with_card(), False),
        (subscribed(), True),
        (subscribed().says("subscription-cancel-requested"), True),
        (subscribed().says("subscription-cancel-requested").ticks(days=40), False),
        (subscribed().adds_card("pm2"), False),
    ],
    ids=["credits plan", "subscribed", "cancelled and running", "ended", "not the only one"],
)
def test_the_only_card_of_a_running_subscription_is_kept(story: Story, *, kept: bool) -> None:
    assert cards.is_kept(story.snapshot()) == kept
    # The engine says the same.
    story.says("payment-method-removed", payment_method_id="pm1")
    assert story.refusal() == ("last_payment_method" if kept else None)


@pytest.mark.parametrize(("year", "month", "expired"), [(2031, 4, False), (2031, 5, True), (2032, 1, True)])
def test_a_card_expires_at_the_end_of_its_month(year: int, month: int, *, expired: bool) -> None:
    [card] = cards.cards_of(with_card().snapshot(), year, month)
    assert (card.expires, card.expired, card.default, card.blocked) == ("04/2031", expired, True, False)


TWO = "Visa •••• 0002"


@pytest.mark.parametrize(
    ("story", "removed", "said"),
    [
        (with_card(), "pm1", ["It is your only card. Without one no credits can be added."]),
        (with_card("20").refills(20), "pm1", ["It is your only card. Without one no credits can be added.",
                                              "Auto-refill is on: it stops until you add a card."]),
        (with_card().adds_card("pm2", last4="0002"), "pm1", [f"{TWO} becomes your default card."]),
        (with_card().adds_card("pm2", last4="0002"), "pm2",
         ["Nothing is paid with it any more. Your other cards stay as they are."]),
        (with_card("20").adds_card("pm2", last4="0002").refills(20, payment_method_id="pm2"), "pm2",
         ["Auto-refill is paid with Visa •••• 4242 from then on."]),
        (with_card("20").adds_card("pm2", last4="0002").refills(20, payment_method_id="pm1"), "pm1",
         [f"{TWO} becomes your default card.", f"Auto-refill is paid with {TWO} from then on."]),
    ],
    ids=["the only one", "the only one, for refills", "the default", "another", "that of refills", "default, refills"],
)  # fmt: skip
def test_what_removing_a_card_does(story: Story, removed: str, said: list[str]) -> None:
    snapshot = story.snapshot()
    card = next(one for one in snapshot["payment_methods"] if one["payment_method_id"] == removed)
    assert cards.consequences(snapshot, card, "Auto-refill") == said
    # It is what the engine does.
    after = story.says("payment-method-removed", payment_method_id=removed).snapshot()
    default = [card_name(one) for one in after["payment_methods"] if one["default"]]
    assert all(sentence.startswith(default[0]) for sentence in said if "default card" in sentence)
