"""The plan catalogue: plans as data, read from TOML and validated on load."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

import msgspec
from msgspec.structs import asdict, replace

from schemas.currencies import CatalogueError, Currency, convert, load_currencies, read_toml, usual_currency
from schemas.instant import MINUTE_MS
from schemas.invoice_number import DEFAULT_FORMAT, InvoiceNumberFormat, parse_format
from schemas.money import AMOUNT_LIMIT_MICROS, MICROS_PER_CENT
from schemas.plan_prices import DEFAULT_CURRENCY, FAMILIES, check_prices, price_tables, without_money

SHIPPED = Path(__file__).with_name("plans.toml")

Price = Annotated[int, msgspec.Meta(ge=0, lt=AMOUNT_LIMIT_MICROS)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Duration = Annotated[int, msgspec.Meta(ge=1, le=366 * 86_400_000)]
Level = Annotated[int, msgspec.Meta(gt=-AMOUNT_LIMIT_MICROS, lt=AMOUNT_LIMIT_MICROS)]
Levels = Annotated[tuple[Level, ...], msgspec.Meta(max_length=16)]
_PLAN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}", re.ASCII)  # Every bare key of TOML is one.


class Plan(msgspec.Struct, frozen=True, kw_only=True, tag_field="family", forbid_unknown_fields=True):
    """The fields of every plan. Money in micros of `currency`, durations in milliseconds.

    `currencies` holds the same plan priced in other currencies, by code (rule K1).
    """

    family: ClassVar[str]
    display_name: str = ""
    tier: str = ""
    included_features: tuple[str, ...] = ()
    monthly_price_micros: Price = 0
    interval: Literal["month", "year"] = "month"
    charge_quantum_micros: Annotated[int, msgspec.Meta(ge=1, lt=AMOUNT_LIMIT_MICROS)] = MICROS_PER_CENT
    longest_call_ms: Duration = 14_400_000
    alert_thresholds_micros: Levels = (10_000_000, 0)
    refill_threshold_micros: Level = 10_000_000
    currency: str = DEFAULT_CURRENCY
    currencies: dict[str, "AnyPlan"] = {}

    @property
    def term_months(self) -> int:
        """The length of a term: what one fee pays. Rule G3."""
        return 12 if self.interval == "year" else 1

    @property
    def fee_micros(self) -> int:
        """The fee of a whole term. Rules K1 and M13."""
        return self.monthly_price_micros * self.term_months

    def priced_in(self, code: str) -> "AnyPlan | None":
        """The plan with its prices in a currency, None where it has none. Rules G12 and K1."""
        return cast("AnyPlan", self) if code == self.currency else self.currencies.get(code)


class CreditsPlan(Plan, frozen=True, kw_only=True, tag="credits", forbid_unknown_fields=True):
    """Prepaid, per call. Rules C1 to C18."""

    family: ClassVar[str] = "credits"
    included_calls: Count = 25
    extra_call_micros: Price = 3_000_000
    live_agent_micros: Price = 3_000_000
    appointment_booking_micros: Price = 3_000_000
    cap_micros: Price = 6_000_000
    admission: Literal["available", "balance"] = "available"


class MinutesPlan(Plan, frozen=True, kw_only=True, tag="minutes", forbid_unknown_fields=True):
    """Subscription with included minutes. Rules M1 to M5; prices are per minute."""

    family: ClassVar[str] = "minutes"
    included_minutes: Count = 100
    inbound_micros: Price = 110_000
    outbound_micros: Price = 110_000
    web_micros: Price = 80_000
    increment_first_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 60
    increment_next_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 60
    card_overage_threshold_micros: Price = 10_000_000

    @property
    def included_ms(self) -> int:
        """The included time of a billing period. Rule M2."""
        return self.included_minutes * MINUTE_MS


AnyPlan = CreditsPlan | MinutesPlan


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules for every plan: horizons and delays in milliseconds."""

    correction_horizon_ms: Duration = 3_024_000_000
    future_tolerance_ms: Duration = 300_000
    refill_retries_ms: Annotated[tuple[Duration, ...], msgspec.Meta(max_length=10)] = (
        3_600_000,
        21_600_000,
        86_400_000,
    )
    refill_unresolved_ms: Duration = 900_000
    refund_window_ms: Duration = 2_592_000_000
    subscription_retries_ms: Annotated[tuple[Duration, ...], msgspec.Meta(max_length=10)] = (
        86_400_000,
        259_200_000,
        432_000_000,
    )
    upgrade_hint_periods: Annotated[int, msgspec.Meta(ge=1, le=12)] = 3


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """All plans on offer and the currencies they may be priced in. `version` becomes the `plan_version` of published
    events.
    """

    version: int = 1
    rules: Rules = Rules()
    plans: dict[str, AnyPlan] = {}
    invoice_number: InvoiceNumberFormat = DEFAULT_FORMAT
    currencies: dict[str, Currency]

    def currency(self, code: str) -> Currency:
        """The currency of an account. An account may have been opened before currencies were checked: a currency that
        is not known has the usual digits and limits.
        """
        known = self.currencies.get(code)
        return usual_currency(code) if known is None else known


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a catalogue file; each plan is read by itself."""

    version: Annotated[int, msgspec.Meta(ge=1, le=2**31)] = 1
    invoice_number_format: str = DEFAULT_FORMAT.text
    rules: Rules = Rules()
    plans: dict[str, Any] = {}


def load_catalogue(path: Path | None = None, currencies: Path | None = None) -> Catalogue:
    """The catalogue of `path`, or the shipped one for None. Raises CatalogueError that names the wrong key.

    A key that the file leaves out has the value of the shipped plan of the same name, otherwise the default of the
    plan's family. The entries of the file `currencies` replace the shipped ones.
    """
    known = load_currencies(currencies)
    shipped = read_toml(SHIPPED)
    if path is None:
        return catalogue_from(shipped, SHIPPED.name, known)
    table = read_toml(path)
    plans = table.get("plans")
    if isinstance(plans, dict):
        table["plans"] = {name: _with_defaults(name, plan, shipped["plans"]) for name, plan in plans.items()}
    if "rules" in table and isinstance(table["rules"], dict):
        table["rules"] = shipped["rules"] | table["rules"]
    return catalogue_from(table, str(path), known)


def catalogue_from(
    table: dict[str, Any], source: str = "the catalogue", currencies: Mapping[str, Currency] | None = None
) -> Catalogue:
    """A catalogue from its decoded table, with the shipped currencies for None. Raises CatalogueError that names the
    wrong key.
    """
    known = dict(load_currencies() if currencies is None else currencies)
    try:
        return _catalogue(table, known)
    except CatalogueError as error:
        raise CatalogueError(f"{source}: {error}") from None


def _catalogue(table: dict[str, Any], currencies: dict[str, Currency]) -> Catalogue:
    plans = table.get("plans")
    if not isinstance(plans, dict) or not plans:
        raise CatalogueError("`plans` must hold at least one table [plans.NAME]")
    wrong = [name for name in plans if _PLAN_NAME.fullmatch(name) is None]
    if wrong:
        raise CatalogueError(
            f"plans.{wrong[0]}: a plan's name is 1 to 64 letters, digits, `_`, `-` or `.`, no `.` first"
        )
    given: _File = convert(table, _File)
    return Catalogue(
        version=given.version,
        rules=given.rules,
        plans={name: _read_plan(f"plans.{name}", plan, currencies) for name, plan in plans.items()},
        invoice_number=parse_format(given.invoice_number_format),
        currencies=currencies,
    )


def _read_plan(path: str, table: object, currencies: Mapping[str, Currency]) -> AnyPlan:
    """A plan, priced in each of its currencies. Rule K1."""
    if not isinstance(table, dict) or table.get("family") not in FAMILIES:
        # The conversion fails, and its message says why.
        unreadable: AnyPlan = convert(table, AnyPlan, path)
        return unreadable
    own, *others = ((_priced(where, priced, currencies)) for where, priced in price_tables(path, table, currencies))
    return replace(own, currencies={plan.currency: plan for plan in others})


def _priced(path: str, table: dict[str, Any], currencies: Mapping[str, Currency]) -> AnyPlan:
    plan: AnyPlan = convert(table, AnyPlan, path)
    check_prices(path, plan.family, plan.fee_micros, asdict(plan), currencies[plan.currency])
    return plan


def _with_defaults(name: str, plan: object, shipped: dict[str, dict[str, Any]]) -> object:
    """`plan` over the shipped plan of the same name, unless it moved to another family. Shipped prices are defaults in
    their own currency alone.
    """
    base = shipped.get(name, {})
    if not isinstance(plan, dict) or plan.get("family", base.get("family")) != base.get("family"):
        return plan
    if not base or plan.get("currency", DEFAULT_CURRENCY) == DEFAULT_CURRENCY:
        return base | plan
    common = without_money(base, base["family"])
    others = plan.get("currencies")
    if isinstance(others, dict) and isinstance(others.get(DEFAULT_CURRENCY), dict):
        prices = {key: value for key, value in base.items() if key not in common} | others[DEFAULT_CURRENCY]
        plan = plan | {"currencies": others | {DEFAULT_CURRENCY: prices}}
    return common | plan
