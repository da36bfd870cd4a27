"""The prices of a plan in each of its currencies, from the tables of a catalogue file. Rules K1, K2 and K4."""

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.currencies import CatalogueError, Currency

DEFAULT_CURRENCY = "USD"

# The prices of each family. They must be given in a currency other than the default one: no number is a sensible price
# in every currency.
PRICES = {
    "credits": ("extra_call_micros", "live_agent_micros", "appointment_booking_micros", "cap_micros"),
    "minutes": ("monthly_price_micros", "inbound_micros", "outbound_micros", "web_micros"),
}
FAMILIES = tuple(PRICES)

# Money that has a default in each currency. A credits plan has no fee, so its monthly price is 0.
WITH_DEFAULT = {
    "credits": ("monthly_price_micros", "charge_quantum_micros", "alert_thresholds_micros", "refill_threshold_micros"),
    "minutes": (
        "charge_quantum_micros",
        "card_overage_threshold_micros",
        "alert_thresholds_micros",
        "refill_threshold_micros",
    ),
}


def without_money(table: Mapping[str, Any], family: str) -> dict[str, Any]:
    """The table of a plan without its money keys: the rest of it is the same in every currency."""
    money = (*PRICES[family], *WITH_DEFAULT[family])
    return {key: value for key, value in table.items() if key not in money}


def price_tables(
    path: str, own: Mapping[str, Any], currencies: Mapping[str, Currency]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The whole table of a plan in each of its currencies: the key `path` of the table that gives the prices, and the
    table. Its own currency is first. Raises CatalogueError that names the wrong key. Rule K1.

    `own` is the plan's table with its `family`.
    """
    family, code = own["family"], own.get("currency", DEFAULT_CURRENCY)
    others = own.get("currencies", {})
    table = {key: value for key, value in own.items() if key != "currencies"}
    yield path, _with_defaults(path, table, family, _known(f"{path}.currency", code, currencies))
    if not isinstance(others, dict):
        raise CatalogueError(f"{path}.currencies: expected tables [{path}.currencies.CODE]")
    common = without_money(table, family)
    for other, prices in others.items():
        where = f"{path}.currencies.{other}"
        if other == code:
            raise CatalogueError(f"{where}: {code} is the plan's own currency: its prices stand in [{path}]")
        _check_keys(where, prices, family)
        currency = _known(where, other, currencies)
        yield where, _with_defaults(where, common | prices | {"currency": other}, family, currency)


def _known(path: str, code: object, currencies: Mapping[str, Currency]) -> Currency:
    currency = currencies.get(code) if isinstance(code, str) else None
    if currency is None:
        raise CatalogueError(f"{path}: {code!r} is not among the currencies")
    return currency


def _check_keys(path: str, prices: object, family: str) -> None:
    if not isinstance(prices, dict):
        raise CatalogueError(f"{path}: expected a table of prices")
    money = (*PRICES[family], *WITH_DEFAULT[family])
    wrong = [key for key in prices if key not in money]
    if wrong:
        raise CatalogueError(f"{path}.{wrong[0]}: not money of a {family} plan: expected one of {', '.join(money)}")


def _with_defaults(path: str, table: dict[str, Any], family: str, currency: Currency) -> dict[str, Any]:
    """The table with what the currency gives. Rules K1 and K2."""
    if currency.code != DEFAULT_CURRENCY:
        missing = [key for key in PRICES[family] if key not in table]
        if missing:
            raise CatalogueError(f"{path}.{missing[0]}: missing: a plan in {currency.code} needs all of its prices")
    defaults = {
        "charge_quantum_micros": currency.step_micros,
        "alert_thresholds_micros": [currency.low_balance_micros, 0],
        "refill_threshold_micros": currency.low_balance_micros,
    }
    if family == "minutes":
        defaults["card_overage_threshold_micros"] = currency.low_balance_micros
    return defaults | table


def check_prices(path: str, family: str, fee_micros: int, plan: Mapping[str, Any], currency: Currency) -> None:
    """Refuse prices that could not be charged. Raises CatalogueError that names the wrong key. Rules K1 and K4.

    `plan` is a whole plan by its keys and `fee_micros` the fee of a term.
    """
    step_micros, minor_micros = currency.step_micros, currency.minor_micros
    if family == "credits" and fee_micros:
        raise CatalogueError(f"{path}.monthly_price_micros: a credits plan has no fee")
    if fee_micros > currency.greatest_micros or fee_micros % step_micros:
        raise CatalogueError(
            f"{path}.monthly_price_micros: a fee of {fee_micros} cannot be charged: expected a multiple of"
            f" {step_micros}, at most {currency.greatest_micros}"
        )
    if family == "credits":
        quantum_micros = plan["charge_quantum_micros"]
        for key in PRICES["credits"]:
            if plan[key] % quantum_micros:
                raise CatalogueError(f"{path}.{key}: not a multiple of `charge_quantum_micros`, {quantum_micros}")
    if plan["refill_threshold_micros"] % minor_micros:
        raise CatalogueError(f"{path}.refill_threshold_micros: not a multiple of the minor unit, {minor_micros} micros")
    for at, level_micros in enumerate(plan["alert_thresholds_micros"]):
        if level_micros % minor_micros:
            raise CatalogueError(
                f"{path}.alert_thresholds_micros[{at}]: not a multiple of the minor unit, {minor_micros} micros"
            )
