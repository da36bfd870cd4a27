"""`GET /v1/plans`: the plans on offer."""

import tomllib
from pathlib import Path

from gateway.reads.plans import catalogue_body
from schemas.plan import SHIPPED, load_catalogue
from tests.gateway.stage import GatewayStage


def test_any_key_sees_the_plans(stage: GatewayStage, keys: dict[str, str]) -> None:
    for key in (stage.key, keys["calls"], keys["none"]):
        body = stage.get("/v1/plans", key=key).json()
        assert set(body) == {"items", "version"}
    assert stage.get("/v1/plans", key=None).code == "unauthorized"
    shipped = tomllib.loads(Path(SHIPPED).read_text())
    assert body["version"] == shipped["version"]
    assert [item["plan"] for item in body["items"]] == list(shipped["plans"])
    for item in body["items"]:
        table = shipped["plans"][item["plan"]]
        assert {key: item.get(key) for key in table if key != "admission"} == {
            key: value for key, value in table.items() if key != "admission"
        }
        assert "admission" not in item


def test_the_prices_of_other_currencies_are_as_in_the_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "plans.toml"
    path.write_text(
        """
        version = 7
        [plans.free.currencies.EUR]
        extra_call_micros = 2_500_000
        live_agent_micros = 2_000_000
        appointment_booking_micros = 2_000_000
        cap_micros = 5_000_000
        """
    )
    body = catalogue_body(load_catalogue(path))
    assert body["version"] == 7
    [item] = body["items"]
    assert (item["plan"], item["family"], item["currency"]) == ("free", "credits", "USD")
    euro = item["currencies"]["EUR"]
    assert euro["cap_micros"] == 5_000_000
    assert set(euro) == {
        *("extra_call_micros", "live_agent_micros", "appointment_booking_micros", "cap_micros"),
        *("monthly_price_micros", "charge_quantum_micros", "alert_thresholds_micros", "refill_threshold_micros"),
    }
