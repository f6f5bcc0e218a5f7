"""Projected usage as the API shows it (spec 1 §6.6): each level is the sum of its parts (W20)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from laguna.kernel.money import ZERO
from laguna.kernel.outputs import DecimalText, Instant, Output
from laguna.subscriptions.usage_objects import (
    BreakdownObject,
    Figures,
    UsageMetricObject,
    breakdowns,
    by_filter,
    by_group,
)


class ProjectedFiguresObject(Output):
    units: DecimalText
    projected_units: DecimalText
    events_count: int
    amount_cents: int
    projected_amount_cents: int
    pricing_unit_details: None = None
    presentation_breakdowns: list[BreakdownObject]
    projected_presentation_breakdowns: list[BreakdownObject]


class ProjectedFilterObject(ProjectedFiguresObject):
    """`values` of what no filter matches are {}: the official clients don't take null here."""

    invoice_display_name: str | None
    values: dict[str, list[str]]


class ProjectedGroupObject(ProjectedFiguresObject):
    grouped_by: dict[str, str | None]
    filters: list[ProjectedFilterObject]


class ProjectedChargeFactsObject(Output):
    lago_id: UUID
    charge_model: str
    invoice_display_name: str | None


class ProjectedChargeObject(ProjectedFiguresObject):
    amount_currency: str
    charge: ProjectedChargeFactsObject
    billable_metric: UsageMetricObject
    filters: list[ProjectedFilterObject]
    grouped_usage: list[ProjectedGroupObject]


class ProjectedUsageObject(Output):
    from_datetime: Instant
    to_datetime: Instant
    issuing_date: date
    lago_invoice_id: None
    currency: str
    amount_cents: int
    projected_amount_cents: int
    taxes_amount_cents: int
    total_amount_cents: int
    charges_usage: list[ProjectedChargeObject]


class ProjectedUsageReply(Output):
    customer_projected_usage: ProjectedUsageObject


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectedFigures(Figures):
    """Usage of one filter and group of a charge, and what it will be at the end of the period."""

    projected_units: Decimal
    projected_amount_cents: int
    projected_breakdown: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class ProjectedChargeFacts:
    """What is shown of a charge and its metric."""

    charge: ProjectedChargeFactsObject
    metric: UsageMetricObject
    currency: str
    filtered: bool


def projected_charge(facts: ProjectedChargeFacts, figures: Sequence[ProjectedFigures]) -> ProjectedChargeObject:
    """One charge with its figures, summed up by filter and by group."""
    groups = by_group(figures)
    return ProjectedChargeObject(
        **_sums(figures, shows_breakdown=not groups and not facts.filtered),
        amount_currency=facts.currency,
        charge=facts.charge,
        billable_metric=facts.metric,
        filters=_filters(figures) if facts.filtered else [],
        grouped_usage=[
            ProjectedGroupObject(
                **_sums(items, shows_breakdown=not facts.filtered),
                grouped_by=dict(items[0].grouped_by),
                filters=_filters(items) if facts.filtered else [],
            )
            for items in groups
        ],
    )


def _filters(figures: Sequence[ProjectedFigures]) -> list[ProjectedFilterObject]:
    return [
        ProjectedFilterObject(
            **_sums(items, shows_breakdown=True),
            invoice_display_name=items[0].filter.invoice_display_name,
            values=items[0].filter.shown_values or {},
        )
        for items in by_filter(figures)
    ]


def _sums(figures: Sequence[ProjectedFigures], *, shows_breakdown: bool) -> dict[str, Any]:
    projected = [BreakdownObject(**row) for item in figures for row in item.projected_breakdown]
    return {
        "units": sum((item.units for item in figures), ZERO),
        "projected_units": sum((item.projected_units for item in figures), ZERO),
        "events_count": sum(item.events_count for item in figures),
        "amount_cents": sum(item.amount_cents for item in figures),
        "projected_amount_cents": sum(item.projected_amount_cents for item in figures),
        "presentation_breakdowns": breakdowns(figures) if shows_breakdown else [],
        "projected_presentation_breakdowns": projected if shows_breakdown else [],
    }
