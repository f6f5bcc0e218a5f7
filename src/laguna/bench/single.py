"""Single events stored per second, divided by the requests per second of a route that parses them and answers.

The same requests go to the same server: same class of route, same check of the key, same connections.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import msgspec
import psycopg

from laguna.bench.application import FLOOR
from laguna.bench.client import request, send_all
from laguna.bench.ingest import event, make_metric
from laguna.bench.server import bench_server


def measure(events: int, runs: int, connections: int, workers: int, say: Callable[[str], None]) -> float:
    """The median ratio of `runs` runs after one to warm up; `say` gets a line for each."""
    ratios: list[float] = []
    with bench_server(workers) as server, psycopg.connect(server.database_url) as connection:
        make_metric(server)
        for run in range(runs + 1):
            bodies = [msgspec.json.encode({"event": event(run, number)}) for number in range(events)]
            parsed, stored = (
                _per_second(server.port, [request(path, server.key, body) for body in bodies], connections)
                for path in (FLOOR, "/api/v1/events")
            )
            if run > 0:
                ratios.append(stored / parsed)
                say(f"run {run}: {stored:,.0f} events/s stored, {parsed:,.0f} parsed, ratio {stored / parsed:.2f}")
        count = connection.execute("SELECT count(*) FROM events").fetchone()
        assert count == ((runs + 1) * events,), f"events are missing or double: {count}"
    return statistics.median(ratios)


def _per_second(port: int, requests: Sequence[bytes], connections: int) -> float:
    began = time.perf_counter()
    send_all(port, requests, connections)
    return len(requests) / (time.perf_counter() - began)
