"""The page of the plan catalogue and the currencies, from the types that read the files."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from deploy.reference.markdown import code, codes, count, page, table
from deploy.reference.words import TEXT, WORDS
from schemas.currencies import Currency, load_currencies
from schemas.plan import CreditsPlan, MinutesPlan, Plan, Rules, load_catalogue
from schemas.plan_prices import FAMILIES, PRICES, WITH_DEFAULT

FIXED = {"version": "1", "invoice_number_format": "{account}-{number:04}"}


def plans_page() -> str:
    shared = set(Plan.__struct_fields__)
    return page(
        "Plan catalogue",
        TEXT["plans"],
        "## File",
        table(
            ("key", "default", "meaning"), ((code(k), code(FIXED.get(k, "")), v) for k, v in WORDS["catalogue"].items())
        ),
        "## Every plan",
        _keys(Plan, WORDS["plan"]),
        "## Credits plans",
        _keys(CreditsPlan, WORDS["plan"], shared),
        "## Minutes plans",
        _keys(MinutesPlan, WORDS["plan"], shared),
        "## Prices in other currencies",
        TEXT["prices"],
        table(
            ("family", "must be given", "may be given"),
            ((code(f), codes(PRICES[f]), codes(WITH_DEFAULT[f])) for f in sorted(FAMILIES)),
        ),
        "## Rules",
        _keys(Rules, WORDS["rules"]),
        "## Currencies",
        TEXT["currencies"],
        table(("key", "meaning"), ((code(key), text) for key, text in WORDS["currency"].items())),
        TEXT["other_currencies"],
        table(
            ("code", "digits", "least charge", "greatest charge", "step in minor units", "low balance"), _currencies()
        ),
        "## Shipped plans",
        table(("plan", "family", "a month", "included"), _shipped()),
    )


def _keys(kind: type[msgspec.Struct], words: Mapping[str, str], without: set[str] | None = None) -> str:
    properties = _properties(kind)
    defaults = {field.name: field.default for field in msgspec.structs.fields(kind)}
    names = [name for name in kind.__struct_fields__ if name not in (without or ())]
    rows = [(code(name), _kind(name, properties[name]), _default(defaults[name]), words[name]) for name in names]
    if kind is Plan:
        rows.insert(0, (code("family"), codes(sorted(FAMILIES)), "", words["family"]))
    return table(("key", "takes", "default", "meaning"), rows)


def _properties(kind: type[msgspec.Struct]) -> dict[str, Any]:
    schema = msgspec.json.schema(kind)
    properties: dict[str, Any] = schema["$defs"][kind.__name__]["properties"]
    return properties


def _kind(name: str, schema: dict[str, Any]) -> str:
    if name == "currencies":
        return "tables"
    if "enum" in schema:
        return codes(schema["enum"])
    if schema["type"] == "array":
        most = f", at most {schema['maxItems']}" if "maxItems" in schema else ""
        return f"list of {_kind(name, schema['items'])}{most}"
    return _number(name, schema) if schema["type"] == "integer" else "text"


def _number(name: str, schema: dict[str, Any]) -> str:
    unit = next((word for end, word in {"_micros": "micros", "_ms": "ms", "_s": "s"}.items() if name.endswith(end)), "")
    least: int = schema["minimum"] if "minimum" in schema else schema["exclusiveMinimum"]
    most: int = schema["maximum"] if "maximum" in schema else schema["exclusiveMaximum"]
    signs = "≥" if "minimum" in schema else ">", "≤" if "maximum" in schema else "<"
    return f"{unit or 'number'} {signs[0]} {count(least)} {signs[1]} {count(most)}"


def _default(value: Any) -> str:
    if isinstance(value, bool) or value is msgspec.NODEFAULT or value in ("", {}, ()):
        return ""
    if isinstance(value, tuple):
        return "[" + ", ".join(code(count(part)) for part in value) + "]"
    return code(count(value)) if isinstance(value, int) else code(value)


def _currencies() -> Iterator[tuple[str, ...]]:
    for currency in sorted(load_currencies().values(), key=lambda entry: entry.code):
        if not _usual(currency):
            yield (
                code(currency.code),
                str(currency.minor_units),
                count(currency.least_micros),
                count(currency.greatest_micros),
                str(currency.step_minor),
                count(currency.low_balance_micros),
            )


def _usual(currency: Currency) -> bool:
    return currency.minor_units == 2 and currency.least_micros == currency.minor_micros and currency.step_minor == 1


def _shipped() -> Iterator[tuple[str, ...]]:
    for name, plan in load_catalogue().plans.items():
        included = (
            f"{plan.included_calls} calls" if isinstance(plan, CreditsPlan) else f"{plan.included_minutes} minutes"
        )
        yield code(name), plan.family, f"${plan.monthly_price_micros // 1_000_000}", included
