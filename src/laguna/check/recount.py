"""Fees of usage counted and priced again: the events that had arrived, by filter and group, at the terms of each fee.

What is counted again is a set: all fees of one charge on one line of an invoice, since an event belongs to just one of
them. Left out are sets whose filters, or the values of their metric, have changed since, and those whose price needs
every single event of more than `EVENTS_MAX`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from laguna.catalog.priced import PricedFilter
from laguna.check.invariant import Row
from laguna.metrics.aggregations import AGGREGATIONS, Aggregate, Detail, Shape
from laguna.metrics.store import Combination, MetricValues
from laguna.metrics.trimming import ALL_VALUES
from laguna.metrics.window import Window
from laguna.models.event import LANE_SHIFT
from laguna.pricing.models import CHARGE_MODELS, fee_amounts
from laguna.pricing.price import Usage
from laguna.subscriptions.amounts import Occasion
from laguna.subscriptions.grid import DAY
from laguna.usage.buckets import WHOLE, Bucket, Sorting
from laguna.usage.rating import Counting, usage_of

KEYS_MAX = 8  # properties that tell filters and groups apart
EVENTS_MAX = 100_000
_NOBODY = UUID(int=0)
_NEEDED = (
    "metric",
    "aggregation_type",
    "field_name",
    "rounding",
    "recurring",
    "prorated",
    "keys",
    "external_subscription_id",
    "from",
    "until",
    "days",
    "full_days",
    "arrivals",
)
_VALUES_READ = (
    "free_units_per_events",
    "free_units_per_total_aggregation",
    "per_transaction_min_amount",
    "per_transaction_max_amount",
)

# The columns of an aggregation's rows: n a number, c a count, t a time, and what needs no reading.
_COLUMNS: Mapping[tuple[str, Detail], str] = {
    ("count_agg", Detail.TOTALS): "c",
    ("sum_agg", Detail.TOTALS): "ncc",
    ("sum_agg", Detail.AMOUNTS): "nccn",
    ("sum_agg", Detail.EVENTS): "ncts",
    ("max_agg", Detail.TOTALS): "nc",
    ("latest_agg", Detail.TOTALS): "tsnc",
    ("unique_count_agg", Detail.TOTALS): "vtsbc",
    ("unique_count_agg", Detail.EVENTS): "vtsbc",
    ("weighted_sum_agg", Detail.TOTALS): "nnnc",
}
_UNIQUE_WITHOUT_KEYS = "cc"
_ALWAYS_OF_PERIOD = ("count_agg", "max_agg", "latest_agg")  # these can't be recurring

_SETS = f"""
    SELECT f.organization_id, f.subscription_id, f.charge_id, min(f.item_code) AS item_code,
        min(f.currency) AS currency, min(t.kind) AS charge_model, max(f.to_at) AS to_at,
        (array_agg(f.evidence ORDER BY f.id))[1] AS evidence,
        CASE
            WHEN bool_or((f.evidence -> 'prorated')::boolean) THEN 'events'
            WHEN min(t.kind) = 'dynamic' THEN 'amounts'
            WHEN min(f.evidence ->> 'aggregation_type') = 'sum_agg' AND min(t.kind) = 'percentage'
                AND bool_or(t.properties ?| ARRAY[{", ".join(f"'{name}'" for name in _VALUES_READ)}]) THEN 'events'
            ELSE 'totals'
        END AS detail,
        jsonb_agg(jsonb_build_object(
            'id', f.id, 'filter_id', f.charge_filter_id, 'grouped_by', f.grouped_by, 'properties', t.properties,
            'events_count', f.events_count, 'units', f.units, 'amount_cents', f.amount_cents,
            'precise_amount_cents', f.precise_amount_cents) ORDER BY f.id) AS fees,
        min(line.timezone) AS timezone, min(line.occasion) AS occasion, min(f.created_at) AS created_at
    FROM fees AS f JOIN terms AS t ON t.id = f.terms_id
    LEFT JOIN invoice_lines AS line
        ON line.invoice_id = f.invoice_id AND line.subscription_id = f.subscription_id
    WHERE f.fee_type = 'charge' AND f.deleted_at IS NULL AND f.true_up_parent_fee_id IS NULL
        AND f.evidence ?& ARRAY[{", ".join(f"'{name}'" for name in _NEEDED)}]
    GROUP BY f.organization_id, f.invoice_id, f.subscription_id, f.charge_id
    HAVING sum(f.events_count) <= {EVENTS_MAX} OR NOT (
        bool_or((f.evidence -> 'prorated')::boolean) OR min(t.kind) = 'percentage')
"""

_FILTERED = """
    SELECT sets.*, filters.filters, filters.declared
    FROM sets
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(
                jsonb_build_object('id', filter.id, 'values', filter.values) ORDER BY filter.created_at, filter.id)
                FILTER (WHERE filter.deleted_at IS NULL OR filter.deleted_at >= sets.created_at) AS filters,
            (SELECT jsonb_object_agg(declared.key, declared.values) FROM billable_metric_filters AS declared
                WHERE declared.billable_metric_id = (SELECT billable_metric_id FROM charges WHERE id = sets.charge_id)
            ) AS declared,
            max(greatest(filter.created_at, filter.updated_at, filter.deleted_at, metric.updated_at)) AS changed_at
        FROM charge_filters AS filter
        JOIN charges AS charge ON charge.id = filter.charge_id
        JOIN billable_metrics AS metric ON metric.id = charge.billable_metric_id
        WHERE filter.charge_id = sets.charge_id
    ) AS filters ON true
    WHERE filters.changed_at IS NULL OR filters.changed_at < sets.created_at
"""


def _arms() -> Iterator[str]:
    """A statement for each shape that there may be."""
    for (aggregation_type, detail), columns in _COLUMNS.items():
        for recurring in (False,) if aggregation_type in _ALWAYS_OF_PERIOD else (False, True):
            for keys in (0, KEYS_MAX):
                yield _arm(Shape(aggregation_type, False, recurring, detail, keys), columns)


def _arm(shape: Shape, columns: str) -> str:
    names = [f"column_{position}" for position in range(len(_columns(shape, columns)))]
    keys = ", ".join(f"sets.evidence -> 'keys' ->> {position} AS key_{position}" for position in range(shape.keys))
    return f"""
        SELECT sets.*, condensed.rows, '{columns}' AS columns, {shape.keys} AS keys
        FROM filtered AS sets
        CROSS JOIN LATERAL (SELECT {f"{keys}, " if keys else ""}
            sets.evidence ->> 'field_name' AS field_name,
            (sets.evidence ->> 'from')::timestamptz AS from_at, (sets.evidence ->> 'until')::timestamptz AS to_at,
            date_trunc('second', sets.to_at + interval '999999 microseconds') AS closes_at) AS asked
        CROSS JOIN LATERAL (SELECT ARRAY(
            SELECT lane << {LANE_SHIFT} | coalesce((sets.evidence -> 'arrivals' ->> lane::text)::bigint, 0)
            FROM generate_series(0::bigint, (SELECT max(lane) FROM writer_lanes)) AS lane ORDER BY lane
        ) AS limits) AS known
        LEFT JOIN event_streams AS stream ON stream.organization_id = sets.organization_id
            AND stream.external_subscription_id = sets.evidence ->> 'external_subscription_id'
            AND stream.code = sets.evidence ->> 'metric'
        CROSS JOIN LATERAL (
            SELECT jsonb_agg(jsonb_build_array({", ".join(["combination", *names])})) AS rows
            FROM ({AGGREGATIONS[shape.aggregation_type].sql(shape)}) AS found (combination, {", ".join(names)})
        ) AS condensed
        WHERE sets.detail = '{shape.detail.value}' AND sets.evidence ->> 'aggregation_type' = '{shape.aggregation_type}'
            AND (sets.evidence -> 'recurring')::boolean = {shape.recurring}
            AND jsonb_array_length(sets.evidence -> 'keys') {f"BETWEEN 1 AND {KEYS_MAX}" if keys else "= 0"}
    """


def _columns(shape: Shape, columns: str) -> str:
    is_condensed = shape.aggregation_type == "unique_count_agg" and shape.detail is Detail.TOTALS and not shape.keys
    return _UNIQUE_WITHOUT_KEYS if is_condensed else columns


RECOUNT = f"""
    WITH sets AS MATERIALIZED ({_SETS}), filtered AS MATERIALIZED ({_FILTERED})
    {" UNION ALL ".join(_arms())}
"""


def differs(row: Row) -> str | None:
    """What the fees of a set don't say as their events do; None where all is well."""
    sorting, counting = _sorting(row), _counting(row)
    if not all(key in sorting.keys for bucket in sorting.buckets if bucket.filter for key in bucket.filter.accepted):
        return None  # a filter that the fees don't know of
    fees = {(fee["filter_id"], _group(fee["grouped_by"])): fee for fee in row["fees"]}
    rows = _rows(row, counting.shape, len(sorting.keys))
    for bucket, groups in zip(sorting.buckets, sorting.sort(rows), strict=True):
        for group, by_combination in groups.items():
            aggregate, usage = usage_of(counting, [each for found in by_combination.values() for each in found])
            fee = fees.pop((str(bucket.filter.id) if bucket.filter else None, _group(dict(group))), None)
            if fee is not None:
                if told := _compared(row, fee, aggregate, usage):
                    return told
            elif aggregate.events_count:
                return (
                    f"{aggregate.events_count} events of {row['item_code']} {dict(group)} of subscription"
                    f" {row['subscription_id']} are in no fee"
                )
    return next((f"fee {fee['id']} of {row['item_code']}: no event is of its part" for fee in fees.values()), None)


def _sorting(row: Row) -> Sorting:
    """How the charge's events were sorted, by the prices that its fees have; a part without a fee has none."""
    priced: dict[str | None, Mapping[str, Any]] = {fee["filter_id"]: fee["properties"] for fee in row["fees"]}
    filters = [_filter(each, row["declared"] or {}) for each in row["filters"] or ()]
    buckets = [_bucket(each, priced.get(str(each.id), {})) for each in filters]
    return Sorting([*buckets, _bucket(None, priced.get(None, {}))], tuple(row["evidence"]["keys"]), WHOLE)


def _filter(given: Mapping[str, Any], declared: Mapping[str, Sequence[str]]) -> PricedFilter:
    values: Mapping[str, Sequence[str]] = given["values"]
    accepted = {
        key: frozenset(declared.get(key, ()) if list(texts) == [ALL_VALUES] else texts) for key, texts in values.items()
    }
    return PricedFilter(UUID(given["id"]), values, accepted, _NOBODY, {}, None)


def _bucket(item: PricedFilter | None, properties: Mapping[str, Any]) -> Bucket:
    return Bucket(item, _NOBODY, properties, tuple(properties.get("pricing_group_keys") or ()), ())


def _group(values: Mapping[str, str | None]) -> frozenset[tuple[str, str | None]]:
    return frozenset(values.items())


def _counting(row: Row) -> Counting:
    evidence = row["evidence"]
    timezone = ZoneInfo(row["timezone"] or "UTC")
    last_day = row["to_at"].astimezone(timezone).date()
    function, precision = evidence["rounding"]
    kind, recurring = evidence["aggregation_type"], evidence["recurring"]
    return Counting(
        metric=MetricValues(
            _NOBODY,
            evidence["metric"],
            kind,
            recurring=recurring,
            rounding_function=function,
            rounding_precision=precision,
        ),
        prorated=evidence["prorated"],
        shape=Shape(kind, False, recurring, Detail(row["detail"]), row["keys"]),
        window=Window(
            start=datetime.fromisoformat(evidence["from"]),
            until=datetime.fromisoformat(evidence["until"]),
            end=row["to_at"],
            days=evidence["days"],
            full_days=evidence["full_days"],
            last_day=last_day - DAY if row["occasion"] == Occasion.UPGRADED else last_day,
            timezone=timezone,
        ),
        currency=row["currency"],
    )


def _rows(row: Row, shape: Shape, keys: int) -> dict[Combination, list[Sequence[Any]]]:
    """The condensed rows by combination, as an aggregation takes them."""
    columns = _columns(shape, row["columns"])
    found: dict[Combination, list[Sequence[Any]]] = {}
    for combination, *values in row["rows"] or ():
        read = [_READERS.get(column, _as_it_is)(value) for column, value in zip(columns, values, strict=True)]
        found.setdefault(tuple(combination[:keys]), []).append(read)
    return found


def _as_it_is(value: Any) -> Any:
    return value


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "n": lambda value: None if value is None else Decimal(value),
    "t": lambda value: None if value is None else datetime.fromisoformat(value),
}


def _compared(row: Row, fee: Mapping[str, Any], aggregate: Aggregate, usage: Usage) -> str | None:
    price = CHARGE_MODELS[row["charge_model"]].price(usage, fee["properties"])
    amounts = fee_amounts(price, usage.units if usage.units < 0 else usage.held, row["currency"])
    stored = tuple(fee[name] for name in ("events_count", "units", "amount_cents", "precise_amount_cents"))
    found = (aggregate.events_count, amounts.units, amounts.amount_cents, amounts.precise_amount_cents)
    if stored == found:
        return None
    return (
        f"fee {fee['id']} of {row['item_code']}: {stored[0]} events, {stored[1]} units, {stored[2]} cents (precisely"
        f" {stored[3]}); counted and priced again, {found[0]} events, {found[1]} units, {found[2]} cents (precisely"
        f" {found[3]})"
    )
