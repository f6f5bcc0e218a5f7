"""The modules the program is made of: their routes, and by their import their timers, jobs and receivers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from laguna.accounts import admin, logo_routes, test_clock
from laguna.accounts import routes as accounts_routes
from laguna.billing import drafts, endings, override_routes, progressive, repriced, run, trials
from laguna.billing import routes as billing_routes
from laguna.catalog import charge_routes, metadata_routes
from laguna.catalog import routes as catalog_routes
from laguna.customers import routes as customers_routes
from laguna.ingestion import faulty
from laguna.ingestion import routes as ingestion_routes
from laguna.ingestion.writer import Writer
from laguna.invoices import document_routes
from laguna.invoices import routes as invoices_routes
from laguna.kernel.public import serve_at
from laguna.metrics import backfill
from laguna.metrics import routes as metrics_routes
from laguna.settings import Settings
from laguna.subscriptions import routes as subscriptions_routes
from laguna.taxes import routes as taxes_routes
from laguna.webhooks import routes as webhooks_routes
from laguna.webhooks.sender import Sender

FIRST_ROUTES = ingestion_routes.WRITING  # of the most frequent requests
ROUTERS: tuple[APIRouter, ...] = (
    ingestion_routes.router,
    admin.router,
    test_clock.router,
    test_clock.waiting_router,
    accounts_routes.router,
    logo_routes.file_router,
    taxes_routes.router,
    customers_routes.router,
    metrics_routes.router,
    charge_routes.router,
    metadata_routes.router,
    catalog_routes.router,
    subscriptions_routes.router,
    billing_routes.router,
    override_routes.router,
    billing_routes.invoices_router,
    invoices_routes.router,
    document_routes.router,
    document_routes.file_router,
    webhooks_routes.router,
)
JOBS = (backfill.fill_event_values, repriced.reconsider_changes)
TIMERS = (
    run.BILLING,
    trials.TRIALS,
    progressive.PROGRESSIVE,
    endings.ENDINGS,
    endings.ALERTS,
    drafts.REFRESH,
    drafts.FINALIZATION,
    faulty.REPORTS,
)  # and those that the routes' modules register


@asynccontextmanager
async def running(app: FastAPI, configuration: Settings) -> AsyncGenerator[None]:
    """What a process of the API runs beside its requests."""
    serve_at(configuration.reachable_url)
    app.state.max_batch_events = configuration.max_batch_events
    app.state.writer = writer = Writer(app.state.database)
    writer.start()
    sender = Sender(
        app.state.database,
        configuration.reachable_url,
        timeout_seconds=configuration.webhook_timeout_seconds,
        allow_private=configuration.webhook_allow_private,
    )
    sender.start()
    try:
        yield
    finally:
        await writer.stop()
        await sender.stop()
