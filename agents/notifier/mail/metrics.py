"""The metrics of the mails. No label carries an account or an address."""

from stream.ops.instruments import Instruments, Meaning

REPORTS = ("sent", "held_back", "no_operator", "failed")
METRICS = (
    Meaning(
        "tollgate_notifier_mails_without_address_total",
        "counter",
        ("audience",),
        "Events not mailed for lack of an address: the owner has no billing e-mail, or [email] has no `operator`.",
    ),
    Meaning(
        "tollgate_notifier_mails_refused_total",
        "counter",
        ("report",),
        "Mails that the mail server refused for good, by the outcome of the operator's mail about the refusal.",
    ),
)


class MailMetrics:
    """Made with the table of the whole process, which has the rows of METRICS too."""

    def __init__(self, made: Instruments) -> None:
        self.without_address = made.counter("tollgate_notifier_mails_without_address_total", ("owner", "operator"))
        self.refused = made.counter("tollgate_notifier_mails_refused_total", REPORTS)
