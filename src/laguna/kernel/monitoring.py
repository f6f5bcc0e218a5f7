"""What can be watched: figures of this server's processes, and figures that the database tells, for Prometheus.

A process counts what it does itself (`events`, `requests`, ...). What has to be the same whoever is asked, and whatever
the worker does, is a `Figure`: a statement that is run when somebody asks. No label names a tenant or anything a client
chose: routes are their templates, methods those of HTTP.

With several API processes they count in files of one folder, which `serving` names to them, so that whichever answers
tells the sum of all, those that have ended included.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # the variable that prometheus_client reads when it is imported
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})

_registry = CollectorRegistry()
if FOLDER not in os.environ:
    ProcessCollector(registry=_registry)

events = Counter("laguna_events_ingested", "Events stored and acknowledged.", registry=_registry)
event_group_events = Histogram(
    "laguna_event_group_events",
    "Events stored by one transaction.",
    buckets=(1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000),
    registry=_registry,
)
event_group_seconds = Histogram(
    "laguna_event_group_seconds",
    "From the beginning of a group's transaction to its commit.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5),
    registry=_registry,
)
event_queue = Gauge(
    "laguna_event_queue_events",
    "Events taken in by open requests and not yet acknowledged.",
    multiprocess_mode="livesum",
    registry=_registry,
)
webhook_attempts = Counter(
    "laguna_webhook_attempts", "Attempts to deliver a webhook, by what came of them.", ["outcome"], registry=_registry
)
requests = Counter(
    "laguna_http_requests", "Answered requests, by the route's template.", ["method", "route", "status"],
    registry=_registry,
)  # fmt: skip
request_seconds = Histogram(
    "laguna_http_request_seconds",
    "From a request's head to the end of its answer.",
    ["method", "route"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30),
    registry=_registry,
)
connections_used = Gauge(
    "laguna_database_connections_used",
    "Connections of the pool in use.",
    multiprocess_mode="livesum",
    registry=_registry,
)
connections_max = Gauge(
    "laguna_database_connections_max",
    "Connections that the pool may open.",
    multiprocess_mode="livesum",
    registry=_registry,
)
build = Gauge(
    "laguna_build_info", "1; the labels say what runs.", ["version", "python"],
    multiprocess_mode="max", registry=_registry,
)  # fmt: skip


def observe_build(version: str) -> None:
    build.labels(version, platform.python_version()).set(1)


_observers: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request. `route` is a template, so that there are as many series as routes, not as objects."""
    key = (method, route, status)
    observers = _observers.get(key)
    if observers is None:  # looking the labels up costs more than counting
        method = method if method in METHODS else "other"
        observers = (requests.labels(method, route, str(status)), request_seconds.labels(method, route))
        if method != "other":
            _observers[key] = observers
    counter, histogram = observers
    counter.inc()
    histogram.observe(seconds)


def observe_pool(engine: AsyncEngine, size: int) -> None:
    """Follow a pool: how many of its connections are in use."""
    connections_max.set(size)

    def taken(*_: Any) -> None:
        connections_used.inc()

    def given_back(*_: Any) -> None:
        connections_used.dec()

    event.listen(engine.sync_engine, "checkout", taken)
    event.listen(engine.sync_engine, "checkin", given_back)


@dataclass(frozen=True, slots=True)
class Figure:
    """What the database tells: rows of the values of `labels`, and a number. What has no row is 0 for all of `known`.

    `query` gives a statement that may use `:now` and is cheap whatever the database holds, since it is run whenever
    somebody looks.
    """

    name: str
    meaning: str
    labels: tuple[str, ...]
    query: Callable[[], str]
    known: Callable[[], Iterable[tuple[str, ...]]]


_figures: dict[str, Figure] = {}


def register(figure: Figure) -> None:
    assert figure.name not in _figures, figure.name
    _figures[figure.name] = figure


async def read_figures(session: AsyncSession, now: datetime) -> list[Metric]:
    """All registered figures, as they are now."""
    families: list[Metric] = []
    for figure in _figures.values():
        values: dict[tuple[str, ...], float] = dict.fromkeys(figure.known(), 0.0)
        for *labels, value in await session.execute(text(figure.query()), {"now": now}):
            values[tuple(map(str, labels))] = float(value or 0)
        family = GaugeMetricFamily(figure.name, figure.meaning, labels=figure.labels)
        for labels, value in values.items():
            family.add_metric(list(labels), value)
        families.append(family)
    return families


class _Read:
    """Figures that have been read, as a collector."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def exposition(families: list[Metric] | None) -> bytes:
    """Everything in Prometheus' text format. None: the database could not be asked."""
    up = GaugeMetricFamily("laguna_database_up", "Whether the database answers.", value=float(families is not None))
    told = CollectorRegistry()
    told.register(_Read([up, *(families or [])]))  # pyright: ignore[reportArgumentType]
    return generate_latest(_counted()) + generate_latest(told)


def _counted() -> CollectorRegistry:
    """What is counted: by this process, or by all that share a folder."""
    folder = os.environ.get(FOLDER)
    if folder is None:
        return _registry
    for file in Path(folder).glob("gauge_live*_*.db"):  # of a process that was killed
        if not Path("/proc", file.stem.rsplit("_", 1)[1]).exists():
            file.unlink(missing_ok=True)
    shared = CollectorRegistry()
    MultiProcessCollector(shared, path=folder)
    return shared
