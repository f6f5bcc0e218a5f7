"""What time causes happens in order, each step once, and one item that fails never stops the rest (spec 2 §9)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from laguna import modules
from laguna.accounts.service import create_organization
from laguna.kernel import timers
from laguna.kernel.clock import system_now
from laguna.kernel.context import Context
from laguna.kernel.db import Database
from laguna.kernel.ids import new_id
from laguna.kernel.timers import Timer
from support.billing import invoices, make_customer, make_plan, subscribe
from support.client import Client, Sandbox

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass
class World:
    """A database with timers of the test's own: each waits for the rows of one table that bear its name."""

    database: Database
    organization_id: UUID
    done: list[tuple[str, datetime, list[str]]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    names: dict[UUID, str] = field(default_factory=dict)

    async def wait_for(self, timer: str, name: str, due_at: datetime, organization_id: UUID | None = None) -> UUID:
        item_id = new_id()
        self.names[item_id] = name
        async with self.database.session() as session:
            await session.execute(
                text("INSERT INTO waiting VALUES (:timer, :id, :organization_id, :due_at)"),
                {
                    "timer": timer,
                    "id": item_id,
                    "organization_id": organization_id or self.organization_id,
                    "due_at": due_at,
                },
            )
        return item_id

    def timer(self, name: str, rank: int, page_size: int = 500) -> Timer:
        async def run(context: Context, due_at: datetime, item_ids: Sequence[UUID]) -> None:
            items = [self.names[item_id] for item_id in item_ids]
            await context.session.execute(text("DELETE FROM waiting WHERE id = ANY(:ids)"), {"ids": list(item_ids)})
            if self.broken & set(items):
                raise ValueError(f"can't do {sorted(self.broken & set(items))}")
            self.done.append((name, due_at, sorted(items)))

        due = f"SELECT organization_id, due_at, id AS item_id FROM waiting WHERE timer = '{name}'"
        return timers.register(Timer(name=name, rank=rank, due=due, run=run, page_size=page_size))

    async def failures(self) -> list[Any]:
        async with self.database.session() as session:
            return list(await session.execute(text("SELECT * FROM timer_failures ORDER BY item_id")))

    async def make_organization(self, test_clock: datetime | None) -> UUID:
        async with self.database.session() as session:
            return (await create_organization(session, "Other", test_clock)).organization.id


Story = Callable[[World], Awaitable[None]]
Play = Callable[[Story], None]


@pytest.fixture
def play(own_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Runs a story in a world with no other timers."""
    monkeypatch.setattr(timers, "_timers", {})

    async def tell(story: Story) -> None:
        database = Database(own_database_url, pool_size=8)
        try:
            async with database.session() as session:
                await session.execute(
                    text("CREATE TABLE waiting (timer text, id uuid, organization_id uuid, due_at timestamptz)")
                )
                made = await create_organization(session, "Sandbox", NOON)
            await story(World(database, made.organization.id))
        finally:
            await database.close()

    return lambda story: asyncio.run(tell(story))


def test_the_earliest_instant_comes_first_and_at_one_instant_the_lowest_rank(play: Play) -> None:
    async def story(world: World) -> None:
        for name, rank in (("billing", 30), ("endings", 10), ("activation", 20), ("finalization", 50)):
            world.timer(name, rank)
        for timer in ("finalization", "billing", "activation", "endings"):
            await world.wait_for(timer, "same", NOON + HOUR)
        await world.wait_for("finalization", "early", NOON)
        await world.wait_for("endings", "late", NOON + 2 * HOUR)
        await world.wait_for("endings", "never", NOON + 9 * HOUR)

        await timers.run_due(world.database, world.organization_id, NOON + 2 * HOUR)

        assert [(name, due_at, items) for name, due_at, items in world.done] == [
            ("finalization", NOON, ["early"]),
            ("endings", NOON + HOUR, ["same"]),
            ("activation", NOON + HOUR, ["same"]),
            ("billing", NOON + HOUR, ["same"]),
            ("finalization", NOON + HOUR, ["same"]),
            ("endings", NOON + 2 * HOUR, ["late"]),
        ]

    play(story)


def test_what_a_step_makes_due_at_the_same_instant_is_done_before_time_goes_on(play: Play) -> None:
    async def story(world: World) -> None:
        async def chain(context: Context, due_at: datetime, item_ids: Sequence[UUID]) -> None:
            await context.session.execute(
                text("UPDATE waiting SET timer = 'second' WHERE id = ANY(:ids)"), {"ids": [*item_ids]}
            )
            world.done.append(("first", due_at, []))

        due = "SELECT organization_id, due_at, id AS item_id FROM waiting WHERE timer = 'first'"
        timers.register(Timer("first", 30, due, chain))
        world.timer("second", 10)
        await world.wait_for("first", "a", NOON)
        await world.wait_for("second", "b", NOON + HOUR)

        await timers.run_due(world.database, world.organization_id, NOON + HOUR)

        assert [(name, due_at) for name, due_at, _ in world.done] == [
            ("first", NOON),
            ("second", NOON),
            ("second", NOON + HOUR),
        ]

    play(story)


def test_items_of_one_instant_are_done_in_pages(play: Play) -> None:
    async def story(world: World) -> None:
        world.timer("billing", 30, page_size=4)
        for number in range(10):
            await world.wait_for("billing", f"c{number}", NOON)
        await timers.run_due(world.database, world.organization_id, NOON)
        assert sorted(len(items) for _, _, items in world.done) == [2, 4, 4]
        assert sorted(item for _, _, items in world.done for item in items) == [f"c{number}" for number in range(10)]

    play(story)


def test_items_of_a_group_are_done_in_one_page_and_apart_only_where_one_of_them_fails(play: Play) -> None:
    async def story(world: World) -> None:
        for name in ("good", "bad"):
            await world.wait_for(name, f"{name} 0", NOON)
        group = "SELECT timer AS owner, organization_id, due_at, id AS item_id FROM waiting"
        run = world.timer("billing", 30).run
        timers.register(Timer("grouped", 20, group, run, page_size=1, group="owner"))
        for number in range(1, 4):
            for name in ("good", "bad"):
                await world.wait_for(name, f"{name} {number}", NOON)
        world.broken = {"bad 2"}

        await timers.run_due(world.database, world.organization_id, NOON)

        assert sorted(items for _, _, items in world.done) == [
            ["bad 0", "bad 1"],
            ["bad 3"],
            [f"good {number}" for number in range(4)],
        ]
        (failure,) = await world.failures()
        assert world.names[failure.item_id] == "bad 2"

    play(story)


def test_one_item_that_fails_is_put_aside_with_its_error_and_the_rest_is_done(play: Play) -> None:
    async def story(world: World) -> None:
        world.timer("billing", 30)
        for number in range(9):
            await world.wait_for("billing", f"c{number}", NOON)
        await world.wait_for("billing", "next month", NOON + 24 * HOUR)
        world.broken = {"c4"}

        await timers.run_due(world.database, world.organization_id, NOON + 24 * HOUR)

        done = [item for _, _, items in world.done for item in items]
        assert sorted(done) == sorted([*(f"c{number}" for number in range(9) if number != 4), "next month"])
        assert done[-1] == "next month"
        (failure,) = await world.failures()
        assert (failure.timer, world.names[failure.item_id]) == ("billing", "c4")
        assert failure.organization_id == world.organization_id
        assert failure.error == "ValueError: can't do ['c4']"
        async with world.database.session() as session:
            assert (await session.execute(text("SELECT count(*) FROM waiting"))).scalar_one() == 1  # rolled back
            assert await timers.count_due(session, world.organization_id, NOON + 24 * HOUR) == 0  # nothing pending

    play(story)


def test_a_sandbox_tries_again_at_once_and_then_leaves_it(play: Play) -> None:
    async def story(world: World) -> None:
        world.timer("billing", 30)
        await world.wait_for("billing", "c", NOON)
        world.broken = {"c"}
        await timers.run_due(world.database, world.organization_id, NOON)
        (failure,) = await world.failures()
        assert failure.attempts == len(timers.SANDBOX_WAITS_SECONDS)
        assert failure.retry_at > system_now() + timedelta(minutes=50)

    play(story)


def test_what_failed_is_done_when_its_time_comes_again_and_its_error_is_forgotten(play: Play) -> None:
    async def story(world: World) -> None:
        world.timer("billing", 30)
        await world.wait_for("billing", "c", NOON)
        world.broken = {"c"}
        await timers.run_due(world.database, world.organization_id, NOON)
        world.broken = set()
        await timers.run_due(world.database, world.organization_id, NOON + HOUR)
        assert world.done == []  # it is not its time yet

        async with world.database.session() as session:
            await session.execute(text("UPDATE timer_failures SET retry_at = :now"), {"now": system_now()})
        await timers.run_due(world.database, world.organization_id, NOON + HOUR)

        assert world.done == [("billing", NOON, ["c"])]
        assert await world.failures() == []

    play(story)


def test_live_organizations_wait_longer_from_try_to_try(play: Play) -> None:
    async def story(world: World) -> None:
        world.timer("billing", 30)
        live = await world.make_organization(None)
        await world.wait_for("billing", "c", NOON, live)
        world.broken = {"c"}
        for attempt, seconds in enumerate([60, 300, 900, 3600, 3600], 1):
            await timers.run_live(world.database)
            (failure,) = await world.failures()
            assert failure.attempts == attempt
            assert failure.retry_at - failure.failed_at == timedelta(seconds=seconds)
            async with world.database.session() as session:
                await session.execute(text("UPDATE timer_failures SET retry_at = :now"), {"now": system_now()})

    play(story)


def test_the_live_ticker_does_what_is_due_of_live_organizations_only(play: Play) -> None:
    async def story(world: World) -> None:
        world.timer("billing", 30)
        first, second = await world.make_organization(None), await world.make_organization(None)
        await world.wait_for("billing", "sandbox", NOON)
        for name, organization_id in (("a", first), ("b", second)):
            await world.wait_for("billing", f"{name} in March", datetime(2024, 3, 1, tzinfo=UTC), organization_id)
            await world.wait_for("billing", f"{name} in February", datetime(2024, 2, 1, tzinfo=UTC), organization_id)
            await world.wait_for("billing", f"{name} tomorrow", system_now() + timedelta(days=1), organization_id)

        await timers.run_live(world.database)

        order = [item for _, _, items in world.done for item in items]
        assert sorted(order) == ["a in February", "a in March", "b in February", "b in March"]
        assert order.index("a in February") < order.index("a in March")
        assert order.index("b in February") < order.index("b in March")

    play(story)


def test_what_became_due_in_a_sandbox_that_rests_is_done_without_a_move_of_its_clock(play: Play) -> None:
    async def story(world: World) -> None:
        world.timer("billing", 30)
        await world.wait_for("billing", "due", NOON)
        await world.wait_for("billing", "not yet", NOON + HOUR)
        await timers.run_sandboxes(world.database)
        assert world.done == [("billing", NOON, ["due"])]

    play(story)


def test_a_lost_race_is_tried_again_and_is_no_failure(play: Play) -> None:
    async def story(world: World) -> None:
        tries: list[int] = []

        async def run(context: Context, due_at: datetime, item_ids: Sequence[UUID]) -> None:
            tries.append(1)
            if len(tries) == 1:
                await context.session.execute(text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$"))
            await context.session.execute(text("DELETE FROM waiting"))

        timers.register(Timer("t", 1, "SELECT organization_id, due_at, id AS item_id FROM waiting", run))
        await world.wait_for("t", "x", NOON)
        await timers.run_due(world.database, world.organization_id, NOON)
        assert len(tries) == 2
        assert await world.failures() == []

    play(story)


def _both(*runs: Coroutine[Any, Any, None]) -> Any:
    return asyncio.gather(*runs)


def test_two_workers_at_once_bill_nothing_twice(sandbox: Sandbox, database_url: str) -> None:
    """The registered timers themselves lock what they read, and look again whether it is still due."""
    assert modules.TIMERS
    client = sandbox("2024-01-01T00:00:00Z")
    make_plan(client, amount_cents=3100)
    for number in range(12):
        subscribe(client, customer=f"c{number}", external_id=f"s{number}")
    until = datetime(2024, 4, 1, tzinfo=UTC)

    async def story() -> None:
        database = Database(database_url, pool_size=8)
        try:
            organization_id = UUID(client.organization_id)
            async with database.session() as session:
                await session.execute(
                    text("UPDATE organizations SET test_clock = :until WHERE id = :id"),
                    {"until": until, "id": organization_id},
                )
            await _both(*(timers.run_due(database, organization_id, until) for _ in range(4)))
        finally:
            await database.close()

    asyncio.run(story())
    client.settle()
    listed = client.get("/invoices", {"per_page": 1000})["invoices"]
    assert len(listed) == 36
    assert {each["total_amount_cents"] for each in listed} == {3100}
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM timer_failures WHERE organization_id = %s", [client.organization_id]
        ).fetchone()
    assert row == (0,)


# --- over HTTP: one bad customer among good ones


def failures_of(client: Client) -> list[tuple[str, str]]:
    with psycopg.connect(client.server.database_url) as connection:
        query = "SELECT timer, error FROM timer_failures WHERE organization_id = %s"
        return connection.execute(query, [client.organization_id]).fetchall()


def spoil(client: Client, external_id: str, timezone: str) -> None:
    """Write into a customer's row what the API would never let in."""
    with psycopg.connect(client.server.database_url) as connection:
        connection.execute(
            "UPDATE customers SET timezone = %s WHERE organization_id = %s AND external_id = %s",
            [timezone, client.organization_id, external_id],
        )


def test_one_bad_customer_does_not_stop_the_billing_of_the_others_and_is_billed_when_mended(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    make_plan(client, amount_cents=3100)
    customers = ["good", "bad", "better", "best"]
    for customer in customers:
        make_customer(client, customer)
        subscribe(client, customer=customer, external_id=customer)
    spoil(client, "bad", "Nowhere/Atlantis")

    client.at("2024-04-01T00:00:00Z")

    for customer in ("good", "better", "best"):
        billed = client.get("/invoices", {"external_customer_id": customer})["invoices"]
        assert [each["issuing_date"] for each in billed] == ["2024-04-01", "2024-03-01", "2024-02-01"], customer
    ((timer, error),) = failures_of(client)
    assert timer == "bill_subscriptions"
    assert "Nowhere/Atlantis" in error

    spoil(client, "bad", "UTC")
    with psycopg.connect(client.server.database_url) as connection:
        connection.execute(
            "UPDATE timer_failures SET retry_at = now() WHERE organization_id = %s", [client.organization_id]
        )
    client.at("2024-04-02T00:00:00Z")

    billed = invoices(client, external_customer_id="bad")
    periods = [each["billing_periods"][0]["subscription_from_datetime"][:10] for each in billed]
    assert periods == ["2024-01-01", "2024-02-01", "2024-03-01"]
    assert failures_of(client) == []


def test_one_bad_subscription_does_not_stop_the_others_of_its_customer(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    make_plan(client, amount_cents=3100)
    for external_id in ("s1", "s2", "s3"):
        subscribe(client, external_id=external_id)
    with psycopg.connect(client.server.database_url) as connection:
        query = "UPDATE subscriptions SET started_at = NULL WHERE organization_id = %s AND external_id = 's2'"
        connection.execute(query, [client.organization_id])

    client.at("2024-02-01T00:00:00Z")

    billed = {
        period["external_subscription_id"] for invoice in invoices(client) for period in invoice["billing_periods"]
    }
    assert billed == {"s1", "s3"}
    ((timer, _),) = failures_of(client)
    assert timer == "bill_subscriptions"
