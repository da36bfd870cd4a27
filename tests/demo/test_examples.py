"""The examples at the end of a run: they come from the topics alone, and kinds without an example are left out."""

from demo.closing import EXAMPLE_MAKERS, find_examples
from demo.examples.account_history import account_histories
from demo.examples.example import Example
from tests.demo.run_log import RunLog, run_that_adds_up

VISA = {"brand": "visa", "last4": "4242", "billing_email": "a@example.com"}


def opened(plan: str) -> RunLog:
    return RunLog().put("account-events", type="account-opened", id="open", plan=plan)


def examples(log: RunLog, plan: str = "professional", status: str = "active") -> list[Example | None]:
    """The example of each kind for the log's one account, which ends on `plan` with `status`."""
    log.snapshot(9, 12_500_000, plan=plan, subscription={"status": status})
    evidence = log.audit.evidence
    (history,) = account_histories(evidence, evidence.accepted())
    return [make(history) for make in EXAMPLE_MAKERS]


def text(example: Example | None) -> str:
    assert example is not None
    return example.text


def test_a_renewal_shows_each_attempt() -> None:
    log = opened("professional")
    log.requested(
        "a/subscription/2/1", "subscription", 49_000_000, caused_by="tick-1", occurred_at="2026-01-09T00:00:00Z"
    )
    log.answered("a/subscription/2/1", "declined", reason="insufficient_funds")
    log.requested(
        "a/subscription/2/2", "subscription", 49_000_000, caused_by="tick-2", occurred_at="2026-01-10T00:15:00Z"
    )
    log.answered("a/subscription/2/2").receipted("a/subscription/2/2", 49_000_000, **VISA)
    assert text(examples(log)[0]) == (
        "a renewed Professional. 9 Jan 2026 $49.00 requested from the card, declined (insufficient_funds); "
        "10 Jan 2026 $49.00 requested from the Visa ending in 4242, paid; the receipt goes to a@example.com."
    )


def test_the_first_fee_and_its_retries_are_not_renewals() -> None:
    log = opened("professional")
    log.requested("a/subscription/1/1", "subscription", 49_000_000, caused_by="card")
    log.requested("a/subscription/1/2", "subscription", 49_000_000, caused_by="tick-2")
    assert examples(log)[0] is None


def test_an_upgrade_shows_both_sides_of_the_proration() -> None:
    log = opened("professional")
    log.put("account-events", type="plan-change-requested", id="up", plan="dental", occurred_at="2026-01-16T09:00:00Z")
    log.requested("a/subscription/2/1", "subscription", 25_810_000, caused_by="up")
    log.answered("a/subscription/2/1").receipted("a/subscription/2/1", 25_810_000, **VISA)
    lines = [
        {"kind": "proration", "description": "Professional, unused part", "amount_micros": -25_290_000},
        {"kind": "proration", "description": "Dental, rest", "amount_micros": 51_100_000},
    ]
    log.invoiced(1, 0, lines=lines)
    assert text(examples(log, "dental")[1]) == (
        "a went from Professional to Dental on 16 Jan 2026, in force from the next call. -$25.29 (Professional, unused "
        "part) and $51.10 (Dental, rest): $25.81 requested from the Visa ending in 4242, paid; the lines are on "
        "invoice 1."
    )


def test_a_cancellation_shows_admitted_and_redirected_calls() -> None:
    log = opened("dental")
    log.put(
        "account-events",
        type="subscription-cancel-requested",
        id="no",
        reason="too expensive",
        occurred_at="2026-01-10T09:00:00Z",
    )
    for number, day in enumerate(("05", "11", "12", "31")):
        log.put("call-decisions", type="call-admitted", occurred_at=f"2026-01-{day}T10:00:00Z", call_id=f"c{number}")
    redirected = {"type": "call-redirected", "reason": "subscription_ended", "call_id": "c9"}
    log.put("call-decisions", occurred_at="2026-02-01T00:00:00.500Z", **redirected)
    log.invoiced(1, 99_000_000)
    assert text(examples(log, "dental", "ended")[2]) == (
        "a cancelled Dental on 10 Jan 2026 (“too expensive”). It ran to 1 Feb 2026: 3 calls still connected, then "
        "1 call redirected (subscription_ended); no fee was requested after that. Its wallet keeps $12.50."
    )


def test_a_resumed_subscription_is_not_a_cancellation() -> None:
    log = opened("dental").put("account-events", type="subscription-cancel-requested", id="no")
    assert examples(log, "dental")[2] is None


def test_an_invoice_has_its_lines_and_their_total() -> None:
    log = opened("dental")
    lines = [
        {"kind": "subscription", "description": "Dental, monthly fee", "amount_micros": 99_000_000},
        {"kind": "tax", "description": "Tax 8.25 %", "amount_micros": 8_170_000},
    ]
    log.invoiced(1, 0, open_micros=8_170_000, lines=lines, total_micros=107_170_000, plan="dental")
    log.invoice_paid(1)
    example = examples(log, "dental")[3]
    assert text(example) == (
        "number 1 of a, for 1 Jan 2026 to 1 Feb 2026, issued 5 Jan 2026: $8.17 of it was open and paid on 5 Jan 2026."
    )
    assert example is not None
    assert [line.split("  ")[0] for line in example.lines] == ["Dental, monthly fee", "Tax 8.25 %", "total"]
    assert [line.split()[-1] for line in example.lines] == ["$99.00", "$8.17", "$107.17"]


def test_overage_shows_what_wallet_and_card_paid() -> None:
    log = opened("professional")
    rated = {"increment_first_s": 60, "increment_next_s": 60, "pool_ms": 6_000_000}
    minutes = {"plan": "professional", "receipt": {"gate": "admitted", "minutes": rated}}
    log.charged("c1", "f1", 330_000, wallet_micros=220_000, card_micros=110_000, **minutes)
    log.charged("c2", "f2", 9_900_000, wallet_micros=0, card_micros=9_900_000, caused_by="end-2", **minutes)
    log.requested("a/overage/1", "overage", 10_010_000, caused_by="end-2").answered("a/overage/1")
    log.receipted("a/overage/1", 10_010_000, **VISA)
    assert text(examples(log)[5]) == (
        "a has 100 minutes included from 1 Jan 2026 and used more: $0.22 from its wallet until that was empty, $10.01 "
        "on the card. One call was paid by both: $0.33, $0.22 from the wallet and $0.11 by card. The call of 5 Jan "
        "2026 ($9.90) brought what is due to $10.00 or more: $10.01 requested from the Visa ending in 4242, paid."
    )


def test_a_sum_below_the_least_charge_waits_for_the_next_invoice() -> None:
    log = opened("free")
    number = {"kind": "phone_number", "description": "Phone number +15550100", "amount_micros": 250_000}
    carried = {"kind": "carried", "description": "Carried from earlier invoices", "amount_micros": 250_000}
    log.invoiced(1, 0, lines=[number], total_micros=250_000, carried_micros=250_000)
    log.invoiced(2, 0, lines=[number, carried], total_micros=500_000, open_micros=500_000)
    log.requested("a/invoice/2/1", "invoice", 500_000).answered("a/invoice/2/1")
    log.receipted("a/invoice/2/1", 500_000, **VISA).invoice_paid(2)
    example = examples(log, "free")[4]
    assert text(example) == (
        "invoice 1 of a, issued 5 Jan 2026, has a total of $0.25. No card is charged less than $0.50, so $0.25 went on "
        "to invoice 2 of 5 Jan 2026: 5 Jan 2026 $0.50 requested from the Visa ending in 4242, paid."
    )
    assert example is not None
    assert [line.split()[-1] for line in example.lines] == ["$0.25", "$0.25", "$0.50"]


def disputed() -> RunLog:
    """A refill of $20.00, of which $5.00 are spent when the cardholder disputes it."""
    log = opened("free")
    log.requested("a/refill/1/1", "refill", 20_000_000).answered("a/refill/1/1")
    log.receipted("a/refill/1/1", 20_000_000, **VISA)
    log.reversed("a/refill/1/1", "dispute", 20_000_000, id="r1")
    return log.posted("e2", "reversal", -20_000_000, balance_after_micros=-5_000_000)


def test_a_dispute_shows_the_wallet_the_card_and_the_refill() -> None:
    log = disputed().put("alerts", type="refill-paused", reason="dispute")
    blocked = {"payment_method_id": "pm", "brand": "visa", "last4": "4242", "default": True, "blocked": True}
    log.snapshot(10, -5_000_000, plan="free", payment_methods=[blocked])
    assert text(examples(log, "free")[6]) == (
        "a added $20.00 of credits from the Visa ending in 4242 on 5 Jan 2026 (refill). The cardholder disputed the "
        "payment with the bank: $20.00 left the wallet again, which made its balance -$5.00. The Visa ending in 4242 "
        "is blocked: nothing more is requested from it, and auto-refill is paused until the owner acts."
    )


def test_a_dispute_that_was_won_shows_what_came_back() -> None:
    log = disputed().reversed("a/refill/1/1", "dispute_won", 20_000_000, id="r2")
    log.posted("e3", "reversal", 20_000_000, balance_after_micros=15_000_000)
    log.snapshot(10, 15_000_000, plan="free", auto_refill={"enabled": True, "paused_reason": "dispute"})
    found = examples(log, "free")
    assert found[6] is None
    assert text(found[7]) == (
        "a added $20.00 of credits from the Visa ending in 4242 on 5 Jan 2026 (refill). The cardholder disputed the "
        "payment with the bank: $20.00 left the wallet again, which made its balance -$5.00. Then the dispute was won: "
        "$20.00 came back, which made the balance $15.00. The card may be used again, but auto-refill waits for the "
        "owner."
    )


def test_an_overlong_call_shows_what_was_reported_and_what_was_charged() -> None:
    log = opened("professional").rated("c1", "f1", card=15_400_000, reported_ms=18_060_000, billable_ms=14_400_000)
    log.put("alerts", type="call-overlong", call_id="c1")
    assert text(examples(log)[8]) == (
        "a call of a ended on 5 Jan 2026 after 5 h 1 min. Professional charges at most 4 h of a call: this one cost "
        "$15.40. The alert `call-overlong` asks a person to look at it."
    )


def test_a_call_by_legs_is_charged_at_its_first_end_and_adjusted_at_the_other() -> None:
    log = opened("professional").ended("c1", minutes=3, leg_id="desk", id="end-1")
    log.rated("c1", "f1", wallet=220_000, billable_ms=180_000)
    log.ended("c1", leg_id="mobile", id="end-2", answered_at=None)
    log.rated("c1", "f2", wallet=110_000, billable_ms=240_000, type="charge-adjusted", reason="leg")
    assert text(examples(log)[9]) == (
        "a call of a on 5 Jan 2026 has two legs: `desk` talked for 3 min 0 s and `mobile` was not answered. It is "
        "charged as one call of 4 min 0 s: $0.22 when the first leg ended, $0.11 more when the other ended, $0.33 in "
        "all."
    )


def test_records_of_an_account_without_snapshot_are_ignored() -> None:
    """A run that does not add up still prints its examples; the checks report the fault."""
    log = run_that_adds_up()
    log.charged("c9", "f9", account_id="nobody").requested("p9", "invoice", 1, account_id="nobody")
    log.receipted("p9", 1, account_id="nobody")
    assert [example.title for example in find_examples(log.audit.evidence)] == ["an invoice"]


def test_kinds_without_an_example_are_left_out() -> None:
    assert [example.title for example in find_examples(run_that_adds_up().audit.evidence)] == ["an invoice"]
