"""Whom a billing step is about: subscriptions with their plans, customers and billing entities, loaded at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from laguna.invoices.dates import DateSettings, IssuingAdjustment, IssuingAnchor
from laguna.kernel.context import Context
from laguna.models import BillingEntity, Customer, Plan, Subscription
from laguna.subscriptions.grid import Calendar
from laguna.subscriptions.service import calendar_of


@dataclass(frozen=True, slots=True)
class Party:
    """A subscription and everything its invoice depends on.

    `entity` issues: its are the settings and taxes that the customer has none of (spec 2 W-22). The time zone alone is
    the customer's own entity's, as it is one for all that the customer has.
    """

    subscription: Subscription
    plan: Plan
    customer: Customer
    entity: BillingEntity
    calendar: Calendar

    @property
    def timezone(self) -> str:
        """The customer's applicable time zone (CUS-10)."""
        return self.calendar.timezone.key

    @property
    def zone(self) -> ZoneInfo:
        return self.calendar.timezone

    @property
    def date_settings(self) -> DateSettings:
        return date_settings(self.customer, self.entity)

    @property
    def document_locale(self) -> str:
        """The language of documents (CUS-14)."""
        return self.customer.document_locale or self.entity.document_locale

    @property
    def display_name(self) -> str:
        """What a subscription is called on documents; lines are in this order (INV-20)."""
        return self.subscription.name or self.plan.invoice_display_name or self.plan.name

    @property
    def finalizes_zero(self) -> bool:
        return finalizes_zero(self.customer, self.entity)


def applicable_timezone(customer: Customer, entity: BillingEntity) -> str:
    return customer.timezone or entity.timezone


def date_settings(customer: Customer, entity: BillingEntity) -> DateSettings:
    """Grace period, payment term, anchor and adjustment: the customer's own, else the entity's (CUS-11 to CUS-15)."""

    def resolved(name: str) -> Any:
        own = getattr(customer, name)
        return getattr(entity, name) if own is None else own

    return DateSettings(
        grace_period_days=resolved("invoice_grace_period"),
        net_payment_term_days=resolved("net_payment_term"),
        anchor=IssuingAnchor(resolved("subscription_invoice_issuing_date_anchor")),
        adjustment=IssuingAdjustment(resolved("subscription_invoice_issuing_date_adjustment")),
    )


def finalizes_zero(customer: Customer, entity: BillingEntity) -> bool:
    """Whether an invoice whose fees are 0 is issued (CUS-16)."""
    if customer.finalize_zero_amount_invoice == "inherit":
        return entity.finalize_zero_amount_invoice
    return customer.finalize_zero_amount_invoice == "finalize"


async def entities_of(context: Context) -> dict[UUID, BillingEntity]:
    """The organization's billing entities by their ids."""
    query = select(BillingEntity).where(BillingEntity.organization_id == context.organization_id)
    return {entity.id: entity for entity in await context.session.scalars(query)}


async def parties_of(context: Context, subscriptions: Sequence[Subscription]) -> list[Party]:
    """The parties of many subscriptions, in their order, in three statements."""
    session = context.session
    plans: dict[UUID, Plan] = {
        plan.id: plan
        for plan in await session.scalars(select(Plan).where(Plan.id.in_({row.plan_id for row in subscriptions})))
    }
    customers: dict[UUID, Customer] = {
        customer.id: customer
        for customer in await session.scalars(
            select(Customer).where(Customer.id.in_({row.customer_id for row in subscriptions}))
        )
    }
    entities = await entities_of(context)
    found: list[Party] = []
    for subscription in subscriptions:
        plan = plans[subscription.plan_id]
        customer = customers[subscription.customer_id]
        timezone = applicable_timezone(customer, entities[customer.billing_entity_id])
        found.append(
            Party(
                subscription=subscription,
                plan=plan,
                customer=customer,
                entity=entities[subscription.billing_entity_id or customer.billing_entity_id],
                calendar=calendar_of(subscription, plan, timezone),
            )
        )
    return found
