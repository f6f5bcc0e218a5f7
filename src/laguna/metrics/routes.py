"""`/billable_metrics`."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Request, Response

from laguna.kernel.errors import Problems
from laguna.kernel.http import Params, Scoped, api_router, body_of, update_route
from laguna.kernel.inputs import parse, read, read_object
from laguna.kernel.outputs import reply, reply_page
from laguna.kernel.queries import newest_first, paginate
from laguna.kernel.rows import find, living
from laguna.metrics import service
from laguna.metrics.evaluation import evaluated
from laguna.metrics.schemas import EvaluationInput, EvaluationReply, ExpressionResult, MetricInput, MetricReply
from laguna.models import BillableMetric

router = api_router("billable metrics")


async def _answer(context: Scoped, metric: BillableMetric, ignored: Sequence[str] = ()) -> Response:
    return reply("billable_metric", (await service.metric_objects(context, [metric]))[0], ignored)


@router.post("/billable_metrics", response_model=MetricReply, openapi_extra=body_of("billable_metric", MetricInput))
async def create_metric(request: Request, context: Scoped) -> Response:
    data, problems = await read(request, "billable_metric", MetricInput)
    return await _answer(context, await service.create_metric(context, data, problems))


@router.post(
    "/billable_metrics/evaluate_expression",
    response_model=EvaluationReply,
    openapi_extra=body_of(None, EvaluationInput),
)
async def evaluate_expression(request: Request, context: Scoped) -> Response:
    """Try out what an event would be stored with; nothing is stored."""
    problems = Problems()
    data = parse(EvaluationInput, await read_object(request), problems)
    return reply("expression_result", ExpressionResult(value=evaluated(context, data, problems)))


@router.get("/billable_metrics")
async def list_metrics(context: Scoped, query: Params) -> Response:
    metrics, meta = await paginate(
        context.session, living(context, BillableMetric), query, newest_first(BillableMetric)
    )
    return reply_page("billable_metrics", await service.metric_objects(context, metrics), meta)


@router.get("/billable_metrics/{code:rest}", response_model=MetricReply)
async def show_metric(context: Scoped, code: str) -> Response:
    return await _answer(context, await find(context, BillableMetric, "billable_metric", code=code))


@update_route(
    router,
    "/billable_metrics/{code:rest}",
    response_model=MetricReply,
    openapi_extra=body_of("billable_metric", MetricInput),
)
async def update_metric(request: Request, context: Scoped, code: str) -> Response:
    metric = await find(context, BillableMetric, "billable_metric", code=code)
    data, problems = await read(request, "billable_metric", MetricInput)
    return await _answer(context, await service.update_metric(context, metric, data, problems), problems.ignored)


@router.delete("/billable_metrics/{code:rest}", response_model=MetricReply)
async def delete_metric(context: Scoped, code: str) -> Response:
    metric = await find(context, BillableMetric, "billable_metric", code=code)
    objects = await service.metric_objects(context, [metric])
    await service.delete_metric(context, metric)
    return reply("billable_metric", objects[0])
