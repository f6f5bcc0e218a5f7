"""Items of timers that failed: kept out of the ordering until their next try."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from laguna.models.base import Base


class TimerFailure(Base):
    """`retry_at` is real time, also for a sandbox."""

    __tablename__ = "timer_failures"
    __table_args__ = (Index("timer_failures_organization_id_idx", "organization_id"),)

    timer: Mapped[str] = mapped_column(primary_key=True)
    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    error: Mapped[str]
    attempts: Mapped[int]
    failed_at: Mapped[datetime]
    retry_at: Mapped[datetime]
