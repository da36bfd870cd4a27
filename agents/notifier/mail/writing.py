"""Writes the mail of an event: its words, in the operator's look."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from agents.notifier.event import Event
from agents.notifier.mail.brand import Look
from agents.notifier.mail.colour import DARK_GROUND
from agents.notifier.mail.kinds import fields_of, on_one_line
from agents.notifier.mail.templates import Rendered, Templates
from agents.notifier.mail.words import Words
from schemas.alerts import OPERATOR, WARNING
from schemas.plan import Catalogue

LOGO_ID = "logo@tollgate"
REFUSED = "mail-refused"
# The functions of `Words` that templates may call.
WORDS = ("money", "moment", "day", "period", "plan", "card", "reason", "purpose", "duration")


class Writer:
    """Raises MailSetupError when a template of the folder cannot be used."""

    def __init__(self, look: Look, catalogue: Catalogue, folder: Path | None) -> None:
        self.look = look
        self._catalogue = catalogue
        self._templates = Templates(folder)

    def write(self, event: Event) -> Rendered:
        """The mail of an event of one of the types of `kinds.FIELDS`. Raises TemplateFaultError."""
        return self._render(event.type, fields_of(event))

    def write_refused(self, event: Event, address: str, answer: str) -> Rendered:
        """The operator's mail about a mail that the server did not take. Raises TemplateFaultError."""
        fields = {
            "audience": OPERATOR,
            "severity": WARNING,
            "account_id": event.account_id,
            "refused_type": event.type,
            "refused_id": event.id,
            "address": address,
            "answer": answer,
        }
        return self._render(REFUSED, on_one_line(fields))

    def _render(self, name: str, fields: Mapping[str, Any]) -> Rendered:
        words = Words(fields, self._catalogue)
        values: dict[str, Any] = {
            # Attributes, so that a field that the event does not have is a fault of the template.
            "event": SimpleNamespace(**fields),
            "brand": self.look,
            "link": self.look.link,
            "logo_id": LOGO_ID,
            "ground_dark": DARK_GROUND,
        }
        values |= {name: getattr(words, name) for name in WORDS}
        return self._templates.render(name, values)
