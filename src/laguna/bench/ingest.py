"""Events per second over HTTP, divided by the rows per second of a plain COPY of the very same rows.

Both tables have the same indexes and, when a run begins, the same number of rows. Client, server and PostgreSQL share
the machine. One metric sums a property of the events, so their values are derived as usual.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import msgspec
import psycopg

from laguna.bench.client import request, send_all
from laguna.bench.server import BenchServer, bench_server

SUBSCRIPTIONS = 1_000
FIRST_SECOND = 1_767_225_600  # 2026-01-01
_REGIONS = ("eu-west-1", "us-east-1", "ap-south-1")
_METRIC = {"name": "Traffic", "code": "traffic", "aggregation_type": "sum_agg", "field_name": "mb"}

_COLUMNS = (
    "key, seq, ingested_at, stream_id, timestamp, value, value_text, precise_total_amount_cents, transaction_id,"
    " properties"
)


def measure(events: int, runs: int, connections: int, batch: int, workers: int, say: Callable[[str], None]) -> float:
    """The median ratio of `runs` runs after one to warm up; `say` gets a line for each."""
    ratios: list[float] = []
    with bench_server(workers) as server, psycopg.connect(server.database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE events_copied (LIKE events INCLUDING ALL)")
        make_metric(server)
        for run in range(runs + 1):
            http = _over_http(server, run, events, connections, batch)
            copy = _by_copy(connection, run, events)
            if run > 0:
                ratios.append(http / copy)
                say(f"run {run}: {http:,.0f} events/s over HTTP, {copy:,.0f} rows/s by COPY, ratio {http / copy:.2f}")
    return statistics.median(ratios)


def make_metric(server: BenchServer) -> None:
    metric = msgspec.json.encode({"billable_metric": _METRIC})
    send_all(server.port, [request("/api/v1/billable_metrics", server.key, metric)], 1)


def _bodies(run: int, events: int, batch: int) -> Iterator[bytes]:
    for first in range(0, events, batch):
        yield msgspec.json.encode({"events": [event(run, n) for n in range(first, min(first + batch, events))]})


def event(run: int, number: int) -> dict[str, object]:
    """As a client sends it: no two runs and numbers give the same."""
    return {
        "transaction_id": f"run-{run}-{number:09d}",
        "external_subscription_id": f"subscription-{number * 7919 % SUBSCRIPTIONS}",
        "code": "traffic",
        "timestamp": FIRST_SECOND + run * 100_000 + number // 10,
        "properties": {
            "mb": f"{number % 997}.{number % 89:02d}",
            "region": _REGIONS[number % len(_REGIONS)],
            "request": f"GET /items/{number % 10_007}",
        },
    }


def _over_http(server: BenchServer, run: int, events: int, connections: int, batch: int) -> float:
    requests = [request("/api/v1/events/batch", server.key, body) for body in _bodies(run, events, batch)]
    began = time.perf_counter()
    send_all(server.port, requests, connections)
    return events / (time.perf_counter() - began)


def _by_copy(connection: psycopg.Connection[tuple[object, ...]], run: int, events: int) -> float:
    """COPY the rows that the run stored, in the order of their arrival, in one transaction."""
    newest = f"SELECT {_COLUMNS} FROM events WHERE transaction_id LIKE 'run-{run}-%' ORDER BY seq"
    with connection.cursor().copy(f"COPY ({newest}) TO STDOUT".encode()) as out:
        rows = b"".join(bytes(block) for block in out)
    began = time.perf_counter()
    with connection.cursor().copy(f"COPY events_copied ({_COLUMNS}) FROM STDIN".encode()) as copy:
        copy.write(rows)
    elapsed = time.perf_counter() - began
    stored = connection.execute("SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM events_copied)").fetchone()
    assert stored is not None
    assert stored[0] == stored[1], f"events are missing or double: {stored}"
    return events / elapsed
