"""The one connection to Redis: where it is, time-outs, how commands and scripts are sent, and what errors mean."""

import re
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Annotated, Any, ClassVar, NamedTuple, NoReturn

from pydantic import AfterValidator, SecretStr
from redis import exceptions as redis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from stream import settings as engine
from stream.fail_stop import Exit, PersonNeededError, StatusError

TIMEOUT_S = 0.5
CONNECTIONS_MAX = 8

# Answers that a restart of Redis, a fail-over or more memory removes.
PASSING = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.BusyLoadingError,
    redis.ReadOnlyError,
    redis.OutOfMemoryError,
    redis.ClusterDownError,
    redis.MasterDownError,
    redis.TryAgainError,
    OSError,
)
PASSING_PREFIXES = ("MISCONF", "BUSY", "NOREPLICAS", "UNKILLABLE", "LOADING", "MASTERDOWN", "OOM", "READONLY")
REFUSED = (redis.AuthenticationError, redis.AuthorizationError, redis.NoPermissionError)


# What the client says when nothing answers at the address.
_NOBODY = re.compile(r"Error -?\d+ connecting to (\S+)\. (.+?)\.?")


class AwayError(StatusError):
    """Redis does not answer, or refuses for now. The message holds no secret."""

    status = Exit.PASSING


# Made by `connect` alone.
Client = Redis
Command = tuple[Any, ...]


class Script(NamedTuple):
    """A script in Lua. Redis knows it by the hash of its text, so that only its first use sends the text."""

    text: str
    sha1: str

    @classmethod
    def read(cls, package: str, *names: str) -> "Script":
        """The script whose parts are these files of a package."""
        text = "".join(files(package).joinpath(name).read_text(encoding="utf-8") for name in names)
        return cls(text, sha1(text.encode()).hexdigest())  # noqa: S324 the name that Redis gives it

    def call(self, keys: Sequence[bytes], arguments: Iterable[bytes | int | str]) -> Command:
        return ("EVALSHA", self.sha1, len(keys), *keys, *arguments)


def _redis_url(given: SecretStr) -> SecretStr:
    """Refuse what is no URL of a Redis. The message leaves the URL out: it may hold a password."""
    if not given.get_secret_value().startswith(("redis://", "rediss://")):
        raise ValueError("must begin with redis:// or rediss://")
    return given


class RedisSettings(engine.Settings):
    """The settings of every process that uses Redis."""

    own_prefixes: ClassVar[tuple[str, ...]] = ("REDIS_",)

    redis_url: Annotated[SecretStr, AfterValidator(_redis_url)] = SecretStr("redis://127.0.0.1:6379/0")
    redis_ca: engine.OptionalFile = None


MEANING = {
    "redis_url": "The Redis that holds the views, `redis://` or `rediss://` (TLS), with `user:password@` where it has "
    "users. Secret.",
    "redis_ca": "CA certificates (PEM) that sign the certificate of Redis. Empty: those of the system.",
}


def connect(
    settings: RedisSettings,
    *,
    timeout_s: float = TIMEOUT_S,
    connections_max: int = CONNECTIONS_MAX,
    wait_s: float | None = None,
) -> Redis:
    """A client that has not connected yet, and never retries by itself.

    `timeout_s` bounds connecting and each answer, `wait_s` the wait for one of `connections_max` connections (None: no
    bound). Raises PersonNeededError when the URL or the file of TOLLGATE_REDIS_CA is unusable.
    """
    options: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
        "max_connections": connections_max,
        "timeout": wait_s,
    }
    url = settings.redis_url.get_secret_value()
    if settings.redis_ca is not None:
        if not settings.redis_ca.is_file():
            raise PersonNeededError(f"TOLLGATE_REDIS_CA: {settings.redis_ca} is no file")
        options["ssl_ca_certs"] = str(settings.redis_ca)
    if url.startswith("redis://"):
        options.pop("ssl_ca_certs", None)
    try:
        pool = BlockingConnectionPool.from_url(url, **options)
    except ValueError as error:
        raise PersonNeededError("TOLLGATE_REDIS_URL is not a Redis URL: expected redis://HOST:PORT/NUMBER") from error
    return Redis(connection_pool=pool)


async def run(
    client: Client,
    commands: Sequence[Command],
    scripts: Iterable[Script] = (),
    on_error: Callable[[Exception], Any] | None = None,
) -> list[Any]:
    """Send commands in one pipeline and return their answers.

    If Redis lacks one of `scripts`, all are loaded and all commands are sent again, so a command beside a script must
    change nothing the second time. `on_error`, which is `raise_for` by default, raises for an error, or returns what
    stands in place of that answer.
    """
    raising = on_error or raise_for
    try:
        answers = await _sent(client, commands)
        if any(isinstance(answer, redis.NoScriptError) for answer in answers):
            await _sent(client, [("SCRIPT", "LOAD", script.text) for script in scripts])
            answers = await _sent(client, commands)
    except (redis.RedisError, OSError) as error:
        raising(error)
        raise
    return [raising(answer) if isinstance(answer, Exception) else answer for answer in answers]


async def run_repeatable(client: Client, *commands: Command) -> list[Any]:
    """Send commands that may take effect twice, in one pipeline, and return their answers. Without an answer they are
    sent once more: a Redis or a gateway that was busy for a moment costs nobody an error. Raises AwayError.
    """
    try:
        return await run(client, commands, on_error=raise_away)
    except AwayError:
        return await run(client, commands, on_error=raise_away)


async def _sent(client: Any, commands: Iterable[Command]) -> list[Any]:
    async with client.pipeline(transaction=False) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)
        return list(await pipeline.execute(raise_on_error=False))


def raise_away(error: Exception) -> NoReturn:
    """Raise AwayError for every error, for a process that goes on without Redis: one that refuses its password is no
    better than one that does not answer.
    """
    raise AwayError(" ".join(str(error).split()) or type(error).__name__) from error


def raise_for(error: Exception) -> NoReturn:
    """Raise AwayError for an error that passes, PersonNeededError for one that a person must remove."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, REFUSED):
        raise PersonNeededError(f"Redis refuses TOLLGATE_REDIS_URL: {text}") from error
    if isinstance(error, PASSING) or text.startswith(PASSING_PREFIXES):
        nobody = _NOBODY.fullmatch(text)
        if nobody is not None:
            text = f"no Redis answers at {nobody[1]} ({nobody[2]}): is it running, and is TOLLGATE_REDIS_URL right?"
        raise AwayError(text) from error
    raise PersonNeededError(f"Redis refuses a command: {text}") from error
