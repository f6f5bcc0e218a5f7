"""Billable metrics: how events become units."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from laguna.models.base import Base, Resource, SoftDeleted, living_unique


class BillableMetric(Resource, SoftDeleted):
    """`values_ready` is false while the events that came before the metric do not carry its derived values yet."""

    __tablename__ = "billable_metrics"
    __table_args__ = (living_unique("billable_metrics", "organization_id", "code"),)

    code: Mapped[str]
    name: Mapped[str]
    description: Mapped[str | None]
    aggregation_type: Mapped[str]
    field_name: Mapped[str | None]
    recurring: Mapped[bool] = mapped_column(default=False)
    weighted_interval: Mapped[str | None]
    rounding_function: Mapped[str | None]
    rounding_precision: Mapped[int | None]
    expression: Mapped[str | None]
    values_ready: Mapped[bool] = mapped_column(default=True)


class BillableMetricFilter(Base):
    """A property of the metric's events, and the values charges may price apart."""

    __tablename__ = "billable_metric_filters"

    billable_metric_id: Mapped[UUID] = mapped_column(ForeignKey("billable_metrics.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    values: Mapped[list[str]]
