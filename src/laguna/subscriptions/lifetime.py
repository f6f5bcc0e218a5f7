"""Lifetime usage: what was used since a subscription began, invoiced, running, and from before (spec 1 §6.7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import Select, func, select, text

from laguna.catalog.priced import priced_charges
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, not_found
from laguna.kernel.inputs import INTEGER_MAX, Input, integer
from laguna.kernel.outputs import DecimalNumber, Instant, Output
from laguna.models import AppliedUsageThreshold, Invoice, InvoiceLine, LifetimeUsage, Subscription, UsageThreshold
from laguna.subscriptions.applicable import applicable_thresholds, mark_usage
from laguna.subscriptions.current_usage import rate_running, running_period_of
from laguna.subscriptions.service import best_life_first
from laguna.subscriptions.thresholds import Reached, Thresholds, progress
from laguna.usage.buckets import WHOLE

HISTORICAL_MAX = INTEGER_MAX // 2  # leaves room for what is added to it


class LifetimeUsageInput(Input):
    external_historical_usage_amount_cents: Annotated[int | None, integer()] = None


class UsageThresholdObject(Output):
    amount_cents: int
    completion_ratio: DecimalNumber
    reached_at: Instant | None


class LifetimeUsageObject(Output):
    lago_id: UUID
    lago_subscription_id: UUID
    external_subscription_id: str
    external_historical_usage_amount_cents: int
    invoiced_usage_amount_cents: int
    current_usage_amount_cents: int
    from_datetime: Instant | None
    to_datetime: Instant
    usage_thresholds: list[UsageThresholdObject]


class LifetimeUsageReply(Output):
    lifetime_usage: LifetimeUsageObject


async def begin_lifetime(context: Context, subscription: Subscription) -> None:
    """Give a new subscription its lifetime usage: that of the life it continues, where there is one (SUB-30).

    A life is continued by one of the same customer and external id with the same `subscription_at`.
    """
    known = (await context.session.scalars(_shared(subscription))).one_or_none()
    if known is not None:
        known.subscription_id = subscription.id
        return
    context.session.add(
        LifetimeUsage(
            organization_id=context.organization_id,
            subscription_id=subscription.id,
            historical_usage_amount_cents=0,
            created_at=context.now,
            updated_at=context.now,
        )
    )


def _lives(statement: Select[Any], subscription: Subscription) -> Select[Any]:
    """Only subscriptions that are the same one to its customer: plans have changed, not the start."""
    return statement.where(
        Subscription.organization_id == subscription.organization_id,
        Subscription.customer_id == subscription.customer_id,
        Subscription.external_id == subscription.external_id,
        Subscription.subscription_at == subscription.subscription_at,
    )


async def show_lifetime(context: Context, external_id: str) -> LifetimeUsageObject:
    """404 `lifetime_usage_not_found` where no subscription has this id."""
    subscription, usage = await _find(context, external_id)
    return await _object(context, subscription, usage)


async def set_historical(
    context: Context, external_id: str, data: LifetimeUsageInput, problems: Problems
) -> LifetimeUsageObject:
    """Say what was used before Laguna knew of it, in minor units. Below 0: `value_is_out_of_range`."""
    subscription, usage = await _find(context, external_id)
    amount = data.external_historical_usage_amount_cents
    if amount is not None and not 0 <= amount <= HISTORICAL_MAX:
        problems.add("historical_usage_amount_cents", "value_is_out_of_range")
    problems.check()
    if "external_historical_usage_amount_cents" in data.model_fields_set:
        usage.historical_usage_amount_cents, usage.updated_at = amount or 0, context.now
        await context.session.flush()
        await mark_usage(context, [subscription.id])
    return await _object(context, subscription, usage)


async def _find(context: Context, external_id: str) -> tuple[Subscription, LifetimeUsage]:
    """Of several lives of the id the active one, else the best; and the lifetime usage it shares."""
    lives = select(Subscription).where(
        Subscription.organization_id == context.organization_id,
        Subscription.external_id == external_id,
        Subscription.status != "canceled",
    )
    query = best_life_first(lives.order_by((Subscription.status == "active").desc())).limit(1)
    subscription = (await context.session.scalars(query)).one_or_none()
    if subscription is None:
        raise not_found("lifetime_usage")
    usage = (await context.session.scalars(_shared(subscription))).one_or_none()
    if usage is None:
        raise not_found("lifetime_usage")
    return subscription, usage


def _shared(subscription: Subscription) -> Select[Any]:
    """The lifetime usage of a subscription's lives; the latest begun, should there be several."""
    joined = select(LifetimeUsage).join(Subscription, Subscription.id == LifetimeUsage.subscription_id)
    return _lives(joined, subscription).order_by(LifetimeUsage.id.desc()).limit(1)


async def _object(context: Context, subscription: Subscription, usage: LifetimeUsage) -> LifetimeUsageObject:
    invoiced = (await billed_before(context, [subscription]))[subscription.id].invoiced_cents
    current = await _current_cents(context, subscription)
    thresholds = (await applicable_thresholds(context, [subscription]))[subscription.id]
    reached = Reached(context.now, await _billed(context, subscription) if thresholds else ())
    total = usage.historical_usage_amount_cents + invoiced + current
    return LifetimeUsageObject(
        lago_id=usage.id,
        lago_subscription_id=subscription.id,
        external_subscription_id=subscription.external_id,
        external_historical_usage_amount_cents=usage.historical_usage_amount_cents,
        invoiced_usage_amount_cents=invoiced,
        current_usage_amount_cents=current,
        from_datetime=subscription.subscription_at,
        to_datetime=context.now,
        usage_thresholds=[
            UsageThresholdObject(
                amount_cents=each.amount_cents, completion_ratio=each.completion_ratio, reached_at=each.reached_at
            )
            for each in progress(threshold_values(thresholds), total, reached)
        ],
    )


@dataclass(frozen=True, slots=True)
class BilledBefore:
    """What a subscription has used besides the running period: as the client says, and as invoiced; and the thresholds
    that it was billed for."""

    historical_cents: int
    invoiced_cents: int
    threshold_ids: frozenset[UUID]


_BILLED_BEFORE = text(
    """
    WITH lives AS (
        SELECT asked.id AS subscription_id, life.id AS life_id, life.status
        FROM subscriptions AS asked JOIN subscriptions AS life
            ON life.organization_id = asked.organization_id AND life.external_id = asked.external_id
            AND life.customer_id = asked.customer_id AND life.subscription_at = asked.subscription_at
        WHERE asked.organization_id = :organization_id AND asked.id = ANY(:ids)
    ), historical AS (
        SELECT DISTINCT ON (lives.subscription_id) lives.subscription_id, usage.historical_usage_amount_cents AS cents
        FROM lives JOIN lifetime_usages AS usage ON usage.subscription_id = lives.life_id
        ORDER BY lives.subscription_id, usage.id DESC
    ), invoiced AS (
        SELECT lives.subscription_id, sum(fee.amount_cents) AS cents
        FROM lives JOIN fees AS fee ON fee.subscription_id = lives.life_id
        JOIN invoices AS invoice ON invoice.id = fee.invoice_id
        WHERE lives.status <> 'canceled' AND fee.fee_type = 'charge' AND fee.deleted_at IS NULL
            AND invoice.invoice_type = 'subscription' AND invoice.status IN ('draft', 'finalized')
        GROUP BY lives.subscription_id
    ), reached AS (
        SELECT lives.subscription_id, array_agg(DISTINCT applied.usage_threshold_id) AS threshold_ids
        FROM lives JOIN invoice_lines AS line ON line.subscription_id = lives.life_id
            AND line.invoicing_reason = 'progressive_billing'
        JOIN invoices AS invoice ON invoice.id = line.invoice_id AND invoice.status <> 'voided'
        JOIN applied_usage_thresholds AS applied ON applied.invoice_id = invoice.id
        GROUP BY lives.subscription_id
    )
    SELECT asked.id, coalesce(historical.cents, 0) AS historical, coalesce(invoiced.cents, 0) AS invoiced,
        coalesce(reached.threshold_ids, '{}') AS threshold_ids
    FROM unnest(CAST(:ids AS uuid[])) AS asked (id)
    LEFT JOIN historical ON historical.subscription_id = asked.id
    LEFT JOIN invoiced ON invoiced.subscription_id = asked.id
    LEFT JOIN reached ON reached.subscription_id = asked.id
    """
)


async def billed_before(context: Context, subscriptions: Sequence[Subscription]) -> dict[UUID, BilledBefore]:
    """Of each subscription what its lives used before the running period, in one statement. A progressive invoice's
    usage is in the periodic one after it."""
    ids = [subscription.id for subscription in subscriptions]
    rows = await context.session.execute(_BILLED_BEFORE, {"organization_id": context.organization_id, "ids": ids})
    return {row.id: BilledBefore(int(row.historical), int(row.invoiced), frozenset(row.threshold_ids)) for row in rows}


def threshold_values(rows: Sequence[UsageThreshold]) -> Thresholds:
    """Thresholds as values that arithmetic takes."""
    fixed = [row.amount_cents for row in rows if not row.recurring]
    return Thresholds(fixed, next((row.amount_cents for row in rows if row.recurring), None))


async def _billed(context: Context, subscription: Subscription) -> Sequence[tuple[int, datetime]]:
    """The usage at which each progressive invoice of its lives was made, and when."""
    query = (
        select(func.max(AppliedUsageThreshold.lifetime_usage_amount_cents), Invoice.created_at)
        .join(Invoice, Invoice.id == AppliedUsageThreshold.invoice_id)
        .join(InvoiceLine, InvoiceLine.invoice_id == Invoice.id)
        .where(
            Invoice.organization_id == context.organization_id,
            Invoice.status != "voided",
            InvoiceLine.subscription_id.in_(_lives(select(Subscription.id), subscription)),
        )
        .group_by(Invoice.id)
        .order_by(Invoice.id)
    )
    return [(usage, created_at) for usage, created_at in await context.session.execute(query)]


async def _current_cents(context: Context, subscription: Subscription) -> int:
    """The running period's usage without taxes; nothing runs of a subscription that isn't active."""
    if subscription.status != "active":
        return 0
    running = await running_period_of(context, subscription)
    charges = (await priced_charges(context.session, [running.plan.id]))[running.plan.id]
    lines = await rate_running(context, running, running.window, charges, WHOLE)
    return sum(line.amounts.amount_cents for charge in lines for line in charge)
