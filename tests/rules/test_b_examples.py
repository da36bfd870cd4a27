"""The worked examples of sections B and M, and the cases that earlier versions got wrong. Money in dollars."""

from typing import Any

import pytest

from tests.rules.story import BOTH, later, only, opened, usd
from tests.rules.subscriber import (
    FEBRUARY,
    MARCH,
    Subscriber,
    billed,
    dollars,
    minutes_plans,
    numbers,
    paying,
    subscriber,
)

FEE = ("subscription", 49)


def statement(invoice: dict[str, Any]) -> tuple[int, int, int, int]:
    """Opening, credited, used, closing, in micros."""
    wallet = invoice["wallet"]
    return wallet["opening_micros"], wallet["credited_micros"], wallet["used_micros"], wallet["closing_micros"]


def in_micros(*amounts: str | int) -> tuple[int, ...]:
    return tuple(usd(amount) for amount in amounts)


# B3: free account, phone fee $0.25 a month: carried once, requested with the next.
def test_b03_a_phone_fee_of_a_quarter_is_carried() -> None:
    story = Subscriber().opens().adds_card().adds_number(fee="0.25").ticks(FEBRUARY)
    first = only(story.invoices())
    assert (first["total_micros"], first["carried_micros"], first["status"]) == (usd("0.25"), usd("0.25"), "paid")
    assert (story.asks(), story.snapshot()["carried_micros"]) == ([], usd("0.25"))
    story.ticks(MARCH)
    second = story.invoices()[1]
    assert billed(second) == dollars(("phone_number", "0.25"), ("carried", "0.25"))
    assert (second["total_micros"], second["carried_micros"]) == (usd("0.50"), 0)
    assert story.asks() == dollars(("invoice", "0.50"))
    assert numbers(story.pays().answer("invoice-paid")) == [2]


# B2 and B7: top-up $20, calls $24: total $20, the wallet statement beside it.
def test_b07_a_free_account_in_debt() -> None:
    story = Subscriber().opens().switches(*BOTH).adds_card().buys("p1", 20).settles("purchase")
    story.calls(4, used=BOTH).ticks(FEBRUARY)
    invoice = only(story.invoices())
    assert billed(invoice) == dollars(("overage inbound", 24), ("top_up", 20), ("wallet_credit", -24))
    assert (invoice["total_micros"], invoice["carried_micros"], invoice["status"]) == (usd(20), 0, "paid")
    assert statement(invoice) == in_micros(0, 20, 24, -4)
    assert story.asks() == []


# B1 and M11: fee paid, top-up $20, overage $24 of which the wallet paid $20: $73, $4 requested.
def test_b01_wallet_and_card_pay_the_overage() -> None:
    story = paying().buys("p1", 20).settles("purchase").uses(100).uses(200).uses(25, direction="web").ticks(FEBRUARY)
    invoice = only(story.invoices())
    assert billed(invoice) == dollars(
        FEE, ("overage inbound", 22), ("overage web", 2), ("top_up", 20), ("wallet_credit", -20)
    )
    assert (invoice["total_micros"], invoice["status"]) == (usd(73), "open")
    assert statement(invoice) == in_micros(0, 20, 20, 0)
    assert story.asks() == dollars(("invoice", 4), FEE)


# B10: $0.105 in the wallet, then overage of $23.10: the wallet pays $0.10 and the card is asked for $23.00.
def test_b10_the_wallet_pays_whole_cents() -> None:
    fine = {"inbound_micros": 5_000, "web_micros": usd("0.11"), "charge_quantum_micros": 5_000}
    story = paying(1, catalogue=minutes_plans(professional=fine)).uses(100).uses(179).uses(210, direction="web")
    charge = story.charge()
    assert (charge["wallet_micros"], charge["card_micros"]) == (usd("0.10"), usd(23))
    assert story.asks() == dollars(("overage", 23))
    assert story.balance() == usd("0.005")


# B3: 25 cents of tax alone are carried, without a request and without an alert.
def test_b03_little_tax_is_carried() -> None:
    story = paying().is_taxed(5_100).ticks(FEBRUARY)
    invoice = only(story.invoices())
    assert billed(invoice) == dollars(FEE, ("tax", "0.25"))
    assert (invoice["carried_micros"], invoice["status"], story.asks()) == (usd("0.25"), "paid", dollars(FEE))
    assert story.settles_all().ticks(days=20).answer() == []
    story.ticks(MARCH)
    assert (story.asks(), billed(story.invoices()[1])) == (
        dollars(("invoice", "0.50"), FEE),
        dollars(FEE, ("tax", "0.25"), ("carried", "0.25")),
    )


# G3: opened today with a signup in January 2024: the card is asked for one fee, for the period that runs.
def test_g03_an_old_customer_is_billed_from_today() -> None:
    story = Subscriber().ticks("2026-03-15T10:00:00Z")
    story.says("account-opened", plan="professional", at="2024-01-10T00:00:00Z").adds_card()
    assert story.asks() == dollars(FEE)
    assert (story.subscription()["renews_at"], story.usage()["period_start"]) == (
        "2026-04-10T00:00:00Z",
        "2026-03-10T00:00:00Z",
    )
    story.settles_all().ticks("2026-04-10T00:00:00Z")
    assert story.asks() == dollars(FEE)
    assert [(i["number"], i["period_start"], billed(i)) for i in story.invoices()] == [
        (1, "2026-03-10T00:00:00Z", dollars(FEE))
    ]


# B2 and B3: a correction gives its tax back: one cent, carried as a negative sum.
def test_b03_a_correction_keeps_one_cent_of_tax() -> None:
    story = paying(5).is_taxed(82_500).uses(100).uses(1, "c1").ticks(FEBRUARY).settles_all()
    first = story.invoices()[0]
    # 49.11 x 0.0825 = 4.051575.
    assert billed(first) == dollars(FEE, ("overage inbound", "0.11"), ("tax", "4.05"), ("wallet_credit", "-0.11"))
    story.reclassifies("c1", real=False).ticks(MARCH)
    # 48.89 x 0.0825 = 4.033425: the tax is rounded once, of the net.
    second = story.invoices()[1]
    assert billed(second) == dollars(FEE, ("overage inbound", "-0.11"), ("tax", "4.03"), ("wallet_credit", "0.11"))
    assert second["total_micros"] == usd("53.03")
    assert story.asks() == dollars(("invoice", "4.03"), FEE)


@pytest.mark.parametrize(("seconds", "cents"), [(0, 0), (1, -1)])
def test_b06_one_cent_of_tax_of_a_credits_account_goes_into_the_wallet(seconds: int, cents: int) -> None:
    story = opened("extra_calls", credit=100, plan="free").calls(25).says("tax-rate-set", rate_ppm=3_334).call("x")
    story.ticks(FEBRUARY)
    first = only(story.answer("invoice-issued"))
    assert (first["tax_micros"], first["carried_micros"]) == (usd("0.01"), usd("0.01"))
    if seconds:
        story.waits(seconds=seconds).reclassifies("x", real=False)
    story.ticks(MARCH)
    # The cent carried and the cent given back cancel out; nothing is left to be carried.
    assert story.snapshot()["carried_micros"] == usd("0.01") + cents * 10_000


# M8 and M6: cancelled before the renewal, told late: the redelivered resumption changes nothing.
def test_m08_a_cancelled_subscription_ends_without_a_fee() -> None:
    story = paying().resumes(id="r1").cancels()
    assert story.subscription()["status"] == "cancelling"
    assert story.ticks(FEBRUARY).asks() == []
    assert story.subscription()["status"] == "ended"


# B5: a sum that is only carried has no invoice; it is on the next one, whenever that comes.
def test_b05_a_carried_sum_waits_for_an_invoice() -> None:
    story = Subscriber().opens().adds_card().adds_number(fee="0.25").ticks("2026-01-20T00:00:00Z").removes_number()
    story.ticks(FEBRUARY)
    assert only(story.invoices())["carried_micros"] == usd("0.25")
    story.ticks("2026-06-01T00:00:00Z")
    assert (len(story.invoices()), story.snapshot()["carried_micros"]) == (1, usd("0.25"))
    story.adds_number(fee="0.75").ticks("2026-07-01T00:00:00Z")
    assert billed(story.invoices()[1]) == dollars(("phone_number", "0.75"), ("carried", "0.25"))
    assert story.asks() == dollars(("invoice", 1))


# B6: a negative carried sum of an account without subscription and numbers is paid into its wallet.
def test_b06_a_negative_sum_is_paid_into_the_wallet() -> None:
    story = paying().is_taxed(100_000).uses(100).uses(200, "c1").settles_all().cancels().ticks(FEBRUARY).settles_all()
    assert billed(story.invoices()[0]) == dollars(FEE, ("overage inbound", 22), ("tax", "7.10"))
    story.waits(minutes=1).reclassifies("c1", real=False).ticks(MARCH)
    invoice = story.invoices()[1]
    assert billed(invoice) == dollars(("overage inbound", -22), ("tax", "-2.20"), ("wallet_credit", 22))
    assert (invoice["carried_micros"], invoice["status"]) == (usd("-2.20"), "paid")
    assert story.answer_types() == ["invoice-issued", "ledger-entry-posted"]
    entry = story.answer("ledger-entry-posted")[0]
    assert (entry["kind"], entry["amount_micros"], entry["reference"]) == (
        "adjustment",
        usd("2.20"),
        "acme/invoice/2",
    )
    assert (story.balance(), story.snapshot()["carried_micros"]) == (usd("24.20"), 0)


# B7: the statements follow one another; a grant of a period without an invoice is in the next opening.
def test_b07_statements_follow_one_another() -> None:
    story = Subscriber().opens().switches("extra_calls").adds_card().is_granted(5).ticks(FEBRUARY)
    assert story.invoices() == []
    story.buys("p1", 20).settles("purchase").calls(26).ticks(MARCH).is_granted(-1).calls(27, "march-")
    story.ticks("2026-04-01T00:00:00Z")
    assert [statement(i) for i in story.invoices()] == [in_micros(5, 20, 3, 22), in_micros(22, -1, 6, 15)]
    assert story.balance() == usd(15)


# B7: a refund is neither used nor forgotten; it lowers the `top_up` line, which may be negative and is never carried.
def test_b02_a_negative_top_up_is_settled() -> None:
    story = Subscriber().opens().adds_card().waits("2026-01-20T00:00:00Z").buys("p1", 20).settles("purchase")
    story.ticks(FEBRUARY).says("credits-refund-requested", purchase_id="p1").pays().ticks(MARCH)
    assert [billed(i) for i in story.invoices()] == [dollars(("top_up", 20)), dollars(("top_up", -20))]
    second = story.invoices()[1]
    assert (second["total_micros"], second["carried_micros"], second["status"]) == (usd(-20), 0, "paid")
    assert [statement(i) for i in story.invoices()] == [in_micros(0, 20, 0, 20), in_micros(20, -20, 0, 0)]
    assert story.ticks(later(MARCH, days=31)).answer() == []


# M6 and P11: without a card the alert of the renewal comes once for the fee, that of the invoice once for the invoice.
def test_b04_without_a_card_the_owner_is_told_once() -> None:
    story = subscriber().ticks(FEBRUARY)
    alerts = [(f["purpose"], f["reason"], f.get("invoice_id")) for f in story.answer("subscription-payment-declined")]
    assert alerts == [("invoice", "no_payment_method", "acme/invoice/1"), ("subscription", "no_payment_method", None)]
    assert story.ticks(days=20).answer() == []
