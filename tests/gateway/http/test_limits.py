"""Limits on how often a caller may ask, and what is answered while Redis is away or to pages of other origins."""

import time
from collections.abc import Callable, Iterator

import pytest

from devkit.redis import DevRedis
from tests.gateway.http.served import PROGRAM
from tests.gateway.stage import GatewayProcess, GatewayStage, Reply
from tests.lane.stage import wait_until


@pytest.fixture(scope="module")
def keys(stage: GatewayStage) -> dict[str, str]:
    """The texts of some keys, by their ids."""
    return {
        "slow": stage.keys.add("slow", "calls", requests_per_s=2),
        "array": stage.keys.add("array", "calls", requests_per_s=3),
        "authorize": stage.keys.add("authorize", "calls", requests_per_s=1),
    }


@pytest.fixture(scope="module", autouse=True)
def gateway(stage: GatewayStage, keys: dict[str, str]) -> GatewayProcess:
    return stage.gateway(program=PROGRAM, gateway_cors_origins="https://App.Example.com")


def not_limited(ask: Callable[[], Reply]) -> Reply:
    """The first answer that is not 429, asking again when each 429 tells."""
    deadline = time.monotonic() + 20
    while (answer := ask()).status == 429:
        assert time.monotonic() < deadline, "limited for too long"
        time.sleep(int(answer.headers["retry-after"]))
    return answer


@pytest.mark.parametrize(
    "header",
    [
        "Bearer tg_" + "x" * 43,
        "Basic dXNlcjpwYXNz",
        "Bearer",
        "Bearer ",
        "tg_",
        "Bearer " + "x" * 5_000,
    ],
)
def test_what_is_no_valid_key_is_unauthorized(stage: GatewayStage, header: str) -> None:
    answer = not_limited(lambda: stage.get("/v1/shown", key=None, headers={"Authorization": header}))
    assert (answer.status, answer.code, answer.headers["www-authenticate"]) == (401, "unauthorized", "Bearer")


def statuses(answers: list[Reply]) -> list[int]:
    return [answer.status for answer in answers]


def test_a_key_has_a_bucket_of_its_rate(stage: GatewayStage, keys: dict[str, str]) -> None:
    wait_until(lambda: stage.get("/v1/shown", key=keys["slow"]).status == 200, "the key is valid")
    answers = [stage.get("/v1/shown", key=keys["slow"]) for _ in range(30)]
    limited = [answer for answer in answers if answer.status == 429]
    assert limited
    assert {answer.code for answer in limited} == {"rate_limited"}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in limited)
    assert stage.get("/v1/shown").status == 200  # Another key has its own bucket.
    wait_until(lambda: stage.get("/v1/shown", key=keys["slow"]).status == 200, "the bucket fills again")


def test_authorize_has_a_bucket_of_its_own(stage: GatewayStage, keys: dict[str, str]) -> None:
    def spent() -> bool:
        return stage.get("/v1/shown", key=keys["authorize"]).status == 429

    wait_until(spent, "the bucket of the other calls is empty")
    assert stage.post("/v1/authorize", {}, key=keys["authorize"]).status == 200


def test_an_array_takes_a_token_for_each_hundred_items(stage: GatewayStage, keys: dict[str, str]) -> None:
    """The key has 3 tokens a second: what needs more takes all of them."""

    def post(items: int) -> Reply:
        return stage.post(f"/v1/array?items={items}", key=keys["array"])

    assert not_limited(lambda: post(300)).status == 200
    assert not_limited(lambda: post(1_000)).status == 200  # More than the burst takes the burst.
    answers = [post(201) for _ in range(8)]
    assert 429 in statuses(answers)


def test_many_bad_keys_from_an_address_are_held_back_and_a_valid_key_never(stage: GatewayStage) -> None:
    answers = [stage.get("/v1/shown", key="tg_" + "0" * 43) for _ in range(60)]
    assert set(statuses(answers)) == {401, 429}
    limited = [answer for answer in answers if answer.status == 429]
    assert {answer.code for answer in limited} == {"rate_limited"}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in limited)
    assert stage.get("/v1/shown").status == 200
    assert stage.get("/v1/shown", key=None).status == 401


def test_redis_away_is_unavailable(stage: GatewayStage, tmp_path_factory: pytest.TempPathFactory) -> None:
    with DevRedis(tmp_path_factory.mktemp("own")) as redis:
        other = stage.gateway(program=PROGRAM, redis_url=redis.url)
        assert stage.get("/v1/redis", gateway=other).status == 200
    answer = stage.get("/v1/redis", gateway=other)
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "unavailable", "1")
    assert "tollgate_gateway_redis_errors_total 1.0" in other.metrics()


ORIGIN = {"Origin": "https://app.example.com"}
PREFLIGHT = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}


@pytest.fixture
def strict(stage: GatewayStage) -> Iterator[GatewayProcess]:
    """A gateway without origins."""
    gateway = stage.gateway(program=PROGRAM)
    yield gateway
    gateway.kill()


def test_pages_of_other_origins_may_call_only_where_they_are_named(stage: GatewayStage, strict: GatewayProcess) -> None:
    allowed = stage.get("/v1/shown", headers=ORIGIN)
    assert allowed.headers["access-control-allow-origin"] == ORIGIN["Origin"]
    assert "x-request-id" in allowed.headers["access-control-expose-headers"].lower()
    preflight = stage.request("OPTIONS", "/v1/shown", key=None, headers=ORIGIN | PREFLIGHT)
    assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (200, ORIGIN["Origin"])
    for gateway, origin in ((None, "https://evil.example.com"), (strict, ORIGIN["Origin"])):
        headers = {"Origin": origin}
        plain = stage.get("/v1/shown", headers=headers, gateway=gateway)
        refused = stage.request("OPTIONS", "/v1/shown", headers=headers | PREFLIGHT, gateway=gateway)
        assert (plain.status, refused.status, refused.code) == (200, 405, "method_not_allowed")
        assert "access-control-allow-origin" not in {**plain.headers, **refused.headers}


def test_no_answer_to_a_page_of_another_origin_is_plain_text(stage: GatewayStage) -> None:
    """The middleware refuses a preflight that it does not allow in a text of its own."""
    strange = ORIGIN | {"Access-Control-Request-Method": "FETCH"}
    refused = stage.request("OPTIONS", "/v1/shown", headers=strange)
    assert (refused.status, refused.code) == (405, "method_not_allowed")
    near = ORIGIN | PREFLIGHT | {"Access-Control-Request-Private-Network": "true"}
    allowed = stage.request("OPTIONS", "/v1/shown", key=None, headers=near)
    assert (allowed.status, allowed.headers["access-control-allow-private-network"]) == (200, "true")
