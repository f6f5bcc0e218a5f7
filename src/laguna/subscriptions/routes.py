"""Reading `/subscriptions`. What changes one makes documents, and is told in `billing/`."""

from __future__ import annotations

from fastapi import Request, Response
from sqlalchemy import Select, select

from laguna.accounts.entities import entity_ids
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems
from laguna.kernel.http import Params, Scoped, api_router, body_of, update_route
from laguna.kernel.inputs import read
from laguna.kernel.outputs import reply, reply_page
from laguna.kernel.queries import Query, paginate, search
from laguna.kernel.rows import find
from laguna.models import Customer, Plan, Subscription
from laguna.subscriptions import service
from laguna.subscriptions.current_usage import current_usage
from laguna.subscriptions.lifetime import LifetimeUsageInput, LifetimeUsageReply, set_historical, show_lifetime
from laguna.subscriptions.projected_objects import ProjectedUsageReply
from laguna.subscriptions.projected_usage import projected_usage
from laguna.subscriptions.schemas import STATUSES, SubscriptionDetailReply
from laguna.subscriptions.usage_objects import CustomerUsageReply

router = api_router("subscriptions")

LATEST_FIRST = [
    Subscription.subscription_at.desc().nulls_last(),
    Subscription.created_at.desc(),
    Subscription.id.desc(),
]


@router.get("/subscriptions")
async def list_subscriptions(context: Scoped, query: Params) -> Response:
    return await _list(context, query, await _filtered(context, query))


@router.get("/customers/{external_id:segment}/subscriptions")
async def list_customer_subscriptions(context: Scoped, query: Params, external_id: str) -> Response:
    customer = await find(context, Customer, "customer", external_id=external_id)
    statement = await _filtered(context, query)
    return await _list(context, query, statement.where(Subscription.customer_id == customer.id))


async def _list(context: Context, query: Query, statement: Select[Subscription]) -> Response:
    subscriptions, meta = await paginate(context.session, statement, query, LATEST_FIRST)
    return reply_page("subscriptions", await service.subscription_objects(context, subscriptions), meta)


async def _filtered(context: Context, query: Query) -> Select[Subscription]:
    """The filters of SUB-2: only active ones unless a status is asked for."""
    problems = Problems()
    statuses = query.choices(["status"], STATUSES, problems) or ["active"]
    problems.check()
    statement = (
        select(Subscription)
        .join(Plan, Plan.id == Subscription.plan_id)
        .join(Customer, Customer.id == Subscription.customer_id)
        .where(Subscription.organization_id == context.organization_id, Subscription.status.in_(statuses))
    )
    if plan_code := query.text("plan_code"):
        statement = statement.where(Plan.code == plan_code)
    if external_customer_id := query.text("external_customer_id"):
        statement = statement.where(Customer.external_id == external_customer_id)
    if external_id := query.text("external_id"):
        statement = statement.where(Subscription.external_id == external_id)
    if currency := query.text("currency"):
        statement = statement.where(Plan.amount_currency == currency.upper())
    if (overridden := query.boolean("overridden", "overriden")) is not None:
        statement = statement.where(Plan.parent_id.is_not(None) == overridden)
    if codes := query.array("billing_entity_codes"):
        ids = await entity_ids(context, codes)
        own = Subscription.billing_entity_id
        statement = statement.where(own.in_(ids) | (own.is_(None) & Customer.billing_entity_id.in_(ids)))
    if term := query.text("search_term"):
        statement = statement.where(
            search(
                term,
                Subscription.id,
                Subscription.name,
                Subscription.external_id,
                Plan.name,
                Plan.code,
                Customer.name,
                Customer.firstname,
                Customer.lastname,
                Customer.external_id,
                Customer.email,
            )
        )
    return statement


@router.get("/customers/{external_id:segment}/current_usage", response_model=CustomerUsageReply)
async def show_current_usage(context: Scoped, query: Params, external_id: str) -> Response:
    return reply("customer_usage", await current_usage(context, external_id, query))


@router.get("/customers/{external_id:segment}/projected_usage", response_model=ProjectedUsageReply)
async def show_projected_usage(context: Scoped, query: Params, external_id: str) -> Response:
    return reply("customer_projected_usage", await projected_usage(context, external_id, query))


@router.get("/subscriptions/{external_id:segment}/lifetime_usage", response_model=LifetimeUsageReply)
async def show_lifetime_usage(context: Scoped, external_id: str) -> Response:
    return reply("lifetime_usage", await show_lifetime(context, external_id))


@update_route(
    router,
    "/subscriptions/{external_id:segment}/lifetime_usage",
    response_model=LifetimeUsageReply,
    openapi_extra=body_of("lifetime_usage", LifetimeUsageInput),
)
async def update_lifetime_usage(request: Request, context: Scoped, external_id: str) -> Response:
    data, problems = await read(request, "lifetime_usage", LifetimeUsageInput)
    return reply("lifetime_usage", await set_historical(context, external_id, data, problems))


@router.get("/subscriptions/{external_id:segment}", response_model=SubscriptionDetailReply)
async def show_subscription(context: Scoped, query: Params, external_id: str) -> Response:
    subscription = await service.find_subscription(context, external_id, query.text("status"))
    return reply("subscription", await service.subscription_detail(context, subscription))
