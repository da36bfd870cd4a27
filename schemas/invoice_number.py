"""How an invoice number is shown: unique for the issuer, from the account and the account's own number. Rule B9."""

import re

import msgspec

from schemas.currencies import CatalogueError

_PLACEHOLDER = re.compile(r"\{account\}|\{number(?::0[1-9])?\}")


class InvoiceNumberFormat(msgspec.Struct, frozen=True):
    """A format such as `{account}-{number:04}`. `parse_format` has checked it."""

    text: str

    def shown(self, account_id: str, number: int) -> str:
        """The invoice's number as its reader sees it."""
        return self.text.format(account=account_id, number=number)


DEFAULT_FORMAT = InvoiceNumberFormat("{account}-{number:04}")


def parse_format(text: str) -> InvoiceNumberFormat:
    """The format, if it gives different invoices different numbers. Raises CatalogueError otherwise. Rule B9.

    Something that is neither letter nor digit stands between account and number: otherwise invoice 11 of account `a`
    and invoice 1 of account `a1` would be one number.
    """
    placeholders = list(_PLACEHOLDER.finditer(text))
    literal = _PLACEHOLDER.sub("", text)
    if sorted(found.group()[:4] for found in placeholders) != ["{acc", "{num"]:
        raise _wrong(text, "exactly one `{account}` and one `{number}` or `{number:0N}`, N from 1 to 9")
    if not literal.isprintable() or "{" in literal or "}" in literal:
        raise _wrong(text, "printable text besides the account and the number")
    between = text[placeholders[0].end() : placeholders[1].start()]
    if all(character.isalnum() for character in between):
        raise _wrong(text, "a character that is neither letter nor digit between the account and the number")
    return InvoiceNumberFormat(text)


def _wrong(text: str, expected: str) -> CatalogueError:
    return CatalogueError(f"invoice_number_format: {text!r}: expected {expected}")
