"""`/plans/:code/charges` and the filters below them."""

from __future__ import annotations

from fastapi import Request, Response

from laguna.catalog import charge_service as charges
from laguna.catalog.schemas import ChargeInput, ChargeReply, FilterInput, FilterReply
from laguna.catalog.service import charge_objects, find_plan
from laguna.kernel.http import Params, Scoped, api_router, body_of, update_route
from laguna.kernel.inputs import read
from laguna.kernel.outputs import reply, reply_page
from laguna.kernel.queries import newest_first, paginate
from laguna.kernel.rows import living
from laguna.models import Charge, ChargeFilter

router = api_router("plans")
CHARGES = "/plans/{code:segment}/charges"
CHARGE = CHARGES + "/{charge_code:segment}"
FILTERS = CHARGE + "/filters"
FILTER = FILTERS + "/{lago_id:segment}"
CHARGE_BODY = body_of("charge", ChargeInput)
FILTER_BODY = body_of("filter", FilterInput)


async def _answer(context: Scoped, charge: Charge) -> Response:
    return reply("charge", (await charge_objects(context, [charge]))[0])


@router.post(CHARGES, response_model=ChargeReply, openapi_extra=CHARGE_BODY)
async def create_charge(request: Request, context: Scoped, code: str) -> Response:
    data, problems = await read(request, "charge", ChargeInput)
    return await _answer(context, await charges.create_charge(context, code, data, problems))


@router.get(CHARGES)
async def list_charges(context: Scoped, query: Params, code: str) -> Response:
    plan = await find_plan(context, code)
    statement = living(context, Charge, plan_id=plan.id)
    rows, meta = await paginate(context.session, statement, query, newest_first(Charge))
    return reply_page("charges", await charge_objects(context, rows), meta)


@router.get(CHARGE, response_model=ChargeReply)
async def show_charge(context: Scoped, code: str, charge_code: str) -> Response:
    return await _answer(context, await charges.find_charge(context, await find_plan(context, code), charge_code))


@update_route(router, CHARGE, response_model=ChargeReply, openapi_extra=CHARGE_BODY)
async def update_charge(request: Request, context: Scoped, code: str, charge_code: str) -> Response:
    data, problems = await read(request, "charge", ChargeInput)
    return await _answer(context, await charges.update_charge(context, code, charge_code, data, problems))


@router.delete(CHARGE, response_model=ChargeReply)
async def delete_charge(context: Scoped, code: str, charge_code: str) -> Response:
    return await _answer(context, await charges.delete_charge(context, code, charge_code))


@router.post(FILTERS, response_model=FilterReply, openapi_extra=FILTER_BODY)
async def create_filter(request: Request, context: Scoped, code: str, charge_code: str) -> Response:
    data, problems = await read(request, "filter", FilterInput)
    return reply("filter", await charges.create_filter(context, code, charge_code, data, problems))


@router.get(FILTERS)
async def list_filters(context: Scoped, query: Params, code: str, charge_code: str) -> Response:
    charge = await charges.find_charge(context, await find_plan(context, code), charge_code)
    statement = living(context, ChargeFilter, charge_id=charge.id)
    oldest_updated = [ChargeFilter.updated_at, ChargeFilter.id]
    rows, meta = await paginate(context.session, statement, query, oldest_updated)
    return reply_page("filters", await charges.filter_objects(context, charge, rows), meta)


@router.get(FILTER, response_model=FilterReply)
async def show_filter(context: Scoped, code: str, charge_code: str, lago_id: str) -> Response:
    charge = await charges.find_charge(context, await find_plan(context, code), charge_code)
    row = await charges.find_filter(context, charge, lago_id)
    return reply("filter", (await charges.filter_objects(context, charge, [row]))[0])


@update_route(router, FILTER, response_model=FilterReply, openapi_extra=FILTER_BODY)
async def update_filter(request: Request, context: Scoped, code: str, charge_code: str, lago_id: str) -> Response:
    data, problems = await read(request, "filter", FilterInput)
    return reply("filter", await charges.update_filter(context, code, charge_code, lago_id, data, problems))


@router.delete(FILTER, response_model=FilterReply)
async def delete_filter(context: Scoped, code: str, charge_code: str, lago_id: str) -> Response:
    return reply("filter", await charges.delete_filter(context, code, charge_code, lago_id))
