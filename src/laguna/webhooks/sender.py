"""Sends the outbox (spec 0 §18): many endpoints at once, in order per endpoint and object, one slow one delays nobody.

A delivery is claimed with a lease, sent outside any transaction, and its outcome written. A sender that is killed
leaves leases that run out, so a message may arrive twice but never not at all; `X-Lago-Unique-Key` tells it apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpcore
import structlog
from sqlalchemy import text

from laguna.kernel import monitoring
from laguna.kernel.clock import system_now
from laguna.kernel.db import Database, connect
from laguna.webhooks.guard import GuardedBackend
from laguna.webhooks.outbox import CHANNEL
from laguna.webhooks.service import signer
from laguna.webhooks.signing import Signer, hmac_signature

log = structlog.get_logger()

AT_ONCE = 64
AT_ONCE_PER_ENDPOINT = 8
POLL_SECONDS = 1.0
GATHER_SECONDS = 0.02
RESPONSE_READ_MAX = 64 * 1024
RESPONSE_KEPT_MAX = 4_000
SUCCESS = frozenset({200, 201, 202, 204})

CLAIM = text(
    """
    UPDATE webhook_deliveries AS delivery
    SET leased_until = :leased_until, attempts = delivery.attempts + 1, last_attempt_at = :now
    FROM webhook_endpoints AS endpoint, webhook_messages AS message, organizations AS organization
    WHERE endpoint.id = delivery.endpoint_id AND message.id = delivery.message_id
      AND organization.id = delivery.organization_id
      AND delivery.id IN (
        SELECT head.id FROM webhook_endpoints AS sought CROSS JOIN LATERAL (
            SELECT due.id, due.next_attempt_at FROM webhook_deliveries AS due
            WHERE due.endpoint_id = sought.id AND due.next_attempt_at <= :now
              AND (due.leased_until IS NULL OR due.leased_until <= :now)
              AND NOT EXISTS (
                SELECT FROM webhook_deliveries AS earlier
                WHERE earlier.endpoint_id = due.endpoint_id AND earlier.object_id = due.object_id
                  AND earlier.next_attempt_at IS NOT NULL AND earlier.id < due.id)
            ORDER BY due.next_attempt_at, due.id LIMIT :per_endpoint FOR UPDATE SKIP LOCKED) AS head
        WHERE sought.id <> ALL(CAST(:busy AS uuid[])) ORDER BY head.next_attempt_at, head.id LIMIT :free)
    RETURNING delivery.id, delivery.endpoint_id, delivery.object_id, delivery.attempts, delivery.expires_at,
        message.payload, endpoint.webhook_url, endpoint.signature_algo, organization.hmac_key
    """
)
# an outcome counts only while its lease does: one that ran out belongs to another sender by now
RECORD = text(
    """
    UPDATE webhook_deliveries AS delivery
    SET status = outcome.status, http_status = outcome.http_status, response = outcome.response,
        next_attempt_at = outcome.next_attempt_at, leased_until = NULL
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:attempts AS int[]), CAST(:statuses AS text[]), CAST(:http_statuses AS int[]),
        CAST(:responses AS text[]), CAST(:next_attempts AS timestamptz[])
    ) AS outcome (id, attempts, status, http_status, response, next_attempt_at)
    WHERE delivery.id = outcome.id AND delivery.attempts = outcome.attempts AND delivery.leased_until IS NOT NULL
    """
)
# those behind a delivery wait as long as it does, and are not looked at meanwhile
FOLLOW = text(
    """
    UPDATE webhook_deliveries AS follower SET next_attempt_at = head.next_attempt_at
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:endpoint_ids AS uuid[]), CAST(:object_ids AS uuid[]),
        CAST(:next_attempts AS timestamptz[])
    ) AS head (id, endpoint_id, object_id, next_attempt_at)
    WHERE follower.endpoint_id = head.endpoint_id AND follower.object_id = head.object_id
      AND follower.id > head.id AND follower.next_attempt_at IS NOT NULL AND follower.attempts = 0
    """
)

monitoring.register(
    monitoring.Figure(
        name="laguna_webhook_deliveries_open",
        meaning="Deliveries not done with: pending ones were never attempted, retrying ones have failed so far.",
        labels=("state",),
        query=lambda: (
            """
            SELECT status, count(*) FROM webhook_deliveries WHERE next_attempt_at IS NOT NULL GROUP BY status
        """
        ),
        known=lambda: [("pending",), ("retrying",)],
    )
)
monitoring.register(
    monitoring.Figure(
        name="laguna_webhook_oldest_seconds",
        meaning="The age of the oldest open delivery.",
        labels=("state",),
        query=lambda: (
            """
            SELECT status, extract(epoch FROM CAST(:now AS timestamptz) - min(queued_at))
            FROM webhook_deliveries WHERE next_attempt_at IS NOT NULL GROUP BY status
        """
        ),
        known=lambda: [("pending",), ("retrying",)],
    )
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery to attempt now."""

    id: UUID
    endpoint_id: UUID
    object_id: UUID
    attempts: int
    expires_at: datetime
    payload: str
    webhook_url: str
    signature_algo: str
    hmac_key: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt; `next_attempt_at` null where nothing more is to be done."""

    claimed: Claimed
    status: str
    http_status: int | None
    response: str
    next_attempt_at: datetime | None


def wait_after(failures: int, luck: float) -> timedelta:
    """The pause after failure number n: n⁴ + 2 seconds, and up to 15 % of n⁴ more by `luck` in [0, 1]."""
    return timedelta(seconds=failures**4 * (1 + 0.15 * luck) + 2)


class Sender:
    """One of a process; several share the outbox."""

    def __init__(
        self, database: Database, issuer: str, *, timeout_seconds: float = 30, allow_private: bool = False
    ) -> None:
        self._database = database
        self._issuer = issuer
        self._timeout_seconds = timeout_seconds
        self._lease = timedelta(seconds=3 * timeout_seconds + 5)
        self._allow_private = allow_private
        self._sending: dict[asyncio.Task[Outcome], Claimed] = {}
        self._signer: Signer | None = None
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._listen())]

    async def stop(self) -> None:
        """Claim nothing more; let what is under way end, at most as long as an attempt may take."""
        self._stopping.set()
        self._woken.set()
        running, listening = self._tasks
        listening.cancel()
        await asyncio.gather(running, listening, return_exceptions=True)

    async def _listen(self) -> None:
        """Wake up when something is put into the outbox."""
        while True:
            with contextlib.suppress(Exception):
                connection = await connect(self._database.url, autocommit=True)
                async with connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    async for _ in connection.notifies():
                        self._woken.set()
            await asyncio.sleep(POLL_SECONDS)

    async def _run(self) -> None:
        backend = GuardedBackend(allow_private=self._allow_private)
        async with httpcore.AsyncConnectionPool(
            max_connections=AT_ONCE, keepalive_expiry=15, network_backend=backend
        ) as pool:
            while not self._stopping.is_set():
                try:
                    await self._step(pool)
                except Exception:
                    log.exception("webhooks could not be sent; tried again in a moment")
                    await asyncio.sleep(POLL_SECONDS)
            if self._sending:
                await asyncio.wait(self._sending)
                await self._record(self._finished())

    async def _step(self, pool: httpcore.AsyncConnectionPool) -> None:
        """Claim what there is room for, then wait for an outcome or for more to do."""
        self._woken.clear()
        claimed = await self._claim()
        if claimed:
            key = await self._key()
            for item in claimed:
                self._sending[asyncio.create_task(self._attempt(pool, key, item))] = item
        waiting = asyncio.create_task(self._woken.wait())
        pause = 0.0 if claimed and len(self._sending) < AT_ONCE else POLL_SECONDS
        await asyncio.wait([waiting, *self._sending], timeout=pause or 0.001, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._sending:
            await asyncio.wait(self._sending, timeout=GATHER_SECONDS)  # what ends together is recorded together
        await self._record(self._finished())

    async def _key(self) -> Signer:
        """The server's, which never changes; read at first need."""
        if self._signer is None:
            async with self._database.session() as session:
                self._signer = await signer(session, self._issuer)
        return self._signer

    def _finished(self) -> list[Outcome]:
        done = [task for task in self._sending if task.done()]
        for task in done:
            del self._sending[task]
        return [task.result() for task in done]

    async def _claim(self) -> list[Claimed]:
        free = AT_ONCE - len(self._sending)
        if free <= 0:
            return []
        counts = Counter(item.endpoint_id for item in self._sending.values())
        now = system_now()
        parameters = {
            "now": now,
            "leased_until": now + self._lease,
            "per_endpoint": AT_ONCE_PER_ENDPOINT,
            "busy": [endpoint_id for endpoint_id, count in counts.items() if count >= AT_ONCE_PER_ENDPOINT],
            "free": free,
        }
        async with self._database.session() as session:
            return [Claimed(*row) for row in await session.execute(CLAIM, parameters)]

    async def _attempt(self, pool: httpcore.AsyncConnectionPool, key: Signer, item: Claimed) -> Outcome:
        try:
            if item.signature_algo == "hmac":
                signature = hmac_signature(item.hmac_key, item.payload)
            else:
                signature = await asyncio.to_thread(key.jwt, item.payload)
            async with asyncio.timeout(3 * self._timeout_seconds):
                status, answer = await self._post(pool, item, signature)
        except TimeoutError:
            return self._failed(item, None, "the endpoint did not answer in time")
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            return self._failed(item, None, f"{type(error).__name__}: {error}".rstrip(": "))
        except Exception as error:
            log.exception("a webhook could not be sent", delivery=str(item.id))
            return self._failed(item, None, f"{type(error).__name__}: {error}")
        if status in SUCCESS:
            return Outcome(item, "succeeded", status, answer, None)
        return self._failed(item, status, answer)

    async def _post(self, pool: httpcore.AsyncConnectionPool, item: Claimed, signature: str) -> tuple[int, str]:
        """Status and beginning of the answer. Redirects are not followed."""
        headers = [
            (b"Content-Type", b"application/json"),
            (b"User-Agent", b"Laguna"),
            (b"X-Lago-Signature", signature.encode()),
            (b"X-Lago-Signature-Algorithm", item.signature_algo.encode()),
            (b"X-Lago-Unique-Key", str(item.id).encode()),
        ]
        body = item.payload.encode()
        headers.append((b"Content-Length", str(len(body)).encode()))
        url = httpcore.URL(item.webhook_url.encode("ascii", "strict"))
        headers.insert(0, (b"Host", _host(url)))
        seconds = self._timeout_seconds
        timeouts = {"connect": seconds, "read": seconds, "write": seconds, "pool": seconds}
        async with pool.stream("POST", url, headers=headers, content=body, extensions={"timeout": timeouts}) as answer:
            read = b""
            async for chunk in answer.aiter_stream():
                read += chunk
                if len(read) >= RESPONSE_READ_MAX:
                    break
            return answer.status, read[:RESPONSE_KEPT_MAX].decode("utf-8", "replace").replace("\x00", "\ufffd")

    def _failed(self, item: Claimed, http_status: int | None, response: str) -> Outcome:
        next_attempt_at = system_now() + wait_after(item.attempts, random.random())
        if next_attempt_at > item.expires_at:
            return Outcome(item, "failed", http_status, response, None)
        return Outcome(item, "retrying", http_status, response, next_attempt_at)

    async def _record(self, outcomes: Sequence[Outcome]) -> None:
        """Write outcomes in one statement, and move what waits behind them."""
        if not outcomes:
            return
        now = system_now()
        ids = [outcome.claimed.id for outcome in outcomes]
        recorded: dict[str, Any] = {
            "ids": ids,
            "attempts": [outcome.claimed.attempts for outcome in outcomes],
            "statuses": [outcome.status for outcome in outcomes],
            "http_statuses": [outcome.http_status for outcome in outcomes],
            "responses": [outcome.response for outcome in outcomes],
            "next_attempts": [outcome.next_attempt_at for outcome in outcomes],
        }
        followed: dict[str, Any] = {
            "ids": ids,
            "endpoint_ids": [outcome.claimed.endpoint_id for outcome in outcomes],
            "object_ids": [outcome.claimed.object_id for outcome in outcomes],
            "next_attempts": [outcome.next_attempt_at or now for outcome in outcomes],
        }
        async with self._database.session() as session:
            await session.execute(RECORD, recorded)
            await session.execute(FOLLOW, followed)
        for outcome in outcomes:
            monitoring.webhook_attempts.labels(outcome.status).inc()


def _host(url: httpcore.URL) -> bytes:
    """The Host header: with the port where it isn't the scheme's own."""
    default = {b"http": 80, b"https": 443}[url.scheme]
    return url.host if url.port in (None, default) else b"%s:%d" % (url.host, url.port)
