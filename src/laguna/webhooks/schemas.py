"""Webhook endpoints in the API (spec 0 §17), and the log of deliveries, which is ours."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from laguna.kernel.inputs import Input, InstantField, ShortText, Text, Texts, one_of
from laguna.kernel.outputs import Instant, InstantMs, Output
from laguna.models import WebhookDelivery, WebhookEndpoint, WebhookMessage

SIGNATURE_ALGOS = ("jwt", "hmac")
STATUSES = ("pending", "retrying", "succeeded", "failed")


class WebhookEndpointInput(Input):
    webhook_url: Text = None
    signature_algo: Annotated[str | None, one_of(*SIGNATURE_ALGOS)] = None
    name: ShortText = None
    event_types: Texts = None


class WebhookEndpointObject(Output):
    lago_id: UUID
    lago_organization_id: UUID
    webhook_url: str
    signature_algo: str
    name: str | None
    event_types: list[str] | None
    created_at: Instant


class WebhookEndpointReply(Output):
    webhook_endpoint: WebhookEndpointObject


class ReplayInput(Input):
    """Which messages to send again: those created within the time, of these types (absent: all)."""

    from_datetime: InstantField = None
    to_datetime: InstantField = None
    event_types: Texts = None


class ReplayObject(Output):
    deliveries_count: int


class ReplayReply(Output):
    replay: ReplayObject


class DeliveryObject(Output):
    lago_id: UUID
    lago_webhook_endpoint_id: UUID
    lago_object_id: UUID
    webhook_type: str
    object_type: str
    status: str
    attempts: int
    http_status: int | None
    response: str | None
    queued_at: InstantMs
    last_attempt_at: InstantMs | None
    next_attempt_at: InstantMs | None


class DeliveryDetail(DeliveryObject):
    payload: str


class DeliveryReply(Output):
    webhook_delivery: DeliveryDetail


def endpoint_object(endpoint: WebhookEndpoint) -> WebhookEndpointObject:
    return WebhookEndpointObject(
        lago_id=endpoint.id,
        lago_organization_id=endpoint.organization_id,
        webhook_url=endpoint.webhook_url,
        signature_algo=endpoint.signature_algo,
        name=endpoint.name,
        event_types=endpoint.event_types,
        created_at=endpoint.created_at,
    )


def _delivery_fields(delivery: WebhookDelivery, message: WebhookMessage) -> dict[str, Any]:
    return {
        "lago_id": delivery.id,
        "lago_webhook_endpoint_id": delivery.endpoint_id,
        "lago_object_id": delivery.object_id,
        "webhook_type": message.webhook_type,
        "object_type": message.object_type,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "http_status": delivery.http_status,
        "response": delivery.response,
        "queued_at": delivery.queued_at,
        "last_attempt_at": delivery.last_attempt_at,
        "next_attempt_at": delivery.next_attempt_at,
    }


def delivery_object(delivery: WebhookDelivery, message: WebhookMessage) -> DeliveryObject:
    return DeliveryObject(**_delivery_fields(delivery, message))


def delivery_detail(delivery: WebhookDelivery, message: WebhookMessage) -> DeliveryDetail:
    return DeliveryDetail(**_delivery_fields(delivery, message), payload=message.payload)
