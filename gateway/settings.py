"""The settings of the gateway: its own TOLLGATE_… variables, those of Redis, and those shared with the worker."""

from ipaddress import ip_network
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from payments.settings import ProviderSettings
from stream import redis_connection
from stream import settings as engine

SHARED = (
    *engine.CONNECTION,
    *("app_id", "topic_prefix", "partitions", "replication_factor", "plans", "currencies", "signing_keys", "clock"),
    "log_level",
)
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})


def names_of(given: str) -> tuple[str, ...]:
    """The parts of a setting that holds several, separated by commas."""
    return tuple(part.strip() for part in given.split(",") if part.strip())


def _networks(given: str) -> str:
    for name in names_of(given):
        try:
            ip_network(name)
        except ValueError as error:
            raise ValueError(f"{name!r} is neither an address nor a network such as 10.0.0.0/8") from error
    return given


def _origins(given: str) -> str:
    for name in names_of(given):
        parts = urlsplit(name)
        if parts.scheme not in {"http", "https"} or not parts.netloc or name != f"{parts.scheme}://{parts.netloc}":
            raise ValueError(f"{name!r} is no origin such as https://app.example.com")
    return given


def _portal_url(given: str) -> str:
    parts = urlsplit(given)
    wrong = "@" in parts.netloc or parts.query or parts.fragment
    if parts.scheme not in {"http", "https"} or not parts.hostname or wrong:
        raise ValueError("must be a URL such as https://billing.example.com")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("must begin with https:// unless its host is this machine's loopback address")
    return given.rstrip("/")


class Settings(redis_connection.RedisSettings, ProviderSettings):
    """The settings of a gateway. An invalid value is refused at start, by name."""

    own_prefixes: ClassVar[tuple[str, ...]] = (
        *redis_connection.RedisSettings.own_prefixes,
        *("GATEWAY_", "GATE_", "COMMAND_", "API_KEYS", "TRUSTED_PROXIES", "PORTAL_", "ISSUER"),
    )

    gateway_host: str = "127.0.0.1"
    gateway_port: Annotated[int, Field(ge=0, le=65_535)] = 8_020
    gateway_health_host: str = "127.0.0.1"
    gateway_health_port: Annotated[int, Field(ge=0, le=65_535)] = 8_021
    gateway_tls_cert: engine.OptionalFile = None
    gateway_tls_key: engine.OptionalFile = None
    gateway_cors_origins: Annotated[str, AfterValidator(_origins)] = ""
    trusted_proxies: Annotated[str, AfterValidator(_networks)] = ""
    api_keys: engine.OptionalFile = None
    command_timeout_ms: Annotated[int, Field(ge=50, le=60_000)] = 5_000
    gate_timeout_ms: Annotated[int, Field(ge=50, le=10_000)] = 800
    gate_policy: Literal["open", "closed"] = "open"
    gate_blind_max: Annotated[int, Field(ge=0, le=1_000_000_000)] = 6_000
    gate_blind_account_max: Annotated[int, Field(ge=0, le=1_000_000_000)] = 10
    portal_url: Annotated[str, AfterValidator(_portal_url)] = "http://127.0.0.1:8020"
    portal_return_hosts: str = ""
    portal_note: str = ""
    issuer: engine.OptionalFile = None

    @model_validator(mode="after")
    def _refuse_a_key_alone(self) -> Self:
        """Without its certificate the gateway would serve http."""
        if self.gateway_tls_key is not None and self.gateway_tls_cert is None:
            raise ValueError("TOLLGATE_GATEWAY_TLS_CERT is missing: TOLLGATE_GATEWAY_TLS_KEY is the key of one")
        return self


MEANING = {
    "gateway_host": "Address that the gateway listens on.",
    "gateway_port": "Port that the gateway listens on; 0 picks a free one, which is logged.",
    "gateway_health_host": "Address of the gateway's `/metrics`, `/livez` and `/readyz`.",
    "gateway_health_port": "Port of the gateway's `/metrics`, `/livez` and `/readyz`; 0 picks a free one, which is "
    "logged.",
    "gateway_tls_cert": "Certificate (PEM, with its chain) for https. Empty: http.",
    "gateway_tls_key": "Key of that certificate (PEM, without a passphrase). Empty: it is in the certificate's file.",
    "gateway_cors_origins": "Origins whose pages may call the gateway from a browser, separated by commas.",
    "trusted_proxies": "Addresses or networks of proxies, separated by commas, whose `X-Forwarded-For` and "
    "`X-Forwarded-Proto` are trusted.",
    "api_keys": "File (TOML) of the keys that callers use. Must be set. It is read again when it changes.",
    "command_timeout_ms": "Time (ms) after which a command without an outcome is answered as pending.",
    "gate_timeout_ms": "Time (ms) after which the policy answers for a call without a decision.",
    "gate_policy": "`open`: such a call is allowed, without paid features; `closed`: it is redirected.",
    "gate_blind_max": "Maximum number of calls that the policy allows per key and minute, in one process. 0: no limit.",
    "gate_blind_account_max": "Maximum number of calls that the policy allows per account and minute, in one process. "
    "0: no limit.",
    "portal_url": "Address that links to the owner's page begin with. http only on loopback.",
    "portal_return_hosts": "Hosts that a link's `return_url` may have, separated by commas.",
    "portal_note": "A sentence for the footer of the owner's page, such as that a trial moves no money.",
    "issuer": "File (TOML) of the sender of invoices and receipts, as for `tollgate invoice`. Empty: Tollgate.",
    "payments_provider": "Where owners add cards: `stripe`, in its Checkout, or `fake`, with test cards. Empty: "
    "owners cannot add cards. The payment adapter must have the same value.",
    "payments_stripe_api_key": "Stripe's secret or restricted key (Checkout Sessions and Customers: write; "
    "SetupIntents and PaymentMethods: read). Empty: no card can be added. Secret.",
    "payments_stripe_api_base": "Address of the API instead of Stripe's own, for stripe-mock.",
    "payments_stripe_timeout_s": "Seconds after which a request to Stripe is abandoned.",
    **redis_connection.MEANING,
}
