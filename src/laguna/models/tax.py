"""Taxes, and what they are attached to."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from laguna.models.base import Base, Resource, SoftDeleted, living_unique


class Tax(Resource, SoftDeleted):
    __tablename__ = "taxes"
    __table_args__ = (living_unique("taxes", "organization_id", "code"),)

    code: Mapped[str]
    name: Mapped[str]
    rate: Mapped[Decimal] = mapped_column(Numeric)  # percent
    description: Mapped[str | None]


class Attached(Base):
    """A tax attached to one object; several add up."""

    __abstract__ = True

    tax_id: Mapped[UUID] = mapped_column(ForeignKey("taxes.id"), primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))


class BillingEntityTax(Attached):
    __tablename__ = "billing_entity_taxes"
    __table_args__ = (Index("billing_entity_taxes_owner_idx", "owner_id"),)

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("billing_entities.id"), primary_key=True)


class CustomerTax(Attached):
    __tablename__ = "customer_taxes"
    __table_args__ = (Index("customer_taxes_owner_idx", "owner_id"),)

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"), primary_key=True)


class PlanTax(Attached):
    __tablename__ = "plan_taxes"
    __table_args__ = (Index("plan_taxes_owner_idx", "owner_id"),)

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("plans.id"), primary_key=True)


class CommitmentTax(Attached):
    __tablename__ = "commitment_taxes"
    __table_args__ = (Index("commitment_taxes_owner_idx", "owner_id"),)

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("commitments.id"), primary_key=True)


class ChargeTax(Attached):
    __tablename__ = "charge_taxes"
    __table_args__ = (Index("charge_taxes_owner_idx", "owner_id"),)

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("charges.id"), primary_key=True)
