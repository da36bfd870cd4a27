"""The templates of the mails: the shipped ones, and a folder whose files replace them by name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    select_autoescape,
)

from agents.notifier.mail.brand import MailSetupError
from backoffice.documents.wording import plain

SHIPPED = Path(__file__).with_name("templates")
SUBJECT, TEXT, HTML = ".subject.txt", ".txt", ".html"
_BLANK_LINES = re.compile(r"\n\s*\n\s*\n+")
_SUFFIXES = (".txt", ".html")
_NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"


class TemplateFaultError(Exception):
    """A template does not fit its event. The message names the template, and no value of the event."""


@dataclass(frozen=True, slots=True)
class Rendered:
    subject: str
    text: str
    html: str


class Templates:
    """Renders the three parts of a mail. A file in the folder that changes is read again."""

    def __init__(self, folder: Path | None) -> None:
        """Raises MailSetupError when a file in the folder replaces nothing, or is no template."""
        loaders: list[BaseLoader] = [FileSystemLoader(SHIPPED)]
        if folder is not None:
            loaders.insert(0, FileSystemLoader(folder))
        self._environment = Environment(
            loader=ChoiceLoader(loaders),
            autoescape=select_autoescape((HTML[1:],)),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        if folder is not None:
            self._check(folder)

    def render(self, name: str, values: Mapping[str, Any]) -> Rendered:
        """The mail of the templates `NAME.…`. Raises TemplateFaultError."""
        subject = plain(self._part(name + SUBJECT, values))
        shown = {**values, "subject": subject}
        # Plain text breaks its lines where the reader's screen ends, and people search in it.
        text = self._part(name + TEXT, shown).replace(_NO_BREAK_SPACE, " ")
        text = _BLANK_LINES.sub("\n\n", text).strip() + "\n"
        return Rendered(subject, text, self._part(name + HTML, shown))

    def _part(self, name: str, values: Mapping[str, Any]) -> str:
        try:
            return self._environment.get_template(name).render(values)
        # What a template does with a value of the wrong kind raises these.
        except (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            raise TemplateFaultError(f"the template {name} failed: {type(error).__name__}") from error

    def _check(self, folder: Path) -> None:
        if not folder.is_dir():
            raise MailSetupError(f"TOLLGATE_NOTIFY_TEMPLATES: {folder} is no folder")
        shipped = {path.name for path in SHIPPED.iterdir()}
        # Files of other kinds, and partials (`_footer.html`), are the operator's own affair.
        given = [path.name for path in folder.iterdir() if path.suffix in _SUFFIXES and path.name[0] not in "._"]
        for name in sorted(given):
            if name not in shipped:
                raise MailSetupError(
                    f"TOLLGATE_NOTIFY_TEMPLATES: {folder / name} replaces no template: name it as one that is shipped,"
                    " or begin its name with `_` if others include it"
                )
            try:
                self._environment.get_template(name)
            except TemplateError as error:
                raise MailSetupError(f"TOLLGATE_NOTIFY_TEMPLATES: {folder / name}: {error.message}") from None
