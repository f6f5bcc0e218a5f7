"""Usage events: append-only facts with two times, when the usage happened and in which order we learnt of it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Numeric, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from laguna.models.base import Base

LANE_SHIFT = 48  # an arrival is lane << 48 | n


class EventStream(Base):
    """The events of one code on one external subscription id; interned once, cached by the writers."""

    __tablename__ = "event_streams"
    __table_args__ = (
        UniqueConstraint("organization_id", "external_subscription_id", "code", postgresql_nulls_not_distinct=True),
        Index("event_streams_organization_id_code_idx", "organization_id", "code"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    external_subscription_id: Mapped[str | None]
    code: Mapped[str]


class Event(Base):
    """`seq` is the arrival, in the order of commits. `key` is 9 bytes of a hash of organization and
    transaction id and 7 of one of the subscription (random without one): unique, and the API's id.
    `value` and `value_text` are derived from `properties` by the metric, and may be derived again."""

    __tablename__ = "events"
    __table_args__ = (
        Index("events_stream_id_timestamp_idx", "stream_id", "timestamp", postgresql_include=["value", "seq"]),
    )

    key: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    stream_id: Mapped[int] = mapped_column(BigInteger)
    timestamp: Mapped[datetime]
    ingested_at: Mapped[datetime]
    supersedes: Mapped[UUID | None]
    value: Mapped[Decimal | None] = mapped_column(Numeric)
    value_text: Mapped[str | None]
    precise_total_amount_cents: Mapped[Decimal | None] = mapped_column(Numeric)
    transaction_id: Mapped[str]
    properties: Mapped[dict[str, Any]]


class FaultyEvent(Base):
    """An event that could not be used as it was stored, until it is told of at `report_at`."""

    __tablename__ = "faulty_events"
    __table_args__ = (Index("faulty_events_organization_id_report_at_idx", "organization_id", "report_at"),)

    key: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    report_at: Mapped[datetime]


class WriterLane(Base):
    """How far each lane of arrivals is committed: the map of these rows is "as known at"."""

    __tablename__ = "writer_lanes"

    lane: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    last: Mapped[int] = mapped_column(BigInteger)
