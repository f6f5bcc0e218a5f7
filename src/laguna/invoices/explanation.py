"""`GET /fees/:id/explanation`: how a fee came about, so that a person can calculate it again. Ours, not Lago's.

Everything is as it was when the fee was made, save for the metric's definition, which stands beside what it was then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from laguna.invoices.calculation import (
    Calculated,
    commitment_steps,
    subscription_steps,
    tax_expression,
    true_up_steps,
    usage_steps,
)
from laguna.kernel.context import Context
from laguna.kernel.money import exponent
from laguna.kernel.outputs import DecimalNumber, DecimalText, Instant, JsonObject, Output
from laguna.models import BillableMetric, Charge, Fee, FeeTax, InvoiceLine, Terms, TermsHistory
from laguna.pricing.formulas import Step


class StepObject(Output):
    """`name` = `expression` = `result`; the grammar of expressions is that of pricing/formulas.py."""

    name: str
    expression: str
    result: DecimalText


class ExplainedMetricObject(Output):
    """The metric as it is; `billed_code` and `billed_name` as they were."""

    lago_id: UUID
    code: str
    name: str
    aggregation_type: str
    field_name: str | None
    expression: str | None
    recurring: bool
    rounding_function: str | None
    rounding_precision: int | None
    billed_code: str
    billed_name: str


class ExplainedChargeObject(Output):
    lago_id: UUID
    code: str
    charge_model: str
    prorated: bool
    min_amount_cents: int


class ExplainedFilterObject(Output):
    lago_id: UUID
    invoice_display_name: str | None
    values: dict[str, list[str]]


class ExplainedPeriodObject(Output):
    """`days` of the `full_days` of the whole period were billed; both are null where no amount depends on them."""

    from_datetime: Instant | None
    to_datetime: Instant | None
    days: int | None
    full_days: int | None
    timezone: str | None


class ExplainedPriceObject(Output):
    """The terms that made the fee. `since` is when the plan, charge or filter got them."""

    lago_id: UUID
    kind: str
    properties: JsonObject
    since: Instant | None


class EventsObject(Output):
    """The events that were counted: those with timestamps in [`from_datetime`, `before_datetime`), of recurring metrics
    all earlier ones, too, as far as they had arrived. `arrivals` tells for each writer's lane the last one."""

    count: int
    from_datetime: str
    before_datetime: str
    arrivals: dict[str, int]


class ExplainedUsageObject(Output):
    """`aggregated_units` are what the aggregation made of the events, `units` those after the metric's rounding, which
    are priced. Of a prorated charge `full_units` are held at the end. `changes_count` changes led there; `changes` are
    the first hundred by time: the full units of each, and those that its days are worth."""

    aggregation_type: str
    events: EventsObject
    aggregated_units: str
    rounding_function: str | None
    rounding_precision: int | None
    units: str
    full_units: str | None
    changes_count: int | None
    changes: list[list[str]] | None


class ExplainedTaxObject(Output):
    tax_code: str
    tax_name: str
    tax_rate: DecimalNumber
    expression: str
    amount_cents: int


class FeeExplanationObject(Output):
    lago_fee_id: UUID
    lago_invoice_id: UUID | None
    lago_true_up_parent_fee_id: UUID | None
    fee_type: str
    amount_currency: str
    metric: ExplainedMetricObject | None
    charge: ExplainedChargeObject | None
    filter: ExplainedFilterObject | None
    grouped_by: dict[str, str | None]
    period: ExplainedPeriodObject
    price: ExplainedPriceObject | None
    usage: ExplainedUsageObject | None
    steps: list[StepObject]
    rounding: str
    precise_amount_cents: DecimalText
    amount_cents: int
    taxes: list[ExplainedTaxObject]
    taxes_expression: str
    taxes_amount_cents: int
    total_amount_cents: int


class FeeExplanationReply(Output):
    fee_explanation: FeeExplanationObject


async def explain(context: Context, fee: Fee) -> FeeExplanationObject:
    """How the fee came about. Every kind of fee that this version makes has its steps."""
    session = context.session
    charge = await session.get_one(Charge, fee.charge_id) if fee.charge_id else None
    metric = await session.get_one(BillableMetric, fee.item_id) if charge else None
    terms = await session.get_one(Terms, fee.terms_id) if fee.terms_id else None
    line = await session.get(InvoiceLine, (fee.invoice_id, fee.subscription_id)) if fee.invoice_id else None
    taxes = (await session.scalars(select(FeeTax).where(FeeTax.fee_id == fee.id).order_by(FeeTax.id))).all()
    usage = None if charge is None or fee.true_up_parent_fee_id else _usage(_evidence(fee))
    coupons = fee.precise_coupons_amount_cents
    return FeeExplanationObject(
        lago_fee_id=fee.id,
        lago_invoice_id=fee.invoice_id,
        lago_true_up_parent_fee_id=fee.true_up_parent_fee_id,
        fee_type=fee.fee_type,
        amount_currency=fee.currency,
        metric=_metric(metric, fee) if metric else None,
        charge=_charge(charge, terms) if charge else None,
        filter=ExplainedFilterObject(
            lago_id=fee.charge_filter_id,
            invoice_display_name=fee.filter_display_name,
            values=fee.filter_values or {},
        )
        if fee.charge_filter_id
        else None,
        grouped_by=fee.grouped_by,
        period=_period(fee, line),
        price=await _price(context, fee, terms, line) if terms else None,
        usage=usage,
        steps=[_step(step) for step in await _steps(context, fee, terms)],
        rounding=f"half up, away from zero, to {exponent(fee.currency)} decimals of {fee.currency}",
        precise_amount_cents=fee.precise_amount_cents,
        amount_cents=fee.amount_cents,
        taxes=[
            ExplainedTaxObject(
                tax_code=tax.tax_code,
                tax_name=tax.tax_name,
                tax_rate=tax.tax_rate,
                expression=tax_expression(fee.amount_cents, coupons, [tax.tax_rate]),
                amount_cents=tax.amount_cents,
            )
            for tax in taxes
        ],
        taxes_expression=tax_expression(fee.amount_cents, coupons, [tax.tax_rate for tax in taxes]),
        taxes_amount_cents=fee.taxes_amount_cents,
        total_amount_cents=fee.amount_cents + fee.taxes_amount_cents,
    )


def _period(fee: Fee, line: InvoiceLine | None) -> ExplainedPeriodObject:
    start, end = fee.from_at, fee.to_at
    if fee.fee_type == "commitment":  # the fee itself shows none
        start, end = (datetime.fromisoformat(fee.evidence[name]) for name in ("from", "to"))
    return ExplainedPeriodObject(
        from_datetime=start,
        to_datetime=end,
        days=fee.evidence.get("days"),
        full_days=fee.evidence.get("full_days"),
        timezone=line.timezone if line else None,
    )


def _metric(metric: BillableMetric, fee: Fee) -> ExplainedMetricObject:
    return ExplainedMetricObject(
        lago_id=metric.id,
        code=metric.code,
        name=metric.name,
        aggregation_type=metric.aggregation_type,
        field_name=metric.field_name,
        expression=metric.expression,
        recurring=metric.recurring,
        rounding_function=metric.rounding_function,
        rounding_precision=metric.rounding_precision,
        billed_code=fee.item_code,
        billed_name=fee.item_name,
    )


def _charge(charge: Charge, terms: Terms | None) -> ExplainedChargeObject:
    return ExplainedChargeObject(
        lago_id=charge.id,
        code=charge.code,
        charge_model=terms.kind if terms else charge.charge_model,
        prorated=charge.prorated,
        min_amount_cents=charge.min_amount_cents,
    )


async def _price(context: Context, fee: Fee, terms: Terms, line: InvoiceLine | None) -> ExplainedPriceObject:
    priced_id = fee.charge_filter_id or fee.charge_id or (line.plan_id if line else None)
    if fee.fee_type == "commitment":
        priced_id = UUID(fee.evidence["commitment_id"])
    query = (
        select(TermsHistory.since)
        .where(
            TermsHistory.organization_id == context.organization_id,
            TermsHistory.priced_id == priced_id,
            TermsHistory.terms_id == terms.id,
        )
        .order_by((TermsHistory.since <= fee.created_at).desc(), TermsHistory.id.desc())
        .limit(1)
    )
    since: datetime | None = await context.session.scalar(query)
    return ExplainedPriceObject(lago_id=terms.id, kind=terms.kind, properties=terms.properties, since=since)


def _evidence(fee: Fee) -> Mapping[str, Any]:
    """What the fee keeps. The first fees kept their priced units only as those that are shown."""
    return {"units": str(fee.units), **fee.evidence}


def _usage(evidence: Mapping[str, Any]) -> ExplainedUsageObject:
    function, precision = evidence["rounding"]
    return ExplainedUsageObject(
        aggregation_type=evidence["aggregation_type"],
        events=EventsObject(
            count=evidence["events_count"],
            from_datetime=evidence["from"],
            before_datetime=evidence["until"],
            arrivals=evidence["arrivals"],
        ),
        aggregated_units=evidence["aggregated_units"],
        rounding_function=function,
        rounding_precision=precision,
        units=evidence["units"],
        full_units=evidence.get("full_units"),
        changes_count=evidence.get("changes_count"),
        changes=evidence.get("changes"),
    )


async def _steps(context: Context, fee: Fee, terms: Terms | None) -> Sequence[Step]:
    """By the kind of the fee; a kind that explains itself by nothing else than its amount has none."""
    if terms is None:
        return []
    if fee.true_up_parent_fee_id is not None:
        parts = await _parts(context, fee)
        return true_up_steps(Calculated(terms.kind, fee.currency, terms.properties, fee.evidence, parts=parts))
    calculated = Calculated(terms.kind, fee.currency, terms.properties, _evidence(fee), fee.amount_details)
    steps = {"charge": usage_steps, "commitment": commitment_steps, "subscription": subscription_steps}
    return steps[fee.fee_type](calculated)


async def _parts(context: Context, fee: Fee) -> Sequence[int]:
    """The amounts of the fees of its charge that a true-up completes."""
    query = (
        select(Fee.amount_cents)
        .where(
            Fee.organization_id == context.organization_id,
            Fee.invoice_id == fee.invoice_id,
            Fee.subscription_id == fee.subscription_id,
            Fee.charge_id == fee.charge_id,
            Fee.true_up_parent_fee_id.is_(None),
            Fee.deleted_at.is_(None),
        )
        .order_by(Fee.id)
    )
    return (await context.session.scalars(query)).all()


def _step(step: Step) -> StepObject:
    return StepObject(name=step.name, expression=step.expression, result=step.result)
