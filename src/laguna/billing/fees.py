"""The fees of an invoice line (spec 2 §5.1, spec 1 §§3.11, 3.12): of the subscription, of usage, of minimums. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import groupby
from uuid import UUID

from laguna.billing.parties import Party
from laguna.invoices.documents import CreditDocument, FeeDocument
from laguna.kernel.ids import new_id
from laguna.kernel.money import ZERO
from laguna.metrics.window import Window
from laguna.subscriptions.amounts import Occasion, subscription_fee
from laguna.subscriptions.periods import Ranges
from laguna.subscriptions.windows import usage_window
from laguna.taxes.amounts import TaxableFee, fee_taxes
from laguna.taxes.sources import TaxSources
from laguna.usage.minimum import TrueUp, true_up
from laguna.usage.rating import RatedLine


@dataclass(frozen=True, slots=True)
class Billable:
    """What one line of an invoice is made from. `day` is the local date of the boundary it bills, `rated` its usage
    where that was looked at already: it is billed as it was then."""

    party: Party
    occasion: Occasion
    ranges: Ranges
    due_at: datetime
    day: date
    period_paid: bool = False
    billed_at: datetime | None = None  # of a draft that is made again: when it was first made
    rated: Sequence[RatedLine] | None = None

    @property
    def window(self) -> Window:
        """Of the usage that it bills. After an upgrade the last day is the new plan's."""
        period = self.ranges.charges or self.ranges.subscription
        return usage_window(period, self.party.zone, succeeded=self.occasion is Occasion.UPGRADED)


@dataclass(slots=True)
class BilledLine:
    """A line as it is made: its fees in their order, and what it takes off for usage that was billed before.
    `commitment_fee_id` is kept for the last fee, the commitment's."""

    billable: Billable
    fees: list[FeeDocument]
    credit: CreditDocument | None = None
    commitment_fee_id: UUID = field(default_factory=new_id)


def subscription_fees(billable: Billable, sources: TaxSources) -> list[FeeDocument]:
    """The subscription fee of a line, none where there is none to bill (spec 2 §5.1)."""
    party = billable.party
    plan, period = party.plan, billable.ranges.subscription
    fee = subscription_fee(
        plan.amount_cents,
        plan.amount_currency,
        party.calendar,
        billable.occasion,
        billable.day,
        period,
        trial_ends_at=party.subscription.trial_ends_at,
        period_paid=billable.period_paid,
    )
    if fee is None:
        return []
    taxes = sources.of_fee(None, plan.id, party.customer.id, party.entity.id)
    taxable = TaxableFee(fee.amount_cents, fee.precise_amount_cents, taxes=taxes)
    return [
        FeeDocument(
            subscription_id=party.subscription.id,
            charge_id=None,
            terms_id=plan.terms_id,
            fee_type="subscription",
            item_id=party.subscription.id,
            item_type="Subscription",
            item_code=plan.code,
            item_name=plan.name,
            item_description=plan.description,
            invoice_display_name=party.subscription.name or plan.invoice_display_name or plan.name,
            amount_cents=fee.amount_cents,
            precise_amount_cents=fee.precise_amount_cents,
            unit_amount_cents=fee.unit_amount_cents,
            precise_unit_amount=fee.precise_unit_amount,
            units=ZERO + fee.units,
            total_aggregated_units=ZERO + fee.units,
            events_count=None,
            from_at=period.start,
            to_at=period.end,
            pay_in_advance=plan.pay_in_advance,
            invoiceable=True,
            amount_details={"plan_amount_cents": plan.amount_cents},
            evidence={"plan_amount_cents": plan.amount_cents, "days": fee.days, "full_days": fee.full_days},
            taxable=taxable,
            taxes=fee_taxes(taxable),
        )
    ]


def usage_fees(billable: Billable, rated: Sequence[RatedLine], sources: TaxSources) -> list[FeeDocument]:
    """The fees of a line's usage, charge by charge."""
    return [
        fee
        for _, lines in groupby(rated, key=lambda line: line.charge.id)
        for fee in _charge_fees(billable, list(lines), sources)
    ]


def _charge_fees(billable: Billable, lines: Sequence[RatedLine], sources: TaxSources) -> list[FeeDocument]:
    """The fees of one charge: of its lines that are worth one, and what is missing to its minimum (spec 1 §3.12)."""
    missing = None
    if lines[0].charge.min_amount_cents and billable.occasion is not Occasion.PROGRESSIVE:
        missing = true_up(lines, billable.window, billable.party.plan.amount_currency)
    fees = {
        id(line): _charge_fee(billable, line, sources)
        for line in lines
        if not line.is_zero or (missing is not None and line is missing.parent)
    }
    if missing is None:
        return list(fees.values())
    return [*fees.values(), _true_up_fee(billable, missing, fees[id(missing.parent)], sources)]


def _true_up_fee(billable: Billable, missing: TrueUp, parent: FeeDocument, sources: TaxSources) -> FeeDocument:
    party, amounts = billable.party, missing.amounts
    taxes = sources.of_fee(parent.charge_id, party.plan.id, party.customer.id, party.entity.id)
    taxable = TaxableFee(amounts.amount_cents, amounts.precise_amount_cents, taxes=taxes)
    return replace(
        parent,
        id=new_id(),
        true_up_parent_fee_id=parent.id,
        amount_cents=amounts.amount_cents,
        precise_amount_cents=amounts.precise_amount_cents,
        unit_amount_cents=amounts.unit_amount_cents,
        precise_unit_amount=amounts.precise_unit_amount,
        units=amounts.units,
        total_aggregated_units=amounts.units,
        events_count=0,
        grouped_by={},
        presentation_breakdowns=(),
        amount_details={},
        evidence={
            "min_amount_cents": missing.parent.charge.min_amount_cents,
            "days": billable.window.days,
            "full_days": billable.window.full_days,
            "used_cents": missing.used_cents,
            "precise_used_cents": str(missing.precise_used_cents),
        },
        taxable=taxable,
        taxes=fee_taxes(taxable),
    )


def _charge_fee(billable: Billable, line: RatedLine, sources: TaxSources) -> FeeDocument:
    party, charge, amounts = billable.party, line.charge, line.amounts
    period = billable.ranges.charges
    assert period is not None, "usage is only rated over a range"
    taxes = sources.of_fee(charge.id, party.plan.id, party.customer.id, party.entity.id)
    taxable = TaxableFee(amounts.amount_cents, amounts.precise_amount_cents, taxes=taxes)
    return FeeDocument(
        subscription_id=party.subscription.id,
        charge_id=charge.id,
        charge_filter_id=line.filter.id if line.filter else None,
        filter_display_name=line.filter.display_name if line.filter else None,
        filter_values=line.filter.values if line.filter else None,
        grouped_by=line.grouped_by,
        presentation_breakdowns=line.breakdown,
        terms_id=line.terms_id,
        fee_type="charge",
        item_id=charge.metric.id,
        item_type="BillableMetric",
        item_code=charge.metric.code,
        item_name=charge.metric_name,
        item_description=charge.metric_description,
        invoice_display_name=charge.invoice_display_name or charge.metric_name,
        amount_cents=amounts.amount_cents,
        precise_amount_cents=amounts.precise_amount_cents,
        unit_amount_cents=amounts.unit_amount_cents,
        precise_unit_amount=amounts.precise_unit_amount,
        units=amounts.units,
        total_aggregated_units=line.total_aggregated_units,
        events_count=line.events_count,
        from_at=period.start,
        to_at=period.end,
        pay_in_advance=charge.pay_in_advance,
        invoiceable=charge.invoiceable,
        amount_details=line.details,
        evidence=line.evidence(),
        taxable=taxable,
        taxes=fee_taxes(taxable),
    )
