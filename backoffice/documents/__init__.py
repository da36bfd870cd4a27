"""Invoices and receipts as PDF: `issued` reads the facts, `compose` fills the page, `typeset` makes the PDF."""
