"""Facts announced inside the transaction that makes them true, to the modules above that mark or enqueue something.

What has an order (a credit note before the final invoice) is a plain call instead; see docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from laguna.kernel.context import Context


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to the objects `ids` of the context's organization."""

    ids: tuple[UUID, ...]


class CustomersChanged(Fact):
    """Attributes of customers changed; `ids` are customers."""


class CustomersDeleted(Fact):
    """Customers were deleted; `ids` are customers."""


@dataclass(frozen=True, slots=True)
class BillingEntitiesChanged(Fact):
    """Settings of billing entities changed; `ids` are billing entities, `fields` what has another value now."""

    fields: frozenset[str]


class TaxesChanged(Fact):
    """Taxes, or what they are attached to, changed; `ids` are taxes."""


class MetricsChanged(Fact):
    """Metrics were created, edited or deleted; `ids` are metrics."""


class PlansChanged(Fact):
    """The price or charges of plans changed; `ids` are plans."""


class PlansRepriced(Fact):
    """Plans cost another amount than before, and so may overrides of them; `ids` are plans, no overrides."""


class PlansDeleted(Fact):
    """Plans were marked for deletion; `ids` are plans."""


class SubscriptionsChanged(Fact):
    """Subscriptions have prices of their own, or others than before; `ids` are subscriptions."""


Receiver = Callable[[Context, Fact], Awaitable[None]]
_receivers: dict[type[Fact], list[Receiver]] = {}


def receives(*kinds: type[Fact]) -> Callable[[Receiver], Receiver]:
    """Decorator: call the function, in the sender's transaction, for each fact of the given kinds."""

    def register(receiver: Receiver) -> Receiver:
        for kind in kinds:
            _receivers.setdefault(kind, []).append(receiver)
        return receiver

    return register


async def announce(context: Context, fact: Fact) -> None:
    """Tell every receiver; what one of them raises undoes the transaction."""
    for receiver in _receivers.get(type(fact), ()):
        await receiver(context, fact)
