"""What happens because time passes: timers with ranks, run in order, with quarantine for what fails.

A timer is a query for rows with a due instant and a function that does what is due. The live ticker and a test
clock's move call the same `run_due`: earliest instant first, at equal instants lowest rank first (spec 2 CLK-40 to
42), each page of items in one transaction. A page that fails is retried by halves, groups of items together as long as
possible, down to the one item that is to blame, which is kept with its error and left out until its next try.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.kernel import monitoring
from laguna.kernel.clock import system_now
from laguna.kernel.context import Context, context_of
from laguna.kernel.db import Database, is_repeatable, is_unreachable

log = structlog.get_logger()

LIVE_WAITS_SECONDS = (60, 300, 900, 3600)
SANDBOX_WAITS_SECONDS = (0, 0, 3600)
ERROR_MAX = 4000

Run = Callable[[Context, datetime, Sequence[UUID]], Awaitable[None]]
Group = Sequence[UUID]


@dataclass(frozen=True, slots=True)
class Timer:
    """`due` selects organization_id, due_at and item_id of everything that waits for an instant.

    `run(context, due_at, item_ids)` does it; it locks what it reads and checks that it is still due, since another
    worker, or a request, may have been there first.

    `group` names a column of `due`: items with the same value are done in one page, whatever its size.
    """

    name: str
    rank: int
    due: str
    run: Run
    page_size: int = 500
    group: str = "item_id"


_timers: dict[str, Timer] = {}


def register(timer: Timer) -> Timer:
    assert timer.name not in _timers, timer.name
    _timers[timer.name] = timer
    return timer


@dataclass(frozen=True, slots=True)
class Due:
    """The earliest thing to do of one organization."""

    organization_id: UUID
    due_at: datetime
    timer: Timer


def everything_waiting() -> str:
    """SQL of what all registered timers wait for, due or not: timer, rank, organization_id, due_at, item_id."""
    return " UNION ALL ".join(
        f"SELECT '{timer.name}' AS timer, {timer.rank} AS rank, organization_id, due_at, item_id"
        f" FROM ({timer.due}) AS due"
        for timer in _timers.values()
    )


def _everything_due(real_now: str = ":real_now") -> str:
    """All registered timers' waiting items, without those in quarantine."""
    return f"""
        SELECT every.* FROM ({everything_waiting()}) AS every
        WHERE NOT EXISTS (
            SELECT FROM timer_failures AS failure
            WHERE failure.timer = every.timer AND failure.item_id = every.item_id AND failure.retry_at > {real_now})
    """


async def _due(session: AsyncSession, query: TextClause, **parameters: Any) -> list[Due]:
    rows = await session.execute(query, {"real_now": system_now(), **parameters})
    return [Due(row.organization_id, row.due_at, _timers[row.timer]) for row in rows]


async def due_live(session: AsyncSession, until: datetime) -> list[Due]:
    """The earliest due thing of each live organization, in one statement."""
    query = f"""
        SELECT DISTINCT ON (waiting.organization_id) waiting.organization_id, waiting.due_at, waiting.timer
        FROM ({_everything_due()}) AS waiting
        WHERE waiting.due_at <= :until AND EXISTS (
            SELECT FROM organizations AS o WHERE o.id = waiting.organization_id AND o.test_clock IS NULL)
        ORDER BY waiting.organization_id, waiting.due_at, waiting.rank
    """
    return await _due(session, text(query), until=until)


async def due_in_sandboxes(session: AsyncSession) -> list[Due]:
    """The earliest thing of each sandbox that is due by where its test clock stands, and whose clock rests."""
    query = f"""
        SELECT o.id AS organization_id, earliest.due_at, earliest.timer
        FROM organizations AS o CROSS JOIN LATERAL (
            SELECT waiting.due_at, waiting.timer FROM ({_everything_due()}) AS waiting
            WHERE waiting.organization_id = o.id AND waiting.due_at <= o.test_clock
            ORDER BY waiting.due_at, waiting.rank LIMIT 1) AS earliest
        WHERE o.test_clock IS NOT NULL AND o.clock_target IS NULL
    """
    return await _due(session, text(query))


async def due_in(session: AsyncSession, organization_id: UUID, until: datetime) -> Due | None:
    """The earliest due thing of one organization."""
    query = f"""
        SELECT waiting.organization_id, waiting.due_at, waiting.timer FROM ({_everything_due()}) AS waiting
        WHERE waiting.organization_id = :organization_id AND waiting.due_at <= :until
        ORDER BY waiting.due_at, waiting.rank LIMIT 1
    """
    found = await _due(session, text(query), organization_id=organization_id, until=until)
    return found[0] if found else None


async def count_due(session: AsyncSession, organization_id: UUID, until: datetime) -> int:
    """How many items of one organization are due and not in quarantine."""
    query = text(
        f"""
        SELECT count(*) FROM ({_everything_due()}) AS waiting
        WHERE waiting.organization_id = :organization_id AND waiting.due_at <= :until
        """
    )
    parameters = {"organization_id": organization_id, "until": until, "real_now": system_now()}
    return (await session.execute(query, parameters)).scalar_one()


async def _groups(session: AsyncSession, due: Due) -> list[Group]:
    """A page of what is due, by groups."""
    query = text(
        f"""
        SELECT waiting.{due.timer.group} AS group_id, waiting.item_id FROM ({due.timer.due}) AS waiting
        WHERE waiting.organization_id = :organization_id AND waiting.due_at = :due_at
          AND NOT EXISTS (
            SELECT FROM timer_failures AS failure
            WHERE failure.timer = :timer AND failure.item_id = waiting.item_id AND failure.retry_at > :real_now)
        ORDER BY group_id FETCH FIRST :page_size ROWS WITH TIES
        """
    )
    parameters = {
        "organization_id": due.organization_id,
        "due_at": due.due_at,
        "timer": due.timer.name,
        "real_now": system_now(),
        "page_size": due.timer.page_size,
    }
    groups: dict[UUID, list[UUID]] = {}
    for group_id, item_id in await session.execute(query, parameters):
        groups.setdefault(group_id, []).append(item_id)
    return [sorted(group) for group in groups.values()]


def _lateness() -> str:
    return f"""
        SELECT waiting.timer, extract(epoch FROM CAST(:now AS timestamptz) - min(waiting.due_at))
        FROM ({_everything_due(":now")}) AS waiting
        WHERE waiting.due_at <= :now AND EXISTS (
            SELECT FROM organizations AS o WHERE o.id = waiting.organization_id AND o.test_clock IS NULL)
        GROUP BY waiting.timer
    """


monitoring.register(
    monitoring.Figure(
        name="laguna_timer_late_seconds",
        meaning="How late the earliest thing is that is due in a live organization, those in quarantine left out.",
        labels=("timer",),
        query=_lateness,
        known=lambda: [(name,) for name in _timers],
    )
)
monitoring.register(
    monitoring.Figure(
        name="laguna_timer_quarantined",
        meaning="What timers failed to do and have not done since; `clock` is live or test.",
        labels=("timer", "clock"),
        query=lambda: (
            """
            SELECT failure.timer, CASE WHEN o.test_clock IS NULL THEN 'live' ELSE 'test' END AS clock, count(*)
            FROM timer_failures AS failure JOIN organizations AS o ON o.id = failure.organization_id
            GROUP BY failure.timer, clock
        """
        ),
        known=lambda: [(name, clock) for name in _timers for clock in ("live", "test")],
    )
)


async def run_page(database: Database, due: Due) -> None:
    """Do one page of what is due, by halves where it fails."""
    async with database.session() as session:
        groups = await _groups(session, due)
    if groups:
        await _attempt(database, due, groups)


async def _attempt(database: Database, due: Due, groups: Sequence[Group], tries: int = 3) -> None:
    items = [item for group in groups for item in group]
    try:
        async with database.session() as session:
            await due.timer.run(await context_of(session, due.organization_id), due.due_at, items)
            await session.execute(
                text("DELETE FROM timer_failures WHERE timer = :timer AND item_id = ANY(:items)"),
                {"timer": due.timer.name, "items": items},
            )
    except Exception as error:
        if is_unreachable(error):
            raise
        if is_repeatable(error) and tries > 1:
            await _attempt(database, due, groups, tries - 1)
        elif len(items) > 1:
            parts = groups if len(groups) > 1 else [[item] for item in items]
            middle = len(parts) // 2
            await _attempt(database, due, parts[:middle])
            await _attempt(database, due, parts[middle:])
        else:
            await _quarantine(database, due, items[0], error)


async def _quarantine(database: Database, due: Due, item_id: UUID, error: Exception) -> None:
    """Keep the error of an item and when to try it again; the rest goes on without it."""
    log.error("timer failed", timer=due.timer.name, item=str(item_id), due_at=str(due.due_at), exc_info=error)
    async with database.session() as session:
        context = await context_of(session, due.organization_id)
        waits = SANDBOX_WAITS_SECONDS if context.sandbox else LIVE_WAITS_SECONDS
        known = text("SELECT attempts FROM timer_failures WHERE timer = :timer AND item_id = :item_id")
        key = {"timer": due.timer.name, "item_id": item_id}
        attempts: int = (await session.execute(known, key)).scalar() or 0
        failed_at = system_now()
        retry_at = failed_at + timedelta(seconds=waits[min(attempts, len(waits) - 1)])
        await session.execute(
            text(
                """
                INSERT INTO timer_failures (timer, item_id, organization_id, error, attempts, failed_at, retry_at)
                VALUES (:timer, :item_id, :organization_id, :error, 1, :failed_at, :retry_at)
                ON CONFLICT (timer, item_id) DO UPDATE SET
                    error = excluded.error, attempts = timer_failures.attempts + 1,
                    failed_at = excluded.failed_at, retry_at = excluded.retry_at
                """
            ),
            {
                **key,
                "organization_id": due.organization_id,
                "error": f"{type(error).__name__}: {error}"[:ERROR_MAX].replace("\x00", ""),
                "failed_at": failed_at,
                "retry_at": retry_at,
            },
        )


async def run_due(database: Database, organization_id: UUID, until: datetime) -> None:
    """Do everything of one organization that is due by `until`, in order."""
    while True:
        async with database.session() as session:
            due = await due_in(session, organization_id, until)
        if due is None:
            return
        await run_page(database, due)


async def run_live(database: Database, stop: asyncio.Event | None = None) -> None:
    """One tick of the live clock: everything due by now, of all live organizations. No new page once `stop` is set."""
    await _run_found(database, lambda session: due_live(session, system_now()), stop)


async def run_sandboxes(database: Database, stop: asyncio.Event | None = None) -> None:
    """What became due in sandboxes without a move of their clocks, by a change of a time zone for example."""
    await _run_found(database, due_in_sandboxes, stop)


async def _run_found(
    database: Database, find: Callable[[AsyncSession], Awaitable[list[Due]]], stop: asyncio.Event | None
) -> None:
    while True:
        async with database.session() as session:
            found = await find(session)
        if not found:
            return
        for due in found:
            if stop is not None and stop.is_set():
                return
            await run_page(database, due)
