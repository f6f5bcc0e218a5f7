"""Coarse work for later, enqueued in the transaction that causes it; run by procrastinate in the worker.

A job may run twice (a worker killed after its commit), so each is safe to repeat. Its `now` is the organization's
present when it runs; it is never scheduled for a business delay, which is a timer's affair.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from procrastinate import App, Blueprint, JobContext, RetryDecision
from procrastinate.jobs import Job
from procrastinate.psycopg_connector import PsycopgConnector
from procrastinate.retry import BaseRetryStrategy
from sqlalchemy import text

from laguna.kernel import monitoring
from laguna.kernel.clock import system_now
from laguna.kernel.context import Context, context_of
from laguna.kernel.db import Database, connection_of

log = structlog.get_logger()

WAITS_SECONDS = (10, 60, 300, 1800, 3600)  # before the second, third, … attempt of a live organization
NAMESPACE = "laguna"

_blueprint = Blueprint()
_deferring = App(connector=PsycopgConnector())  # never opened: a session's connection runs its statements

Work = Callable[..., Awaitable[None]]


class _Retry(BaseRetryStrategy):
    """Growing waits; none for a sandbox, whose clock waits for its jobs, nor for a job that the worker's stop ended."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, asyncio.CancelledError):
            return RetryDecision(retry_at=system_now())
        log.error("job failed", job=job.task_name, arguments=job.task_kwargs, exc_info=exception)
        if job.attempts >= len(WAITS_SECONDS):
            return None
        wait = 0 if job.task_kwargs["sandbox"] else WAITS_SECONDS[job.attempts]
        return RetryDecision(retry_at=system_now() + timedelta(seconds=wait))


def job(name: str) -> Callable[[Work], Work]:
    """Register `work(context, **arguments)` under `name`; arguments are JSON values."""

    def register(work: Work) -> Work:
        @_blueprint.task(name=name, pass_context=True, retry=_Retry())
        async def run(job_context: JobContext, organization_id: str, sandbox: bool, **arguments: Any) -> None:
            database: Database = job_context.additional_context["database"]
            async with database.session() as session:
                await work(await context_of(session, UUID(organization_id)), **arguments)

        return work

    return register


async def enqueue(context: Context, name: str, **arguments: Any) -> None:
    """Enqueue a job in the context's transaction: it exists if and only if that commits."""
    deferrer = _deferring.configure_task(f"{NAMESPACE}:{name}", connection=await connection_of(context.session))
    await deferrer.defer_async(organization_id=str(context.organization_id), sandbox=context.sandbox, **arguments)


PENDING = text(
    """
    SELECT count(*) FROM procrastinate_jobs
    WHERE status IN ('todo', 'doing') AND args ->> 'organization_id' = :organization_id
    """
)


monitoring.register(
    monitoring.Figure(
        name="laguna_jobs",
        meaning="Jobs by state; those that succeeded are gone.",
        labels=("state",),
        query=lambda: (
            """
            SELECT CASE status WHEN 'todo' THEN 'queued' WHEN 'doing' THEN 'running' ELSE 'failed' END, count(*)
            FROM procrastinate_jobs WHERE status IN ('todo', 'doing', 'failed') GROUP BY status
            """
        ),
        known=lambda: [("queued",), ("running",), ("failed",)],
    )
)
monitoring.register(
    monitoring.Figure(
        name="laguna_job_late_seconds",
        meaning="How long the job has waited that could have begun first.",
        labels=(),
        query=lambda: (
            """
            SELECT extract(epoch FROM CAST(:now AS timestamptz) - min(coalesce(job.scheduled_at, deferred.at)))
            FROM procrastinate_jobs AS job
            JOIN procrastinate_events AS deferred ON deferred.job_id = job.id AND deferred.type = 'deferred'
            WHERE job.status = 'todo' AND (job.scheduled_at IS NULL OR job.scheduled_at <= :now)
            """
        ),
        known=lambda: [()],
    )
)


async def pending(context: Context) -> int:
    """Queued and running jobs of the organization; failed ones don't count."""
    parameters = {"organization_id": str(context.organization_id)}
    return (await context.session.execute(PENDING, parameters)).scalar_one()


def worker_app(database: Database) -> App:
    """The app whose worker runs the registered jobs."""
    app = App(
        connector=PsycopgConnector(conninfo=database.url, min_size=1, max_size=6),
        worker_defaults={"additional_context": {"database": database}},
    )
    app.add_tasks_from(_blueprint, namespace=NAMESPACE)
    return app


async def rescue_stalled(app: App, silent_seconds: float = 30) -> int:
    """Queue again what a killed worker left running; how many jobs that were."""
    rescued = 0
    for stalled in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=silent_seconds):
        await app.job_manager.retry_job(stalled)
        rescued += 1
    return rescued
