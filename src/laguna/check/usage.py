"""Events: each arrival was counted, belongs to a stream, and carries what its metric derives of it."""

from __future__ import annotations

from laguna.check.invariant import Invariant
from laguna.metrics.derivation import NUMERIC_TYPES, derived_sql

_N = "(seq & ((1::bigint << 48) - 1))"  # the arrival within its lane


def _derived(aggregation_type: str) -> str:
    value, value_text = derived_sql(aggregation_type, "e.properties", "m.field_name")
    return f"""
        SELECT m.organization_id, m.code, e.key, e.transaction_id, e.value, e.value_text
        FROM billable_metrics AS m
        JOIN event_streams AS s ON s.organization_id = m.organization_id AND s.code = m.code
        JOIN events AS e ON e.stream_id = s.id
        WHERE m.deleted_at IS NULL AND m.values_ready AND m.aggregation_type = '{aggregation_type}'
            AND m.field_name IS NOT NULL AND (e.value, e.value_text) IS DISTINCT FROM ({value}, {value_text})
    """


USAGE = (
    Invariant(
        "arrivals_counted",
        "The events of a lane are its arrivals 1 to `last`, each once, in the order of their commits.",
        f"""
        SELECT NULL::uuid AS organization_id, lane, coalesce(e.count, 0) AS count, e.first, e.last, w.last AS counted
        FROM writer_lanes AS w FULL JOIN (
            SELECT seq >> 48 AS lane, count(*) AS count, min({_N}) AS first, max({_N}) AS last,
                sum({_N}) AS total
            FROM events GROUP BY seq >> 48
        ) AS e USING (lane)
        WHERE w.last IS NULL OR (coalesce(e.count, 0), coalesce(e.last, 0), coalesce(e.total, 0))
            <> (w.last, w.last, w.last::numeric * (w.last + 1) / 2)
        """,
        "lane {lane}: {count} events have the arrivals {first} to {last}, its writer counted {counted}",
    ),
    Invariant(
        "events_have_streams",
        "Every event belongs to a stream, and so to an organization.",
        """
        SELECT NULL::uuid AS organization_id, e.stream_id, count(*) AS count
        FROM events AS e LEFT JOIN event_streams AS s ON s.id = e.stream_id
        WHERE s.id IS NULL GROUP BY e.stream_id
        """,
        "{count} events belong to stream {stream_id}, which doesn't exist",
    ),
    Invariant(
        "derived_values",
        "What aggregation reads of an event is what its properties say (spec 1 §2.3).",
        " UNION ALL ".join(map(_derived, (*sorted(NUMERIC_TYPES), "unique_count_agg"))),
        "event {transaction_id} ({key}) of {code} carries {value} and {value_text}, its properties say otherwise",
    ),
    Invariant(
        "values_being_filled",
        "A metric whose events don't carry its values yet has a job that fills them in.",
        """
        SELECT m.organization_id, m.id, m.code FROM billable_metrics AS m
        WHERE m.deleted_at IS NULL AND NOT m.values_ready AND NOT EXISTS (
            SELECT FROM procrastinate_jobs AS job
            WHERE job.status IN ('todo', 'doing') AND job.args ->> 'organization_id' = m.organization_id::text
                AND job.args ->> 'metric_id' = m.id::text)
        """,
        "metric {code} ({id}) is read from properties, slowly, and nothing is going to change that",
    ),
)
