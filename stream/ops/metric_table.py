"""Declares the metrics of a worker: name, labels, the label values known beforehand, and meaning."""

from stream.ops.instruments import Meaning

OUTCOMES = ("accepted", "repeat", "dead_letter")
DEAD_LETTER_CODES = (
    "malformed_json",
    "not_utf8",
    "not_an_object",
    "schema_invalid",
    "unknown_type",
    "key_mismatch",
    "wrong_partition",
    "too_large",
    "unknown_account",
    "account_exists",
    "unknown_plan",
    "unknown_payment_method",
    "unknown_purchase",
    "card_number_refused",
    "last_payment_method",
    "refund_window_passed",
    "nothing_to_refund",
    "unknown_payment",
    "too_late",
    "future_time",
    "no_subscription",
    "unauthenticated",
    "unsupported_version",
    "unsupported_currency",
    "amount_not_payable",
    "before_account",
    "unreadable_record",
    "skipped",
)
# Codes of inputs whose type cannot be read, so that it is unknown whether one of them was the end of a call.
UNTYPED_CODES = {"malformed_json", "not_utf8", "not_an_object", "unknown_type", "too_large", "unreadable_record"}
UNBILLED_CODES = tuple(code for code in DEAD_LETTER_CODES if code not in UNTYPED_CODES)
FACT_TYPES = (
    "call-admitted",
    "call-redirected",
    "call-charged",
    "charge-adjusted",
    "balance-low",
    "funds-needed",
    "purchase-declined",
    "refill-requested",
    "refill-succeeded",
    "refill-declined",
    "refill-paused",
    "refill-unresolved",
    "subscription-payment-declined",
    "upgrade-suggested",
    "call-stuck",
    "payment-reversed",
    "payment-contradicted",
    "billing-email-changed",
    "call-overlong",
    "payment-requested",
    "ledger-entry-posted",
    "account-snapshot",
    "invoice-issued",
    "invoice-paid",
    "invoice-reversed",
    "receipt-issued",
)
GATE_REASONS = (
    "included",
    "credits",
    "subscription",
    "insufficient_balance",
    "extra_calls_off",
    "subscription_ended",
    "unknown_account",
    "refused",
)
CURRENCIES = ("USD",)

METRICS = (
    Meaning("tollgate_inputs_total", "counter", ("outcome",), "Inputs committed, by outcome."),
    Meaning("tollgate_dead_letters_total", "counter", ("code",), "Dead letters written, by code."),
    Meaning("tollgate_facts_total", "counter", ("type",), "Events published, by type."),
    Meaning("tollgate_gate_decisions_total", "counter", ("reason",), "Calls admitted or redirected, by reason."),
    Meaning(
        "tollgate_unbilled_calls_total",
        "counter",
        ("code",),
        "Ends of calls that became dead letters, by code: these calls were not charged. Inputs whose type cannot be "
        "read are not counted.",
    ),
    Meaning(
        "tollgate_dropped_plan_changes_total",
        "counter",
        (),
        "Scheduled plan changes that were dropped at the renewal, because the catalogue no longer has the plan or its "
        "prices in the account's currency. The log names the accounts.",
    ),
    Meaning(
        "tollgate_charged_micros_total",
        "counter",
        ("currency", "partition"),
        "Money charged since the beginning of the table, in micros. Exported by the partition's owner; restarts do "
        "not reset it.",
    ),
    Meaning(
        "tollgate_given_back_micros_total",
        "counter",
        ("currency", "partition"),
        "Money that corrections took off charges since the beginning of the table, in micros.",
    ),
    Meaning("tollgate_batch_records", "histogram", (), "Inputs per batch."),
    Meaning("tollgate_batch_decide_seconds", "histogram", (), "Time the rules took per batch."),
    Meaning("tollgate_batch_commit_seconds", "histogram", (), "Time the transaction took per batch."),
    Meaning(
        "tollgate_lag_records",
        "gauge",
        ("partition",),
        "Inputs in the log that the group has not committed. Every worker exports it for every partition, as read "
        "from the broker.",
    ),
    Meaning(
        "tollgate_committed_offset",
        "gauge",
        ("partition",),
        "Offset of the next input, as committed by the group. Every worker exports it for every partition.",
    ),
    Meaning(
        "tollgate_undecided_records",
        "gauge",
        ("partition",),
        "Inputs behind the first open transaction of the log. They cannot be read before it ends.",
    ),
    Meaning(
        "tollgate_input_stalled_seconds",
        "gauge",
        ("partition",),
        "How long an open transaction has blocked reading of the inputs; 0 without one.",
    ),
    Meaning(
        "tollgate_lag_seconds",
        "gauge",
        ("partition",),
        "Age of the newest input in the last batch when it was committed.",
    ),
    Meaning("tollgate_partition_owned", "gauge", ("partition",), "1 for a partition of this worker, 0 for any other."),
    Meaning(
        "tollgate_seconds_since_commit",
        "gauge",
        ("partition",),
        "For a partition of this worker, time since its last commit or since the worker took it over.",
    ),
    Meaning(
        "tollgate_clock_seconds",
        "gauge",
        ("partition",),
        "The partition's clock (the latest accepted tick), as a Unix time.",
    ),
    Meaning(
        "tollgate_clock_ahead_seconds",
        "gauge",
        ("partition",),
        "The partition's clock minus the broker timestamp of its newest input. Negative when time stands still.",
    ),
    Meaning(
        "tollgate_wall_clock_ahead_seconds",
        "gauge",
        (),
        "Lower bound of how far this machine's clock is ahead of the broker's. Negative when it is behind.",
    ),
    Meaning(
        "tollgate_oldest_unanswered_payment_seconds",
        "gauge",
        ("partition",),
        "Age of the oldest payment without an answer, by the partition's clock. 0 when there is none.",
    ),
    Meaning("tollgate_restored_rows_total", "counter", (), "Changelog records read to restore the table."),
    Meaning("tollgate_restore_seconds", "gauge", (), "Duration of the last restore."),
    Meaning("tollgate_rebalances_total", "counter", (), "Partition assignments received from the group."),
    Meaning(
        "tollgate_takeovers_total",
        "counter",
        ("how",),
        "Partitions taken over, by how the first offset was determined. `agreed` is the normal case.",
    ),
    Meaning(
        "tollgate_watchdog_seconds",
        "gauge",
        ("what",),
        "How long the watchdog has seen no progress: `loop`, `commit`.",
    ),
    Meaning("tollgate_held_micros", "gauge", (), "Sum of the holds of open calls (the exposure), in micros."),
    Meaning("tollgate_open_calls", "gauge", (), "Calls admitted and not yet ended."),
    Meaning("tollgate_accounts", "gauge", (), "Accounts in this worker's partitions."),
    Meaning("tollgate_rows", "gauge", (), "Rows in this worker's partitions."),
    Meaning("tollgate_build_info", "gauge", ("version", "python"), "Always 1. The labels give the running versions."),
)
# Metrics of prometheus_client's own collectors that the dashboard and the alerts use.
PROCESS_METRICS = ("process_start_time_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes")
BY_NAME = {row.name: row for row in METRICS}
WATCHED = ("loop", "commit")
