"""The PDF of an invoice: the bytes that `tollgate invoice render` makes of the same event."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

from agents.notifier.event import Event
from agents.notifier.mail.message import Attachment
from backoffice.documents.compose import page_of
from backoffice.documents.facts import Invoice
from backoffice.documents.issued import DocumentError, read_issued
from backoffice.documents.issuer import Issuer, Logo
from backoffice.documents.typeset import typeset

_UNSAFE = re.compile(r"[^A-Za-z0-9._+@-]+", re.ASCII)


class InvoicePdfs:
    """Typesets in one thread: the typesetter is not to be used in two at once, and the event loop goes on meanwhile."""

    def __init__(self, issuer: Issuer, logo: Logo | None) -> None:
        self._issuer, self._logo = issuer, logo
        self._thread = ThreadPoolExecutor(1, "typesetter")

    async def attach(self, event: Event) -> Attachment:
        """The invoice of an `invoice-issued`, as it stood at the issue. Raises DocumentError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._make, event.value)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _make(self, value: bytes) -> Attachment:
        skipped: list[str] = []
        issued = read_issued([value], skipped.append)
        for document in issued.documents.values():
            assert isinstance(document, Invoice)
            pdf = typeset(page_of(document, issued, self._issuer, self._logo)).pdf
            return Attachment(f"invoice-{_UNSAFE.sub('-', document.shown_number)}.pdf", pdf)
        raise DocumentError(f"the event is no invoice that can be shown: {'; '.join(skipped)}")
