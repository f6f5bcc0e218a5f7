"""The application as it is, and the floor of a request: a route that checks the key, parses the body and answers."""

from __future__ import annotations

import msgspec
from fastapi import FastAPI, Request, Response

from laguna import app
from laguna.ingestion.routes import WritingRoute, caller_of
from laguna.kernel.inputs import read_body
from laguna.kernel.outputs import json_response
from laguna.kernel.serving import Draining

FLOOR = "/api/v1/parsed"


async def parse(request: Request) -> Response:
    """Does for an event what its route does, except to check and to store it."""
    await caller_of(request)
    msgspec.json.decode(await read_body(request))
    return json_response(b'{"event":{}}')


def create_app(draining: Draining) -> FastAPI:
    application = app.create_app(draining=draining)
    # first, as the routes of events are: what is in front of a route costs
    application.router.routes.insert(0, WritingRoute(FLOOR, parse, methods=["POST"]))
    return application
