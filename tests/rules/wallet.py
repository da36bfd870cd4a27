"""The steps of a history in which money comes back, beside those of every account. Money in dollars."""

from typing import Any, Self

from tests.rules.story import Event, Story, usd


class Wallet(Story):
    """One account with a card. A second passes before each step."""

    def opens_with_card(self, *features: str) -> Self:
        return self.opens().switches(*features).adds_card()

    def buys_paid(self, purchase_id: str, amount: str | int) -> Self:
        return self.buys(purchase_id, amount).pays()

    def reverses(self, kind: str, amount: str | int, of: str = "p1", /, **fields: Any) -> Self:
        """A report about the payment of a purchase, or about the payment with that id."""
        payment_id = of if "/" in of else f"acme/purchase/{of}"
        fields = {"payment_id": payment_id, "amount_micros": usd(amount), "kind": kind, **fields}
        return self.waits(seconds=1).says("payment-reversed", **fields)

    def uses(self, amount: str | int) -> Self:
        """Credits taken back by support are used like a charge."""
        return self.is_granted(f"-{amount}")

    def refunds(self, purchase_id: str) -> Self:
        return self.says("credits-refund-requested", purchase_id=purchase_id)

    def entries(self) -> list[tuple[str, int, str]]:
        """Kind, micros and reference of the ledger entries that the newest input gave."""
        return [(e["kind"], e["amount_micros"], e["reference"]) for e in self.answer("ledger-entry-posted")]

    def refundable(self, *purchase_ids: str) -> list[int]:
        """What a request of each would give back, one after the other: micros."""
        story = Wallet(catalogue=self.catalogue)
        story.inputs, story.now = list(self.inputs), self.now
        return [sum(f["amount_micros"] for f in story.refunds(name).refunds_asked()) for name in purchase_ids]

    def refunds_asked(self) -> list[Event]:
        """The refunds that the newest input requested."""
        return [f for f in self.answer("payment-requested") if f["purpose"] == "refund"]


def wallet(*purchases: str | int) -> Wallet:
    """Purchases `p1`, `p2`… of so many dollars, paid."""
    story = Wallet().opens_with_card()
    for n, amount in enumerate(purchases, 1):
        story.buys_paid(f"p{n}", amount)
    return story


def dollars(*amounts: str | int) -> list[int]:
    return [usd(amount) for amount in amounts]
