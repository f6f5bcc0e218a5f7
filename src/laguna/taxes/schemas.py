"""Taxes in the API (spec 3 §3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from laguna.kernel.inputs import Boolean, Input, ShortText, Text, decimal
from laguna.kernel.outputs import DecimalNumber, Instant, Output
from laguna.models import Tax


class TaxInput(Input):
    name: ShortText = None
    code: ShortText = None
    rate: Annotated[Decimal | None, decimal(0, 10_000)] = None
    description: Text = None
    applied_to_organization: Boolean = None


class TaxObject(Output):
    """A tax as it stands inside other objects."""

    lago_id: UUID
    name: str
    code: str
    rate: DecimalNumber
    description: str | None
    applied_to_organization: bool
    add_ons_count: int = 0
    customers_count: int = 0
    plans_count: int = 0
    charges_count: int = 0
    commitments_count: int = 0
    created_at: Instant


class TaxDetail(TaxObject):
    """A tax as its own endpoints answer it."""

    applied_to_billing_entities_codes: list[str]


class TaxReply(Output):
    tax: TaxDetail


def tax_object(tax: Tax, is_default: bool) -> TaxObject:
    return TaxObject(
        lago_id=tax.id,
        name=tax.name,
        code=tax.code,
        rate=tax.rate,
        description=tax.description,
        applied_to_organization=is_default,
        created_at=tax.created_at,
    )


def tax_detail(tax: Tax, entities: Sequence[tuple[str, bool]]) -> TaxDetail:
    """`entities`: code and whether it is the default one, of each billing entity that has the tax."""
    return TaxDetail(
        **tax_object(tax, any(is_default for _, is_default in entities)).model_dump(),
        applied_to_billing_entities_codes=[code for code, _ in entities],
    )
