"""What is kept of commands, in a Redis that lacks the scripts or refuses the gateway."""

import pytest

from devkit.redis import DevRedis
from gateway.commands.kept import BUSY, MINE, Claim, Kept, record_key
from stream.redis_connection import AwayError, RedisSettings, connect


def claim(owner: str) -> Claim:
    return Claim("acme", "i-1", "feature-set", "hash", "", owner, 1)


async def test_the_text_of_a_script_is_sent_to_a_redis_that_lost_it(shared_redis: DevRedis) -> None:
    client = connect(RedisSettings(redis_url=shared_redis.url))
    kept, key = Kept(client), record_key("acme", "i-1", signed=False)
    await client.delete(key)
    await client.script_flush()
    assert await kept.claim(claim("one")) == MINE
    await client.script_flush()
    assert await kept.claim(claim("two")) == BUSY
    await client.delete(key)
    await client.aclose(close_connection_pool=True)


async def test_a_redis_that_refuses_the_password_is_away(shared_redis: DevRedis) -> None:
    """Commands go on without Redis, whatever the reason."""
    url = shared_redis.url.replace("redis://", "redis://nobody:secret-7@")
    client = connect(RedisSettings(redis_url=url))
    kept = Kept(client)
    for asked in (kept.claim(claim("one")), kept.find(b"key"), kept.snapshot("acme")):
        with pytest.raises(AwayError):
            await asked
    await client.aclose(close_connection_pool=True)
