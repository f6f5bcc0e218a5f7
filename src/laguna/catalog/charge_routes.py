"""`/plans/:code/charges` and the filters below them."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Request, Response

from laguna.catalog import charge_service as charges
from laguna.catalog.charges import EDITABLE_IN_USE
from laguna.catalog.schemas import CascadeInput, ChargeInput, ChargeReply, FilterInput, FilterReply
from laguna.catalog.service import charge_objects, editing, find_plan, is_in_use
from laguna.kernel.errors import Problems
from laguna.kernel.http import Params, Scoped, api_router, body_of, update_route
from laguna.kernel.inputs import parse, read, read_object
from laguna.kernel.outputs import reply, reply_page
from laguna.kernel.queries import Query, newest_first, paginate
from laguna.kernel.rows import living
from laguna.models import Charge, ChargeFilter

router = api_router("plans")
CHARGES = "/plans/{code:segment}/charges"
CHARGE = CHARGES + "/{charge_code:segment}"
FILTERS = CHARGE + "/filters"
FILTER = FILTERS + "/{lago_id:segment}"
CHARGE_BODY = body_of("charge", ChargeInput)
FILTER_BODY = body_of("filter", FilterInput)


async def charge_reply(context: Scoped, charge: Charge, ignored: Sequence[str] = ()) -> Response:
    return reply("charge", (await charge_objects(context, [charge]))[0], ignored)


async def filter_reply(context: Scoped, charge: Charge, row: ChargeFilter, ignored: Sequence[str] = ()) -> Response:
    return reply("filter", (await charges.filter_objects(context, charge, [row]))[0], ignored)


async def charge_page(context: Scoped, query: Query, plan_id: object) -> Response:
    """The charges of a plan, newest first."""
    statement = living(context, Charge, plan_id=plan_id)
    rows, meta = await paginate(context.session, statement, query, newest_first(Charge))
    return reply_page("charges", await charge_objects(context, rows), meta)


async def filter_page(context: Scoped, query: Query, charge: Charge) -> Response:
    """The filters of a charge, oldest updated first."""
    statement = living(context, ChargeFilter, charge_id=charge.id)
    oldest_updated = [ChargeFilter.updated_at, ChargeFilter.id]
    rows, meta = await paginate(context.session, statement, query, oldest_updated)
    return reply_page("filters", await charges.filter_objects(context, charge, rows), meta)


async def _cascades(request: Request, query: Query, root: str) -> bool:
    """Whether a deletion is to be followed by overrides: said in its body, or in the query."""
    body = (await read_object(request)).get(root)
    problems = Problems()
    data = parse(CascadeInput, body if isinstance(body, dict) else {}, problems)
    problems.check()
    return bool(data.cascade_updates or query.boolean("cascade_updates"))


@router.post(CHARGES, response_model=ChargeReply, openapi_extra=CHARGE_BODY)
async def create_charge(request: Request, context: Scoped, code: str) -> Response:
    data, problems = await read(request, "charge", ChargeInput)
    async with editing(context, code, cascade_updates=data.cascade_updates) as plan:
        charge = await charges.create_charge(context, plan, data, problems)
    return await charge_reply(context, charge)


@router.get(CHARGES)
async def list_charges(context: Scoped, query: Params, code: str) -> Response:
    return await charge_page(context, query, (await find_plan(context, code)).id)


@router.get(CHARGE, response_model=ChargeReply)
async def show_charge(context: Scoped, code: str, charge_code: str) -> Response:
    return await charge_reply(context, await charges.find_charge(context, await find_plan(context, code), charge_code))


@update_route(router, CHARGE, response_model=ChargeReply, openapi_extra=CHARGE_BODY)
async def update_charge(request: Request, context: Scoped, code: str, charge_code: str) -> Response:
    data, problems = await read(request, "charge", ChargeInput)
    async with editing(context, code, cascade_updates=data.cascade_updates) as plan:
        charge = await charges.find_charge(context, plan, charge_code)
        editable = EDITABLE_IN_USE if await is_in_use(context, plan) else None
        await charges.change_charge(context, plan, charge, data, problems, editable=editable)
    return await charge_reply(context, charge, problems.ignored)


@router.delete(CHARGE, response_model=ChargeReply)
async def delete_charge(request: Request, context: Scoped, query: Params, code: str, charge_code: str) -> Response:
    cascades = await _cascades(request, query, "charge")
    async with editing(context, code, cascade_updates=cascades) as plan:
        charge = await charges.find_charge(context, plan, charge_code)
        answer = await charge_reply(context, charge)
        await charges.delete_charge(context, charge)
    return answer


@router.post(FILTERS, response_model=FilterReply, openapi_extra=FILTER_BODY)
async def create_filter(request: Request, context: Scoped, code: str, charge_code: str) -> Response:
    data, problems = await read(request, "filter", FilterInput)
    async with editing(context, code, cascade_updates=data.cascade_updates) as plan:
        charge = await charges.find_charge(context, plan, charge_code)
        row = await charges.create_filter(context, charge, data, problems)
    return await filter_reply(context, charge, row)


@router.get(FILTERS)
async def list_filters(context: Scoped, query: Params, code: str, charge_code: str) -> Response:
    charge = await charges.find_charge(context, await find_plan(context, code), charge_code)
    return await filter_page(context, query, charge)


@router.get(FILTER, response_model=FilterReply)
async def show_filter(context: Scoped, code: str, charge_code: str, lago_id: str) -> Response:
    charge = await charges.find_charge(context, await find_plan(context, code), charge_code)
    return await filter_reply(context, charge, await charges.find_filter(context, charge, lago_id))


@update_route(router, FILTER, response_model=FilterReply, openapi_extra=FILTER_BODY)
async def update_filter(request: Request, context: Scoped, code: str, charge_code: str, lago_id: str) -> Response:
    data, problems = await read(request, "filter", FilterInput)
    async with editing(context, code, cascade_updates=data.cascade_updates) as plan:
        charge = await charges.find_charge(context, plan, charge_code)
        row = await charges.find_filter(context, charge, lago_id)
        await charges.update_filter(context, charge, row, data, problems)
    return await filter_reply(context, charge, row, problems.ignored)


@router.delete(FILTER, response_model=FilterReply)
async def delete_filter(
    request: Request, context: Scoped, query: Params, code: str, charge_code: str, lago_id: str
) -> Response:
    cascades = await _cascades(request, query, "filter")
    async with editing(context, code, cascade_updates=cascades) as plan:
        charge = await charges.find_charge(context, plan, charge_code)
        row = await charges.find_filter(context, charge, lago_id)
        await charges.delete_filter(context, row)
    return await filter_reply(context, charge, row)
