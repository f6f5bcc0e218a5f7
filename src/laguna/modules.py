"""The modules the program is made of: their routes, and by their import their timers, jobs and receivers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from laguna.accounts import admin, test_clock
from laguna.accounts import routes as accounts_routes
from laguna.settings import Settings
from laguna.taxes import routes as taxes_routes

ROUTERS: tuple[APIRouter, ...] = (
    admin.router,
    test_clock.router,
    test_clock.waiting_router,
    accounts_routes.router,
    taxes_routes.router,
)


@asynccontextmanager
async def running(app: FastAPI, configuration: Settings) -> AsyncIterator[None]:
    """What a process of the API runs beside its requests."""
    yield
