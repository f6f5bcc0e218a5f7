"""Plans and charges in the API (spec 2 §2.1, spec 1 §3.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from laguna.kernel.inputs import (
    Boolean,
    Cents,
    CurrencyField,
    FreeObject,
    IdField,
    Input,
    ShortText,
    Text,
    Texts,
    decimal,
    integer,
    one_of,
)
from laguna.kernel.outputs import DecimalNumber, Instant, JsonObject, Output
from laguna.models import Charge, ChargeFilter, Plan
from laguna.pricing.models import KNOWN_CHARGE_MODELS
from laguna.taxes.schemas import TaxObject

INTERVALS = ("weekly", "monthly", "quarterly", "semiannual", "yearly")


class FilterInput(Input):
    """A filter of a charge."""

    invoice_display_name: ShortText = None
    properties: FreeObject = None
    values: FreeObject = None
    cascade_updates: Boolean = None


class ChargeInput(Input):
    id: IdField = None
    billable_metric_id: IdField = None
    code: ShortText = None
    charge_model: Annotated[str | None, one_of(*KNOWN_CHARGE_MODELS)] = None
    invoice_display_name: ShortText = None
    pay_in_advance: Boolean = None
    invoiceable: Boolean = None
    regroup_paid_fees: Annotated[str | None, one_of("invoice")] = None
    prorated: Boolean = None
    min_amount_cents: Cents = None
    accepts_target_wallet: Boolean = None
    properties: FreeObject = None
    filters: list[FilterInput] | None = None
    tax_codes: Texts = None
    applied_pricing_unit: FreeObject = None
    cascade_updates: Boolean = None


class MinimumCommitmentInput(Input):
    """The least a subscription is billed a period; without any field none."""

    amount_cents: Annotated[int | None, integer(1)] = None
    invoice_display_name: ShortText = None
    tax_codes: Texts = None


class UsageThresholdInput(Input):
    amount_cents: Annotated[int | None, integer(1)] = None
    recurring: Boolean = None
    threshold_display_name: ShortText = None


class PlanInput(Input):
    name: ShortText = None
    code: ShortText = None
    invoice_display_name: ShortText = None
    description: Text = None
    interval: Annotated[str | None, one_of(*INTERVALS)] = None
    amount_cents: Cents = None
    amount_currency: CurrencyField = None
    pay_in_advance: Boolean = None
    trial_period: Annotated[Decimal | None, decimal(0, 100_000)] = None
    bill_charges_monthly: Boolean = None
    bill_fixed_charges_monthly: Boolean = None
    tax_codes: Texts = None
    minimum_commitment: MinimumCommitmentInput | None = None
    charges: list[ChargeInput] | None = None
    fixed_charges: list[FreeObject] | None = None
    usage_thresholds: list[UsageThresholdInput] | None = None
    metadata: FreeObject = None
    cascade_updates: Boolean = None


class CascadeInput(Input):
    """What a deletion may say."""

    cascade_updates: Boolean = None


class PlanOverridesInput(Input):
    """What a subscription has otherwise than its plan; charges are named by their `id`."""

    name: ShortText = None
    invoice_display_name: ShortText = None
    description: Text = None
    amount_cents: Cents = None
    amount_currency: CurrencyField = None
    trial_period: Annotated[Decimal | None, decimal(0, 100_000)] = None
    tax_codes: Texts = None
    minimum_commitment: MinimumCommitmentInput | None = None
    charges: list[ChargeInput] | None = None
    fixed_charges: list[FreeObject] | None = None
    usage_thresholds: list[UsageThresholdInput] | None = None


class FilterObject(Output):
    lago_id: UUID
    charge_code: str
    invoice_display_name: str | None
    properties: JsonObject
    values: dict[str, list[str]]


class FilterReply(Output):
    filter: FilterObject


class ChargeObject(Output):
    lago_id: UUID
    lago_billable_metric_id: UUID
    lago_parent_id: UUID | None
    code: str
    billable_metric_code: str
    invoice_display_name: str | None
    created_at: Instant
    charge_model: str
    pay_in_advance: bool
    invoiceable: bool
    regroup_paid_fees: str | None
    prorated: bool
    min_amount_cents: int
    accepts_target_wallet: bool
    properties: JsonObject
    applied_pricing_unit: None = None
    filters: list[FilterObject]
    taxes: list[TaxObject]


class ChargeReply(Output):
    charge: ChargeObject


class MinimumCommitmentObject(Output):
    lago_id: UUID
    plan_code: str
    amount_cents: int
    invoice_display_name: str | None
    interval: str
    created_at: Instant
    updated_at: Instant
    taxes: list[TaxObject]


class ApplicableThresholdObject(Output):
    threshold_display_name: str | None
    amount_cents: int
    recurring: bool


class ThresholdObject(ApplicableThresholdObject):
    lago_id: UUID
    created_at: Instant
    updated_at: Instant


class PlanObject(Output):
    lago_id: UUID
    name: str
    invoice_display_name: str | None
    created_at: Instant
    code: str
    interval: str
    description: str | None
    amount_cents: int
    amount_currency: str
    trial_period: DecimalNumber | None
    pay_in_advance: bool
    bill_charges_monthly: bool | None
    bill_fixed_charges_monthly: bool | None
    customers_count: int = 0
    active_subscriptions_count: int = 0
    draft_invoices_count: int = 0
    parent_id: UUID | None
    pending_deletion: bool
    minimum_commitment: MinimumCommitmentObject | None
    charges: list[ChargeObject]
    fixed_charges: list[Output]
    usage_thresholds: list[ThresholdObject]
    applicable_usage_thresholds: list[ApplicableThresholdObject]
    entitlements: list[Output]
    taxes: list[TaxObject]
    metadata: dict[str, Any] | None


class PlanReply(Output):
    plan: PlanObject


def _shown(properties: Mapping[str, Any]) -> dict[str, Any]:
    """With the pricing group keys under their old name, too (spec 1 §3.2)."""
    keys = properties.get("pricing_group_keys")
    return {**properties, "grouped_by": keys} if keys else dict(properties)


def filter_object(row: ChargeFilter, charge_code: str, properties: Mapping[str, Any]) -> FilterObject:
    return FilterObject(
        lago_id=row.id,
        charge_code=charge_code,
        invoice_display_name=row.invoice_display_name,
        properties=_shown(properties),
        values=row.values,
    )


class MetadataReply(Output):
    metadata: JsonObject | None


def charge_object(
    charge: Charge,
    metric_code: str,
    properties: Mapping[str, Any],
    filters: Sequence[FilterObject],
    taxes: Sequence[TaxObject],
) -> ChargeObject:
    return ChargeObject(
        lago_id=charge.id,
        lago_billable_metric_id=charge.billable_metric_id,
        lago_parent_id=charge.parent_id,
        code=charge.code,
        billable_metric_code=metric_code,
        invoice_display_name=charge.invoice_display_name,
        created_at=charge.created_at,
        charge_model=charge.charge_model,
        pay_in_advance=charge.pay_in_advance,
        invoiceable=charge.invoiceable,
        regroup_paid_fees=charge.regroup_paid_fees,
        prorated=charge.prorated,
        min_amount_cents=charge.min_amount_cents,
        accepts_target_wallet=charge.accepts_target_wallet,
        properties=_shown(properties),
        filters=list(filters),
        taxes=list(taxes),
    )


def plan_object(
    plan: Plan,
    charges: Sequence[ChargeObject],
    taxes: Sequence[TaxObject],
    commitment: MinimumCommitmentObject | None,
    thresholds: Sequence[ThresholdObject],
    applicable: Sequence[ApplicableThresholdObject],
) -> PlanObject:
    return PlanObject(
        lago_id=plan.id,
        name=plan.name,
        invoice_display_name=plan.invoice_display_name,
        created_at=plan.created_at,
        code=plan.code,
        interval=plan.interval,
        description=plan.description,
        amount_cents=plan.amount_cents,
        amount_currency=plan.amount_currency,
        trial_period=plan.trial_period,
        pay_in_advance=plan.pay_in_advance,
        bill_charges_monthly=plan.bill_charges_monthly,
        bill_fixed_charges_monthly=plan.bill_fixed_charges_monthly,
        parent_id=plan.parent_id,
        pending_deletion=plan.pending_deletion,
        minimum_commitment=commitment,
        charges=list(charges),
        fixed_charges=[],
        usage_thresholds=list(thresholds),
        applicable_usage_thresholds=list(applicable),
        entitlements=[],
        taxes=list(taxes),
        metadata=plan.plan_metadata,
    )
