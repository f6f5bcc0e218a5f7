"""Filters of charges: what is accepted, and making, changing, removing them (spec 1 §3.5)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from sqlalchemy import select, update

from laguna.catalog.schemas import FilterInput
from laguna.catalog.terms import Price, intern, note_since
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems
from laguna.kernel.ids import new_id
from laguna.metrics.trimming import ALL_VALUES
from laguna.models import Charge, ChargeFilter
from laguna.pricing.models import ChargeModel

Values = Mapping[str, Sequence[str]]
FILTERS_MAX = 1_000  # of a charge


@dataclass(frozen=True, slots=True)
class CheckedFilter:
    """A filter of a request, ready to be stored. Without a price, or a name that is told, what it has stays."""

    values: Values
    price: Price | None
    invoice_display_name: str | None
    is_named: bool = True


def check_filters(
    items: Sequence[FilterInput],
    model: ChargeModel,
    declared: Mapping[str, Sequence[str]],
    problems: Problems,
    priced: Collection[Any] = (),
) -> list[CheckedFilter]:
    """Read the filters of one charge, given the values that its metric declares, collecting every problem. Those that
    exist, whose identities are in `priced`, may leave out their properties: they stay as they are."""
    checked: list[CheckedFilter] = []
    if len(items) > FILTERS_MAX:
        problems.add("filters", "too_many_filters")
        return checked
    seen: set[Any] = set()
    for item in items:
        values = read_values(item.values, declared, problems)
        key = identity(values or {})
        stays = item.properties is None and key in priced
        price = None if stays else filter_price(item.properties, model, problems)
        if values is None or (price is None and not stays):
            continue
        if key in seen:
            problems.add("values", "value_already_exist")  # W3
        seen.add(key)
        is_named = "invoice_display_name" in item.given()
        checked.append(CheckedFilter(values, price, item.invoice_display_name, is_named))
    return checked


def read_values(given: Any, declared: Mapping[str, Sequence[str]], problems: Problems) -> Values | None:
    """Key -> list of values that the metric declares, or the one marker for all of them."""
    if not given:
        problems.add("values", "value_is_mandatory")
        return None
    read: dict[str, list[str]] = {}
    for key, values in cast(dict[str, Any], given).items():
        known = declared.get(key)
        if not isinstance(values, list) or not values:
            problems.add("values", "value_is_mandatory" if values in (None, [], "") else "value_is_invalid")
            continue
        texts = list(dict.fromkeys(cast(list[Any], values)) if _are_texts(values) else [])
        if not texts or known is None or (texts != [ALL_VALUES] and not set(texts) <= set(known)):
            problems.add("values", "value_is_invalid")
            continue
        read[key] = texts
    return read if len(read) == len(given) else None


def _are_texts(values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def filter_price(given: Mapping[str, Any] | None, model: ChargeModel, problems: Problems) -> Price | None:
    """A filter's own price, by the model of its charge, without which it would be free; breakdowns are the charge's
    (spec 1 §3.5)."""
    properties = {key: value for key, value in (given or {}).items() if key != "presentation_group_keys"}
    cleaned, codes = model.clean(properties)
    if codes:
        problems.add("properties", *codes)
        return None
    return Price(model.name, cleaned)


def identity(values: Values) -> Any:
    """What two filters with the same values have in common, whatever the order."""
    return frozenset((key, frozenset(texts)) for key, texts in values.items())


async def filters_of(context: Context, charge_ids: Sequence[UUID]) -> dict[UUID, list[ChargeFilter]]:
    """The living filters of charges, oldest first."""
    found: dict[UUID, list[ChargeFilter]] = {charge_id: [] for charge_id in charge_ids}
    query = (
        select(ChargeFilter)
        .where(ChargeFilter.charge_id.in_(list(found)), ChargeFilter.deleted_at.is_(None))
        .order_by(ChargeFilter.created_at, ChargeFilter.id)
    )
    for row in await context.session.scalars(query):
        found[row.charge_id].append(row)
    return found


async def replace_filters(
    context: Context, wanted: Mapping[UUID, Sequence[CheckedFilter]], existing: Mapping[UUID, Sequence[ChargeFilter]]
) -> None:
    """Give charges just these filters. One with the values of an existing one changes that, and keeps its place."""
    writing = await _writing(context, [item for items in wanted.values() for item in items])
    for charge_id, items in wanted.items():
        known = {identity(row.values): row for row in reversed(existing.get(charge_id, ()))}
        kept: set[UUID] = set()
        for item in items:
            row = known.get(identity(item.values)) or new_filter(context, charge_id, item.values)
            kept.add(row.id)
            writing.assign(row, item)
        for row in existing.get(charge_id, ()):
            if row.id not in kept:
                row.deleted_at = context.now
    await writing.finish()


async def add_filter(context: Context, charge: Charge, item: CheckedFilter) -> ChargeFilter:
    """One more filter of a charge."""
    writing = await _writing(context, [item])
    row = new_filter(context, charge.id, item.values)
    writing.assign(row, item)
    await writing.finish()
    return row


async def change_filter(context: Context, row: ChargeFilter, item: CheckedFilter) -> None:
    """Give a filter another name or price, as far as `item` has them; its values stay."""
    writing = await _writing(context, [item])
    writing.assign(row, item)
    await writing.finish()


def new_filter(context: Context, charge_id: UUID, values: Values) -> ChargeFilter:
    """A filter without a price yet, added to the session."""
    row = ChargeFilter(
        id=new_id(),
        organization_id=context.organization_id,
        charge_id=charge_id,
        values=dict(values),
        created_at=context.now,
        updated_at=context.now,
    )
    context.session.add(row)
    return row


@dataclass(frozen=True, slots=True)
class _Writing:
    """Gives filters their names and terms, and notes since when."""

    context: Context
    terms: Mapping[bytes, UUID]
    priced: dict[UUID, UUID]

    def assign(self, row: ChargeFilter, item: CheckedFilter) -> None:
        name = item.invoice_display_name if item.is_named else row.invoice_display_name
        terms_id = row.terms_id if item.price is None else self.terms[item.price.hash]
        if (row.invoice_display_name, row.terms_id) != (name, terms_id):
            if row.terms_id != terms_id:
                self.priced[row.id] = terms_id
            row.invoice_display_name, row.terms_id, row.updated_at = name, terms_id, self.context.now

    async def finish(self) -> None:
        await self.context.session.flush()
        await note_since(self.context, self.priced)


async def _writing(context: Context, items: Sequence[CheckedFilter]) -> _Writing:
    prices = [item.price for item in items if item.price is not None]
    terms_ids = await intern(context, prices)
    return _Writing(context, {price.hash: each for price, each in zip(prices, terms_ids, strict=True)}, {})


async def delete_filters(context: Context, charge_ids: Sequence[UUID]) -> None:
    """All filters of charges that are deleted."""
    await context.session.execute(
        update(ChargeFilter)
        .where(ChargeFilter.charge_id.in_(charge_ids), ChargeFilter.deleted_at.is_(None))
        .values(deleted_at=context.now)
    )
