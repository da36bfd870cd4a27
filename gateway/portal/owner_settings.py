"""`/portal/settings`: redirect number, alert thresholds, billing e-mail and billing details. Rules C15, M13 and B9."""

from functools import cache
from typing import Any, Final

from babel import Locale

from gateway.portal.actions import Action, FieldError, Form, Wish
from gateway.portal.call_rows import phone
from gateway.portal.handling import wish_redirect
from gateway.portal.pages import Page
from gateway.portal.visit import Visit
from gateway.portal.words import LOCALE

PATH: Final = "/portal/settings"
THRESHOLDS_MAX = 16
# Fields that are shown at least, and how many more than are set.
_SHOWN_MIN, _SPARE = 3, 1
ADDRESS_LINES_MAX = 6
_WRONG_EMAIL = "Enter an e-mail address such as name@example.com."


def threshold_field(place: int) -> str:
    """Of the threshold at this place, from 1."""
    return f"threshold_{place}"


async def _context(visit: Visit) -> dict[str, Any]:
    snapshot, words = visit.snapshot, visit.words
    thresholds = sorted(snapshot["alert_thresholds_micros"], reverse=True)
    levels = [words.amount(micros) for micros in thresholds]
    details = snapshot.get("billing_details") or {}
    shown = min(THRESHOLDS_MAX, max(_SHOWN_MIN, len(levels) + _SPARE))
    levels += [""] * (shown - len(levels))
    return {
        "redirect_to": phone(snapshot.get("redirect_to", "")),
        "thresholds": [(threshold_field(place), level) for place, level in enumerate(levels, start=1)],
        "alerts_below": ", ".join(map(words.money, thresholds)),
        "billing_email": snapshot.get("billing_email", ""),
        "details": details,
        "country": dict(countries()).get(details.get("country", "")) if details.get("country") else "",
        "countries": countries(),
    }


@cache
def countries() -> tuple[tuple[str, str], ...]:
    """Code and name of each country, by name; first the choice of none."""
    names = Locale.parse(LOCALE).territories
    known = [
        (code, name) for code, name in names.items() if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRY
    ]
    return (("", "None given"), *sorted(known, key=lambda country: country[1]))


# Codes of CLDR that are no countries of ISO 3166: unions, the whole world outside of others, and test locales.
_NO_COUNTRY = frozenset({"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ"})


async def _wish_thresholds(visit: Visit, form: Form) -> Wish:
    """The amounts that are filled in, each once. None of them: no alerts."""
    names = [threshold_field(place) for place in range(1, THRESHOLDS_MAX + 1)]
    levels = {form.money(name, visit.words, negative=True) for name in names if form.raw(name).strip()}
    wanted = sorted(levels, reverse=True)
    return Wish("alert-thresholds-set", {"thresholds_micros": wanted}, {"thresholds_micros": threshold_field(1)})


async def _wish_email(_: Visit, form: Form) -> Wish:
    address = form.text("billing_email", _WRONG_EMAIL)
    return Wish(
        "billing-email-set",
        {"billing_email": address},
        {"billing_email": "billing_email"},
        {"schema_invalid": _WRONG_EMAIL},
    )


async def _wish_details(_: Visit, form: Form) -> Wish:
    """All four fields: what is left empty is cleared."""
    address = form.text("address", optional=True)
    if len(address.splitlines()) > ADDRESS_LINES_MAX:
        raise FieldError("address", f"Use at most {ADDRESS_LINES_MAX} lines.")
    country = form.choice("country", (code for code, _ in countries()), "Choose a country from the list.")
    fields = {
        "name": form.text("buyer", optional=True),
        "address": address,
        "country": country,
        "tax_id": form.text("tax_id", optional=True),
    }
    return Wish("billing-details-set", fields, {"name": "buyer", **{name: name for name in fields if name != "name"}})


SETTINGS = Page(PATH, "settings", "Settings", "owner_settings.html", _context)
PAGES = (SETTINGS,)
ACTIONS = (
    Action(
        f"{PATH}/redirect", SETTINGS, wish_redirect, PATH, "redirect-saved",
        "The redirect number is saved. It applies from the next call.",
    ),
    Action(
        f"{PATH}/thresholds", SETTINGS, _wish_thresholds, PATH, "thresholds-saved", "Your alerts are saved.",
    ),
    Action(
        f"{PATH}/email", SETTINGS, _wish_email, PATH, "email-saved",
        "The billing e-mail is saved. Invoices, receipts and alerts go there from now on.",
    ),
    Action(
        f"{PATH}/details", SETTINGS, _wish_details, PATH, "details-saved",
        "Your billing details are saved. They are shown from your next invoice on.",
    ),
)  # fmt: skip
