"""The tenant, the legal entities it sells through, and its API keys."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from laguna.kernel.ids import new_id
from laguna.models.base import Base, Resource, Row


class Organization(Base):
    """Everything belongs to exactly one. A sandbox has its own clock, `test_clock`; a live one has none."""

    __tablename__ = "organizations"
    __table_args__ = (
        Index("organizations_clock_target_idx", "clock_target", postgresql_where=text("clock_target IS NOT NULL")),
        Index("organizations_sandbox_idx", "id", postgresql_where=text("test_clock IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    slug: Mapped[str] = mapped_column(unique=True)
    test_clock: Mapped[datetime | None]
    clock_target: Mapped[datetime | None]  # where the test clock is being moved to; null when it rests
    hmac_key: Mapped[str] = mapped_column(server_default=text("gen_random_uuid()::text"))  # signs webhooks
    customer_sequence: Mapped[int] = mapped_column(BigInteger, default=0)
    catalog_version: Mapped[int] = mapped_column(BigInteger, default=0)  # what writers of events know of the metrics
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @property
    def sandbox(self) -> bool:
        return self.test_clock is not None


class BillingEntity(Resource):
    """The legal seller on documents. The default one has the id of its organization (spec 4 §1.2)."""

    __tablename__ = "billing_entities"
    __table_args__ = (UniqueConstraint("organization_id", "code"),)

    code: Mapped[str]
    name: Mapped[str]
    is_default: Mapped[bool] = mapped_column(default=False)
    default_currency: Mapped[str] = mapped_column(default="USD")
    document_locale: Mapped[str] = mapped_column(default="en")
    document_numbering: Mapped[str] = mapped_column(default="per_customer")
    document_number_prefix: Mapped[str]
    finalize_zero_amount_invoice: Mapped[bool] = mapped_column(default=True)
    invoice_footer: Mapped[str | None]
    invoice_grace_period: Mapped[int] = mapped_column(default=0)
    subscription_invoice_issuing_date_anchor: Mapped[str] = mapped_column(default="next_period_start")
    subscription_invoice_issuing_date_adjustment: Mapped[str] = mapped_column(default="align_with_finalization_date")
    net_payment_term: Mapped[int] = mapped_column(default=0)
    timezone: Mapped[str] = mapped_column(default="UTC")
    email: Mapped[str | None]
    email_settings: Mapped[list[str]] = mapped_column(default=list)
    legal_name: Mapped[str | None]
    legal_number: Mapped[str | None]
    tax_identification_number: Mapped[str | None]
    phone: Mapped[str | None]
    address_line1: Mapped[str | None]
    address_line2: Mapped[str | None]
    city: Mapped[str | None]
    state: Mapped[str | None]
    zipcode: Mapped[str | None]
    country: Mapped[str | None]
    logo_digest: Mapped[str | None]  # of one of the organization's logos
    invoice_sequence: Mapped[int] = mapped_column(BigInteger, default=0)  # last number taken by all its invoices


class Logo(Base):
    """A picture that stands, or once stood, for a billing entity. Named by the SHA-256 of its bytes, in hexadecimal,
    and never changed: invoices keep to it."""

    __tablename__ = "logos"

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(primary_key=True)
    content_type: Mapped[str]
    data: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]


class ApiKey(Row):
    """A key is a random UUID shown once; only its SHA-256 is kept."""

    __tablename__ = "api_keys"

    name: Mapped[str | None]
    hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    expires_at: Mapped[datetime | None]


class CustomerSequence(Base):
    """The last invoice number of a customer with a billing entity; taken in bulk, at commit (spec 2 NBR-2)."""

    __tablename__ = "customer_sequences"

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    billing_entity_id: Mapped[UUID] = mapped_column(ForeignKey("billing_entities.id"), primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    last: Mapped[int] = mapped_column(BigInteger)
