"""Makes the target of the mails, again each time that its tables in the file change."""

from collections.abc import Callable
from pathlib import Path

from agents.notifier.mail.brand import MailSetupError
from agents.notifier.mail.metrics import MailMetrics
from agents.notifier.mail.reports import Reports
from agents.notifier.mail.target import MailTarget
from agents.notifier.tables import Brand, Email
from backoffice.documents.issuer import IssuerError, load_issuer
from schemas.currencies import CatalogueError
from schemas.plan import load_catalogue


def mail_maker(
    *, issuer: Path | None, plans: Path | None, currencies: Path | None, templates: Path | None, metrics: MailMetrics
) -> Callable[[Email, Brand], MailTarget]:
    """What makes the target from `[email]` and `[brand]`. The files are read now. Raises MailSetupError, and so does
    what it returns.
    """
    try:
        sender, catalogue = load_issuer(issuer), load_catalogue(plans, currencies)
    except (IssuerError, CatalogueError) as error:
        raise MailSetupError(str(error)) from None
    # Shared by all targets of the process: a change of the file does not begin the hour anew.
    reports = Reports()

    def make(email: Email, brand: Brand) -> MailTarget:
        return MailTarget(
            email,
            brand,
            issuer=sender,
            catalogue=catalogue,
            templates=templates,
            metrics=metrics,
            reports=reports,
        )

    return make
