"""What documents say."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from laguna.models.base import Base


class InvoicePdf(Base):
    """Everything the PDF of an invoice prints, resolved: words, names, dates and amounts as they are shown.

    Written once and never changed. `parties` (names, addresses, the customer's metadata) stands apart, so that it can
    be erased together with `invoice_parties`.
    """

    __tablename__ = "invoice_pdfs"

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), index=True)
    created_at: Mapped[datetime]
    content: Mapped[dict[str, Any]]
    parties: Mapped[dict[str, Any]]
