"""What keeps an event from being used (spec 1 §1.9, W17, W36)."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import pytest

from laguna.metrics.derivation import MetricValues
from laguna.metrics.faults import faults

REGIONS = {"region": frozenset({"eu", "us", "1"})}


def metric(kind: str) -> MetricValues:
    return MetricValues(uuid.uuid4(), "calls", kind, None if kind == "count_agg" else "x")


@pytest.mark.parametrize(
    ("kind", "properties", "found"),
    [
        ("count_agg", {}, []),
        ("sum_agg", {"x": "12.5"}, []),
        ("sum_agg", {"x": Decimal("12.5")}, []),
        ("sum_agg", {}, ["missing_aggregation_property"]),
        ("sum_agg", {"x": None}, ["missing_aggregation_property"]),
        ("max_agg", {"x": "1e3"}, ["missing_aggregation_property"]),
        ("latest_agg", {"x": ".5"}, ["missing_aggregation_property"]),
        ("weighted_sum_agg", {"x": True}, ["missing_aggregation_property"]),
        ("unique_count_agg", {"x": "seat"}, []),
        ("unique_count_agg", {"x": ""}, ["missing_aggregation_property"]),
        ("unique_count_agg", {"x": "seat", "operation_type": "delete"}, ["missing_aggregation_property"]),
        ("count_agg", {"region": "eu"}, []),
        ("count_agg", {"region": 1}, []),
        ("count_agg", {"region": None}, []),
        ("count_agg", {"region": "mars"}, ["invalid_filter_values"]),
        ("sum_agg", {"region": "mars"}, ["missing_aggregation_property", "invalid_filter_values"]),
    ],
)
def test_what_is_wrong_with_an_event(kind: str, properties: dict[str, Any], found: list[str]) -> None:
    assert faults(metric(kind), REGIONS, properties) == found


def test_an_event_without_a_metric_has_an_invalid_code_and_nothing_else() -> None:
    assert faults(None, {}, {"region": "mars"}) == ["invalid_code"]
