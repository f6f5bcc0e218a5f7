"""A charge's fee is what its evidence says, counted and priced again: events, units, amounts (spec 1 §§2.3, 3.11)."""

from __future__ import annotations

from laguna.check.invariant import Invariant
from laguna.check.recount import RECOUNT, differs

_COUNTED = "(SELECT coalesce(sum(cents::numeric), 0) FROM jsonb_each_text(f.evidence -> 'counted') AS each (_, cents))"

EVIDENCE = (
    Invariant(
        "fee_evidence",
        "A fee says how it was computed: days and amount of a plan or commitment; metric, usage, range and arrivals of"
        " a charge.",
        """
        SELECT organization_id, id, item_code, fee_type, evidence FROM fees
        WHERE (fee_type = 'subscription' AND NOT evidence ?& ARRAY['plan_amount_cents', 'days', 'full_days'])
            OR (fee_type = 'commitment' AND NOT evidence ?& ARRAY['commitment_id', 'commitment_cents', 'days',
                'full_days', 'from', 'to', 'opening', 'closing', 'counted'])
            OR (fee_type = 'charge' AND true_up_parent_fee_id IS NULL AND (
                charge_id IS NULL OR (evidence ->> 'from')::timestamptz <> from_at
                OR NOT evidence ?& ARRAY['metric', 'aggregation_type', 'aggregated_units', 'events_count', 'from',
                    'until', 'arrivals']))
        """,
        "fee {id} of {item_code} ({fee_type}): its evidence is {evidence}",
    ),
    Invariant(
        "fee_days",
        "A subscription fee is the plan's amount for the days that its evidence counts (spec 2 §5.2).",
        """
        SELECT organization_id, id, item_code, precise_amount_cents, evidence FROM fees
        WHERE fee_type = 'subscription' AND CASE
            WHEN evidence ?& ARRAY['plan_amount_cents', 'days', 'full_days'] AND evidence -> 'full_days' > '0' THEN
                abs(precise_amount_cents * (evidence ->> 'full_days')::numeric
                    - (evidence ->> 'plan_amount_cents')::numeric * (evidence ->> 'days')::numeric) > 0.000001
            ELSE false END
        """,
        "fee {id} of {item_code} is {precise_amount_cents}, its evidence says {evidence}",
    ),
    Invariant(
        "true_ups",
        "What is missing to a charge's minimum is the minimum of the days less what its fees are (spec 1 §3.12).",
        """
        SELECT organization_id, id, item_code, amount_cents, evidence FROM fees
        WHERE true_up_parent_fee_id IS NOT NULL AND deleted_at IS NULL AND coalesce(units <> 1 OR amount_cents <>
            round((evidence ->> 'min_amount_cents')::numeric * (evidence ->> 'days')::numeric
                / (evidence ->> 'full_days')::numeric - (evidence ->> 'used_cents')::numeric), true)
        """,
        "fee {id} of {item_code} is {amount_cents}, its evidence says {evidence}",
    ),
    Invariant(
        "commitments",
        "A commitment's fee is the commitment for the days, rounded, less what its evidence counts (spec 2 CMT-1).",
        f"""
        SELECT f.organization_id, f.id, f.item_code, f.amount_cents, f.evidence FROM fees AS f
        WHERE fee_type = 'commitment' AND deleted_at IS NULL AND coalesce(units <> 1 OR amount_cents <= 0
            OR amount_cents <> round((evidence ->> 'commitment_cents')::numeric * (evidence ->> 'days')::numeric
                / (evidence ->> 'full_days')::numeric)
                - {_COUNTED}, true)
        """,
        "fee {id} of {item_code} is {amount_cents}, its evidence says {evidence}",
    ),
    Invariant(
        "commitment_recount",
        "A final commitment's fee counts the fees of its subscription for the period (spec 2 CMT-2).",
        f"""
        SELECT f.organization_id, f.id, f.item_code, f.evidence -> 'counted' AS counted,
            coalesce(sum(other.amount_cents), 0) AS found
        FROM fees AS f JOIN invoices AS i ON i.id = f.invoice_id AND i.status = 'finalized'
        LEFT JOIN (fees AS other LEFT JOIN invoices AS its ON its.id = other.invoice_id)
            ON other.subscription_id = f.subscription_id
            AND its.invoice_type IS DISTINCT FROM 'progressive_billing'
            AND other.fee_type IN ('subscription', 'charge', 'fixed_charge')
            AND other.from_at + (other.to_at - other.from_at) / 2 >= (f.evidence ->> 'opening')::timestamptz
            AND other.from_at + (other.to_at - other.from_at) / 2 < (f.evidence ->> 'closing')::timestamptz
        WHERE f.fee_type = 'commitment' AND f.deleted_at IS NULL AND f.evidence ? 'counted'
        GROUP BY f.id, i.id
        -- what has come or gone since is no error
        HAVING bool_and(other.deleted_at IS NULL AND its.voided_at IS NULL
                AND (its.status = 'closed' OR coalesce(its.finalized_at, other.created_at) <= i.finalized_at))
            AND coalesce(sum(other.amount_cents), 0)
                <> {_COUNTED}
        """,
        "fee {id} of {item_code} counts {counted}, the fees of its period add up to {found}",
    ),
    Invariant(
        "fee_arrivals",
        "A fee counts only events that are stored: the arrivals of its evidence were committed.",
        """
        SELECT f.organization_id, f.id, f.item_code, arrived.lane, arrived.n, w.last
        FROM fees AS f CROSS JOIN LATERAL jsonb_each_text(CASE jsonb_typeof(f.evidence -> 'arrivals')
            WHEN 'object' THEN f.evidence -> 'arrivals' ELSE '{}' END) AS arrived (lane, n)
        LEFT JOIN writer_lanes AS w ON w.lane::text = arrived.lane
        WHERE f.fee_type = 'charge' AND (w.lane IS NULL OR arrived.n::numeric > w.last)
        """,
        "fee {id} of {item_code} counts up to arrival {n} of lane {lane}, which has only {last}",
    ),
    Invariant(
        "fee_recount",
        "A charge's fee is made of the events that had arrived by then, and priced by its terms (spec 1 §3.11).",
        RECOUNT,
        judge=differs,
    ),
)
