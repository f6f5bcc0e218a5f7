"""What is derived of an event, in Python and in SQL (spec 1 §§1.9, 2.4)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laguna.kernel.db import to_json
from laguna.metrics.derivation import MetricValues, derive, derived_sql, number_of, text_of

D = Decimal


@pytest.fixture(scope="module")
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def metric(kind: str, field: str | None = "x") -> MetricValues:
    return MetricValues(uuid.uuid4(), "calls", kind, field)


def in_sql(connection: psycopg.Connection[Any], kind: str, properties: list[str]) -> list[tuple[Any, Any]]:
    value, value_text = derived_sql(kind, "properties", "field")
    statement = f"""
        SELECT {value}, {value_text}
        FROM unnest(%s::jsonb[]) WITH ORDINALITY AS sent(properties, number), (SELECT 'x' AS field) AS asked
        ORDER BY number"""
    return connection.execute(statement.encode(), [properties]).fetchall()


@pytest.mark.parametrize(
    ("sent", "number"),
    [
        ("12", D(12)),
        ("-0.5", D("-0.5")),
        ("007", D(7)),
        (12, D(12)),
        (D("1E+3"), D(1000)),
        (D("0.10"), D("0.1")),
        ("9" * 30 + "." + "9" * 15, D("9" * 30 + "." + "9" * 15)),
        (10**30 - 1, D(10**30 - 1)),
        (D("1.5" + "0" * 40), D("1.5")),
        (D("0E-90"), D(0)),
        ("1e3", None),
        ("+1", None),
        (" 1", None),
        ("1\n", None),
        (".5", None),
        ("5.", None),
        ("١", None),
        ("", None),
        ("9" * 31, None),
        ("1." + "0" * 16, None),
        (10**30, None),
        (D("1E+30"), None),
        (D("1E-16"), None),
        (D("1.0000000000000001"), None),
        (True, None),
        (None, None),
        ([], None),
        ({"a": 1}, None),
    ],
)
def test_the_numeric_test(connection: psycopg.Connection[Any], sent: Any, number: Decimal | None) -> None:
    assert number_of(sent) == number
    assert in_sql(connection, "sum_agg", [to_json({"x": sent})]) == [(number, None)]


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("a", "a"),
        (" ", " "),
        (1, "1"),
        (D("1.50"), "1.50"),
        (D("1.5E+3"), "1500"),
        (D("1E-3"), "0.001"),
        (D("-0.0"), "0.0"),
        (D("0E+5"), "0"),
        (True, "true"),
        (False, "false"),
        ("", None),
        (None, None),
        ([1], None),
        ({}, None),
    ],
)
def test_the_text_of_a_distinct_value(connection: psycopg.Connection[Any], sent: Any, text: str | None) -> None:
    assert text_of(sent) == text
    value = None if text is None else D(1)
    assert in_sql(connection, "unique_count_agg", [to_json({"x": sent})]) == [(value, text)]


@pytest.mark.parametrize(
    ("operation", "value"),
    [(None, 1), ("add", 1), ("remove", -1), ("Add", None), ("", None), ("delete", None), (1, None), (True, None)],
)
def test_operations_that_are_neither_add_nor_remove_are_ignored(operation: Any, value: int | None) -> None:
    expected = (None, None) if value is None else (D(value), "a")
    assert derive(metric("unique_count_agg"), {"x": "a", "operation_type": operation}) == expected


def test_a_count_derives_nothing() -> None:
    assert derive(metric("count_agg", None), {"x": 1}) == (None, None)


NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=None, min_value=-(10**32), max_value=10**32)
NUMERIC_TEXT = st.from_regex(r"\A-?[0-9]{0,32}(\.[0-9]{0,17})?(e[0-9])?\n?\Z")
CLEAN_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=4)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), NUMBERS, NUMERIC_TEXT, CLEAN_TEXT, st.lists(st.integers(), max_size=1)
)
OPERATIONS = st.one_of(st.sampled_from(["add", "remove", "ADD", ""]), VALUES)
PROPERTIES = st.fixed_dictionaries({}, optional={"x": VALUES, "operation_type": OPERATIONS})


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.lists(PROPERTIES, min_size=1, max_size=20), kind=st.sampled_from(["sum_agg", "unique_count_agg"]))
def test_python_and_sql_derive_the_same(
    connection: psycopg.Connection[Any], sent: list[dict[str, Any]], kind: str
) -> None:
    texts = [to_json(properties) for properties in sent]
    expected = [derive(metric(kind), properties) for properties in sent]
    assert in_sql(connection, kind, texts) == expected
