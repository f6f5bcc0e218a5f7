"""The states of a subscription and what leads from one to the next (spec 2 §3.2). Pure.

    pending      waits for its start, or to take over at the end of its predecessor's period
    active       in force
    terminated   ended with its final invoice
    canceled     ended before it was in force
    incomplete   in force once a first payment arrives

`terminated` and `canceled` are final: nothing leads out of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from laguna.models import Subscription


class Change(StrEnum):
    """What happens to a subscription."""

    ACTIVATE = "activate"
    CANCEL = "cancel"
    TERMINATE = "terminate"


TRANSITIONS: Mapping[tuple[str, Change], str] = {
    ("pending", Change.ACTIVATE): "active",
    ("pending", Change.CANCEL): "canceled",
    ("incomplete", Change.ACTIVATE): "active",
    ("incomplete", Change.CANCEL): "canceled",
    ("active", Change.TERMINATE): "terminated",
}


class IllegalChangeError(Exception):
    """What was asked of a subscription can't happen in its state."""


def follow(status: str, change: Change) -> str:
    """The state after a change: ("active", terminate) -> "terminated"; what isn't in the table is refused."""
    after = TRANSITIONS.get((status, change))
    if after is None:
        raise IllegalChangeError(f"a subscription that is {status} can't {change}")
    return after


def activate(subscription: Subscription, started_at: datetime, now: datetime) -> None:
    """Put it in force: usage counts from `started_at`."""
    subscription.status = follow(subscription.status, Change.ACTIVATE)
    subscription.started_at, subscription.activates_at = started_at, None
    subscription.activated_at = subscription.updated_at = now


def cancel(subscription: Subscription, now: datetime) -> None:
    """It never comes into force, and nothing waits for it any more."""
    subscription.status = follow(subscription.status, Change.CANCEL)
    subscription.activates_at = None
    subscription.canceled_at = subscription.updated_at = now


def terminate(subscription: Subscription, terminated_at: datetime, now: datetime) -> None:
    """It ends at that instant, and nothing is due any more."""
    subscription.status = follow(subscription.status, Change.TERMINATE)
    subscription.terminated_at, subscription.updated_at = terminated_at, now
    subscription.next_billing_at = subscription.terminates_at = subscription.next_alert_at = None
