"""`/events`. The two that write are the hot path: no Pydantic, and no transaction of their own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from fastapi import Request, Response
from fastapi.routing import APIRoute

from laguna.accounts.auth import hash_of, key_of
from laguna.ingestion import reading
from laguna.ingestion.decoding import Event, InvalidEventsError, decode_batch, decode_event
from laguna.ingestion.hints import Keys
from laguna.ingestion.refusals import with_failures
from laguna.ingestion.rendering import stored_json
from laguna.ingestion.schemas import EventInput, EventReply, EventsReply
from laguna.ingestion.writer import Writer
from laguna.kernel import clock
from laguna.kernel.errors import ApiError
from laguna.kernel.http import Params, Scoped, api_router, body_of
from laguna.kernel.inputs import read_body
from laguna.kernel.outputs import json_response

router = api_router("events")


class WritingRoute(APIRoute):
    """Hands the request to the endpoint as it is: the writer's transaction looks at the key."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.endpoint


class Caller(NamedTuple):
    """Whose key the request has. A remembered one may have stopped being valid; else it was looked up just now."""

    key_hash: bytes
    organization_id: UUID
    is_remembered: bool


async def caller_of(request: Request) -> Caller:
    """401 without a key that is, or was a while ago, valid."""
    keys: Keys = request.app.state.writer.keys
    key_hash = hash_of(key_of(request.headers.get("authorization")))
    remembered = keys.remembered(key_hash)
    return Caller(key_hash, remembered or await keys.look_up(key_hash, clock.system_now()), remembered is not None)


async def _store(request: Request, decode: Callable[[bytes], list[Event]], *, batch: bool) -> bytes:
    """Check, store, and answer the objects. A key that stopped being valid gets 401, whatever else is wrong."""
    writer: Writer = request.app.state.writer
    key_hash, organization_id, is_remembered = await caller_of(request)
    try:
        body = await read_body(request)
        async with writer.turn(batch=batch):
            events = decode(body)
        return await writer.write(organization_id, key_hash, events, batch=batch, size=len(body))
    except ApiError as error:
        if is_remembered and error.status not in (401, 503):
            await writer.keys.look_up(key_hash, clock.system_now())
        if isinstance(error, InvalidEventsError):
            raise await with_failures(request.app.state.database, organization_id, error) from None
        raise


async def create_event(request: Request) -> Response:
    """Store one event. Sent again, it is refused: `transaction_id: ["value_already_exist"]`."""
    event = await _store(request, lambda body: [decode_event(body)], batch=False)
    return json_response(b'{"event":%s}' % event)


async def create_events(request: Request) -> Response:
    """Store up to 100 events, all of them or none."""
    events_max: int = request.app.state.max_batch_events
    events = await _store(request, lambda body: decode_batch(body, events_max), batch=True)
    return json_response(b'{"events":[%s]}' % events)


def _batch_body() -> dict[str, Any]:
    extra = body_of("events", EventInput)
    schema = extra["requestBody"]["content"]["application/json"]["schema"]
    schema["properties"]["events"] = {"type": "array", "items": schema["properties"]["events"]}
    return extra


# Not in the router: at the top of the application, in front of all others, a request finds them without a search.
WRITING = (
    WritingRoute(
        "/api/v1/events/batch",
        create_events,
        methods=["POST"],
        response_model=EventsReply,
        openapi_extra=_batch_body(),
        tags=["events"],
    ),
    WritingRoute(
        "/api/v1/events",
        create_event,
        methods=["POST"],
        response_model=EventReply,
        openapi_extra=body_of("event", EventInput),
        tags=["events"],
    ),
)


@router.get("/events")
async def list_events(context: Scoped, query: Params) -> Response:
    rows, meta = await reading.list_events(context, query)
    events = b",".join(map(stored_json, rows))
    return json_response(b'{"events":[%s],"meta":%s}' % (events, msgspec.json.encode(meta.model_dump())))


@router.get("/events/{transaction_id:rest}", response_model=EventReply)
async def show_event(context: Scoped, transaction_id: str) -> Response:
    return json_response(b'{"event":%s}' % stored_json(await reading.find_event(context, transaction_id)))
