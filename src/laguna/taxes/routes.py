"""`/taxes`."""

from __future__ import annotations

from fastapi import Request, Response

from laguna.kernel.http import Params, Scoped, api_router, body_of, update_route
from laguna.kernel.inputs import read
from laguna.kernel.outputs import reply, reply_page
from laguna.kernel.queries import newest_first, paginate
from laguna.kernel.rows import find, living
from laguna.models import Tax
from laguna.taxes import service
from laguna.taxes.schemas import TaxInput, TaxReply, tax_detail

router = api_router("taxes")


async def _answer(context: Scoped, tax: Tax) -> Response:
    entities = await service.entities_of(context.session, [tax])
    return reply("tax", tax_detail(tax, entities[tax.id]))


@router.post("/taxes", response_model=TaxReply, openapi_extra=body_of("tax", TaxInput))
async def create_tax(request: Request, context: Scoped) -> Response:
    data, problems = await read(request, "tax", TaxInput)
    return await _answer(context, await service.create_tax(context, data, problems))


@router.get("/taxes")
async def list_taxes(context: Scoped, query: Params) -> Response:
    taxes, meta = await paginate(context.session, living(context, Tax), query, newest_first(Tax))
    entities = await service.entities_of(context.session, taxes)
    return reply_page("taxes", [tax_detail(tax, entities[tax.id]) for tax in taxes], meta)


@router.get("/taxes/{code:rest}", response_model=TaxReply)
async def show_tax(context: Scoped, code: str) -> Response:
    return await _answer(context, await find(context, Tax, "tax", code=code))


@update_route(router, "/taxes/{code:rest}", response_model=TaxReply, openapi_extra=body_of("tax", TaxInput))
async def update_tax(request: Request, context: Scoped, code: str) -> Response:
    tax = await find(context, Tax, "tax", code=code)
    data, problems = await read(request, "tax", TaxInput)
    return await _answer(context, await service.update_tax(context, tax, data, problems))


@router.delete("/taxes/{code:rest}", response_model=TaxReply)
async def delete_tax(context: Scoped, code: str) -> Response:
    tax = await find(context, Tax, "tax", code=code)
    await service.delete_tax(context, tax)
    return await _answer(context, tax)
