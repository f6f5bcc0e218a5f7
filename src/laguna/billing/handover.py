"""Where one life of an external id ends and the next begins in the same millisecond: an event there counts once.

It belongs to the new one (spec 1 §1.7), unless the final invoice of the old one has it already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import aliased

from laguna.kernel import signals
from laguna.kernel.context import Context
from laguna.models import Subscription

_JUST_AFTER = timedelta(microseconds=1)  # no event is in between: their times are whole milliseconds

_ENDED_THERE = text(
    """
    SELECT asked.id, array_agg(ended.id) AS ended_ids, bool_or(invoice.status <> 'draft' AND EXISTS (
        SELECT FROM event_streams AS stream JOIN events ON stream_id = stream.id AND timestamp = asked.starts_at
        WHERE stream.organization_id = :organization_id AND stream.external_subscription_id = asked.external_id
    )) AS is_billed
    FROM unnest(CAST(:ids AS uuid[]), CAST(:external_ids AS text[]), CAST(:starts AS timestamptz[]))
        AS asked (id, external_id, starts_at)
    JOIN subscriptions AS ended ON ended.organization_id = :organization_id AND ended.external_id = asked.external_id
        AND ended.status = 'terminated' AND ended.terminated_at = asked.starts_at
    LEFT JOIN invoice_lines AS line ON line.subscription_id = ended.id AND line.occasion = 'terminating'
    LEFT JOIN invoices AS invoice ON invoice.id = line.invoice_id
    GROUP BY asked.id
    """
)


async def take_over(
    context: Context, subscriptions: Sequence[Subscription], starts: Mapping[UUID, datetime]
) -> dict[UUID, datetime]:
    """When subscriptions start, so that what earlier lives were billed for is left out; drafts of those are made again
    without what the new ones take."""
    parameters = {
        "organization_id": context.organization_id,
        "ids": [row.id for row in subscriptions],
        "external_ids": [row.external_id for row in subscriptions],
        "starts": [starts[row.id] for row in subscriptions],
    }
    moved, ended = dict(starts), list[UUID]()
    for row in await context.session.execute(_ENDED_THERE, parameters):
        ended += row.ended_ids
        if row.is_billed:
            moved[row.id] += _JUST_AFTER
    if ended:
        await signals.announce(context, signals.SubscriptionsChanged(tuple(ended)))
    return moved


async def taken_over(context: Context, subscription_ids: Sequence[UUID]) -> set[UUID]:
    """Those of them whose external id goes on at the very millisecond in which they ended."""
    ended, following = aliased(Subscription), aliased(Subscription)
    query = (
        select(ended.id)
        .join(following, following.external_id == ended.external_id)
        .where(
            ended.organization_id == context.organization_id,
            following.organization_id == context.organization_id,
            ended.id.in_(subscription_ids),
            ended.terminated_at == following.started_at,
            ended.id != following.id,
        )
    )
    return set(await context.session.scalars(query))
