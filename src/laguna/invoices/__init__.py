"""Invoices: totals, dates, numbers, what they show."""
