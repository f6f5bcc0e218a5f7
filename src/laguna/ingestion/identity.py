"""The identity of an event: a key made of organization, transaction id and subscription (spec 1 §1.5).

9 bytes of a hash of the first two, 7 of one of the third, which is random where there is none: unique over all
organizations, readable by transaction id as a range, and the API's id.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import blake2b
from uuid import UUID

TRANSACTION_BYTES, SUBSCRIPTION_BYTES = 9, 7


def subscription_hash(external_subscription_id: str | None) -> str:
    """The last 14 digits of the key of an event on a subscription, as they are written in it; "" for none."""
    if external_subscription_id is None:
        return ""
    return _tail(blake2b(external_subscription_id.encode(), digest_size=SUBSCRIPTION_BYTES).digest())


def _tail(hashed: bytes) -> str:
    digits = hashed.hex()
    return f"{digits[:2]}-{digits[2:]}"


def event_keys(organization_id: UUID, events: Iterable[tuple[str, str]]) -> list[str]:
    """The keys, as text, of events given by transaction id and hash of their subscription.

    Events without a subscription are never duplicates of one another.
    """
    started = blake2b(organization_id.bytes, digest_size=TRANSACTION_BYTES)
    keys: list[str] = []
    for transaction_id, subscription in events:
        transaction = started.copy()
        transaction.update(transaction_id.encode())
        head, tail = transaction.hexdigest(), subscription or _tail(os.urandom(SUBSCRIPTION_BYTES))
        keys.append(f"{head[:8]}-{head[8:12]}-{head[12:16]}-{head[16:]}{tail}")
    return keys


def key_range(organization_id: UUID, transaction_id: str) -> tuple[UUID, UUID]:
    """Between which keys the events of a transaction id lie, whatever their subscription."""
    transaction = blake2b(organization_id.bytes, digest_size=TRANSACTION_BYTES)
    transaction.update(transaction_id.encode())
    head = transaction.hexdigest()
    return UUID(hex=head + "0" * 2 * SUBSCRIPTION_BYTES), UUID(hex=head + "f" * 2 * SUBSCRIPTION_BYTES)
