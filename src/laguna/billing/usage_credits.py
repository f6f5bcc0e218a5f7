"""Takes off invoices what progressive invoices have billed of the same usage (spec 2 PGB-6), many at once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, select, text
from sqlalchemy.orm import aliased

from laguna.billing.fees import BilledLine
from laguna.invoices.documents import CreditDocument, FeeDocument
from laguna.kernel.context import Context
from laguna.kernel.money import ZERO
from laguna.models import Charge, ChargeFilter, Fee, Subscription
from laguna.subscriptions.grid import Kind, first_instant, local_date, period_containing
from laguna.subscriptions.progressive import UsageAmount, usage_credit
from laguna.taxes.amounts import fee_taxes

# the latest progressive invoice of each usage period, and what is left of it
_LATEST = text(
    """
    SELECT DISTINCT ON (asked.number) asked.number, invoice.id, invoice.fees_amount_cents AS fees_cents,
        invoice.fees_amount_cents - invoice.coupons_amount_cents - (
            SELECT coalesce(sum(drawn.amount_cents), 0) FROM progressive_credits AS drawn
            JOIN invoices AS drawing ON drawing.id = drawn.invoice_id AND drawing.status NOT IN ('voided', 'deleted')
            WHERE drawn.progressive_invoice_id = invoice.id AND drawn.invoice_id <> ALL(CAST(:made_now AS uuid[]))
        ) AS available_cents
    FROM unnest(CAST(:subscription_ids AS uuid[]), CAST(:openings AS timestamptz[]), CAST(:closings AS timestamptz[]))
        WITH ORDINALITY AS asked (subscription_id, opening, closing, number)
    JOIN invoice_lines AS line ON line.subscription_id = asked.subscription_id
        AND line.invoicing_reason = 'progressive_billing'
    JOIN invoices AS invoice ON invoice.id = line.invoice_id AND invoice.status <> 'voided'
    WHERE line.organization_id = :organization_id
        AND line.charges_from_at + (line.charges_to_at - line.charges_from_at) / 2 >= asked.opening
        AND line.charges_from_at + (line.charges_to_at - line.charges_from_at) / 2 < asked.closing
    ORDER BY asked.number, invoice.id DESC
    """
)


@dataclass(frozen=True, slots=True)
class Progressive:
    """The latest progressive invoice of a usage period: all that was billed of it so far, and what of that no invoice
    has taken off yet."""

    invoice_id: UUID
    fees_cents: int
    available_cents: int


@dataclass(frozen=True, slots=True)
class UsagePeriod:
    """A whole usage period of a subscription, in which the middle of its lines' usage lies."""

    subscription_id: UUID
    opening: datetime
    closing: datetime


def usage_period(line: BilledLine) -> UsagePeriod | None:
    """The period whose usage a line bills; None where it bills none."""
    party, usage = line.billable.party, line.billable.ranges.charges
    if usage is None or usage.is_empty:
        return None
    middle = usage.start + (usage.until - usage.start) / 2
    whole = period_containing(party.calendar, local_date(middle, party.zone), Kind.CHARGES)
    return UsagePeriod(
        party.subscription.id, first_instant(whole.start, party.zone), first_instant(whole.end, party.zone)
    )


async def latest_progressive(
    context: Context, periods: Sequence[UsagePeriod], made_now: Sequence[UUID] = ()
) -> dict[int, Progressive]:
    """By their place those of the periods that have a progressive invoice, in one statement. What the invoices that are
    `made_now` take off is not counted yet."""
    if not periods:
        return {}
    rows = await context.session.execute(
        _LATEST,
        {
            "organization_id": context.organization_id,
            "subscription_ids": [period.subscription_id for period in periods],
            "openings": [period.opening for period in periods],
            "closings": [period.closing for period in periods],
            "made_now": list(made_now),
        },
    )
    return {row.number - 1: Progressive(row.id, row.fees_cents, int(row.available_cents)) for row in rows}


async def add_credits(context: Context, lines: Sequence[BilledLine], drafts: Sequence[UUID]) -> None:
    """Take off each line what was billed of its usage before, fee by fee, so that it isn't taxed twice. `drafts` are
    those of the invoices that are made again. In two statements, in one where nothing was billed before."""
    periods = [(line, period) for line in lines if (period := usage_period(line)) is not None]
    found = await latest_progressive(context, [period for _, period in periods], drafts)
    if not found:
        return
    billed = await _billed_amounts(context, [each.invoice_id for each in found.values()])
    for place, progressive in found.items():
        _take(periods[place][0], progressive, billed)


def _take(
    line: BilledLine, progressive: Progressive, billed: Mapping[tuple[UUID | None, UUID | None], Sequence[UsageAmount]]
) -> None:
    usage = [(index, fee) for index, fee in enumerate(line.fees) if fee.charge_id is not None]
    before = billed.get((progressive.invoice_id, line.billable.party.subscription.id), ())
    taken = usage_credit([_amount(fee) for _, fee in usage], before, progressive.available_cents)
    for (index, fee), cents in zip(usage, taken, strict=True):
        if cents:
            taxable = replace(fee.taxable, precise_coupons_amount_cents=ZERO + cents)
            line.fees[index] = replace(fee, taxable=taxable, taxes=fee_taxes(taxable))
    if sum(taken):
        line.credit = CreditDocument(progressive.invoice_id, sum(taken))


def _amount(fee: FeeDocument) -> UsageAmount:
    part = None if fee.true_up_parent_fee_id else _part(fee.charge_filter_id, fee.grouped_by)
    return UsageAmount(fee.charge_id, part, fee.amount_cents)


def _part(filter_id: UUID | None, grouped_by: Mapping[str, str | None]) -> Hashable:
    return filter_id, frozenset(grouped_by.items())


async def _billed_amounts(
    context: Context, invoice_ids: Sequence[UUID]
) -> dict[tuple[UUID | None, UUID | None], list[UsageAmount]]:
    """What invoices billed of usage, by invoice and subscription. Of one that has moved to an override since, charges
    and filters are those of the override that were made of the ones billed (OVR-1)."""
    charge, charge_filter = aliased(Charge), aliased(ChargeFilter)
    query = (
        select(
            Fee.invoice_id,
            Fee.subscription_id,
            func.coalesce(charge.id, Fee.charge_id),
            func.coalesce(charge_filter.id, Fee.charge_filter_id),
            Fee.grouped_by,
            Fee.amount_cents,
        )
        .join(Subscription, Subscription.id == Fee.subscription_id)
        .outerjoin(
            charge,
            and_(
                charge.plan_id == Subscription.plan_id,
                charge.parent_id == Fee.charge_id,
                charge.deleted_at.is_(None),
            ),
        )
        .outerjoin(
            charge_filter,
            and_(
                charge_filter.charge_id == charge.id,
                charge_filter.parent_id == Fee.charge_filter_id,
                charge_filter.deleted_at.is_(None),
            ),
        )
        .where(
            Fee.organization_id == context.organization_id,
            Fee.invoice_id.in_(invoice_ids),
            Fee.fee_type == "charge",
            Fee.deleted_at.is_(None),
        )
    )
    found: dict[tuple[UUID | None, UUID | None], list[UsageAmount]] = {}
    for invoice_id, subscription_id, charge_id, filter_id, grouped_by, cents in await context.session.execute(query):
        amount = UsageAmount(charge_id, _part(filter_id, grouped_by), cents)
        found.setdefault((invoice_id, subscription_id), []).append(amount)
    return found
