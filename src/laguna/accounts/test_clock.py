"""The test clock of a sandbox: reading it, and moving it forward so that everything due happens in order.

A move is stored as a target first, so that it survives a crash; the worker makes it, instant by instant.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy import select, text

from laguna.accounts.auth import open_context
from laguna.kernel import jobs, timers
from laguna.kernel.context import Context
from laguna.kernel.db import Database
from laguna.kernel.errors import Problems, forbidden
from laguna.kernel.http import Scoped, api_router, body_of
from laguna.kernel.inputs import Input, InstantField, read
from laguna.kernel.outputs import Instant, Output, reply
from laguna.models import Organization

CHANNEL = "laguna_clock"
ANSWER_SECONDS = 30
_POLL_SECONDS = 0.005
_POLL_MAX_SECONDS = 0.1

router = api_router("test clock")
waiting_router = APIRouter(prefix="/api/v1", tags=["test clock"])


class TestClockInput(Input):
    __test__ = False
    now: InstantField = None


class TestClockObject(Output):
    __test__ = False
    now: Instant
    status: str
    pending_jobs: int


class TestClockReply(Output):
    __test__ = False
    test_clock: TestClockObject


def _only_sandboxes(context: Context) -> None:
    if not context.sandbox:
        raise forbidden("sandbox_only")


async def read_clock(context: Context) -> TestClockObject:
    """`pending_jobs`: queued and running jobs, and timers due by now; failed ones don't count."""
    _only_sandboxes(context)
    target = await context.session.scalar(
        select(Organization.clock_target).where(Organization.id == context.organization_id)
    )
    due = await timers.count_due(context.session, context.organization_id, context.now)
    if due and target is None:
        await wake(context)
    return TestClockObject(
        now=context.now,
        status="ready" if target is None else "advancing",
        pending_jobs=await jobs.pending(context) + due,
    )


async def wake(context: Context) -> None:
    """Tell the worker, at commit, that the organization has something due."""
    await context.session.execute(
        text("SELECT pg_notify(:channel, :id)"), {"channel": CHANNEL, "id": str(context.organization_id)}
    )


async def set_target(context: Context, data: TestClockInput, problems: Problems) -> None:
    """Store where the clock shall go; refused while it is on its way, or backwards (equal is fine)."""
    _only_sandboxes(context)
    organization = await context.session.get_one(Organization, context.organization_id, with_for_update=True)
    assert organization.test_clock is not None
    if organization.clock_target is not None:
        problems.fail("now", "clock_is_advancing")
    if "now" not in problems and (data.now is None or data.now < organization.test_clock):
        problems.add("now", "invalid_date")
    problems.check()
    organization.clock_target = data.now
    await wake(context)


@router.get("/test_clock", response_model=TestClockReply)
async def show_test_clock(context: Scoped) -> Response:
    return reply("test_clock", await read_clock(context))


@waiting_router.put("/test_clock", response_model=TestClockReply, openapi_extra=body_of("test_clock", TestClockInput))
async def move_test_clock(request: Request) -> Response:
    """Answers when all is done, or after 30 s with status `advancing`. Its own transactions: the worker must see
    the target, and this request what the worker did."""
    async with open_context(request) as context:
        _only_sandboxes(context)
        data, problems = await read(request, "test_clock", TestClockInput)
        await set_target(context, data, problems)
        organization_id = context.organization_id
    await _arrival(request.app.state.database, organization_id)
    async with open_context(request) as context:
        return reply("test_clock", await read_clock(context))


async def _arrival(database: Database, organization_id: UUID) -> None:
    """Wait until the clock rests again, at most as long as a request may take."""
    pause = _POLL_SECONDS
    query = select(Organization.clock_target).where(Organization.id == organization_id)
    deadline = asyncio.get_running_loop().time() + ANSWER_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(pause)
        async with database.session() as session:
            if await session.scalar(query) is None:
                return
        pause = min(pause * 1.5, _POLL_MAX_SECONDS)


async def move(database: Database, organization_id: UUID) -> None:
    """Make the stored move: drain the jobs of the present, then do what is due next, and so on up to the target.

    May run again after a crash, or in two workers at once: each step is safe to repeat.
    """
    while True:
        await _drain_jobs(database, organization_id)
        async with database.session() as session:
            organization = await session.get_one(Organization, organization_id, with_for_update=True)
            target = organization.clock_target
            if target is None:
                return
            assert organization.test_clock is not None
            due = await timers.due_in(session, organization_id, target)
            if due is None:
                organization.test_clock, organization.clock_target = target, None
                return
            organization.test_clock = max(organization.test_clock, due.due_at)
        await timers.run_page(database, due)


async def _drain_jobs(database: Database, organization_id: UUID) -> None:
    """Wait until the organization has no queued or running job; the worker runs them meanwhile."""
    pause = _POLL_SECONDS
    while True:
        async with database.session() as session:
            parameters = {"organization_id": str(organization_id)}
            if not (await session.execute(jobs.PENDING, parameters)).scalar_one():
                return
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _POLL_MAX_SECONDS)


async def advancing(database: Database) -> list[UUID]:
    """Organizations whose clock is on its way."""
    async with database.session() as session:
        query = select(Organization.id).where(Organization.clock_target.is_not(None))
        return list((await session.scalars(query)).all())
