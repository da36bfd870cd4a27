"""Forms: what each asks of the engine, how its fields are read, and where its refusal is shown."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from starlette.responses import Response

from gateway.portal.pages import Page
from gateway.portal.visit import Visit
from gateway.portal.words import Words
from schemas.money import AMOUNT_LIMIT_MICROS, MICROS_PER_UNIT

# The inputs that an owner may send from the page.
WISHED: Final = frozenset(
    {
        *("feature-set", "redirect-set", "auto-refill-set", "alert-thresholds-set", "credits-purchase-requested"),
        *("payment-method-added", "payment-method-removed", "payment-method-defaulted", "plan-change-requested"),
        *("subscription-cancel-requested", "subscription-resume-requested"),
        *("billing-email-set", "billing-details-set"),
    }
)
TEXT_CHARACTERS_MAX = 500
_AMOUNT_CHARACTERS_MAX = 24


class FieldError(Exception):
    """A field that cannot be taken as it is. `message` says what to do next; an empty `field` means the whole form.
    `status` is that of the page that shows the form again.
    """

    def __init__(self, field: str, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.field, self.message, self.status = field, message, status


class Form:
    """What an owner sent. Every read raises FieldError for a value that cannot be taken."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    @property
    def form_id(self) -> str:
        """The id of the form's input: the same for each time that the form is sent."""
        return self.raw("id")

    def raw(self, name: str) -> str:
        """The value as it was sent, empty when it is missing."""
        return self._values.get(name, [""])[0]

    def all(self, name: str) -> list[str]:
        """Every value of this name."""
        return self._values.get(name, [])

    def values(self) -> dict[str, str]:
        """What was typed, to be shown again."""
        return {name: values[0] for name, values in self._values.items()}

    def text(
        self,
        name: str,
        missing: str = "Fill in this field.",
        *,
        most: int = TEXT_CHARACTERS_MAX,
        optional: bool = False,
    ) -> str:
        """Text without white space around it, its lines separated by LF. Empty only where it is optional."""
        value = "\n".join(line.strip() for line in self.raw(name).strip().splitlines())
        if not value and not optional:
            raise FieldError(name, missing)
        if len(value) > most:
            raise FieldError(name, f"Use at most {most} characters.")
        return value

    def choice(self, name: str, allowed: Iterable[str], missing: str = "Choose one of these.") -> str:
        """One of the allowed values."""
        value = self.raw(name)
        if value not in set(allowed):
            raise FieldError(name, missing)
        return value

    def box(self, name: str) -> bool:
        """Whether the box is ticked."""
        return bool(self.raw(name))

    def number(self, name: str, least: int = 0, most: int = 1_000_000) -> int:
        text = self.raw(name).strip().replace(",", "")
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
            raise FieldError(name, f"Enter a whole number from {least:,} to {most:,}.")
        return int(text)

    def money(self, name: str, words: Words, *, optional: bool = False, negative: bool = False) -> int:
        """An amount in micros of the account's currency; 0 for an optional one that is empty."""
        text = self.raw(name).strip()
        if not text and optional:
            return 0
        micros = _micros(text, words)
        if micros is None or (micros < 0 and not negative):
            raise FieldError(name, f"Enter an amount such as {words.amount(50 * MICROS_PER_UNIT)}.")
        return micros


def _micros(text: str, words: Words) -> int | None:
    """The micros of an amount such as `1,050.00`, `$20` or `-5`; None for a text that is none."""
    digits = words.currency_digits
    symbol = words.money(0).rstrip("0.").strip()
    bare = text.replace("\N{MINUS SIGN}", "-").replace(symbol, "").replace(words.currency, "").replace(",", "").strip()
    if not bare or len(bare) > _AMOUNT_CHARACTERS_MAX or set(bare) - set("0123456789.-"):
        return None
    try:
        amount = Decimal(bare)
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount != round(amount, digits):
        return None
    micros = int(amount * MICROS_PER_UNIT)
    return micros if abs(micros) < AMOUNT_LIMIT_MICROS else None


@dataclass(frozen=True, slots=True)
class Wish:
    """The input that a form asks for, without what the page adds: id, account, time and actor. `shown_at` says beside
    which of the form's fields a refusal of an input's field stands; `refused` gives words for a code of a refusal in
    place of the engine's.
    """

    type: str
    fields: Mapping[str, Any]
    shown_at: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Action:
    """Where a form is sent. `page` is shown again when it is refused; `done` is where it leads, and `notice` names the
    sentence `notice_text` that stands there. `wish` may answer by itself, with a redirect to another site.
    """

    path: str
    page: Page
    wish: Callable[[Visit, Form], Awaitable[Wish | Response]]
    done: str | Callable[[Visit, Form], str]
    notice: str = ""
    notice_text: str = ""

    def done_for(self, visit: Visit, form: Form) -> str:
        return self.done(visit, form) if callable(self.done) else self.done
