"""Subscriptions in the API (spec 2 §3.1)."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from laguna.catalog.schemas import (
    ApplicableThresholdObject,
    PlanObject,
    PlanOverridesInput,
    ThresholdObject,
    UsageThresholdInput,
)
from laguna.customers.schemas import CustomerObject
from laguna.kernel.inputs import Boolean, FreeObject, IdField, Input, InstantField, ShortText, one_of
from laguna.kernel.outputs import Instant, InstantMs, Output
from laguna.models import Subscription

CREDIT_NOTE_OPTIONS = ("credit", "refund", "offset", "skip")  # for what was paid and is not used (TRM-4)
INVOICE_OPTIONS = ("generate", "skip")
STATUSES = ("pending", "active", "terminated", "canceled", "incomplete")


class SubscriptionInput(Input):
    external_customer_id: ShortText = None
    plan_code: ShortText = None
    external_id: ShortText = None
    name: ShortText = None
    billing_time: Annotated[str | None, one_of("calendar", "anniversary")] = None
    subscription_at: InstantField = None
    ending_at: InstantField = None
    billing_entity_code: ShortText = None
    billing_entity_id: IdField = None
    plan_overrides: PlanOverridesInput | None = None
    usage_thresholds: list[UsageThresholdInput] | None = None
    progressive_billing_disabled: Boolean = None
    payment_method: FreeObject = None
    invoice_custom_section: FreeObject = None
    consolidate_invoice: Boolean = None
    purchase_order_number: ShortText = None
    activation_rules: Any = None  # of whatever shape: a wrong one has its own code


class SubscriptionUpdateInput(SubscriptionInput):
    """What PUT takes besides; what it can't change is ignored."""

    on_termination_credit_note: Annotated[str | None, one_of(*CREDIT_NOTE_OPTIONS, code="invalid_value")] = None
    on_termination_invoice: Annotated[str | None, one_of(*INVOICE_OPTIONS, code="invalid_value")] = None


class PaymentMethodReference(Output):
    payment_method_id: UUID | None = None
    payment_method_type: str = "provider"


class SubscriptionObject(Output):
    """A subscription as lists and other objects show it."""

    lago_id: UUID
    external_id: str
    lago_customer_id: UUID
    external_customer_id: str
    billing_entity_code: str
    name: str | None
    plan_code: str
    plan_amount_cents: int
    plan_amount_currency: str
    status: str
    billing_time: str
    subscription_at: Instant
    started_at: InstantMs | None
    activated_at: Instant | None
    trial_ended_at: Instant | None
    ending_at: Instant | None
    terminated_at: Instant | None
    canceled_at: Instant | None
    created_at: Instant
    previous_plan_code: str | None
    next_plan_code: str | None
    downgrade_plan_date: date | None
    current_billing_period_started_at: Instant | None
    current_billing_period_ending_at: Instant | None
    on_termination_credit_note: str | None
    on_termination_invoice: str
    progressive_billing_disabled: bool
    consolidate_invoice: bool
    purchase_order_number: str | None
    cancellation_reason: str | None
    payment_method: PaymentMethodReference
    activation_rules: list[Output]
    applied_invoice_custom_sections: list[Output]


class SubscriptionDetail(SubscriptionObject):
    """A subscription read on its own: with its plan."""

    plan: PlanObject
    applicable_usage_thresholds: list[ApplicableThresholdObject]
    entitlements: list[Output]


class SubscriptionNews(SubscriptionDetail):
    """A subscription as webhooks tell of it: with plan and customer."""

    customer: CustomerObject


class ThresholdNews(SubscriptionNews):
    """A subscription whose usage has reached a threshold."""

    usage_threshold: ThresholdObject


class SubscriptionReply(Output):
    subscription: SubscriptionObject


class SubscriptionDetailReply(Output):
    subscription: SubscriptionDetail


_OWN = (
    "external_id",
    "name",
    "status",
    "billing_time",
    "subscription_at",
    "started_at",
    "activated_at",
    "trial_ended_at",
    "ending_at",
    "terminated_at",
    "canceled_at",
    "created_at",
    "on_termination_credit_note",
    "on_termination_invoice",
    "progressive_billing_disabled",
    "consolidate_invoice",
    "purchase_order_number",
    "cancellation_reason",
)


def own_fields(subscription: Subscription) -> dict[str, Any]:
    """The fields that stand in the subscription's own row."""
    fields: dict[str, Any] = {name: getattr(subscription, name) for name in _OWN}
    return fields | {
        "lago_id": subscription.id,
        "lago_customer_id": subscription.customer_id,
        "payment_method": PaymentMethodReference(),
        "activation_rules": [],
        "applied_invoice_custom_sections": [],
    }
