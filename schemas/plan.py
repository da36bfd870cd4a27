"""The plan catalogue: plans as data, read from TOML and validated on load."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

import msgspec

from schemas.instant import MINUTE_MS
from schemas.money import AMOUNT_LIMIT_MICROS, MICROS_PER_CENT

SHIPPED = Path(__file__).with_name("plans.toml")

Price = Annotated[int, msgspec.Meta(ge=0, lt=AMOUNT_LIMIT_MICROS)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Duration = Annotated[int, msgspec.Meta(ge=1, le=366 * 86_400_000)]
_PLAN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)
Thresholds = Annotated[tuple[Price, ...], msgspec.Meta(max_length=16)]


class PlanError(ValueError):
    """The catalogue cannot be used. The message names the file, the key and what it must be."""


class Plan(msgspec.Struct, frozen=True, kw_only=True, tag_field="family", forbid_unknown_fields=True):
    """The fields of every plan. Money in micros, durations in milliseconds."""

    family: ClassVar[str]
    display_name: str = ""
    tier: str = ""
    included_features: tuple[str, ...] = ()
    monthly_price_micros: Price = 0
    interval: Literal["month", "year"] = "month"
    charge_quantum_micros: Annotated[int, msgspec.Meta(ge=1, lt=AMOUNT_LIMIT_MICROS)] = MICROS_PER_CENT
    longest_call_ms: Duration = 14_400_000
    alert_thresholds_micros: Thresholds = (10_000_000, 0)
    refill_threshold_micros: Price = 10_000_000


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
    card_overage_threshold_micros: Annotated[int, msgspec.Meta(gt=0, lt=AMOUNT_LIMIT_MICROS)] = 10_000_000

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


class Catalogue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All plans on offer. `version` becomes the `plan_version` of published events."""

    version: Annotated[int, msgspec.Meta(ge=1, le=2**31)] = 1
    rules: Rules = Rules()
    plans: dict[str, AnyPlan] = {}


def load_catalogue(path: Path | None = None) -> Catalogue:
    """The catalogue of `path`, or the shipped one for None. Raises PlanError that names the wrong key.

    A key that the file leaves out has the value of the shipped plan of the same name, otherwise the default of the
    plan's family.
    """
    shipped = _read(SHIPPED)
    if path is None:
        return catalogue_from(shipped, SHIPPED.name)
    table = _read(path)
    plans = table.get("plans")
    if isinstance(plans, dict):
        table["plans"] = {name: _with_defaults(name, plan, shipped["plans"]) for name, plan in plans.items()}
    if "rules" in table and isinstance(table["rules"], dict):
        table["rules"] = shipped["rules"] | table["rules"]
    return catalogue_from(table, str(path))


def catalogue_from(table: dict[str, Any], source: str = "the catalogue") -> Catalogue:
    """A catalogue from its decoded table. Raises PlanError that names the wrong key."""
    plans = table.get("plans")
    if not isinstance(plans, dict) or not plans:
        raise PlanError(f"{source}: `plans` must hold at least one table [plans.NAME]")
    wrong = [name for name in plans if _PLAN_NAME.fullmatch(name) is None]
    if wrong:
        raise PlanError(
            f"{source}: plans.{wrong[0]}: a plan's name is 1 to 64 letters, digits, `_`, `.` or `-`, a letter first"
        )
    read = {name: _convert(plan, AnyPlan, source, f"plans.{name}") for name, plan in plans.items()}
    return cast("Catalogue", _convert(table | {"plans": read}, Catalogue, source, ""))


def _convert(value: object, kind: Any, source: str, path: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        key = f"{path}{where.rstrip('`')}".strip(".")
        raise PlanError(f"{source}: {key}: {what}" if key else f"{source}: {what}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PlanError(f"{path}: not TOML: {error}") from None


def _with_defaults(name: str, plan: object, shipped: dict[str, dict[str, Any]]) -> object:
    """`plan` over the shipped plan of the same name, unless it moved to another family."""
    base = shipped.get(name, {})
    if not isinstance(plan, dict) or plan.get("family", base.get("family")) != base.get("family"):
        return plan
    return base | plan
