"""`/webhook_endpoints`, `/webhooks/public_key`, and the log of deliveries."""

from __future__ import annotations

from typing import Any, cast

from fastapi import Request, Response
from sqlalchemy import func, select

from laguna.kernel.errors import Problems
from laguna.kernel.http import Params, Scoped, api_router, body_of, update_route
from laguna.kernel.ids import parse_id
from laguna.kernel.inputs import read, read_object
from laguna.kernel.outputs import Output, reply, reply_page
from laguna.kernel.queries import newest_first, page_meta, paginate
from laguna.kernel.rows import find, living
from laguna.models import WebhookDelivery, WebhookEndpoint, WebhookMessage
from laguna.webhooks import service
from laguna.webhooks.schemas import (
    STATUSES,
    DeliveryReply,
    ReplayInput,
    ReplayObject,
    ReplayReply,
    WebhookEndpointInput,
    WebhookEndpointReply,
    delivery_detail,
    delivery_object,
    endpoint_object,
)

router = api_router("webhooks")

ROOT = "webhook_endpoint"


class PublicKeyObject(Output):
    public_key: str


class PublicKeyReply(Output):
    webhook: PublicKeyObject


async def _raw_types(request: Request) -> object:
    """`event_types` as sent: a wrong shape, elsewhere ignored, is an error here (spec 0 §17)."""
    fields = (await read_object(request)).get(ROOT)
    return cast(dict[str, Any], fields).get("event_types") if isinstance(fields, dict) else None


@router.post(
    "/webhook_endpoints", response_model=WebhookEndpointReply, openapi_extra=body_of(ROOT, WebhookEndpointInput)
)
async def create_endpoint(request: Request, context: Scoped) -> Response:
    data, problems = await read(request, ROOT, WebhookEndpointInput)
    endpoint = await service.create_endpoint(context, data, await _raw_types(request), problems)
    return reply(ROOT, endpoint_object(endpoint))


@router.get("/webhook_endpoints")
async def list_endpoints(context: Scoped, query: Params) -> Response:
    statement = living(context, WebhookEndpoint)
    endpoints, meta = await paginate(context.session, statement, query, newest_first(WebhookEndpoint))
    return reply_page("webhook_endpoints", [endpoint_object(endpoint) for endpoint in endpoints], meta)


@router.get("/webhook_endpoints/{lago_id:segment}", response_model=WebhookEndpointReply)
async def show_endpoint(context: Scoped, lago_id: str) -> Response:
    return reply(ROOT, endpoint_object(await find(context, WebhookEndpoint, ROOT, id=parse_id(lago_id))))


@update_route(
    router,
    "/webhook_endpoints/{lago_id:segment}",
    response_model=WebhookEndpointReply,
    openapi_extra=body_of(ROOT, WebhookEndpointInput),
)
async def update_endpoint(request: Request, context: Scoped, lago_id: str) -> Response:
    endpoint = await find(context, WebhookEndpoint, ROOT, id=parse_id(lago_id))
    data, problems = await read(request, ROOT, WebhookEndpointInput)
    await service.update_endpoint(context, endpoint, data, await _raw_types(request), problems)
    return reply(ROOT, endpoint_object(endpoint))


@router.delete("/webhook_endpoints/{lago_id:segment}", response_model=WebhookEndpointReply)
async def delete_endpoint(context: Scoped, lago_id: str) -> Response:
    """Really gone, with its deliveries (spec 0 §14)."""
    endpoint = await find(context, WebhookEndpoint, ROOT, id=parse_id(lago_id))
    answer = reply(ROOT, endpoint_object(endpoint))
    await context.session.delete(endpoint)
    return answer


@router.post("/webhook_endpoints/{lago_id:segment}/replay", response_model=ReplayReply)
async def replay(request: Request, context: Scoped, lago_id: str) -> Response:
    """Send past messages again: body `{"replay": {"from_datetime", "to_datetime", "event_types"}}`."""
    endpoint = await find(context, WebhookEndpoint, ROOT, id=parse_id(lago_id))
    data, problems = await read(request, "replay", ReplayInput)
    problems.check()
    return reply("replay", ReplayObject(deliveries_count=await service.replay(context, endpoint, data)))


@router.get("/webhook_deliveries")
async def list_deliveries(context: Scoped, query: Params) -> Response:
    """The log, newest first; filters `status`, `webhook_type`, `webhook_endpoint_id`, `object_id`."""
    problems = Problems()
    status = query.choice("status", STATUSES, problems)
    problems.check()
    statement = service.deliveries_of(context)
    if status:
        statement = statement.where(WebhookDelivery.status == status)
    if webhook_type := query.text("webhook_type"):
        statement = statement.where(WebhookMessage.webhook_type == webhook_type)
    for name, column in (
        ("webhook_endpoint_id", WebhookDelivery.endpoint_id),
        ("object_id", WebhookDelivery.object_id),
    ):
        if text := query.text(name):
            statement = statement.where(column == parse_id(text))
    total = await context.session.scalar(select(func.count()).select_from(statement.subquery())) or 0
    page, per_page = query.page, query.per_page
    rows = await context.session.execute(
        statement.order_by(WebhookDelivery.id.desc()).limit(per_page).offset((page - 1) * per_page)
    )
    return reply_page(
        "webhook_deliveries",
        [delivery_object(delivery, message) for delivery, message in rows],
        page_meta(page, per_page, total),
    )


@router.get("/webhook_deliveries/{lago_id:segment}", response_model=DeliveryReply)
async def show_delivery(context: Scoped, lago_id: str) -> Response:
    return reply("webhook_delivery", delivery_detail(*await service.find_delivery(context, parse_id(lago_id))))


@router.post("/webhook_deliveries/{lago_id:segment}/retry", response_model=DeliveryReply)
async def retry_delivery(context: Scoped, lago_id: str) -> Response:
    delivery, message = await service.find_delivery(context, parse_id(lago_id))
    await service.retry_delivery(context, delivery)
    return reply("webhook_delivery", delivery_detail(delivery, message))


@router.get("/webhooks/public_key")
async def show_public_key(request: Request, context: Scoped) -> Response:
    """base64 of the PEM, as text."""
    signer = await service.signer(context.session, request.app.state.public_url)
    return Response(signer.public_key, media_type="text/plain")


@router.get("/webhooks/json_public_key", response_model=PublicKeyReply)
async def show_json_public_key(request: Request, context: Scoped) -> Response:
    signer = await service.signer(context.session, request.app.state.public_url)
    return reply("webhook", PublicKeyObject(public_key=signer.public_key))
