"""A customer's subscription to a plan, and when it is next due."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from laguna.models.base import Resource

LIVING = text("status = 'active'")
IN_TRIAL = "status = 'active' AND trial_ends_at IS NOT NULL AND trial_ended_at IS NULL"
WAITING = {
    "terminates_at": "terminates_at IS NOT NULL",
    "next_alert_at": "next_alert_at IS NOT NULL",
    "trial_ends_at": IN_TRIAL,
}


class Subscription(Resource):
    """`activates_at`, `next_billing_at`, `terminates_at`, `next_alert_at`, and `trial_ends_at` as long as
    `trial_ended_at` is null, are the instants its timers wait for. One that is pending and has a predecessor waits for
    the end of that one's period."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        Index(
            "subscriptions_organization_id_external_id_key",
            "organization_id",
            "external_id",
            unique=True,
            postgresql_where=LIVING,
        ),
        Index("subscriptions_external_id_idx", "organization_id", "external_id"),
        Index(
            "subscriptions_activates_at_idx",
            "activates_at",
            "organization_id",
            postgresql_where=text("activates_at IS NOT NULL"),
        ),
        Index(
            "subscriptions_organization_activates_at_idx",
            "organization_id",
            "activates_at",
            postgresql_where=text("activates_at IS NOT NULL"),
        ),
        Index(
            "subscriptions_next_billing_at_idx",
            "next_billing_at",
            "organization_id",
            postgresql_where=text("next_billing_at IS NOT NULL"),
        ),
        Index(
            "subscriptions_organization_next_billing_at_idx",
            "organization_id",
            "next_billing_at",
            postgresql_where=text("next_billing_at IS NOT NULL"),
        ),
        *(
            Index(f"subscriptions_{column}_idx", column, "organization_id", postgresql_where=text(condition))
            for column, condition in WAITING.items()
        ),
        Index("subscriptions_organization_subscription_at_idx", "organization_id", "subscription_at"),
        Index(
            "subscriptions_previous_subscription_id_idx",
            "previous_subscription_id",
            postgresql_where=text("previous_subscription_id IS NOT NULL"),
        ),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"), index=True)
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plans.id"), index=True)
    billing_entity_id: Mapped[UUID | None] = mapped_column(ForeignKey("billing_entities.id"))
    previous_subscription_id: Mapped[UUID | None] = mapped_column(ForeignKey("subscriptions.id"))
    external_id: Mapped[str]
    name: Mapped[str | None]
    status: Mapped[str]
    billing_time: Mapped[str]
    subscription_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    activated_at: Mapped[datetime | None]
    terminated_at: Mapped[datetime | None]
    canceled_at: Mapped[datetime | None]
    ending_at: Mapped[datetime | None]
    trial_ended_at: Mapped[datetime | None]
    cancellation_reason: Mapped[str | None]
    on_termination_credit_note: Mapped[str | None]
    on_termination_invoice: Mapped[str] = mapped_column(default="generate")
    progressive_billing_disabled: Mapped[bool] = mapped_column(default=False)
    consolidate_invoice: Mapped[bool] = mapped_column(default=True)
    purchase_order_number: Mapped[str | None]
    trial_ends_at: Mapped[datetime | None]  # of a trial that it has, also once that is over
    activates_at: Mapped[datetime | None]
    next_billing_at: Mapped[datetime | None]
    terminates_at: Mapped[datetime | None]  # the first instant of the local day of `ending_at`
    next_alert_at: Mapped[datetime | None]  # when the coming end is told of
