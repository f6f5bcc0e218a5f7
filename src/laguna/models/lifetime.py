"""What a subscription has used since it began, over all of its plans."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from laguna.models.base import Resource


class LifetimeUsage(Resource):
    """What only the client knows of it. One for the lives of a subscription that follow each other by a change of
    plan: it belongs to the latest."""

    __tablename__ = "lifetime_usages"

    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscriptions.id"), unique=True)
    historical_usage_amount_cents: Mapped[int] = mapped_column(BigInteger, default=0)  # from before Laguna
