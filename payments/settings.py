"""The adapter's settings: its own TOLLGATE_PAYMENTS_… variables, and those that it shares with the worker."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr

from stream import settings as engine

# The worker's settings that the adapter reads too. Partitions, prefix and keys must have the worker's values.
SHARED = (
    *engine.CONNECTION,
    "app_id",
    "topic_prefix",
    "partitions",
    "replication_factor",
    "clock",
    "signing_keys",
    "session_timeout_ms",
    "transaction_timeout_ms",
    "log_level",
)


class ProviderSettings(engine.Settings):
    """The settings of every process that uses the payment provider: the adapter, and the gateway, where owners add
    cards.
    """

    # No default: a fake provider that nobody chose would give credits away.
    payments_provider: Literal["", "fake", "stripe"] = ""
    payments_stripe_api_key: SecretStr = SecretStr("")
    payments_stripe_api_base: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = ""
    payments_stripe_timeout_s: Annotated[int, Field(ge=1, le=300)] = 30


class Settings(ProviderSettings):
    """The settings of a payment adapter. An invalid value is refused at start, by name."""

    own_prefixes: ClassVar[tuple[str, ...]] = ("PAYMENTS_",)

    payments_in_flight_max: Annotated[int, Field(ge=1, le=1_000)] = 16
    payments_look_every_s: Annotated[int, Field(ge=1, le=86_400)] = 600
    payments_health_host: str = "127.0.0.1"
    payments_health_port: Annotated[int, Field(ge=0, le=65_535)] = 8_012
    payments_stripe_webhook_secrets: SecretStr = SecretStr("")
    payments_webhook_host: str = "127.0.0.1"
    payments_webhook_port: Annotated[int, Field(ge=0, le=65_535)] = 8_013
    payments_fake_seed: int = 1
    payments_fake_speed_up: Annotated[float, Field(gt=0)] = 1.0
    payments_fake_book: Path | None = None

    @property
    def group(self) -> str:
        """Prefix of the consumer group, the transactional ids and the adapter's topics. Changing it starts with empty
        state.
        """
        return f"{self.app_id}-payments"

    def webhook_secrets(self) -> tuple[str, ...]:
        """More than one during a rotation. Without any, no endpoint is opened."""
        given = self.payments_stripe_webhook_secrets.get_secret_value().split(",")
        return tuple(secret.strip() for secret in given if secret.strip())


MEANING = {
    "payments_provider": "`stripe`, or `fake`, which answers like a provider and moves no money. Must be set.",
    "payments_stripe_api_key": "Stripe's secret or restricted key (PaymentIntents and Refunds: write; Disputes: "
    "read). Secret.",
    "payments_stripe_api_base": "Address of the API instead of Stripe's own, for stripe-mock.",
    "payments_stripe_timeout_s": "Seconds after which a request to Stripe is abandoned; its outcome is then unknown.",
    "payments_in_flight_max": "Maximum number of concurrent provider calls of one process.",
    "payments_look_every_s": "Seconds between two listings of the provider's disputes and refunds, in each partition.",
    "payments_health_host": "Address of the adapter's `/metrics` and `/readyz`.",
    "payments_health_port": "Port of the adapter's `/metrics` and `/readyz`. 0 chooses a free port and logs it.",
    "payments_stripe_webhook_secrets": "Secrets of the webhook endpoint (`whsec_…`), separated by commas; an event "
    "must be signed with one of them. Empty: no endpoint, the adapter only polls. Secret.",
    "payments_webhook_host": "Address of the webhook endpoint, `POST /webhooks/stripe`.",
    "payments_webhook_port": "Port of the webhook endpoint. 0 chooses a free port and logs it.",
    "payments_fake_seed": "Seed of the fake provider: seed and payment id determine each answer, but for test cards of "
    "the owner's page.",
    "payments_fake_speed_up": "Divisor of the fake provider's delays.",
    "payments_fake_book": "File of the fake provider's reversals, written by `tollgate payments fake-reversal`.",
}
