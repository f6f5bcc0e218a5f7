"""`/subscriptions/:external_id/charges` and the filters below them: what a subscription has otherwise than its plan."""

from __future__ import annotations

from fastapi import Request, Response

from laguna.billing.overrides import overriding
from laguna.catalog import charge_service as charges
from laguna.catalog.charge_routes import charge_page, charge_reply, filter_page, filter_reply
from laguna.catalog.overrides import OVERRIDABLE
from laguna.catalog.schemas import ChargeInput, ChargeReply, FilterInput, FilterReply
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems
from laguna.kernel.http import Params, Scoped, api_router, body_of, update_route
from laguna.kernel.inputs import read
from laguna.kernel.queries import Query
from laguna.models import Charge, Plan
from laguna.subscriptions.schemas import STATUSES
from laguna.subscriptions.service import find_subscription

router = api_router("subscriptions")
CHARGES = "/subscriptions/{external_id:segment}/charges"
CHARGE = CHARGES + "/{charge_code:segment}"
FILTERS = CHARGE + "/filters"
FILTER = FILTERS + "/{lago_id:segment}"
CHARGE_BODY = body_of("charge", ChargeInput)
FILTER_BODY = body_of("filter", FilterInput)
TAKEN = "value_already_exists"  # the reference's spelling here


def _status(query: Query) -> str | None:
    problems = Problems()
    status = query.choice("subscription_status", STATUSES, problems)
    problems.check()
    return status


async def _plan(context: Context, query: Query, external_id: str) -> Plan:
    subscription = await find_subscription(context, external_id, _status(query))
    return await context.session.get_one(Plan, subscription.plan_id)


async def _charge(context: Context, query: Query, external_id: str, code: str) -> Charge:
    return await charges.find_charge(context, await _plan(context, query, external_id), code)


@router.get(CHARGES)
async def list_charges(context: Scoped, query: Params, external_id: str) -> Response:
    return await charge_page(context, query, (await _plan(context, query, external_id)).id)


@router.get(CHARGE, response_model=ChargeReply)
async def show_charge(context: Scoped, query: Params, external_id: str, charge_code: str) -> Response:
    return await charge_reply(context, await _charge(context, query, external_id, charge_code))


@update_route(router, CHARGE, response_model=ChargeReply, openapi_extra=CHARGE_BODY)
async def override_charge(
    request: Request, context: Scoped, query: Params, external_id: str, charge_code: str
) -> Response:
    data, problems = await read(request, "charge", ChargeInput)
    async with overriding(context, external_id, _status(query)) as plan:
        charge = await charges.find_charge(context, plan, charge_code)
        await charges.change_charge(context, plan, charge, data, problems, editable=OVERRIDABLE)
    return await charge_reply(context, charge, problems.ignored)


@router.post(FILTERS, response_model=FilterReply, openapi_extra=FILTER_BODY)
async def create_filter(
    request: Request, context: Scoped, query: Params, external_id: str, charge_code: str
) -> Response:
    data, problems = await read(request, "filter", FilterInput)
    async with overriding(context, external_id, _status(query)) as plan:
        charge = await charges.find_charge(context, plan, charge_code)
        row = await charges.create_filter(context, charge, data, problems, taken=TAKEN)
    return await filter_reply(context, charge, row)


@router.get(FILTERS)
async def list_filters(context: Scoped, query: Params, external_id: str, charge_code: str) -> Response:
    return await filter_page(context, query, await _charge(context, query, external_id, charge_code))


@router.get(FILTER, response_model=FilterReply)
async def show_filter(context: Scoped, query: Params, external_id: str, charge_code: str, lago_id: str) -> Response:
    charge = await _charge(context, query, external_id, charge_code)
    return await filter_reply(context, charge, await charges.find_filter(context, charge, lago_id))


@update_route(router, FILTER, response_model=FilterReply, openapi_extra=FILTER_BODY)
async def override_filter(
    request: Request, context: Scoped, query: Params, external_id: str, charge_code: str, lago_id: str
) -> Response:
    data, problems = await read(request, "filter", FilterInput)
    async with overriding(context, external_id, _status(query)) as plan:
        charge = await charges.find_charge(context, plan, charge_code)
        row = await charges.find_filter(context, charge, lago_id)
        await charges.update_filter(context, charge, row, data, problems)
    return await filter_reply(context, charge, row, problems.ignored)


@router.delete(FILTER, response_model=FilterReply)
async def delete_filter(context: Scoped, query: Params, external_id: str, charge_code: str, lago_id: str) -> Response:
    async with overriding(context, external_id, _status(query)) as plan:
        charge = await charges.find_charge(context, plan, charge_code)
        row = await charges.find_filter(context, charge, lago_id)
        await charges.delete_filter(context, row)
    return await filter_reply(context, charge, row)
