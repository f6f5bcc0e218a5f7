"""Changes of a plan that its overrides follow (`cascade_updates`; spec 1 §3.13, spec 2 PLN-12).

An override keeps what it has of its own. It follows where it still had the plan's old price; prices are addressed by
their content, so that is an equality of ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select

from laguna.catalog.charges import Known, Numbering, charges_of, delete_charges, known_charges, prices_of
from laguna.catalog.copies import Wanted, copy_charges, copy_filter
from laguna.catalog.filters import filters_of, identity
from laguna.catalog.terms import Price, intern, note_since
from laguna.kernel.context import Context
from laguna.models import Charge, ChargeFilter, Plan, Subscription

GROUPS = ("pricing_group_keys", "presentation_group_keys")  # of a price, followed in any case


@dataclass(frozen=True, slots=True)
class State:
    """The prices of a plan at one moment: its own, its charges', and its filters' by charge and identity."""

    plan: UUID
    charges: Mapping[UUID, UUID]
    filters: Mapping[UUID, Mapping[Any, UUID]]


def state_of(plan: Plan, known: Known) -> State:
    return State(
        plan.terms_id,
        {charge.id: charge.terms_id for charge in known.charges.values()},
        {charge_id: {identity(row.values): row.terms_id for row in rows} for charge_id, rows in known.filters.items()},
    )


async def cascade(context: Context, plan: Plan, before: State) -> list[Plan]:
    """Let the plan's overrides that are in use follow what has changed since `before`: those overrides.

    In a fixed number of statements. Repeated, it changes nothing more.
    """
    children = await _children(context, plan)
    if not children:
        return []
    known = await known_charges(context, plan)
    charges = await charges_of(context, [child.id for child in children])
    every = [charge for own in charges.values() for charge in own]
    gone = before.charges.keys() - known.charges.keys()
    await delete_charges(context, [charge for charge in every if charge.parent_id in gone])
    new = [charge for charge in known.charges.values() if charge.id not in before.charges]
    await _copy_new(context, children, charges, new)
    sources: dict[UUID | None, Charge] = {each.id: each for each in known.charges.values() if each.id in before.charges}
    pairs = [(charge, sources[charge.parent_id]) for charge in every if charge.parent_id in sources]
    await _follow_amount(context, plan, children, before)
    await _follow_prices(context, pairs, known, before)
    return children


async def _children(context: Context, plan: Plan) -> list[Plan]:
    living = exists().where(Subscription.plan_id == Plan.id, Subscription.status.in_(["active", "pending"]))
    query = (
        select(Plan)
        .where(Plan.parent_id == plan.id, Plan.deleted_at.is_(None), living)
        .order_by(Plan.id)
        .with_for_update(key_share=True)
    )
    return list(await context.session.scalars(query))


async def _copy_new(
    context: Context, children: Sequence[Plan], charges: Mapping[UUID, Sequence[Charge]], new: Sequence[Charge]
) -> None:
    wanted: list[Wanted] = []
    for child in children:
        living = [charge for charge in charges[child.id] if charge.deleted_at is None]
        numbering = Numbering(charge.code for charge in living)
        copied = {charge.parent_id for charge in living}
        wanted += [Wanted(each, child, numbering.free(each.code)) for each in new if each.id not in copied]
    await copy_charges(context, wanted)


async def _follow_amount(context: Context, plan: Plan, children: Sequence[Plan], before: State) -> None:
    priced: dict[UUID, UUID] = {}
    for child in children:
        if child.terms_id == before.plan != plan.terms_id:
            child.amount_cents, child.updated_at = plan.amount_cents, context.now
            child.terms_id = priced[child.id] = plan.terms_id
    await context.session.flush()
    await note_since(context, priced)


async def _follow_prices(context: Context, pairs: Sequence[tuple[Charge, Charge]], known: Known, before: State) -> None:
    """Let copies of charges, and the filters below them, follow their sources: (copy, source)."""
    filters = await filters_of(context, [charge.id for charge, _ in pairs])
    sources = {each: {identity(row.values): row for row in rows} for each, rows in known.filters.items()}
    prices = await prices_of(
        context,
        [
            *(charge for pair in pairs for charge in pair),
            *(row for rows in filters.values() for row in rows),
            *(row for rows in sources.values() for row in rows.values()),
        ],
    )
    moves: list[tuple[Charge | ChargeFilter, Price]] = []

    def follow(row: Charge | ChargeFilter, source: Charge | ChargeFilter, old_terms_id: UUID) -> Price:
        own, wanted = prices[row.id], prices[source.id]
        price = wanted if row.terms_id == old_terms_id else _with_groups_of(wanted, own)
        if price != own:
            moves.append((row, price))
        return price

    added: list[ChargeFilter] = []
    for charge, source in pairs:
        if follow(charge, source, before.charges[source.id]).kind != source.charge_model:
            continue  # a model of its own: the source's filters price nothing here
        old, now = before.filters[source.id], sources[source.id]
        own = {identity(row.values): row for row in filters[charge.id]}
        for key, row in own.items():
            if key in old and key in now:
                follow(row, now[key], old[key])
            elif key in old:
                row.deleted_at = context.now
        new = now.keys() - old.keys() - own.keys()
        added += [copy_filter(context, row, charge.id) for key, row in now.items() if key in new]
    await _move(context, moves, added)


def _with_groups_of(wanted: Price, own: Price) -> Price:
    """A price of its own, grouped like the one of its source."""
    if own.kind != wanted.kind:
        return own
    kept = {key: value for key, value in own.properties.items() if key not in GROUPS}
    return Price(own.kind, kept | {key: wanted.properties[key] for key in GROUPS if key in wanted.properties})


async def _move(
    context: Context, moves: Sequence[tuple[Charge | ChargeFilter, Price]], added: Sequence[ChargeFilter]
) -> None:
    priced = {row.id: row.terms_id for row in added}
    terms_ids = await intern(context, [price for _, price in moves])
    for (row, price), terms_id in zip(moves, terms_ids, strict=True):
        row.terms_id = priced[row.id] = terms_id
        row.updated_at = context.now
        if isinstance(row, Charge):
            row.charge_model = price.kind
    await context.session.flush()
    await note_since(context, priced)
