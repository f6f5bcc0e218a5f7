"""The billing run: a timer that bills every subscription whose period has ended, in pages (spec 2 §4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from laguna.billing.fees import Billable
from laguna.billing.invoicing import Order, make_invoices
from laguna.billing.parties import Party, parties_of
from laguna.billing.schedule import LastLine, charges_until, last_lines, next_billing_at
from laguna.kernel import timers
from laguna.kernel.context import Context
from laguna.models import Subscription
from laguna.subscriptions.amounts import Occasion, paid_before_creation
from laguna.subscriptions.grid import local_date
from laguna.subscriptions.periods import periodic

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
        .with_for_update()
    )
    await bill(context, due_at, (await context.session.scalars(query)).all())


async def bill(context: Context, due_at: datetime, subscriptions: Sequence[Subscription]) -> None:
    """Bill locked, active subscriptions for the boundary at `due_at`."""
    if not subscriptions:
        return
    parties = await parties_of(context, subscriptions)
    lines = await last_lines(context, [subscription.id for subscription in subscriptions])
    billables = [_billable(party, due_at, lines) for party in parties]
    await make_invoices(context, group(billables))
    due_next: dict[str, Any] = {
        "ids": [billable.party.subscription.id for billable in billables],
        "instants": [next_billing_at(billable.party, LastLine(billable.day, None)) for billable in billables],
        "now": context.now,
    }
    await context.session.execute(_DUE_NEXT, due_next)


def _billable(party: Party, due_at: datetime, lines: dict[UUID, LastLine]) -> Billable:
    calendar, subscription = party.calendar, party.subscription
    assert subscription.started_at is not None, "only a started subscription is billed"
    day = local_date(due_at, calendar.timezone)
    return Billable(
        party=party,
        occasion=Occasion.PERIODIC,
        ranges=periodic(calendar, subscription.started_at, day, charges_until=charges_until(party, lines)),
        due_at=due_at,
        day=day,
        period_paid=paid_before_creation(calendar, subscription.started_at, subscription.created_at, day),
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
