"""Each process chooses its own pool and time-outs of the one connection to Redis."""

import pytest
from pydantic import ValidationError
from redis.exceptions import RedisError

from agents.views.settings import Settings
from devkit.redis import DevRedis
from stream.redis_connection import AwayError, RedisSettings, connect, raise_for
from stream.settings import Settings as WorkerSettings


async def test_a_full_pool_counts_as_a_redis_that_is_away(shared_redis: DevRedis) -> None:
    client = connect(RedisSettings(redis_url=shared_redis.url), connections_max=1, wait_s=0.01)
    async with client.client() as held:
        assert await held.ping()
        with pytest.raises(RedisError) as refused:
            await client.ping()
    with pytest.raises(AwayError):
        raise_for(refused.value)
    assert await client.ping()
    await client.aclose(close_connection_pool=True)


async def test_a_time_out_is_the_callers(own_redis: DevRedis) -> None:
    client = connect(RedisSettings(redis_url=own_redis.url), timeout_s=0.05)
    assert await client.ping()
    with pytest.raises(RedisError) as refused:
        await client.blpop("nothing", timeout=0)
    with pytest.raises(AwayError):
        raise_for(refused.value)
    await client.aclose(close_connection_pool=True)


def test_a_misspelt_variable_is_refused_by_the_processes_that_use_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLGATE_REDIS_UTL", "redis://elsewhere")
    for kind in (RedisSettings, Settings):
        with pytest.raises(ValidationError, match="do you mean TOLLGATE_REDIS_URL"):
            kind()
    assert WorkerSettings()
