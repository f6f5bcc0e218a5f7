"""What is for sale: plans, charges, and the terms that price them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, Numeric, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from laguna.models.base import Base, Resource, Row, SoftDeleted, living_unique


class Terms(Row):
    """A price, addressed by its content and never changed. `kind` is a charge model, `subscription` for a plan's own
    amount, or `commitment`. Equal prices of an organization are one row, so that "still at the old price" is an
    equality."""

    __tablename__ = "terms"
    __table_args__ = (UniqueConstraint("organization_id", "hash"),)

    hash: Mapped[bytes] = mapped_column(LargeBinary)
    kind: Mapped[str]
    properties: Mapped[dict[str, Any]]


class TermsHistory(Base):
    """Since when a plan, commitment or charge has had which terms."""

    __tablename__ = "terms_history"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    priced_id: Mapped[UUID] = mapped_column(index=True)  # a plan, commitment, charge or filter
    terms_id: Mapped[UUID] = mapped_column(ForeignKey("terms.id"))
    since: Mapped[datetime]


class Plan(Resource, SoftDeleted):
    __tablename__ = "plans"
    __table_args__ = (
        Index(
            "plans_organization_id_code_key",
            "organization_id",
            "code",
            unique=True,
            postgresql_where=text("deleted_at IS NULL AND parent_id IS NULL"),
        ),
    )

    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("plans.id"), index=True)
    code: Mapped[str]
    name: Mapped[str]
    invoice_display_name: Mapped[str | None]
    description: Mapped[str | None]
    interval: Mapped[str]
    pay_in_advance: Mapped[bool]
    bill_charges_monthly: Mapped[bool | None]
    bill_fixed_charges_monthly: Mapped[bool | None]
    trial_period: Mapped[Decimal | None] = mapped_column(Numeric)  # days
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str]
    terms_id: Mapped[UUID] = mapped_column(ForeignKey("terms.id"))
    pending_deletion: Mapped[bool] = mapped_column(default=False)
    plan_metadata: Mapped[dict[str, Any] | None] = mapped_column("metadata")


class Commitment(Resource, SoftDeleted):
    """The least that a subscription to a plan is billed for each of its periods (spec 2 §6)."""

    __tablename__ = "commitments"
    __table_args__ = (living_unique("commitments", "plan_id"),)

    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plans.id"))
    terms_id: Mapped[UUID] = mapped_column(ForeignKey("terms.id"))
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    invoice_display_name: Mapped[str | None]


class Charge(Resource, SoftDeleted):
    __tablename__ = "charges"
    __table_args__ = (
        Index("charges_plan_id_code_key", "plan_id", "code", unique=True, postgresql_where=text("deleted_at IS NULL")),
    )

    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plans.id"))
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("charges.id"), index=True)
    billable_metric_id: Mapped[UUID] = mapped_column(ForeignKey("billable_metrics.id"), index=True)
    terms_id: Mapped[UUID] = mapped_column(ForeignKey("terms.id"))
    code: Mapped[str]
    charge_model: Mapped[str]
    invoice_display_name: Mapped[str | None]
    pay_in_advance: Mapped[bool] = mapped_column(default=False)
    invoiceable: Mapped[bool] = mapped_column(default=True)
    regroup_paid_fees: Mapped[str | None]
    prorated: Mapped[bool] = mapped_column(default=False)
    min_amount_cents: Mapped[int] = mapped_column(BigInteger, default=0)
    accepts_target_wallet: Mapped[bool] = mapped_column(default=False)


class ChargeFilter(Resource, SoftDeleted):
    """A price for the events that match: `values` are property -> list of values, `terms_id` its own price.

    Filters are in the order of their creation. `parent_id` is the filter of the parent plan that it was copied from.
    """

    __tablename__ = "charge_filters"

    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charges.id"), index=True)
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("charge_filters.id"), index=True)
    terms_id: Mapped[UUID] = mapped_column(ForeignKey("terms.id"))
    invoice_display_name: Mapped[str | None]
    values: Mapped[dict[str, Any]]
