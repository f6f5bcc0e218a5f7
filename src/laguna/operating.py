"""What whoever runs the server asks it: is it ready, and how is it doing."""

from __future__ import annotations

import asyncio
import hmac

import structlog
from fastapi import APIRouter, Request, Response
from prometheus_client.core import Metric
from sqlalchemy import text

from laguna.ingestion.writer import Writer
from laguna.kernel import monitoring
from laguna.kernel.clock import system_now
from laguna.kernel.db import Database
from laguna.kernel.errors import unauthorized
from laguna.kernel.outputs import error_response, json_response

ANSWER_SECONDS = 2  # a database that takes longer counts as unreachable
STUCK_SECONDS = 5  # half of what a request with events waits before it is told to come again

log = structlog.get_logger()
router = APIRouter(tags=["server"])


@router.get("/ready")
async def ready(request: Request) -> Response:
    """200 when requests may be sent to this process; 503 while it stops, when its database doesn't answer, and when
    its writer stores no events though some wait."""
    obstacle = await _obstacle(request)
    if obstacle is not None:
        return error_response(503, {"status": obstacle})
    return json_response(b'{"status":"ok"}')


async def _obstacle(request: Request) -> str | None:
    if request.app.state.draining:
        return "shutting down"
    writer: Writer = request.app.state.writer
    if writer.stuck_for_seconds > STUCK_SECONDS:
        return "events can't be stored"
    database: Database = request.app.state.database
    try:
        async with asyncio.timeout(ANSWER_SECONDS), database.session() as session:
            await session.execute(text("SELECT 1"))
    except Exception as error:
        log.warning("not ready", error=str(error).strip() or type(error).__name__)
        return "database unreachable"
    return None


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Figures in Prometheus' text format; with LAGUNA_METRICS_TOKEN set, for its bearer only."""
    token: str | None = request.app.state.metrics_token
    sent = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token is not None and not hmac.compare_digest(sent.encode("utf-8", "surrogatepass"), token.encode()):
        raise unauthorized()
    return Response(monitoring.exposition(await _figures(request)), media_type=monitoring.CONTENT_TYPE)


async def _figures(request: Request) -> list[Metric] | None:
    """What the database tells; None when it doesn't. One reads at a time: many who ask must not keep it busy."""
    database: Database = request.app.state.database
    reading: asyncio.Lock = request.app.state.reading_figures
    try:
        async with asyncio.timeout(ANSWER_SECONDS), reading, database.session() as session:
            return await monitoring.read_figures(session, system_now())
    except Exception as error:
        log.warning("the database's figures can't be read", error=str(error).strip() or type(error).__name__)
        return None
