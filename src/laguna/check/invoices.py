"""Each invoice has what its status asks for, and each fee its invoice, its line and its price."""

from __future__ import annotations

from laguna.check.invariant import Invariant

_FINAL = "i.status IN ('finalized', 'voided')"

INVOICES = (
    Invariant(
        "final_invoices",
        "A final invoice has the names printed on it, its dates, and waits for no timer (spec 2 INV-3, ISS-1).",
        f"""
        SELECT i.organization_id, i.id, i.number, i.status, i.finalized_at, i.issuing_date, i.payment_due_date,
            i.finalizes_at, i.refreshes_at, CASE WHEN p.invoice_id IS NULL THEN 'no' ELSE 'its' END AS parties
        FROM invoices AS i LEFT JOIN invoice_parties AS p ON p.invoice_id = i.id
        WHERE {_FINAL} AND (p.invoice_id IS NULL OR i.finalized_at IS NULL OR i.finalizes_at IS NOT NULL
            OR i.refreshes_at IS NOT NULL OR i.payment_due_date <> i.issuing_date + i.net_payment_term
            OR (i.status = 'voided') <> (i.voided_at IS NOT NULL))
        """,
        "invoice {number} ({id}): {status}, finalized {finalized_at}, issued {issuing_date}, due {payment_due_date},"
        " waits until {finalizes_at} and {refreshes_at}, with {parties} parties",
    ),
    Invariant(
        "drafts",
        "A draft waits for its finalization; neither it nor a closed invoice has anything of a final one"
        " (spec 2 NBR-1, INV-2, ISS-3).",
        """
        SELECT i.organization_id, i.id, i.number, i.status, i.finalizes_at, i.finalized_at,
            CASE WHEN p.invoice_id IS NULL THEN 'no' ELSE 'printed' END AS parties
        FROM invoices AS i LEFT JOIN invoice_parties AS p ON p.invoice_id = i.id
        WHERE i.status IN ('draft', 'closed') AND (p.invoice_id IS NOT NULL OR i.finalized_at IS NOT NULL
            OR (i.finalizes_at IS NOT NULL) <> (i.status = 'draft')
            OR (i.status = 'closed' AND (i.refreshes_at IS NOT NULL OR i.fees_amount_cents <> 0)))
        """,
        "invoice {number} ({id}): {status}, waits until {finalizes_at}, finalized {finalized_at}, {parties} parties",
    ),
    Invariant(
        "subscription_invoices",
        "A subscription invoice says which subscriptions it bills (spec 2 PER-27).",
        """
        SELECT i.organization_id, i.id, i.number FROM invoices AS i
        WHERE i.invoice_type IN ('subscription', 'progressive_billing')
            AND NOT EXISTS (SELECT FROM invoice_lines AS line WHERE line.invoice_id = i.id)
        """,
        "invoice {number} ({id}) has no lines",
    ),
    Invariant(
        "progressive_invoices",
        "A progressive invoice is final, and for thresholds that the usage had come to; it bills usage alone"
        " (spec 2 PGB-3).",
        """
        SELECT i.organization_id, i.id, i.number, i.status FROM invoices AS i
        WHERE i.invoice_type = 'progressive_billing' AND (i.status NOT IN ('finalized', 'voided')
            OR NOT EXISTS (SELECT FROM applied_usage_thresholds AS applied WHERE applied.invoice_id = i.id)
            OR EXISTS (SELECT FROM applied_usage_thresholds AS applied
                JOIN usage_thresholds AS t ON t.id = applied.usage_threshold_id
                WHERE applied.invoice_id = i.id AND t.amount_cents > applied.lifetime_usage_amount_cents)
            OR EXISTS (SELECT FROM fees AS f WHERE f.invoice_id = i.id AND f.deleted_at IS NULL
                AND (f.fee_type <> 'charge' OR f.true_up_parent_fee_id IS NOT NULL)))
        """,
        "progressive invoice {number} ({id}) is {status}, for no threshold it has come to, or bills more than usage",
    ),
    Invariant(
        "progressive_credits",
        "What an invoice takes off for usage billed before is what it draws from progressive invoices, and of each at"
        " most what that billed (spec 2 PGB-6).",
        """
        SELECT i.organization_id, i.id, i.number, i.progressive_billing_credit_amount_cents AS stored,
            coalesce(drawn.cents, 0) AS drawn, source.cents AS given, i.fees_amount_cents AS billed
        FROM invoices AS i
        LEFT JOIN (SELECT invoice_id, sum(amount_cents) AS cents FROM progressive_credits GROUP BY invoice_id) AS drawn
            ON drawn.invoice_id = i.id
        LEFT JOIN (SELECT progressive_invoice_id, sum(c.amount_cents) AS cents
            FROM progressive_credits AS c JOIN invoices AS its ON its.id = c.invoice_id AND its.status <> 'voided'
            GROUP BY progressive_invoice_id) AS source ON source.progressive_invoice_id = i.id
        WHERE i.progressive_billing_credit_amount_cents <> coalesce(drawn.cents, 0)
            OR source.cents > i.fees_amount_cents - i.coupons_amount_cents
        """,
        "invoice {number} ({id}) takes off {stored} and draws {drawn}; of its {billed}, {given} were taken off others",
    ),
    Invariant(
        "fee_owners",
        "A fee belongs to an invoice of its own organization, customer, seller and currency.",
        """
        SELECT f.organization_id, f.id, f.item_code, f.invoice_id, f.currency, i.currency AS invoice_currency
        FROM fees AS f LEFT JOIN invoices AS i ON i.id = f.invoice_id
        WHERE (f.organization_id, f.customer_id, f.billing_entity_id, f.currency)
            IS DISTINCT FROM (i.organization_id, i.customer_id, i.billing_entity_id, i.currency)
        """,
        "fee {id} of {item_code} in {currency} is none of invoice {invoice_id} in {invoice_currency}",
    ),
    Invariant(
        "fee_lines",
        "A subscription's fee is on an invoice with a line of that subscription, and priced by that line's plan.",
        """
        SELECT f.organization_id, f.id, f.item_code, f.invoice_id, f.subscription_id
        FROM fees AS f
        LEFT JOIN invoice_lines AS line
            ON line.invoice_id = f.invoice_id AND line.subscription_id = f.subscription_id
        LEFT JOIN charges AS c ON c.id = f.charge_id
        WHERE f.subscription_id IS NOT NULL AND f.invoice_id IS NOT NULL
            AND (line.invoice_id IS NULL OR (f.charge_id IS NOT NULL AND c.plan_id IS DISTINCT FROM line.plan_id))
        """,
        "fee {id} of {item_code}: invoice {invoice_id} doesn't bill its plan of subscription {subscription_id}",
    ),
    Invariant(
        "fee_terms",
        "A fee keeps the price that it was made with.",
        """
        SELECT f.organization_id, f.id, f.item_code, f.fee_type, f.terms_id, t.kind
        FROM fees AS f LEFT JOIN terms AS t ON t.id = f.terms_id
        WHERE f.fee_type IN ('subscription', 'charge', 'commitment')
            AND (t.id IS NULL OR t.organization_id <> f.organization_id
                OR CASE WHEN t.kind IN ('subscription', 'commitment') THEN t.kind ELSE 'charge' END <> f.fee_type)
        """,
        "fee {id} of {item_code} ({fee_type}): its terms are {terms_id}, of kind {kind}",
    ),
)
