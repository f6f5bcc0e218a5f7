"""The HTTP server: one FastAPI application made of the modules' routers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Response
from sqlalchemy import text

from laguna import modules, operating
from laguna.accounts.auth import open_context
from laguna.kernel import monitoring
from laguna.kernel.db import Database
from laguna.kernel.http import RawPath, RequestLog, install_error_handlers, install_schemas
from laguna.kernel.logs import configure_logs
from laguna.kernel.outputs import error_response, json_response, to_json
from laguna.kernel.serving import Draining
from laguna.settings import Settings, settings


def create_app(configuration: Settings | None = None, draining: Draining | None = None) -> FastAPI:
    """The application. Its pools are made when it starts, never before a fork."""
    configuration = configuration or settings()
    assert configuration.database_url, "the API needs a database"
    configure_logs(configuration.log_format, configuration.log_level)
    database_url = configuration.database_url

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        app.state.database = Database(database_url, configuration.pool_size)
        app.state.reading_figures = asyncio.Lock()
        monitoring.observe_pool(app.state.database.engine, configuration.pool_size)
        monitoring.observe_build(app.version)
        async with modules.running(app, configuration):
            yield
        await app.state.database.close()

    app = FastAPI(title="Laguna", version=version("laguna"), lifespan=lifespan, redirect_slashes=False)
    app.state.open_context = open_context
    admin_key = configuration.admin_api_key
    app.state.admin_api_key = admin_key.get_secret_value() if admin_key else None
    app.state.public_url = configuration.reachable_url
    app.state.max_body_bytes = configuration.max_body_bytes
    app.state.draining = Draining() if draining is None else draining
    metrics_token = configuration.metrics_token
    app.state.metrics_token = metrics_token.get_secret_value() if metrics_token else None

    @app.get("/health", tags=["server"])
    async def health() -> Response:
        """200 when the server can serve, 500 when its database can't be reached."""
        try:
            async with app.state.database.session() as session:
                await session.execute(text("SELECT 1"))
        except Exception as error:
            body = {"version": app.version, "github_url": None, "message": "Unhealthy", "details": type(error).__name__}
            return error_response(500, body)
        return json_response(to_json({"version": app.version, "github_url": None, "message": "Success"}))

    app.include_router(operating.router)
    for router in modules.ROUTERS:
        app.include_router(router)
    app.router.routes[:0] = modules.FIRST_ROUTES
    install_error_handlers(app)
    install_schemas(app)
    app.add_middleware(RawPath)
    app.add_middleware(RequestLog)
    return app
