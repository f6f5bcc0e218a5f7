"""Webhooks: who listens, what was said, and each delivery of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from laguna.models.base import Base, Resource, Row


class WebhookEndpoint(Resource):
    """Where to send. `event_types` null is all of them, empty none."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (UniqueConstraint("organization_id", "webhook_url"),)

    webhook_url: Mapped[str]
    signature_algo: Mapped[str] = mapped_column(default="jwt")
    name: Mapped[str | None]
    event_types: Mapped[list[str] | None]


class WebhookMessage(Row):
    """What was said, rendered once in the transaction that caused it; `payload` is the body's exact text."""

    __tablename__ = "webhook_messages"
    __table_args__ = (Index("webhook_messages_organization_id_created_at_idx", "organization_id", "created_at"),)

    webhook_type: Mapped[str]
    object_type: Mapped[str]
    object_id: Mapped[UUID]
    payload: Mapped[str]


class WebhookDelivery(Base):
    """One message on its way to one endpoint: a row of the outbox. Times are real ones, also for a sandbox.

    `next_attempt_at` is null when nothing more is to be done. Of one endpoint and object the earliest open row goes
    first and holds back the others. `leased_until` keeps other senders off while one is at it.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index(
            "webhook_deliveries_due_idx",
            "endpoint_id",
            "next_attempt_at",
            "id",
            postgresql_where=text("next_attempt_at IS NOT NULL"),
        ),
        Index(
            "webhook_deliveries_order_idx",
            "endpoint_id",
            "object_id",
            "id",
            postgresql_where=text("next_attempt_at IS NOT NULL"),
        ),
        Index("webhook_deliveries_organization_id_idx", "organization_id", "id"),
        Index("webhook_deliveries_message_id_idx", "message_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    message_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_messages.id", ondelete="CASCADE"))
    object_id: Mapped[UUID]
    status: Mapped[str]
    attempts: Mapped[int]
    queued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]
    last_attempt_at: Mapped[datetime | None]
    http_status: Mapped[int | None]
    response: Mapped[str | None]
