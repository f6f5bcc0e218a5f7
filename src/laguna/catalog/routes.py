"""`/plans`."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Request, Response

from laguna.catalog import service
from laguna.catalog.schemas import PlanInput, PlanReply
from laguna.kernel.http import Params, Scoped, api_router, body_of, update_route
from laguna.kernel.inputs import read
from laguna.kernel.outputs import reply, reply_page
from laguna.kernel.queries import newest_first, paginate, search
from laguna.kernel.rows import living
from laguna.models import Plan

router = api_router("plans")


async def _answer(context: Scoped, plan: Plan, ignored: Sequence[str] = ()) -> Response:
    return reply("plan", (await service.plan_objects(context, [plan]))[0], ignored)


@router.post("/plans", response_model=PlanReply, openapi_extra=body_of("plan", PlanInput))
async def create_plan(request: Request, context: Scoped) -> Response:
    data, problems = await read(request, "plan", PlanInput)
    return await _answer(context, await service.create_plan(context, data, problems))


@router.get("/plans")
async def list_plans(context: Scoped, query: Params) -> Response:
    statement = living(context, Plan).where(Plan.parent_id.is_(None))
    if term := query.text("search_term"):
        statement = statement.where(search(term, Plan.id, Plan.name, Plan.code))
    plans, meta = await paginate(context.session, statement, query, newest_first(Plan))
    return reply_page("plans", await service.plan_objects(context, plans), meta)


@router.get("/plans/{code:rest}", response_model=PlanReply)
async def show_plan(context: Scoped, code: str) -> Response:
    return await _answer(context, await service.find_plan(context, code))


@update_route(router, "/plans/{code:rest}", response_model=PlanReply, openapi_extra=body_of("plan", PlanInput))
async def update_plan(request: Request, context: Scoped, code: str) -> Response:
    plan = await service.find_plan(context, code, service.Lock.EDIT)
    data, problems = await read(request, "plan", PlanInput)
    return await _answer(context, await service.update_plan(context, plan, data, problems), problems.ignored)


@router.delete("/plans/{code:rest}", response_model=PlanReply)
async def delete_plan(context: Scoped, code: str) -> Response:
    plan = await service.find_plan(context, code, service.Lock.EDIT)
    await service.delete_plan(context, plan)
    return await _answer(context, plan)
