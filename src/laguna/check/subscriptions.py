"""Each period of a subscription is billed, once, and what comes next is known."""

from __future__ import annotations

from laguna.check.invariant import Invariant

# The farthest that a billing day lies from the one before: an interval, and what months' lengths and zones add.
_INTERVAL = """
    CASE plan.interval WHEN 'weekly' THEN interval '7 days' WHEN 'monthly' THEN interval '1 month'
        WHEN 'quarterly' THEN interval '3 months' WHEN 'semiannual' THEN interval '6 months'
        ELSE interval '1 year' END + interval '5 days'
"""
# A change of time zone sets the same local midnight so far apart (spec 2 PER-24).
_ZONE_SPREAD = "interval '26 hours'"

SUBSCRIPTIONS = (
    Invariant(
        "subscription_states",
        "What waits for an instant has one: an active subscription for its billing, a pending one for its start, or"
        " the end of whom it succeeds, and an ended one for nothing (spec 2 §3).",
        """
        SELECT organization_id, id, external_id, status, started_at, next_billing_at, activates_at FROM subscriptions
        WHERE CASE status
            WHEN 'active' THEN started_at IS NULL OR next_billing_at IS NULL OR activates_at IS NOT NULL
                OR terminated_at IS NOT NULL OR canceled_at IS NOT NULL
            WHEN 'pending' THEN (activates_at IS NULL) = (previous_subscription_id IS NULL)
                OR next_billing_at IS NOT NULL OR started_at IS NOT NULL
            WHEN 'terminated' THEN terminated_at IS NULL OR next_billing_at IS NOT NULL OR activates_at IS NOT NULL
            WHEN 'canceled' THEN canceled_at IS NULL OR next_billing_at IS NOT NULL OR activates_at IS NOT NULL
            ELSE true END
        """,
        "subscription {external_id} ({id}): {status}, started {started_at}, next billed {next_billing_at}, starts"
        " {activates_at}",
    ),
    Invariant(
        "next_billing",
        "The next billing is the one after the last: no period is left out (spec 2 §4.2).",
        f"""
        SELECT s.organization_id, s.id, s.external_id, s.next_billing_at, line.due_at
        FROM subscriptions AS s JOIN plans AS plan ON plan.id = s.plan_id
        LEFT JOIN (
            SELECT subscription_id, max(due_at) AS due_at FROM invoice_lines GROUP BY subscription_id
        ) AS line ON line.subscription_id = s.id
        WHERE s.status = 'active' AND (s.next_billing_at <= line.due_at
            OR s.next_billing_at > coalesce(line.due_at, greatest(s.started_at, s.created_at)) + {_INTERVAL})
        """,
        "subscription {external_id} ({id}): last billed {due_at}, next {next_billing_at}",
    ),
    Invariant(
        "final_lines",
        "A terminated subscription has its final invoice, unless it was to have none (spec 2 TRM-5).",
        """
        SELECT s.organization_id, s.id, s.external_id, s.terminated_at FROM subscriptions AS s
        WHERE s.status = 'terminated' AND s.on_termination_invoice = 'generate' AND NOT EXISTS (
            SELECT FROM invoice_lines AS line
            WHERE line.subscription_id = s.id AND line.invoicing_reason = 'subscription_terminating')
        """,
        "subscription {external_id} ({id}), ended {terminated_at}, has no final invoice",
    ),
    Invariant(
        "lines_of_the_living",
        "What has not started is not billed, and nothing is after its end.",
        """
        SELECT s.organization_id, s.id, s.external_id, s.status, line.invoice_id, line.due_at
        FROM invoice_lines AS line JOIN subscriptions AS s ON s.id = line.subscription_id
        WHERE s.status IN ('pending', 'canceled') OR line.due_at > s.terminated_at
        """,
        "subscription {external_id} ({id}), {status}, is billed for {due_at} on invoice {invoice_id}",
    ),
    Invariant(
        "line_owners",
        "An invoice bills subscriptions of its own customer, for the plan's currency (spec 2 INV-20).",
        """
        SELECT line.organization_id, i.number, line.invoice_id, s.external_id, i.currency, plan.amount_currency
        FROM invoice_lines AS line
        JOIN invoices AS i ON i.id = line.invoice_id
        JOIN subscriptions AS s ON s.id = line.subscription_id
        JOIN plans AS plan ON plan.id = line.plan_id
        WHERE s.customer_id <> i.customer_id OR (i.status IN ('finalized', 'voided')
            AND i.currency <> plan.amount_currency)
        """,
        "invoice {number} ({invoice_id}) in {currency} bills {external_id}, another customer's or in {amount_currency}",
    ),
    Invariant(
        "lines_once",
        "A boundary of a subscription is billed once; it starts and ends once (spec 2 INV-22).",
        """
        SELECT line.organization_id, line.subscription_id, line.invoicing_reason, max(line.due_at) AS due_at,
            count(*) AS count, string_agg(line.invoice_id::text, ', ' ORDER BY line.invoice_id) AS invoices
        FROM invoice_lines AS line JOIN invoices AS i ON i.id = line.invoice_id
        WHERE i.status <> 'voided' AND line.invoicing_reason <> 'progressive_billing'
        GROUP BY line.organization_id, line.subscription_id, line.invoicing_reason,
            CASE WHEN line.invoicing_reason = 'subscription_periodic' THEN line.due_at END
        HAVING count(*) > 1
        """,
        "subscription {subscription_id}: {count} lines of {invoicing_reason} for {due_at}, on invoices {invoices}",
    ),
    Invariant(
        "lines_touch",
        "A line's usage begins where the one before it ended, at most a shift of time zones later (spec 2 CON-4,"
        " PER-24): no event is left out, none is billed twice.",
        f"""
        SELECT line.organization_id, line.subscription_id, line.invoice_id, line.until, line.charges_from_at
        FROM (
            SELECT *, lag(charges_to_at + CASE WHEN charges_to_at > charges_from_at THEN interval '1 millisecond'
                ELSE interval '0' END) OVER before AS until, lag(timezone) OVER before AS previous_zone
            FROM invoice_lines WHERE charges_from_at IS NOT NULL AND invoicing_reason <> 'progressive_billing'
            WINDOW before AS (PARTITION BY subscription_id ORDER BY due_at, charges_from_at, charges_to_at)
        ) AS line
        WHERE line.until IS NOT NULL AND line.charges_from_at <> line.until AND (
            line.charges_from_at < line.until OR line.timezone = line.previous_zone
            OR line.charges_from_at >= line.until + {_ZONE_SPREAD})
        """,
        "subscription {subscription_id}: usage is billed up to {until}, and on invoice {invoice_id} from"
        " {charges_from_at}",
    ),
    Invariant(
        "fees_touch",
        "A plan's fee covers no time that another one covers, and leaves out none between them (spec 2 §5.1).",
        f"""
        SELECT organization_id, subscription_id, id, previous_to, from_at FROM (
            SELECT f.organization_id, f.subscription_id, f.id, f.from_at, line.timezone,
                lag(f.to_at) OVER before AS previous_to, lag(line.timezone) OVER before AS previous_zone
            FROM fees AS f
            JOIN invoices AS i ON i.id = f.invoice_id AND i.status <> 'voided'
            JOIN invoice_lines AS line
                ON line.invoice_id = f.invoice_id AND line.subscription_id = f.subscription_id
            WHERE f.fee_type = 'subscription' AND f.deleted_at IS NULL
            WINDOW before AS (PARTITION BY f.subscription_id ORDER BY f.from_at, f.to_at)
        ) AS fee
        WHERE previous_to IS NOT NULL AND CASE WHEN timezone = previous_zone
            THEN from_at <> previous_to + interval '1 millisecond'
            ELSE abs(extract(epoch FROM from_at - previous_to)) > extract(epoch FROM {_ZONE_SPREAD}) END
        """,
        "subscription {subscription_id}: a fee ends {previous_to}, the next one ({id}) begins {from_at}",
    ),
    Invariant(
        "prices_known",
        "The history of prices ends at the present one of each plan and charge.",
        """
        SELECT priced.organization_id, priced.kind, priced.id, priced.terms_id, known.terms_id AS last FROM (
            SELECT organization_id, 'plan' AS kind, id, terms_id FROM plans WHERE deleted_at IS NULL
            UNION ALL SELECT organization_id, 'charge', id, terms_id FROM charges WHERE deleted_at IS NULL
        ) AS priced LEFT JOIN (
            SELECT DISTINCT ON (priced_id) priced_id, terms_id FROM terms_history
            ORDER BY priced_id, since DESC, id DESC
        ) AS known ON known.priced_id = priced.id
        WHERE priced.terms_id IS DISTINCT FROM known.terms_id
        """,
        "{kind} {id} has the terms {terms_id}, its history ends with {last}",
    ),
)
