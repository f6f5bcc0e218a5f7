"""Usage as the API shows it, by charge, filter and group (spec 1 §6.1), composed from figures of any source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from laguna.kernel.money import ZERO
from laguna.kernel.outputs import DecimalText, Instant, Output


class BreakdownObject(Output):
    """Units of a presentation group."""

    presentation_by: dict[str, str | None]
    units: str


class FiguresObject(Output):
    """What each level of usage shows: a charge, its groups, and their filters."""

    units: DecimalText
    total_aggregated_units: DecimalText
    events_count: int
    amount_cents: int
    pricing_unit_details: None = None


class FilterUsageObject(FiguresObject):
    invoice_display_name: str | None
    values: dict[str, list[str]] | None
    presentation_breakdowns: list[BreakdownObject]


class GroupUsageObject(FiguresObject):
    grouped_by: dict[str, str | None]
    filters: list[FilterUsageObject]
    presentation_breakdowns: list[BreakdownObject]


class UsageChargeObject(Output):
    lago_id: UUID
    code: str
    charge_model: str
    invoice_display_name: str | None


class UsageMetricObject(Output):
    lago_id: UUID
    name: str
    code: str
    aggregation_type: str


class ChargeUsageObject(FiguresObject):
    amount_currency: str
    charge: UsageChargeObject
    billable_metric: UsageMetricObject
    filters: list[FilterUsageObject]
    grouped_usage: list[GroupUsageObject]
    presentation_breakdowns: list[BreakdownObject]


class CustomerUsageObject(Output):
    from_datetime: Instant
    to_datetime: Instant
    issuing_date: date
    lago_invoice_id: UUID | None
    currency: str
    amount_cents: int
    taxes_amount_cents: int
    total_amount_cents: int
    charges_usage: list[ChargeUsageObject]


class CustomerUsageReply(Output):
    customer_usage: CustomerUsageObject


@dataclass(frozen=True, slots=True)
class FilterFacts:
    """A filter as configured; without values it stands for what no filter matches."""

    id: UUID | None = None
    values: Mapping[str, Sequence[str]] | None = None
    invoice_display_name: str | None = None

    @property
    def shown_values(self) -> dict[str, list[str]] | None:
        return None if self.values is None else {key: list(values) for key, values in self.values.items()}


@dataclass(frozen=True, slots=True)
class Figures:
    """Usage of one filter and group of a charge."""

    units: Decimal
    total_aggregated_units: Decimal
    events_count: int
    amount_cents: int
    filter: FilterFacts = FilterFacts()
    grouped_by: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    breakdown: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class ChargeFacts:
    """What is shown of a charge and its metric."""

    charge: UsageChargeObject
    metric: UsageMetricObject
    currency: str
    filtered: bool


FiguresT = TypeVar("FiguresT", bound=Figures)


def charge_usage(facts: ChargeFacts, figures: Sequence[Figures]) -> ChargeUsageObject:
    """One charge with its figures, summed up by filter and by group."""
    groups = by_group(figures)
    return ChargeUsageObject(
        **_sums(figures),
        amount_currency=facts.currency,
        charge=facts.charge,
        billable_metric=facts.metric,
        filters=_filters(figures) if facts.filtered else [],
        grouped_usage=[
            GroupUsageObject(
                **_sums(items),
                grouped_by=dict(items[0].grouped_by),
                filters=_filters(items) if facts.filtered else [],
                presentation_breakdowns=[] if facts.filtered else breakdowns(items),
            )
            for items in groups
        ],
        presentation_breakdowns=[] if groups or facts.filtered else breakdowns(figures),
    )


def _filters(figures: Sequence[Figures]) -> list[FilterUsageObject]:
    return [
        FilterUsageObject(
            **_sums(items),
            invoice_display_name=items[0].filter.invoice_display_name,
            values=items[0].filter.shown_values,
            presentation_breakdowns=breakdowns(items),
        )
        for items in by_filter(figures)
    ]


def by_filter(figures: Sequence[FiguresT]) -> list[list[FiguresT]]:
    """The figures by their filters, in the order in which each first comes."""
    return _parted(figures, lambda item: item.filter.id)


def by_group(figures: Sequence[FiguresT]) -> list[list[FiguresT]]:
    """The figures by their groups; nothing where nothing is grouped."""
    if not any(item.grouped_by for item in figures):
        return []
    return _parted(figures, lambda item: tuple(sorted(item.grouped_by.items())))


def _parted(figures: Sequence[FiguresT], key: Callable[[FiguresT], Any]) -> list[list[FiguresT]]:
    parts: dict[Any, list[FiguresT]] = {}
    for item in figures:
        parts.setdefault(key(item), []).append(item)
    return list(parts.values())


def _sums(figures: Sequence[Figures]) -> dict[str, Any]:
    return {
        "units": sum((item.units for item in figures), ZERO),
        "total_aggregated_units": sum((item.total_aggregated_units for item in figures), ZERO),
        "events_count": sum(item.events_count for item in figures),
        "amount_cents": sum(item.amount_cents for item in figures),
    }


def breakdowns(figures: Sequence[Figures]) -> list[BreakdownObject]:
    """The rows of all figures, one after the other."""
    return [BreakdownObject(**row) for item in figures for row in item.breakdown]
