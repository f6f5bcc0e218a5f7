"""Which taxes apply: the sources of many charges, plans, customers and entities, loaded at once (spec 2 ITX-1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from laguna.models import Attached, BillingEntityTax, ChargeTax, CommitmentTax, CustomerTax, PlanTax
from laguna.taxes.amounts import TaxRate, applicable
from laguna.taxes.service import tax_rate, taxes_of

Rates = Mapping[UUID, tuple[TaxRate, ...]]


def _none() -> Rates:
    return {}


@dataclass(frozen=True, slots=True)
class TaxSources:
    """The taxes attached to each object that may give a fee its taxes."""

    items: Rates = field(default_factory=_none)  # charges and commitments
    plans: Rates = field(default_factory=_none)
    customers: Rates = field(default_factory=_none)
    entities: Rates = field(default_factory=_none)

    def of_fee(self, item_id: UUID | None, plan_id: UUID, customer_id: UUID, entity_id: UUID) -> tuple[TaxRate, ...]:
        """The taxes of a fee: the first source that has any, entirely. The item is what may have taxes of its own."""
        return applicable(
            self.items.get(item_id, ()) if item_id else (),
            self.plans.get(plan_id, ()),
            self.customers.get(customer_id, ()),
            self.entities.get(entity_id, ()),
        )


async def tax_sources(
    session: AsyncSession,
    charge_ids: Iterable[UUID],
    plan_ids: Iterable[UUID],
    customer_ids: Iterable[UUID],
    entity_ids: Iterable[UUID],
    commitment_ids: Iterable[UUID] = (),
) -> TaxSources:
    async def rates(attachment: type[Attached], ids: Iterable[UUID]) -> Rates:
        found = await taxes_of(session, attachment, set(ids))
        return {owner_id: tuple(map(tax_rate, taxes)) for owner_id, taxes in found.items() if taxes}

    return TaxSources(
        items={**await rates(ChargeTax, charge_ids), **await rates(CommitmentTax, commitment_ids)},
        plans=await rates(PlanTax, plan_ids),
        customers=await rates(CustomerTax, customer_ids),
        entities=await rates(BillingEntityTax, entity_ids),
    )
