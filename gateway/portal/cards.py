"""The pages of cards: the list, removing one, and adding one. Rules M9, P15 and R7."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import asdict
from starlette.responses import RedirectResponse, Response

from gateway.http.problem import Problem
from gateway.portal.actions import Action, FieldError, Form, Wish
from gateway.portal.card_words import card_name, card_of
from gateway.portal.checkout import ID_IN_ADDRESS, CheckoutError, open_checkout
from gateway.portal.pages import Page
from gateway.portal.visit import Visit
from payments.providers.fake_cards import TRIAL_CARDS, trial_card

PATH: Final = "/portal/cards"
ADD: Final = f"{PATH}/add"
REMOVE: Final = f"{PATH}/remove"
CHECKOUT: Final = f"{PATH}/checkout"
# The name in the query by which Checkout's page leads back to ours.
RETURNED: Final = "checkout"
_RUNNING = frozenset({"active", "cancelling"})
_TRIAL_YEARS = 3

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Card:
    """One card of the list. `kept` is set where it cannot be removed: it is the only one, and a subscription runs."""

    payment_method_id: str
    name: str
    expires: str
    expired: bool
    default: bool
    blocked: bool
    kept: bool


def cards_of(snapshot: Event, year: int, month: int) -> list[Card]:
    """The account's cards, in the order in which they were added. `year` and `month` are now."""
    return [
        Card(
            card["payment_method_id"],
            card_name(card),
            f"{card['exp_month']:02}/{card['exp_year']}",
            (card["exp_year"], card["exp_month"]) < (year, month),
            card["default"],
            card["blocked"],
            is_kept(snapshot),
        )
        for card in snapshot["payment_methods"]
    ]


def is_kept(snapshot: Event) -> bool:
    """Whether no card may be removed: there is one alone, and a minutes subscription runs. Rule P15."""
    return len(snapshot["payment_methods"]) == 1 and snapshot["subscription"]["status"] in _RUNNING


def consequences(snapshot: Event, card: Event, refill: str) -> list[str]:
    """What happens when the card is removed, in sentences. `refill` is what auto-refill is called."""
    others = [one for one in snapshot["payment_methods"] if one["payment_method_id"] != card["payment_method_id"]]
    setting = snapshot["auto_refill"]
    if not others:
        said = ["It is your only card. Without one no credits can be added."]
        return [*said, f"{refill} is on: it stops until you add a card."] if setting["enabled"] else said
    said = []
    default = card_name(others[0] if card["default"] else next(one for one in others if one["default"]))
    if card["default"]:
        said.append(f"{default} becomes your default card.")
    if setting["enabled"] and setting["payment_method_id"] == card["payment_method_id"]:
        said.append(f"{refill} is paid with {default} from then on.")
    return said or ["Nothing is paid with it any more. Your other cards stay as they are."]


async def _list(visit: Visit) -> dict[str, Any]:
    now = visit.words.local(visit.now_ms)
    return {"cards": cards_of(visit.snapshot, now.year, now.month)}


async def _removal(visit: Visit) -> dict[str, Any]:
    card = card_of(visit.snapshot, visit.request.query_params.get("payment_method_id", ""))
    if card is None:
        raise Problem("not_found", "The account does not have this card.")
    refill = "Auto-refill" if visit.credits else "Auto top-up"
    return {
        "card": card,
        "card_name": card_name(card),
        "kept": is_kept(visit.snapshot),
        "consequences": consequences(visit.snapshot, card, refill),
    }


async def _adding(visit: Visit) -> dict[str, Any]:
    """How a card is added: in Stripe's Checkout, as a test card, or not at all. After Checkout the new card."""
    provider = provider_of(visit)
    trials = [(card.token, card_name(card._asdict()), card.meaning) for card in TRIAL_CARDS]
    context: dict[str, Any] = {"provider": provider, "trials": trials, "added": "", "fault": "", "checkout": ""}
    returned = visit.request.query_params.get(RETURNED, "")
    if provider == "stripe" and returned:
        try:
            async with open_checkout(visit.parts.settings) as checkout:
                context["added"] = card_name(asdict(await checkout.card(returned, visit.session)))
        except CheckoutError as error:
            context["fault"] = str(error)
        context["checkout"] = returned
    return context


def provider_of(visit: Visit) -> str:
    """`stripe`, `fake`, or nothing: without its key Stripe cannot be asked for a card."""
    settings = visit.parts.settings
    if settings.payments_provider == "stripe" and not settings.payments_stripe_api_key.get_secret_value():
        return ""
    return settings.payments_provider


LIST = Page(PATH, "cards", "Payment methods", "cards.html", _list)
REMOVAL = Page(REMOVE, "cards", "Remove card", "card_remove.html", _removal, changes=True)
ADDING = Page(ADD, "cards", "Add a card", "card_add.html", _adding, changes=True)


async def _default(visit: Visit, form: Form) -> Wish:  # noqa: ARG001 every form is read with its visit
    return Wish("payment-method-defaulted", {"payment_method_id": form.text("payment_method_id")})


async def _remove(visit: Visit, form: Form) -> Wish:  # noqa: ARG001 every form is read with its visit
    return Wish("payment-method-removed", {"payment_method_id": form.text("payment_method_id")})


async def _begin_checkout(visit: Visit, form: Form) -> Response:
    """Off to Stripe. Its page leads back to one with a button that adds the card: an address alone adds nothing."""
    if provider_of(visit) != "stripe":
        raise FieldError("", "Cards cannot be added here.")
    url = visit.parts.settings.portal_url
    try:
        async with open_checkout(visit.parts.settings) as checkout:
            page = await checkout.begin(
                visit.session, form.form_id, f"{url}{ADD}?{RETURNED}={ID_IN_ADDRESS}", f"{url}{PATH}"
            )
    except CheckoutError as error:
        raise FieldError("", str(error)) from None
    return RedirectResponse(page, 303)


async def _add(visit: Visit, form: Form) -> Wish:
    """A test card, or the card that was entered in the account's own Checkout session."""
    match provider_of(visit):
        case "fake":
            return Wish("payment-method-added", _trial(visit, form))
        case "stripe":
            try:
                async with open_checkout(visit.parts.settings) as checkout:
                    card = await checkout.card(form.text(RETURNED), visit.session)
            except CheckoutError as error:
                raise FieldError("", str(error)) from None
            return Wish("payment-method-added", asdict(card))
        case _:
            raise FieldError("", "Cards cannot be added here.")


def _trial(visit: Visit, form: Form) -> dict[str, Any]:
    card = trial_card(form.choice("card", [card.token for card in TRIAL_CARDS], "Choose one of the test cards."))
    assert card is not None, "it is one of them"
    year = visit.words.local(visit.now_ms).year + _TRIAL_YEARS
    fields = {"payment_method_id": card.token, "token": card.token, "brand": card.brand, "last4": card.last4}
    return {**fields, "exp_month": 12, "exp_year": year}


PAGES = (LIST, REMOVAL, ADDING)
ACTIONS = (
    Action(f"{PATH}/default", LIST, _default, PATH, "card-default", "This card is now the default."),
    Action(REMOVE, REMOVAL, _remove, PATH, "card-removed", "The card is removed."),
    Action(CHECKOUT, ADDING, _begin_checkout, PATH),
    Action(ADD, ADDING, _add, PATH, "card-added", "The card is added."),
)
