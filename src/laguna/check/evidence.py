"""A charge's fee is what its evidence says, counted and priced again: events, units, amounts (spec 1 §§2.3, 3.11)."""

from __future__ import annotations

from laguna.check.invariant import Invariant
from laguna.check.recount import RECOUNT, differs

EVIDENCE = (
    Invariant(
        "fee_evidence",
        "A fee says how it was computed: days and amount of a plan; metric, usage, range and arrivals of a charge.",
        """
        SELECT organization_id, id, item_code, fee_type, evidence FROM fees
        WHERE (fee_type = 'subscription' AND NOT evidence ?& ARRAY['plan_amount_cents', 'days', 'full_days'])
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
