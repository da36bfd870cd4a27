"""Invoices and receipts as PDF: `issued` reads the facts, `compose` says what stands on a page, `typeset` sets it."""
