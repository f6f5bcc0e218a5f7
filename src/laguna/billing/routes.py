"""Changing `/subscriptions`: what makes documents."""

from __future__ import annotations

from fastapi import Request, Response

from laguna.billing import drafts
from laguna.billing.edit import update_subscription
from laguna.billing.subscribe import create_subscription
from laguna.billing.terminate import end_subscription
from laguna.invoices.reading import invoice_details
from laguna.invoices.schemas import InvoiceReply
from laguna.kernel.errors import Problems
from laguna.kernel.http import Params, Scoped, api_router, body_of, update_route
from laguna.kernel.inputs import read
from laguna.kernel.outputs import reply
from laguna.subscriptions.schemas import (
    SubscriptionDetailReply,
    SubscriptionInput,
    SubscriptionReply,
    SubscriptionUpdateInput,
)
from laguna.subscriptions.service import subscription_detail, subscription_objects

router = api_router("subscriptions")
invoices_router = api_router("invoices")


@router.post(
    "/subscriptions", response_model=SubscriptionReply, openapi_extra=body_of("subscription", SubscriptionInput)
)
async def create(request: Request, context: Scoped) -> Response:
    data, problems = await read(request, "subscription", SubscriptionInput)
    subscription = await create_subscription(context, data, problems)
    return reply("subscription", await subscription_detail(context, subscription))


@update_route(
    router,
    "/subscriptions/{external_id:segment}",
    response_model=SubscriptionDetailReply,
    openapi_extra=body_of("subscription", SubscriptionUpdateInput),
)
async def update(request: Request, context: Scoped, query: Params, external_id: str) -> Response:
    data, problems = await read(request, "subscription", SubscriptionUpdateInput)
    subscription = await update_subscription(context, external_id, query, data, problems)
    return reply("subscription", await subscription_detail(context, subscription), problems.ignored)


@router.delete("/subscriptions/{external_id:segment}", response_model=SubscriptionReply)
async def end(context: Scoped, query: Params, external_id: str) -> Response:
    subscription = await end_subscription(context, external_id, query, Problems())
    return reply("subscription", (await subscription_objects(context, [subscription]))[0])


@update_route(invoices_router, "/invoices/{lago_id:segment}/refresh", response_model=InvoiceReply)
async def refresh(context: Scoped, lago_id: str) -> Response:
    invoice = await drafts.refresh(context, lago_id)
    return reply("invoice", (await invoice_details(context, [invoice]))[0])


@update_route(invoices_router, "/invoices/{lago_id:segment}/finalize", response_model=InvoiceReply)
async def finalize(context: Scoped, lago_id: str) -> Response:
    invoice = await drafts.finalize(context, lago_id)
    return reply("invoice", (await invoice_details(context, [invoice]))[0])
