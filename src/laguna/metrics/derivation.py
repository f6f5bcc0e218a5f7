"""What is derived of an event for a metric when it is written (spec 1 §§1.9, 2.3, 2.4): in Python, and the same in SQL.

    sum_agg, max_agg, latest_agg, weighted_sum_agg
                       value       the number of the property; NULL when it isn't numeric, and the event doesn't count
    unique_count_agg   value_text  the property as text; NULL when there is none (ignored, spec 1 §9 W17)
                       value       +1 for an add, -1 for a remove
    count_agg          nothing: every event counts

The SQL derives of events that came before their metric. Both must give the same for every JSON value. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

NUMERIC_TYPES = frozenset({"sum_agg", "max_agg", "latest_agg", "weighted_sum_agg"})
DIGITS_BEFORE, DIGITS_AFTER = 30, 15
OPERATION = "operation_type"

_NUMBER = re.compile(rf"-?[0-9]{{1,{DIGITS_BEFORE}}}(?:\.[0-9]{{1,{DIGITS_AFTER}}})?")
_TOO_LARGE = 10**DIGITS_BEFORE
_ZERO, _ADDED, _REMOVED = Decimal(0), Decimal(1), Decimal(-1)

Derived = tuple[Decimal | None, str | None]
_NOTHING: Derived = (None, None)


@dataclass(frozen=True, slots=True)
class MetricValues:
    """What aggregation and ingestion know of a metric.

    `values_ready` is false while events that came before the metric don't carry its derived values yet.
    """

    id: UUID
    code: str
    aggregation_type: str
    field_name: str | None = None
    recurring: bool = False
    values_ready: bool = True
    rounding_function: str | None = None
    rounding_precision: int | None = None


def derive(metric: MetricValues, properties: Mapping[str, Any]) -> Derived:
    """(value, value_text) of an event of `metric` with `properties`, whose fractions are decimals.

    sum_agg of {"mb": "12.5"} -> (12.5, None); unique_count_agg of {"seat": 7} -> (1, "7").
    """
    kind, field = metric.aggregation_type, metric.field_name
    if field is None:
        return _NOTHING
    if kind in NUMERIC_TYPES:
        return number_of(properties.get(field)), None
    if kind == "unique_count_agg":
        operation = properties.get(OPERATION)
        if operation is None or operation == "add":
            value = _ADDED
        elif operation == "remove":
            value = _REMOVED
        else:
            return _NOTHING
        text = text_of(properties.get(field))
        return (value, text) if text is not None else _NOTHING
    return _NOTHING


def number_of(value: Any) -> Decimal | None:
    """The numeric test: text of digits with an optional minus and fraction, or a JSON number by its value.

    More than 30 digits before or 15 after the point: not numeric. "1e3" isn't, the JSON number 1e3 is.
    """
    kind = type(value)
    if kind is str:
        return Decimal(value) if _NUMBER.fullmatch(value) else None
    if kind is int:
        return Decimal(value) if -_TOO_LARGE < value < _TOO_LARGE else None
    if kind is Decimal:
        return _within_limits(value)
    return None


def _within_limits(number: Decimal) -> Decimal | None:
    if not number:
        return _ZERO
    _, digits, exponent = number.as_tuple()
    beyond = -cast(int, exponent) - DIGITS_AFTER
    if number.adjusted() >= DIGITS_BEFORE or (beyond > 0 and (beyond >= len(digits) or any(digits[-beyond:]))):
        return None
    return number


def text_of(value: Any) -> str | None:
    """A distinct value as text, numbers in plain notation with the decimals that were sent; None when there is none."""
    kind = type(value)
    if kind is str:
        return value or None
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value)
    if kind is Decimal:
        if not value:  # a zero has decimals, but neither a sign nor tens
            return format(value.copy_abs() if cast(int, value.as_tuple().exponent) <= 0 else _ZERO, "f")
        return format(value, "f")
    return None


def number_sql(properties: str, field: str) -> str:
    """SQL of `number_of`: `properties` and `field` are SQL expressions of a jsonb and of a key."""
    number = f"({properties} ->> {field})::numeric"
    return f"""
        CASE jsonb_typeof({properties} -> {field})
            WHEN 'number' THEN CASE
                WHEN abs({number}) < 1e{DIGITS_BEFORE} AND scale(trim_scale({number})) <= {DIGITS_AFTER} THEN {number}
            END
            WHEN 'string' THEN CASE
                WHEN ({properties} ->> {field}) ~ '^-?[0-9]{{1,{DIGITS_BEFORE}}}(\\.[0-9]{{1,{DIGITS_AFTER}}})?$'
                THEN {number}
            END
        END"""


def text_sql(properties: str, field: str) -> str:
    """SQL of the value_text of a unique count; NULL for an unknown operation, too."""
    return f"""
        CASE
            WHEN {operation_sql(properties)} IS NOT NULL
                AND jsonb_typeof({properties} -> {field}) IN ('string', 'number', 'boolean')
            THEN nullif({properties} ->> {field}, '')
        END"""


def scalar_sql(properties: str, field: str) -> str:
    """SQL of a property as the text that filters and groups compare; NULL where it is missing, empty or nested."""
    return f"""
        CASE WHEN jsonb_typeof({properties} -> {field}) IN ('string', 'number', 'boolean')
            THEN nullif({properties} ->> {field}, '') END"""


def operation_sql(properties: str) -> str:
    """SQL of the sign of a unique count's event: 1 for an add, -1 for a remove, NULL for anything else."""
    return f"""
        CASE coalesce({properties} -> '{OPERATION}', 'null')
            WHEN 'null' THEN 1 WHEN '"add"' THEN 1 WHEN '"remove"' THEN -1
        END"""


def derived_sql(aggregation_type: str, properties: str, field: str) -> tuple[str, str]:
    """SQL of `derive`: the expressions of value and value_text."""
    if aggregation_type in NUMERIC_TYPES:
        return number_sql(properties, field), "NULL::text"
    if aggregation_type == "unique_count_agg":
        text = text_sql(properties, field)
        return f"CASE WHEN ({text}) IS NOT NULL THEN ({operation_sql(properties)})::numeric END", text
    return "NULL::numeric", "NULL::text"
