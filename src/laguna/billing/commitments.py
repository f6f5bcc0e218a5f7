"""Settles the minimum commitments of many invoice lines at once (spec 2 §6): the fees that fill them up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from laguna.billing.fees import Billable, BilledLine
from laguna.invoices.documents import FeeDocument
from laguna.kernel.context import Context
from laguna.kernel.money import ZERO, subunits
from laguna.models import Commitment, InvoiceLine
from laguna.subscriptions.commitments import COUNTED, Missing, Settlement, missing, settlement
from laguna.taxes.amounts import TaxableFee, fee_taxes
from laguna.taxes.sources import TaxSources

NAME = "Minimum commitment"  # of a commitment without a name of its own

# fees of invoices that are made just now are not read, but counted as they will be
_FEES_BEFORE = text(
    """
    SELECT asked.number, fee.fee_type, sum(fee.amount_cents) AS amount_cents
    FROM unnest(CAST(:subscription_ids AS uuid[]), CAST(:openings AS timestamptz[]), CAST(:closings AS timestamptz[]))
        WITH ORDINALITY AS asked (subscription_id, opening, closing, number)
    JOIN fees AS fee ON fee.subscription_id = asked.subscription_id AND fee.fee_type = ANY(:counted)
    LEFT JOIN invoices AS invoice ON invoice.id = fee.invoice_id
    WHERE fee.organization_id = :organization_id AND fee.deleted_at IS NULL
        AND (fee.invoice_id IS NULL OR fee.invoice_id <> ALL(CAST(:made_now AS uuid[])))
        AND fee.from_at + (fee.to_at - fee.from_at) / 2 >= asked.opening
        AND fee.from_at + (fee.to_at - fee.from_at) / 2 < asked.closing
        AND (invoice.id IS NULL
            OR (invoice.invoice_type <> 'progressive_billing' AND invoice.status NOT IN ('voided', 'deleted')))
    GROUP BY asked.number, fee.fee_type
    """
)


@dataclass(frozen=True, slots=True)
class _Due:
    line: BilledLine
    commitment: Commitment
    period: Settlement


async def add_commitments(
    context: Context,
    lines: Sequence[BilledLine],
    commitments: Mapping[UUID, Commitment],
    sources: TaxSources,
    drafts: Sequence[UUID],
) -> None:
    """Give the lines that settle a period of a plan with a commitment the fee for what is missing to it.

    `commitments` are by plan, `lines` all of the invoices being made, `drafts` those of them that are made again. In
    two statements, whatever their number; in none without commitments.
    """
    committed = [line for line in lines if line.billable.party.plan.id in commitments]
    if not committed:
        return
    billed_from = await _billed_from(context, [line.billable.party.subscription.id for line in committed])
    due = [
        _Due(line, commitments[line.billable.party.plan.id], period)
        for line in committed
        if (period := _settlement(line.billable, billed_from)) is not None
    ]
    if not due:
        return
    before = await _fees_before(context, due, drafts)
    made_now: dict[UUID, list[FeeDocument]] = {}
    for line in lines:
        made_now.setdefault(line.billable.party.subscription.id, []).extend(line.fees)
    for number, each in enumerate(due):
        counted = before[number]
        for fee in made_now[each.line.billable.party.subscription.id]:
            if fee.fee_type in COUNTED and each.period.has(fee.from_at, fee.to_at):
                counted[fee.fee_type] += fee.amount_cents
        found = missing(each.commitment.amount_cents, each.period, counted.values())
        if found is not None:
            each.line.fees.append(_fee(each, found, counted, sources))


async def _billed_from(context: Context, subscription_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """From when on subscriptions have been billed, those that have been: the start of their first lines."""
    query = (
        select(InvoiceLine.subscription_id, func.min(InvoiceLine.from_at))
        .where(
            InvoiceLine.organization_id == context.organization_id,
            InvoiceLine.subscription_id.in_(subscription_ids),
            InvoiceLine.invoicing_reason.startswith("subscription_"),
        )
        .group_by(InvoiceLine.subscription_id)
    )
    return {subscription_id: start for subscription_id, start in await context.session.execute(query)}


def _settlement(billable: Billable, billed_from: Mapping[UUID, datetime]) -> Settlement | None:
    subscription, period = billable.party.subscription, billable.ranges.subscription
    assert subscription.started_at is not None
    return settlement(
        billable.party.calendar,
        billable.occasion,
        subscription.started_at,
        billable.day,
        period,
        billed_from.get(subscription.id, period.start),
    )


async def _fees_before(context: Context, due: Sequence[_Due], drafts: Sequence[UUID]) -> list[Counter[str]]:
    """What each period has of fees on other invoices, or on none, by their type."""
    parameters: dict[str, Any] = {
        "organization_id": context.organization_id,
        "subscription_ids": [each.line.billable.party.subscription.id for each in due],
        "openings": [each.period.opening for each in due],
        "closings": [each.period.closing for each in due],
        "counted": list(COUNTED),
        "made_now": list(drafts),
    }
    found = [Counter[str]() for _ in due]
    for number, fee_type, amount_cents in await context.session.execute(_FEES_BEFORE, parameters):
        found[number - 1][fee_type] = int(amount_cents)
    return found


def _fee(due: _Due, found: Missing, counted: Counter[str], sources: TaxSources) -> FeeDocument:
    party, commitment, period = due.line.billable.party, due.commitment, due.period
    amount = ZERO + found.amount_cents
    taxes = sources.of_fee(commitment.id, party.plan.id, party.customer.id, party.entity.id)
    taxable = TaxableFee(found.amount_cents, amount, taxes=taxes)
    name = commitment.invoice_display_name or NAME
    return FeeDocument(
        id=due.line.commitment_fee_id,
        subscription_id=party.subscription.id,
        charge_id=None,
        terms_id=commitment.terms_id,
        fee_type="commitment",
        item_id=party.subscription.id,
        item_type="Subscription",
        item_code=party.plan.code,
        item_name=name,
        item_description=None,
        invoice_display_name=name,
        amount_cents=found.amount_cents,
        precise_amount_cents=amount,
        unit_amount_cents=found.amount_cents,
        precise_unit_amount=amount / subunits(party.plan.amount_currency),
        units=ZERO + 1,
        total_aggregated_units=ZERO + 1,
        events_count=None,
        from_at=None,
        to_at=None,
        pay_in_advance=False,
        invoiceable=True,
        amount_details={},
        evidence={
            "commitment_id": str(commitment.id),
            "commitment_cents": commitment.amount_cents,
            "days": period.days,
            "full_days": period.full_days,
            "named": commitment.invoice_display_name is not None,
            "from": period.start.isoformat(),
            "to": period.end.isoformat(),
            "opening": period.opening.isoformat(),
            "closing": period.closing.isoformat(),
            "counted": dict(sorted(counted.items())),
        },
        taxable=taxable,
        taxes=fee_taxes(taxable),
    )
