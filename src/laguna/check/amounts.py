"""Invoices and fees add up, taxes included, as they were rounded when they were made."""

from __future__ import annotations

from laguna.check.invariant import Invariant

# A fee's taxable amount (ITX-3), and the same from its precise amount.
_BASE = "(f.amount_cents - f.precise_coupons_amount_cents)"
_PRECISE_BASE = "(f.precise_amount_cents - f.precise_coupons_amount_cents)"
# Numbers are stored with 15 decimals, but were rounded from more.
_ALMOST_EQUAL = "0.000001"

# numeric rounds ties away from zero, as `round_cents` does; times 0.01 is exact, a division needn't be.
_INVOICE_TAXES = f"""
    SELECT f.invoice_id, t.tax_id, t.tax_code, t.tax_name, t.tax_rate, t.tax_description,
        sum({_BASE}) AS base, count(*) AS carriers
    FROM fees AS f JOIN fee_taxes AS t ON t.fee_id = f.id
    WHERE f.deleted_at IS NULL AND f.invoice_id IS NOT NULL
    GROUP BY f.invoice_id, t.tax_id, t.tax_code, t.tax_name, t.tax_rate, t.tax_description
"""

AMOUNTS = (
    Invariant(
        "invoice_fees",
        "An invoice is the sum of the rounded amounts of its fees (spec 2 INV-6).",
        """
        SELECT i.organization_id, i.id, i.number, i.fees_amount_cents AS stored, coalesce(f.total, 0) AS expected
        FROM invoices AS i LEFT JOIN (
            SELECT invoice_id, sum(amount_cents) AS total FROM fees WHERE deleted_at IS NULL GROUP BY invoice_id
        ) AS f ON f.invoice_id = i.id
        WHERE i.fees_amount_cents <> coalesce(f.total, 0)
        """,
        "invoice {number} ({id}): fees_amount_cents is {stored}, its fees add up to {expected}",
    ),
    Invariant(
        "invoice_totals",
        "Fees, less credits before taxes, plus taxes, less credits after them, are the total (spec 3 §0.2).",
        """
        SELECT organization_id, id, number, fees_amount_cents, sub_total_excluding_taxes_amount_cents AS without_taxes,
            taxes_amount_cents, sub_total_including_taxes_amount_cents AS with_taxes, total_amount_cents
        FROM invoices
        WHERE sub_total_excluding_taxes_amount_cents
                <> fees_amount_cents - progressive_billing_credit_amount_cents - coupons_amount_cents
            OR sub_total_including_taxes_amount_cents <> sub_total_excluding_taxes_amount_cents + taxes_amount_cents
            OR total_amount_cents
                <> sub_total_including_taxes_amount_cents - credit_notes_amount_cents - prepaid_credit_amount_cents
            OR least(progressive_billing_credit_amount_cents, coupons_amount_cents, credit_notes_amount_cents,
                prepaid_credit_amount_cents, sub_total_excluding_taxes_amount_cents, total_amount_cents) < 0
        """,
        "invoice {number} ({id}): fees {fees_amount_cents}, subtotal {without_taxes}, taxes {taxes_amount_cents},"
        " with taxes {with_taxes}, total {total_amount_cents} don't add up",
    ),
    Invariant(
        "invoice_paid",
        "What was paid of an invoice is at most its total.",
        """
        SELECT organization_id, id, number, total_paid_amount_cents, total_amount_cents FROM invoices
        WHERE total_paid_amount_cents NOT BETWEEN 0 AND total_amount_cents
        """,
        "invoice {number} ({id}): {total_paid_amount_cents} is paid of {total_amount_cents}",
    ),
    Invariant(
        "invoice_taxes",
        "An invoice's taxes are rounded once, from the unrounded taxes of all its fees (spec 2 ITX-4).",
        f"""
        SELECT i.organization_id, i.id, i.number, i.taxes_amount_cents AS stored,
            round(coalesce(t.total, 0)) AS expected
        FROM invoices AS i LEFT JOIN (
            SELECT invoice_id, sum(base * tax_rate * 0.01) AS total FROM ({_INVOICE_TAXES}) AS taxes GROUP BY invoice_id
        ) AS t ON t.invoice_id = i.id
        WHERE i.taxes_amount_cents <> round(coalesce(t.total, 0))
        """,
        "invoice {number} ({id}): taxes_amount_cents is {stored}, the taxes of its fees make {expected}",
    ),
    Invariant(
        "invoice_taxes_rate",
        "An invoice's tax rate weighs each tax by what it was put on (spec 2 ITX-5).",
        f"""
        SELECT i.organization_id, i.id, i.number, i.taxes_rate AS stored, round(weighed.rate, 5) AS expected
        FROM invoices AS i
        LEFT JOIN (
            SELECT invoice_id, sum(base * tax_rate) AS by_money, sum(tax_rate * carriers) AS by_fees
            FROM ({_INVOICE_TAXES}) AS taxes GROUP BY invoice_id
        ) AS t ON t.invoice_id = i.id
        LEFT JOIN (
            SELECT invoice_id, count(*) AS count FROM fees WHERE deleted_at IS NULL GROUP BY invoice_id
        ) AS f ON f.invoice_id = i.id
        CROSS JOIN LATERAL (
            SELECT coalesce(CASE WHEN i.sub_total_excluding_taxes_amount_cents > 0
                THEN t.by_money / i.sub_total_excluding_taxes_amount_cents ELSE t.by_fees / f.count END, 0) AS rate
        ) AS weighed
        WHERE abs(i.taxes_rate - weighed.rate) > 0.00001
        """,
        "invoice {number} ({id}): taxes_rate is {stored}, the taxes of its fees make {expected}",
    ),
    Invariant(
        "invoice_tax_lines",
        "An invoice has a line for each tax of its fees, rounded from all of them (spec 2 ITX-4, spec 3 TXF-3).",
        f"""
        SELECT coalesce(i.organization_id, line.organization_id) AS organization_id, i.number,
            coalesce(tax.invoice_id, line.invoice_id) AS id, coalesce(tax.tax_code, line.tax_code) AS tax_code,
            coalesce(tax.tax_rate, line.tax_rate) AS tax_rate, line.amount_cents AS stored,
            round(tax.base * tax.tax_rate * 0.01) AS expected, line.fees_amount_cents, trunc(tax.base) AS base
        FROM ({_INVOICE_TAXES}) AS tax
        FULL JOIN invoice_taxes AS line
            ON line.invoice_id = tax.invoice_id AND line.tax_code = tax.tax_code AND line.tax_rate = tax.tax_rate
            AND line.tax_name = tax.tax_name AND coalesce(line.tax_description, '') = coalesce(tax.tax_description, '')
            AND coalesce(line.tax_id::text, '') = coalesce(tax.tax_id::text, '')
        LEFT JOIN invoices AS i ON i.id = coalesce(tax.invoice_id, line.invoice_id)
        WHERE (line.amount_cents, line.fees_amount_cents)
            IS DISTINCT FROM (round(tax.base * tax.tax_rate * 0.01), trunc(tax.base))
        """,
        "invoice {number} ({id}): its line of {tax_code} {tax_rate} % is {stored} on {fees_amount_cents}, its fees make"
        " {expected} on {base}",
    ),
    Invariant(
        "fee_amounts",
        "A fee's amount is its precise amount, rounded (spec 1 §3.11); a true-up fills up to rounded amounts (§3.12).",
        f"""
        SELECT organization_id, id, item_code, amount_cents, precise_amount_cents FROM fees
        WHERE true_up_parent_fee_id IS NULL AND abs(amount_cents - precise_amount_cents) > 0.5 + {_ALMOST_EQUAL}
        """,
        "fee {id} of {item_code}: amount_cents is {amount_cents}, precisely {precise_amount_cents}",
    ),
    Invariant(
        "fee_taxes",
        "A fee's taxes are rounded once from its unrounded taxes, and its rate is their sum (spec 2 ITX-2, ITX-3).",
        f"""
        SELECT f.organization_id, f.id, f.item_code, f.taxes_amount_cents AS stored, f.taxes_rate,
            round({_BASE} * coalesce(t.rate, 0) * 0.01) AS expected, coalesce(t.rate, 0) AS rate
        FROM fees AS f
        LEFT JOIN (SELECT fee_id, sum(tax_rate) AS rate FROM fee_taxes GROUP BY fee_id) AS t ON t.fee_id = f.id
        WHERE f.taxes_amount_cents <> round({_BASE} * coalesce(t.rate, 0) * 0.01)
            OR abs(f.taxes_rate - coalesce(t.rate, 0)) > 0.00001
            OR abs(f.taxes_precise_amount_cents - {_PRECISE_BASE} * coalesce(t.rate, 0) * 0.01) > {_ALMOST_EQUAL}
        """,
        "fee {id} of {item_code}: its taxes are {stored} at {taxes_rate} %, its tax lines make {expected} at {rate} %",
    ),
    Invariant(
        "fee_tax_lines",
        "Each tax of a fee is rounded from the fee's taxable amount (spec 2 ITX-3, spec 3 TXF-1).",
        f"""
        SELECT f.organization_id, f.id, f.item_code, t.tax_code, t.tax_rate, t.amount_cents AS stored,
            round({_BASE} * t.tax_rate * 0.01) AS expected
        FROM fee_taxes AS t JOIN fees AS f ON f.id = t.fee_id
        WHERE t.amount_cents <> round({_BASE} * t.tax_rate * 0.01)
            OR abs(t.precise_amount_cents - {_PRECISE_BASE} * t.tax_rate * 0.01) > {_ALMOST_EQUAL}
            OR t.currency <> f.currency
        """,
        "fee {id} of {item_code}: its line of {tax_code} {tax_rate} % is {stored}, its amount makes {expected}",
    ),
)
