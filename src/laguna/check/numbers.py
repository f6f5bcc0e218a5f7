"""Invoice numbers have no gap and no double, and the counters stand where the invoices do (spec 2 §7.4)."""

from __future__ import annotations

from laguna.check.invariant import Invariant

_FINAL = "status IN ('finalized', 'voided')"

NUMBERS = (
    Invariant(
        "customer_numbers",
        "A customer's invoices of one seller are numbered 1, 2, 3 … without a gap or a double (spec 2 NBR-2).",
        """
        SELECT coalesce(i.organization_id, s.organization_id) AS organization_id, customer_id, billing_entity_id,
            coalesce(i.count, 0) AS count, i.different, i.first, i.last, s.last AS counted
        FROM (
            SELECT organization_id, customer_id, billing_entity_id, count(*) AS count,
                count(DISTINCT sequential_id) AS different, min(sequential_id) AS first, max(sequential_id) AS last
            FROM invoices WHERE sequential_id IS NOT NULL GROUP BY organization_id, customer_id, billing_entity_id
        ) AS i FULL JOIN customer_sequences AS s USING (customer_id, billing_entity_id)
        WHERE (coalesce(i.count, 0), coalesce(i.different, 0), coalesce(i.last, 0))
                IS DISTINCT FROM (coalesce(s.last, 0), coalesce(s.last, 0), coalesce(s.last, 0)) OR i.first <> 1
        """,
        "customer {customer_id} with seller {billing_entity_id}: {count} invoices have {different} numbers from {first}"
        " to {last}, its counter is at {counted}",
    ),
    Invariant(
        "seller_numbers",
        "A seller's own final invoices are counted without a gap or a double (spec 2 NBR-4, NBR-5).",
        """
        SELECT e.organization_id, e.id, coalesce(i.count, 0) AS count, i.different, i.first, i.last,
            e.invoice_sequence AS counted
        FROM billing_entities AS e LEFT JOIN (
            SELECT billing_entity_id, count(*) AS count, count(DISTINCT entity_sequential_id) AS different,
                min(entity_sequential_id) AS first, max(entity_sequential_id) AS last
            FROM invoices WHERE entity_sequential_id IS NOT NULL GROUP BY billing_entity_id
        ) AS i ON i.billing_entity_id = e.id
        WHERE (coalesce(i.count, 0), coalesce(i.different, 0), coalesce(i.last, 0))
                <> (e.invoice_sequence, e.invoice_sequence, e.invoice_sequence) OR i.first <> 1
        """,
        "seller {id}: {count} invoices have {different} numbers from {first} to {last}, its counter is at {counted}",
    ),
    Invariant(
        "printed_numbers",
        "An invoice's number ends in its sequence of the customer or of the seller (spec 2 NBR-3, NBR-4).",
        f"""
        SELECT organization_id, id, number, sequential_id, entity_sequential_id FROM invoices
        WHERE {_FINAL} AND coalesce(substring(number FROM '-([0-9]{{3,18}})$')::bigint
            IN (sequential_id, coalesce(entity_sequential_id, sequential_id)), false) IS FALSE
        """,
        "invoice {number} ({id}): its sequences are {sequential_id} and {entity_sequential_id}",
    ),
    Invariant(
        "final_invoices_numbered",
        "Every final invoice has its numbers, and no other takes one; self-billed ones take none of the seller's"
        " (spec 2 NBR-1, NBR-5).",
        f"""
        SELECT organization_id, id, number, status, self_billed, sequential_id, entity_sequential_id FROM invoices
        WHERE (sequential_id IS NOT NULL) <> ({_FINAL})
            OR (entity_sequential_id IS NOT NULL) <> ({_FINAL} AND NOT self_billed)
            OR (number LIKE '%-DRAFT') = ({_FINAL})
        """,
        "invoice {number} ({id}): {status}, its sequences are {sequential_id} and {entity_sequential_id}",
    ),
)
