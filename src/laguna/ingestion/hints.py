"""What a process remembers of keys, metrics and streams. Hints: the group's transaction verifies what may have changed.

Streams are facts: an id, once given, stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from msgspec.json import encode
from sqlalchemy import text

from laguna.ingestion.decoding import Event
from laguna.ingestion.identity import subscription_hash
from laguna.kernel.db import Database, is_repeatable
from laguna.kernel.errors import unauthorized
from laguna.metrics.derivation import MetricValues
from laguna.metrics.expressions import Node, parse
from laguna.metrics.faults import Filters

KEYS_KEPT = 10_000
CATALOGS_KEPT = 2_000
STREAMS_KEPT = 200_000
MAX_ATTEMPTS = 3

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A bounded cache of two generations: what nobody asked for while `size` others came is forgotten."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        if len(self._young) >= self._size:
            self._old, self._young = self._young, {}
        self._young[key] = value

    def forget(self, key: K) -> None:
        self._young.pop(key, None)
        self._old.pop(key, None)


@dataclass(frozen=True, slots=True)
class Catalog:
    """An organization's living metrics by code, as of a version, the expressions and filter values of those that have
    some, and whether usage is watched: some plan or subscription has thresholds."""

    version: int
    metrics: Mapping[str, MetricValues]
    expressions: Mapping[str, Node]
    filters: Mapping[str, Filters]
    watched: bool


@dataclass(frozen=True, slots=True)
class Stream:
    """The id of an event's stream, its subscription's part of the key ("" without one), and both names as JSON."""

    id: int
    subscription_hash: str
    code_json: bytes
    subscription_json: bytes


KEY = text(
    """
    SELECT organization_id FROM api_keys WHERE hash = :hash AND (expires_at IS NULL OR expires_at > :now)
    """
)


class Keys:
    """Which organization a key belongs to, by the key's hash."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: Recent[bytes, UUID] = Recent(KEYS_KEPT)

    def remembered(self, key_hash: bytes) -> UUID | None:
        """The organization of a key that was valid a while ago."""
        return self._known.get(key_hash)

    async def look_up(self, key_hash: bytes, now: datetime) -> UUID:
        """The organization of a key that is valid now; 401 otherwise. Unknown keys are not remembered."""
        async with self._database.session() as session:
            organization_id: UUID | None = await session.scalar(KEY, {"hash": key_hash, "now": now})
        if organization_id is None:
            self._known.forget(key_hash)
            raise unauthorized()
        self._known.put(key_hash, organization_id)
        return organization_id

    def forget(self, key_hash: bytes) -> None:
        self._known.forget(key_hash)


METRICS = """
    SELECT organization_id, id, code, aggregation_type, field_name, expression,
        (SELECT jsonb_object_agg(filter.key, filter.values) FROM billable_metric_filters AS filter
            WHERE filter.billable_metric_id = metric.id)
    FROM billable_metrics AS metric
    WHERE organization_id = ANY(%s) AND deleted_at IS NULL
"""


WATCHED = """
    SELECT DISTINCT organization_id FROM usage_thresholds WHERE organization_id = ANY(%s) AND deleted_at IS NULL
"""


def catalogs_of(
    versions: Mapping[UUID, int], rows: Iterable[Sequence[Any]], watched: Collection[UUID]
) -> dict[UUID, Catalog]:
    """The catalogs of organizations from the rows of METRICS and WATCHED."""
    metrics: dict[UUID, dict[str, MetricValues]] = {organization_id: {} for organization_id in versions}
    expressions: dict[UUID, dict[str, Node]] = {organization_id: {} for organization_id in versions}
    filters: dict[UUID, dict[str, Filters]] = {organization_id: {} for organization_id in versions}
    for organization_id, metric_id, code, aggregation_type, field_name, expression, declared in rows:
        metrics[organization_id][code] = MetricValues(metric_id, code, aggregation_type, field_name)
        if expression is not None:
            expressions[organization_id][code] = parse(expression)
        if declared is not None:
            filters[organization_id][code] = {key: frozenset(values) for key, values in declared.items()}
    return {
        key: Catalog(version, metrics[key], expressions[key], filters[key], key in watched)
        for key, version in versions.items()
    }


StreamName = tuple[UUID, str | None, str]

KNOWN_STREAMS = text(
    """
    SELECT stream.external_subscription_id, stream.code, stream.id
    FROM unnest(CAST(:ids AS text[]), CAST(:codes AS text[])) AS asked(external_subscription_id, code)
    JOIN event_streams AS stream
        ON stream.organization_id = :organization_id
        AND stream.external_subscription_id = asked.external_subscription_id AND stream.code = asked.code
    UNION ALL
    SELECT external_subscription_id, code, id FROM event_streams
    WHERE organization_id = :organization_id AND external_subscription_id IS NULL AND code = ANY(:loose_codes)
    """
)

# sorted, so that two of these never wait for each other in a circle
NEW_STREAMS = text(
    """
    INSERT INTO event_streams (organization_id, external_subscription_id, code)
    SELECT :organization_id, external_subscription_id, code
    FROM unnest(CAST(:ids AS text[]), CAST(:codes AS text[])) AS asked(external_subscription_id, code)
    ORDER BY external_subscription_id, code
    ON CONFLICT DO NOTHING
    """
)


class Streams:
    """Ids of streams, made when first needed, in a short transaction before the events'."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: Recent[StreamName, Stream] = Recent(STREAMS_KEPT)

    async def of(self, organization_id: UUID, events: Sequence[Event]) -> list[Stream]:
        """The streams of events, one each."""
        get = self._known.get
        streams = [get((organization_id, event.external_subscription_id, event.code)) for event in events]
        if None in streams:
            names = {
                (event.external_subscription_id, event.code)
                for event, stream in zip(events, streams, strict=True)
                if stream is None
            }
            interned = await self._intern(organization_id, names)
            return [
                interned[event.external_subscription_id, event.code] if stream is None else stream
                for event, stream in zip(events, streams, strict=True)
            ]
        return cast(list[Stream], streams)

    async def _intern(
        self, organization_id: UUID, names: set[tuple[str | None, str]]
    ) -> dict[tuple[str | None, str], Stream]:
        found = await self._find(organization_id, list(names))
        missing = [name for name in names if name not in found]
        if missing:
            await self._insert(organization_id, missing)
            found |= await self._find(organization_id, missing)
        streams: dict[tuple[str | None, str], Stream] = {}
        for name, stream_id in found.items():
            subscription, code = name
            streams[name] = Stream(stream_id, subscription_hash(subscription), encode(code), encode(subscription))
            self._known.put((organization_id, *name), streams[name])
        return streams

    async def _find(
        self, organization_id: UUID, asked: Sequence[tuple[str | None, str]]
    ) -> dict[tuple[str | None, str], int]:
        parameters = {
            "organization_id": organization_id,
            "ids": [subscription for subscription, _ in asked if subscription is not None],
            "codes": [code for subscription, code in asked if subscription is not None],
            "loose_codes": [code for subscription, code in asked if subscription is None],
        }
        async with self._database.session() as session:
            rows = await session.execute(KNOWN_STREAMS, parameters)
            return {(subscription, code): stream_id for subscription, code, stream_id in rows}

    async def _insert(self, organization_id: UUID, missing: Sequence[tuple[str | None, str]]) -> None:
        parameters = {
            "organization_id": organization_id,
            "ids": [subscription for subscription, _ in missing],
            "codes": [code for _, code in missing],
        }
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                async with self._database.session() as session:
                    await session.execute(NEW_STREAMS, parameters)
                return
            except Exception as error:
                if attempt == MAX_ATTEMPTS or not is_repeatable(error):
                    raise
