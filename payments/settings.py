"""What an operator may set for the adapter: TOLLGATE_PAYMENTS_… and, by the same variables, what the worker has too."""

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr

from stream import settings as engine

# Of the worker's settings those that the adapter reads. Partitions, prefix and keys must be the worker's.
SHARED = (
    "bootstrap_servers",
    "app_id",
    "topic_prefix",
    "partitions",
    "replication_factor",
    "signing_keys",
    "session_timeout_ms",
    "transaction_timeout_ms",
    "log_level",
)


class Settings(engine.Settings):
    """The settings of a payment adapter. A value that cannot be used is refused at start, by name."""

    # Nothing by default: a fake that was never chosen would give credits away.
    payments_provider: Literal["", "fake", "stripe"] = ""
    payments_in_flight_max: Annotated[int, Field(ge=1, le=1_000)] = 16
    payments_health_host: str = "127.0.0.1"
    payments_health_port: Annotated[int, Field(ge=0, le=65_535)] = 8_012
    payments_stripe_api_key: SecretStr = SecretStr("")
    payments_stripe_api_base: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = ""
    payments_stripe_timeout_s: Annotated[int, Field(ge=1, le=300)] = 30
    payments_stripe_webhook_secrets: SecretStr = SecretStr("")
    payments_webhook_host: str = "127.0.0.1"
    payments_webhook_port: Annotated[int, Field(ge=0, le=65_535)] = 8_013
    payments_fake_seed: int = 1
    payments_fake_speed_up: Annotated[float, Field(gt=0)] = 1.0

    @property
    def group(self) -> str:
        """Names the consumer group, the transactional ids and the adapter's topics."""
        return f"{self.app_id}-payments"

    def webhook_secrets(self) -> tuple[str, ...]:
        """Several are in force while they are rotated; none: no endpoint is opened."""
        given = self.payments_stripe_webhook_secrets.get_secret_value().split(",")
        return tuple(secret.strip() for secret in given if secret.strip())


MEANING = {
    "payments_provider": "`stripe`, or `fake`: answers like a provider and moves no money. Must be set.",
    "payments_in_flight_max": "Most payments asked of the provider at once, by one process.",
    "payments_health_host": "Address of the adapter's `/metrics` and `/readyz`.",
    "payments_health_port": "Port of the adapter's `/metrics` and `/readyz`; 0 takes a free one, which is logged.",
    "payments_stripe_api_key": "Stripe's secret or restricted key (PaymentIntents and Refunds: write). Secret.",
    "payments_stripe_api_base": "Another address than Stripe's own, for stripe-mock.",
    "payments_stripe_timeout_s": "A request to Stripe not answered for so long is given up, its outcome unknown (s).",
    "payments_stripe_webhook_secrets": "Secrets of the webhook endpoint (`whsec_…`), separated by commas; one must "
    "have signed. Empty: no endpoint, pending payments are only looked up. Secret.",
    "payments_webhook_host": "Address of the webhook endpoint, `POST /webhooks/stripe`.",
    "payments_webhook_port": "Port of the webhook endpoint; 0 takes a free one, which is logged.",
    "payments_fake_seed": "The fake provider decides by this number and the payment id.",
    "payments_fake_speed_up": "The fake provider's delays are divided by this.",
}


def settings_table(settings: Settings) -> list[tuple[str, str, str]]:
    """Name, value in force and meaning of each setting the adapter reads. A secret shows as `***` when it is set."""
    meaning = engine.MEANING | MEANING
    return [
        (f"TOLLGATE_{name.upper()}", _shown(getattr(settings, name)), meaning[name]) for name in (*SHARED, *MEANING)
    ]


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "***" if value.get_secret_value() else ""
    return str(value)
