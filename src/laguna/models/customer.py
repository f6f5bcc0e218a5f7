"""Who is billed."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from laguna.models.base import Resource, SoftDeleted, living_unique


class Customer(Resource, SoftDeleted):
    __tablename__ = "customers"
    __table_args__ = (
        living_unique("customers", "organization_id", "external_id"),
        Index("customers_organization_id_sequential_id_key", "organization_id", "sequential_id", unique=True),
        Index("customers_organization_id_created_at_idx", "organization_id", "created_at", "id"),
    )

    external_id: Mapped[str]
    billing_entity_id: Mapped[UUID] = mapped_column(ForeignKey("billing_entities.id"))
    sequential_id: Mapped[int] = mapped_column(BigInteger)
    slug: Mapped[str]
    account_type: Mapped[str] = mapped_column(default="customer")
    customer_type: Mapped[str | None]
    name: Mapped[str | None]
    firstname: Mapped[str | None]
    lastname: Mapped[str | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    url: Mapped[str | None]
    logo_url: Mapped[str | None]
    legal_name: Mapped[str | None]
    legal_number: Mapped[str | None]
    tax_identification_number: Mapped[str | None]
    address_line1: Mapped[str | None]
    address_line2: Mapped[str | None]
    city: Mapped[str | None]
    state: Mapped[str | None]
    zipcode: Mapped[str | None]
    country: Mapped[str | None]
    shipping_address_line1: Mapped[str | None]
    shipping_address_line2: Mapped[str | None]
    shipping_city: Mapped[str | None]
    shipping_state: Mapped[str | None]
    shipping_zipcode: Mapped[str | None]
    shipping_country: Mapped[str | None]
    currency: Mapped[str | None]
    timezone: Mapped[str | None]
    net_payment_term: Mapped[int | None]
    finalize_zero_amount_invoice: Mapped[str] = mapped_column(default="inherit")
    skip_invoice_custom_sections: Mapped[bool] = mapped_column(default=False)
    external_salesforce_id: Mapped[str | None]
    invoice_grace_period: Mapped[int | None]
    document_locale: Mapped[str | None]
    subscription_invoice_issuing_date_anchor: Mapped[str | None]
    subscription_invoice_issuing_date_adjustment: Mapped[str | None]

    @property
    def display_name(self) -> str | None:
        """`name`, else first and last name (spec 2 §1.1)."""
        return self.name or " ".join(part for part in (self.firstname, self.lastname) if part) or None


class CustomerMetadata(Resource):
    __tablename__ = "customer_metadata"
    __table_args__ = (Index("customer_metadata_customer_id_key_key", "customer_id", "key", unique=True),)

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"))
    key: Mapped[str]
    value: Mapped[str]
    display_in_invoice: Mapped[bool] = mapped_column(default=False)
    position: Mapped[int] = mapped_column(default=0)
