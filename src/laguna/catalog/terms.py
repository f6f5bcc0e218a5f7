"""Content-addressed terms: a price is a row that never changes; plans, commitments and charges point to theirs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as insert_or_skip

from laguna.kernel.context import Context
from laguna.kernel.db import to_json
from laguna.kernel.ids import new_id
from laguna.models import Terms, TermsHistory

# the kinds of a plan's own amount and of its commitment; a charge's kind is its model
SUBSCRIPTION = "subscription"
COMMITMENT = "commitment"


@dataclass(frozen=True, slots=True)
class Price:
    """What terms hold: a kind and its properties."""

    kind: str
    properties: Mapping[str, Any]

    @property
    def hash(self) -> bytes:
        """The content's address: equal prices, whatever the order of their keys, have equal hashes."""
        return hashlib.sha256(to_json([self.kind, _sorted(self.properties)]).encode()).digest()


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


async def intern(context: Context, prices: Sequence[Price]) -> list[UUID]:
    """The ids of the terms with these contents, made where they do not exist yet; in the order given."""
    if not prices:
        return []
    rows = {
        price.hash: {
            "id": new_id(),
            "organization_id": context.organization_id,
            "created_at": context.now,
            "hash": price.hash,
            "kind": price.kind,
            "properties": dict(price.properties),
        }
        for price in prices
    }
    # in the order of their hashes, so that two requests that make the same terms don't wait for each other in a ring
    ordered = [rows[key] for key in sorted(rows)]
    await context.session.execute(insert_or_skip(Terms).on_conflict_do_nothing(), ordered)
    query = select(Terms.hash, Terms.id).where(
        Terms.organization_id == context.organization_id, Terms.hash.in_(list(rows))
    )
    known = {key: terms_id for key, terms_id in await context.session.execute(query)}
    return [known[price.hash] for price in prices]


async def note_since(context: Context, priced: Mapping[UUID, UUID]) -> None:
    """Write down that plans or charges have new terms as of now: {plan or charge id: terms id}."""
    if priced:
        rows = [
            {
                "organization_id": context.organization_id,
                "priced_id": priced_id,
                "terms_id": terms_id,
                "since": context.now,
            }
            for priced_id, terms_id in priced.items()
        ]
        await context.session.execute(insert(TermsHistory), rows)
