"""The page of metrics, from the tables that the processes register."""

from collections.abc import Iterable

from deploy.reference.markdown import code, codes, page, table
from deploy.reference.processes import PROCESSES, Process
from deploy.reference.words import TEXT
from payments.adapter import metrics as payments
from schemas.wire.generate import fact_types
from stream.ops import metric_table as worker
from stream.ops.instruments import Meaning


def metrics_page() -> str:
    return page(
        "Metrics",
        TEXT["metrics"],
        *(part for process in PROCESSES for part in _section(process)),
        "## Label values",
        TEXT["label_values"],
        table(("metric", "label", "values"), _values()),
    )


def _section(process: Process) -> tuple[str, str, str]:
    where = f"TOLLGATE_{process.health}"
    return f"## {process.name}", f"`http://{where}_HOST:{where}_PORT/metrics`", _table(process.metrics)


def _table(metrics: Iterable[Meaning]) -> str:
    rows = sorted((m.name, m.type, codes(m.labels), m.meaning) for m in metrics)
    return table(("metric", "type", "labels", "meaning"), ((code(name), *rest) for name, *rest in rows))


def _values() -> Iterable[tuple[str, str, str]]:
    types = sorted({str(kind.__struct_config__.tag) for kind in fact_types().values()})
    return (
        (code("tollgate_inputs_total"), code("outcome"), codes(worker.OUTCOMES)),
        (code("tollgate_dead_letters_total"), code("code"), "[the dead-letter codes](dead-letters.md)"),
        (code("tollgate_unbilled_calls_total"), code("code"), codes(worker.UNBILLED_CODES)),
        (code("tollgate_facts_total"), code("type"), codes(types)),
        (code("tollgate_gate_decisions_total"), code("reason"), codes(worker.GATE_REASONS)),
        (code("tollgate_watchdog_seconds"), code("what"), codes(worker.WATCHED)),
        (code("tollgate_payments_requests_total"), code("outcome"), codes(payments.REQUESTS)),
        (code("tollgate_payments_answers_total"), code("outcome"), codes(payments.ANSWERS)),
        (code("tollgate_payments_retries_total"), code("why"), codes(payments.RETRIES)),
        (code("tollgate_payments_reversals_total"), code("kind"), codes(payments.REVERSALS)),
        (code("tollgate_payments_looks_total"), code("outcome"), codes(payments.LOOKS)),
        (code("tollgate_payments_webhooks_total"), code("outcome"), codes(payments.WEBHOOKS)),
    )
