"""When a subscription is next due, kept in its row: after creation, after billing, after a change of time zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from laguna.billing.parties import Party
from laguna.kernel.context import Context
from laguna.models import InvoiceLine, Subscription
from laguna.subscriptions.amounts import Occasion, is_backdated
from laguna.subscriptions.grid import billing_instant, first_instant, local_date, next_billing_day, unbilled_after
from laguna.subscriptions.periods import exclusive_end

ALERT_DAYS = (45, 15)


@dataclass(frozen=True, slots=True)
class LastLine:
    """The latest invoice line of a subscription: the local day it billed, and up to where usage is billed."""

    day: date
    charges_until: datetime | None


async def last_lines(context: Context, subscription_ids: Sequence[UUID]) -> dict[UUID, LastLine]:
    """The latest line of each subscription that has one."""
    query = (
        select(InvoiceLine)
        .ext(distinct_on(InvoiceLine.subscription_id))
        .where(
            InvoiceLine.organization_id == context.organization_id,
            InvoiceLine.subscription_id.in_(subscription_ids),
            InvoiceLine.invoicing_reason != "progressive_billing",  # within a period
        )
        .order_by(InvoiceLine.subscription_id, InvoiceLine.due_at.desc())
    )
    found: dict[UUID, LastLine] = {}
    for line in await context.session.scalars(query):
        until = None
        if line.charges_from_at is not None and line.charges_to_at is not None:
            upgraded = line.occasion == Occasion.UPGRADED
            until = exclusive_end(line.charges_from_at, line.charges_to_at, succeeded=upgraded)
        found[line.subscription_id] = LastLine(local_date(line.due_at, ZoneInfo(line.timezone)), until)
    return found


def charges_until(party: Party, lines: Mapping[UUID, LastLine]) -> datetime | None:
    """Up to where the usage of a subscription has been billed (PER-24): its start, where nothing was yet."""
    last = lines.get(party.subscription.id)
    if last is not None:
        return last.charges_until
    started_at = party.subscription.started_at
    assert started_at is not None
    backdated = is_backdated(party.calendar, started_at, party.subscription.created_at)
    return None if backdated else started_at


def next_billing_at(party: Party, last: LastLine | None = None) -> datetime:
    """The next billing instant: of the first billing day after the last one billed, and after start and creation."""
    calendar, subscription = party.calendar, party.subscription
    assert subscription.started_at is not None
    after = unbilled_after(calendar, subscription.started_at, subscription.created_at)
    if last is not None:
        after = max(after, last.day)
    return billing_instant(calendar, next_billing_day(calendar, after))


def schedule_ending(subscription: Subscription, timezone: ZoneInfo, now: datetime) -> None:
    """When it ends, and when that is told of before: on the local day of `ending_at`, whatever its hour (TRM-20)."""
    ending_at = subscription.ending_at
    if ending_at is None or subscription.status not in ("active", "pending"):
        subscription.terminates_at = subscription.next_alert_at = None
        return
    subscription.terminates_at = first_instant(local_date(ending_at, timezone), timezone)
    subscription.next_alert_at = next_alert(ending_at, now)


def next_alert(ending_at: datetime, after: datetime) -> datetime | None:
    """The first instant after one at which a coming end is told of: the days before its day in UTC (TRM-22)."""
    day = datetime.combine(ending_at.astimezone(UTC).date(), datetime.min.time(), UTC)
    return min((at for days in ALERT_DAYS if (at := day - timedelta(days=days)) > after), default=None)
