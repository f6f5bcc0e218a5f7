"""A lane: the connection on which one writer stores its groups, and the order of their arrival.

`seq = lane << 48 | n`. A session lock holds the lane, so one writer at a time counts on it, and what it commits is
counted up in the same transaction: the arrivals of a lane are in the order of their commits, without gaps.

A commit returns once it is on disk, and before that nobody sees its events: what is seen lasts. The next group gathers
meanwhile; to store it meanwhile, too, cost more turns of both processes than it saved.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus

from laguna.ingestion.hints import METRICS, WATCHED, Catalog, catalogs_of
from laguna.ingestion.rendering import COLUMNS
from laguna.kernel.db import connect
from laguna.models.event import LANE_SHIFT
from laguna.subscriptions import applicable

LANES = 32_768
LOCK_CLASS = 0x6C61676E  # first half of the advisory lock; the second is the lane
STATEMENT_SECONDS = 30  # nothing a writer waits for takes longer, unless something is stuck

HELD_LANES = """
SELECT objid::int, pid FROM pg_locks
WHERE locktype = 'advisory' AND classid = %s AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

# Ordered against whatever changes an organization's row, its metrics or its clock: what it commits before is seen
# here, what comes after waits for the group. An organization that is being changed is left out instead of waited for.
OPEN_GROUP = """
BEGIN;
SELECT id, catalog_version, test_clock FROM organizations WHERE id = ANY('{{{organizations}}}')
ORDER BY id FOR SHARE SKIP LOCKED;
SELECT hash, organization_id FROM api_keys
WHERE hash = ANY(ARRAY[{hashes}]::bytea[]) AND (expires_at IS NULL OR expires_at > '{now}')
"""

STORED = """
SELECT event.key, event.transaction_id, stream.external_subscription_id, stream.organization_id
FROM events AS event JOIN event_streams AS stream ON stream.id = event.stream_id
WHERE event.key = ANY(%s::uuid[])
"""

NOTE = """
INSERT INTO faulty_events (organization_id, key, report_at)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::timestamptz[])
"""

# reads and adds rows only: whoever bills, and holds the subscription, is not waited for
MARK = f"""
INSERT INTO usage_marks (organization_id, subscription_id, marked_at)
SELECT s.organization_id, s.id, used.at
FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[]) AS used (organization_id, external_id, at)
JOIN subscriptions AS s ON s.organization_id = used.organization_id AND s.external_id = used.external_id
JOIN plans AS p ON p.id = s.plan_id
WHERE {applicable.WATCHED}
"""

COPY = f"COPY events ({COLUMNS}) FROM STDIN"


class OrganizationFacts(NamedTuple):
    """What a group's transaction must know of an organization."""

    catalog_version: int
    test_clock: datetime | None


class CommitUnknownError(Exception):
    """The connection broke while the commit was under way: the group may be stored, or not."""


# A server may have it off; whatever else it has is as durable or more.
DURABLE = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""


class Lane:
    """A connection that holds a lane. When it breaks the lane is lost: make another."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], number: int, last: int) -> None:
        self.lost = False
        self.number = number
        self.pid = connection.info.backend_pid
        self._connection = connection
        self._last = last

    @classmethod
    async def open(cls, database_url: str) -> Lane:
        """The lowest free lane; it goes on after the last arrival that was committed on it."""
        connection = await connect(database_url, autocommit=True)
        try:
            await connection.execute(b"SET statement_timeout = '%ds'" % STATEMENT_SECONDS)
            await connection.execute(DURABLE)
            number = await _lock_free_lane(connection)
            await connection.execute(
                "INSERT INTO writer_lanes (lane, last) VALUES (%s, 0) ON CONFLICT DO NOTHING", [number]
            )
            cursor = await connection.execute("SELECT last FROM writer_lanes WHERE lane = %s", [number])
            row = await cursor.fetchone()
            assert row is not None
            return cls(connection, number, row[0])
        except BaseException:
            await connection.close()
            raise

    @property
    def next_seq(self) -> int:
        """The arrival of the next event."""
        return self.number << LANE_SHIFT | (self._last + 1)

    async def close(self) -> None:
        self.lost = True
        await self._connection.close()

    async def begin(
        self, organizations: Iterable[UUID], key_hashes: Iterable[bytes], now: datetime
    ) -> tuple[dict[UUID, OrganizationFacts], dict[bytes, UUID]]:
        """Open a group's transaction: the version of the catalog and the test clock of each organization that isn't
        being changed right now, and the keys that are valid, with their organizations."""
        cursor = await self._connection.execute(
            OPEN_GROUP.format(
                organizations=",".join(map(str, organizations)),
                hashes=",".join(f"'\\x{key_hash.hex()}'" for key_hash in key_hashes),
                now=now.isoformat(),
            ).encode()
        )
        await _next(cursor)
        facts = {row[0]: OrganizationFacts(row[1], row[2]) for row in await cursor.fetchall()}
        await _next(cursor)
        return facts, dict(await cursor.fetchall())

    async def catalogs(self, versions: dict[UUID, int]) -> dict[UUID, Catalog]:
        """The metrics of organizations at these versions, in the group's transaction."""
        cursor = await self._connection.execute(METRICS, [list(versions)])
        metrics = await cursor.fetchall()
        cursor = await self._connection.execute(WATCHED, [list(versions)])
        return catalogs_of(versions, metrics, {row[0] for row in await cursor.fetchall()})

    async def mark(self, used: Iterable[tuple[UUID, str, datetime]]) -> None:
        """Have the usage of subscriptions with thresholds looked at: organization, external id, present of each."""
        columns = [list(column) for column in zip(*used, strict=True)]
        if columns:
            await self._connection.execute(MARK, columns)

    async def stored(self, keys: Sequence[str]) -> dict[str, tuple[str, str | None, UUID]]:
        """Those of the keys that are stored: transaction id, external subscription id and organization of each."""
        cursor = await self._connection.execute(STORED, [list(keys)])
        return {
            str(key): (transaction, subscription, organization)
            for key, transaction, subscription, organization in await cursor.fetchall()
        }

    async def copy(self, lines: Sequence[bytes]) -> None:
        """Store the lines in the group's transaction. UniqueViolation when one of them is there already."""
        async with self._connection.cursor() as cursor, cursor.copy(COPY) as copy:
            await copy.write(b"".join(lines))

    async def note(self, faulty: Sequence[tuple[UUID, str, datetime]]) -> None:
        """Note events of the group that can't be used: organization, key, and when to tell of it."""
        await self._connection.execute(NOTE, [list(column) for column in zip(*faulty, strict=True)])

    async def commit(self, count: int) -> None:
        """Commit the group and count its arrivals, durably.

        CommitUnknownError when nobody can tell whether it happened; the lane is lost then.
        """
        last = self._last + count
        try:
            await self._connection.execute(
                b"UPDATE writer_lanes SET last = %d WHERE lane = %d; COMMIT" % (last, self.number)
            )
        except psycopg.Error as error:
            if self._connection.info.transaction_status == TransactionStatus.INERROR:
                raise  # the server says that the transaction has failed
            self.lost = True
            raise CommitUnknownError from error
        self._last = last

    async def rollback(self) -> None:
        """End the group's transaction without a trace; a connection that can't is lost."""
        if self._connection.info.transaction_status != TransactionStatus.IDLE:
            with contextlib.suppress(psycopg.Error):
                await self._connection.execute("ROLLBACK")
        if self._connection.info.transaction_status != TransactionStatus.IDLE:
            self.lost = True

    async def was_stored(self, key: str, seq: int, lost: Lane) -> bool | None:
        """Whether a lost lane stored the event in the end; None as long as its session hasn't ended."""
        if await self._holds(lost):
            return None
        cursor = await self._connection.execute("SELECT 1 FROM events WHERE key = %s AND seq = %s", [key, seq])
        return await cursor.fetchone() is not None

    async def _holds(self, lost: Lane) -> bool:
        """Whether the session of a lost lane lives on; its lock goes when its last transaction has ended."""
        cursor = await self._connection.execute(HELD_LANES, [LOCK_CLASS])
        return (lost.number, lost.pid) in await cursor.fetchall()


async def _next(cursor: psycopg.AsyncCursor[Any]) -> None:
    more = cursor.nextset()
    assert more, "a statement without a result"


async def _lock_free_lane(connection: psycopg.AsyncConnection[Any]) -> int:
    cursor = await connection.execute(HELD_LANES, [LOCK_CLASS])
    held = {row[0] for row in await cursor.fetchall()}
    for number in range(LANES):
        if number in held:
            continue
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_CLASS, number])
        row = await cursor.fetchone()
        if row is not None and row[0]:
            return number
    raise RuntimeError("every lane is held by a writer")
