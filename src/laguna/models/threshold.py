"""Usage thresholds: amounts of usage that are billed as soon as they are reached, and what was billed for them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from laguna.models.base import ALIVE, Base, Resource, Row, SoftDeleted


class UsageThreshold(Resource, SoftDeleted):
    """Of a plan, or of one subscription instead of its plan's. In minor units, over 0; a recurring one is repeated
    after the largest of the others."""

    __tablename__ = "usage_thresholds"
    __table_args__ = (
        CheckConstraint("(plan_id IS NULL) <> (subscription_id IS NULL)", "owner"),
        Index("usage_thresholds_plan_id_idx", "plan_id", postgresql_where=ALIVE),
        Index("usage_thresholds_subscription_id_idx", "subscription_id", postgresql_where=ALIVE),
        Index("usage_thresholds_organization_id_idx", "organization_id", postgresql_where=ALIVE),
    )

    plan_id: Mapped[UUID | None] = mapped_column(ForeignKey("plans.id"))
    subscription_id: Mapped[UUID | None] = mapped_column(ForeignKey("subscriptions.id"))
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    recurring: Mapped[bool]
    threshold_display_name: Mapped[str | None]


class AppliedUsageThreshold(Row):
    """A threshold that a progressive invoice was made for, and what the lifetime usage was then."""

    __tablename__ = "applied_usage_thresholds"

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), index=True)
    usage_threshold_id: Mapped[UUID] = mapped_column(ForeignKey("usage_thresholds.id"))
    lifetime_usage_amount_cents: Mapped[int] = mapped_column(BigInteger)


class ProgressiveCredit(Row):
    """What an invoice takes off for usage that a progressive invoice of the period has billed already."""

    __tablename__ = "progressive_credits"

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), index=True)
    progressive_invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), index=True)
    amount_cents: Mapped[int] = mapped_column(BigInteger)


class UsageMark(Base):
    """The usage of a subscription with thresholds has changed, and is to be looked at.

    Only added and removed, so that who stores events never waits for who looks; for the same reason the subscription is
    no foreign key.
    """

    __tablename__ = "usage_marks"
    __table_args__ = (Index("usage_marks_subscription_idx", "organization_id", "subscription_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    subscription_id: Mapped[UUID]
    marked_at: Mapped[datetime]
