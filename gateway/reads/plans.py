"""The plans on offer, as their owners may see them."""

from typing import Any

import msgspec
from starlette.responses import Response

from gateway.http.endpoint import JSON
from gateway.http.endpoint import Call as Request
from schemas.plan import AnyPlan, Catalogue
from schemas.plan_prices import PRICES, WITH_DEFAULT

# How calls are admitted is the operator's own concern.
_HIDDEN = "admission"


async def list_plans(request: Request) -> Response:
    """`GET /v1/plans`."""
    return Response(msgspec.json.encode(catalogue_body(request.parts.plans)), media_type=JSON)


def catalogue_body(catalogue: Catalogue) -> dict[str, Any]:
    items = [{"plan": name} | _keys_of(plan) for name, plan in catalogue.plans.items()]
    return {"items": items, "version": catalogue.version}


def _keys_of(plan: AnyPlan) -> dict[str, Any]:
    """The keys of the catalogue: in each other currency those of money, as in its table there."""
    keys: dict[str, Any] = msgspec.to_builtins(plan)
    money = (*PRICES[plan.family], *WITH_DEFAULT[plan.family])
    keys["currencies"] = {
        code: {key: priced[key] for key in money if key in priced} for code, priced in keys["currencies"].items()
    }
    return {key: value for key, value in keys.items() if key != _HIDDEN}
