"""The billing run: a timer that bills every subscription whose period has ended, in pages (spec 2 §4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from laguna.billing.fees import Billable
from laguna.billing.invoicing import Order, make_invoices
from laguna.billing.news import tell
from laguna.billing.parties import Party, parties_of
from laguna.billing.schedule import LastLine, charges_until, last_lines, next_billing_at
from laguna.billing.start import put_in_force
from laguna.kernel import timers
from laguna.kernel.context import Context
from laguna.models import Subscription
from laguna.subscriptions import lifecycle
from laguna.subscriptions.amounts import Occasion, paid_before_creation
from laguna.subscriptions.applicable import mark_usage
from laguna.subscriptions.grid import first_instant, local_date, opens_period
from laguna.subscriptions.periods import downgraded, periodic

# one statement for the page: an UPDATE for each row took longer than to write the invoices' lines
_DUE_NEXT = text(
    """
    UPDATE subscriptions SET next_billing_at = due.next_billing_at, updated_at = :now
    FROM unnest(CAST(:ids AS uuid[]), CAST(:instants AS timestamptz[])) AS due (id, next_billing_at)
    WHERE subscriptions.id = due.id
    """
)


async def bill_due(context: Context, due_at: datetime, subscription_ids: Sequence[UUID]) -> None:
    """Bill those of these subscriptions that are due at `due_at`, and set when they are due again."""
    query = (
        select(Subscription)
        .where(
            Subscription.organization_id == context.organization_id,
            Subscription.id.in_(subscription_ids),
            Subscription.next_billing_at == due_at,
            Subscription.status == "active",
        )
        .order_by(Subscription.id)
        .with_for_update(key_share=True)
    )
    await bill(context, due_at, (await context.session.scalars(query)).all())


async def bill(context: Context, due_at: datetime, subscriptions: Sequence[Subscription]) -> None:
    """Bill locked, active subscriptions for the boundary at `due_at`; whose period ends gives way to its successor."""
    if not subscriptions:
        return
    parties = await parties_of(context, subscriptions)
    lines = await last_lines(context, [subscription.id for subscription in subscriptions])
    waiting = await successors_of(context, subscriptions)
    leaving = [
        party
        for party in parties
        if party.subscription.id in waiting and opens_period(party.calendar, local_date(due_at, party.zone))
    ]
    gone = {party.subscription.id for party in leaving}
    billables = [_billable(party, due_at, lines) for party in parties if party.subscription.id not in gone]
    await make_invoices(context, group(billables))
    due_next: dict[str, Any] = {
        "ids": [billable.party.subscription.id for billable in billables],
        "instants": [next_billing_at(billable.party, LastLine(billable.day, None)) for billable in billables],
        "now": context.now,
    }
    await context.session.execute(_DUE_NEXT, due_next)
    await mark_usage(context, due_next["ids"])  # what recurs counts anew
    if leaving:
        await _downgrade(context, due_at, leaving, lines, waiting)


async def _downgrade(
    context: Context,
    due_at: datetime,
    parties: Sequence[Party],
    lines: Mapping[UUID, LastLine],
    waiting: Mapping[UUID, Subscription],
) -> None:
    """Let successors take over at the start of the day, the finished period billed with what they start with, each
    apart from the customer's other subscriptions (DWN-2 to DWN-4)."""
    endings: list[Billable] = []
    starts: dict[UUID, datetime] = {}
    for party in parties:
        old, day = party.subscription, local_date(due_at, party.zone)
        assert old.started_at is not None
        taken_over_at = first_instant(day, party.zone)
        until = charges_until(party, lines)
        ranges = downgraded(party.calendar, old.started_at, day, charges_until=until)
        endings.append(Billable(party=party, occasion=Occasion.DOWNGRADED, ranges=ranges, due_at=due_at, day=day))
        starts[waiting[old.id].id] = taken_over_at
        lifecycle.terminate(old, taken_over_at, context.now)
    await context.session.flush()
    olds = [party.subscription for party in parties]
    await tell(context, "subscription.terminated", olds)
    started = await put_in_force(context, [waiting[old.id] for old in olds], starts)
    await make_invoices(context, together(endings, started))


def together(endings: Sequence[Billable], started: Sequence[Billable]) -> list[Order]:
    """An ending and what its successor starts with, on one invoice where both can be (UPG-3, DWN-3)."""
    by_predecessor = {billable.party.subscription.previous_subscription_id: billable for billable in started}
    orders: list[Order] = []
    for ending in endings:
        start = by_predecessor.get(ending.party.subscription.id)
        if start is None:
            orders.append(Order([ending]))
        elif _issue(start) == _issue(ending):
            orders.append(Order([ending, start]))
        else:
            orders += [Order([ending]), Order([start])]
    return orders


def _issue(billable: Billable) -> tuple[object, ...]:
    """What lines of one invoice have in common."""
    party = billable.party
    return party.plan.amount_currency, party.entity.id, party.subscription.purchase_order_number


async def caught_up(context: Context, subscriptions: Sequence[Subscription], *, today: bool) -> list[Subscription]:
    """Bill the periods of locked, active subscriptions that ended and were missed: up to now, or on earlier days only.

    What is in force then: a successor, where one took over.
    """
    current = list(subscriptions)
    while True:
        missed = [
            party.subscription
            for party in await parties_of(context, current)
            if (due := party.subscription.next_billing_at) is not None
            and due <= context.now
            and (today or local_date(due, party.zone) < local_date(context.now, party.zone))
        ]
        if not missed:
            return current
        waiting = await successors_of(context, missed)
        due_at = min(row.next_billing_at for row in missed if row.next_billing_at is not None)
        await bill(context, due_at, [row for row in missed if row.next_billing_at == due_at])
        for row in missed:
            await context.session.refresh(row, ["next_billing_at"])
        current = [waiting[row.id] if row.status == "terminated" else row for row in current]


async def successors_of(context: Context, subscriptions: Sequence[Subscription]) -> dict[UUID, Subscription]:
    """The pending successors of subscriptions, locked, by the id of whom they succeed."""
    query = (
        select(Subscription)
        .where(
            Subscription.organization_id == context.organization_id,
            Subscription.previous_subscription_id.in_([row.id for row in subscriptions]),
            Subscription.status == "pending",
        )
        .order_by(Subscription.id)
        .with_for_update(key_share=True)
    )
    return {
        row.previous_subscription_id: row
        for row in await context.session.scalars(query)
        if row.previous_subscription_id is not None
    }


def _billable(party: Party, due_at: datetime, lines: Mapping[UUID, LastLine]) -> Billable:
    calendar, subscription = party.calendar, party.subscription
    assert subscription.started_at is not None, "only a started subscription is billed"
    day = local_date(due_at, calendar.timezone)
    return Billable(
        party=party,
        occasion=Occasion.PERIODIC,
        ranges=periodic(calendar, subscription.started_at, day, charges_until=charges_until(party, lines)),
        due_at=due_at,
        day=day,
        period_paid=paid_before_creation(
            calendar, subscription.started_at, subscription.created_at, day, subscription.trial_ends_at
        ),
    )


def group(billables: Sequence[Billable]) -> list[Order]:
    """One invoice per customer, currency, issuing entity and order number; some subscriptions alone (INV-20)."""
    groups: dict[tuple[object, ...], list[Billable]] = {}
    for billable in billables:
        party = billable.party
        key: tuple[object, ...] = (
            party.customer.id,
            party.plan.amount_currency,
            party.entity.id,
            party.subscription.purchase_order_number,
        )
        if not party.subscription.consolidate_invoice:
            key = (*key, party.subscription.id)
        groups.setdefault(key, []).append(billable)
    return [
        Order(sorted(members, key=lambda billable: (billable.party.display_name, billable.party.subscription.id)))
        for members in groups.values()
    ]


BILLING = timers.register(
    timers.Timer(
        name="bill_subscriptions",
        rank=30,
        due="""
            SELECT organization_id, next_billing_at AS due_at, id AS item_id, customer_id
            FROM subscriptions WHERE next_billing_at IS NOT NULL
        """,
        run=bill_due,
        page_size=500,
        group="customer_id",  # whose subscriptions share an invoice (INV-20)
    )
)
