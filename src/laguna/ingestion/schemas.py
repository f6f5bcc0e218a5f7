"""Events in the API (spec 1 §§1.2, 1.4)."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import WithJsonSchema

from laguna.kernel.inputs import FreeObject, Input
from laguna.kernel.outputs import DecimalText, Instant, InstantMs, Output

_Text = Annotated[str | None, WithJsonSchema({"type": "string"})]
_Number = Annotated[Decimal | None, WithJsonSchema({"type": ["number", "string", "null"]})]


class EventInput(Input):
    """For the API's description alone: events are read by `decoding`, without Pydantic."""

    transaction_id: _Text = None
    external_subscription_id: _Text = None
    code: _Text = None
    timestamp: _Number = None
    precise_total_amount_cents: _Number = None
    properties: FreeObject = None


class EventObject(Output):
    """For the description, too: `rendering` writes it. The customer and the subscription are null, since
    attachment is computed, not stored (spec 1 §1.4)."""

    lago_id: UUID
    transaction_id: str
    lago_customer_id: UUID | None = None
    code: str
    timestamp: InstantMs
    precise_total_amount_cents: DecimalText | None
    properties: dict[str, Any]
    lago_subscription_id: UUID | None = None
    external_subscription_id: str | None
    created_at: Instant


class EventReply(Output):
    event: EventObject


class EventsReply(Output):
    events: list[EventObject]
