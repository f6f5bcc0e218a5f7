"""Jobs belong to the transaction that causes them, are tried again, and survive the death of their worker."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from procrastinate import App, Blueprint

from laguna.accounts.service import create_organization
from laguna.kernel import clock, jobs, launch
from laguna.kernel.context import Context
from laguna.kernel.db import Database
from laguna.models import Organization
from support.server import environment

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
DEADLINE_SECONDS = 30

# A worker of its own: it notes when a job runs, and holds it until it is killed.
HOLDER = """
import asyncio, os, sys
from pathlib import Path
from laguna.kernel import jobs
from laguna.kernel.db import Database

@jobs.job("held")
async def held(context, file):
    Path(file).touch()
    await asyncio.sleep(3600)

async def main():
    database = Database(os.environ["DATABASE_URL"], pool_size=2)
    app = jobs.worker_app(database)
    async with app.open_async():
        await app.run_worker_async(install_signal_handlers=False)

asyncio.run(main())
"""


@dataclass
class World:
    """A database, an organization in it, and a worker that runs what is queued."""

    database: Database
    organization: Organization
    stack: AsyncExitStack
    _app: App | None = None

    def context(self, session: Any) -> Context:
        return Context(
            session, self.organization.id, clock.now(self.organization.test_clock), self.organization.sandbox
        )

    async def enqueue(self, name: str, **arguments: Any) -> None:
        async with self.database.session() as session:
            await jobs.enqueue(self.context(session), name, **arguments)

    async def app(self) -> App:
        """The worker's app. It knows the jobs registered up to the first time it is asked for."""
        if self._app is None:
            self._app = jobs.worker_app(self.database)
            await self.stack.enter_async_context(self._app.open_async())
        return self._app

    async def work(self) -> None:
        """Run what is due until nothing is."""
        app = await self.app()
        await app.run_worker_async(wait=False, install_signal_handlers=False, delete_jobs="successful")

    async def pending(self) -> int:
        async with self.database.session() as session:
            return await jobs.pending(self.context(session))


Story = Callable[[World], Awaitable[None]]
Play = Callable[..., None]


@pytest.fixture
def play(own_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Runs a story about jobs that the test registers itself."""
    monkeypatch.setattr(jobs, "_blueprint", Blueprint())

    async def tell(story: Story, test_clock: datetime | None) -> None:
        database = Database(own_database_url, pool_size=8)
        try:
            async with database.session() as session:
                organization = (await create_organization(session, "Organization", test_clock)).organization
            async with AsyncExitStack() as stack:
                await story(World(database, organization, stack))
        finally:
            await database.close()

    return lambda story, test_clock=NOON: asyncio.run(tell(story, test_clock))


def test_a_job_of_a_committed_transaction_runs_once_at_the_organizations_present(play: Play) -> None:
    async def story(world: World) -> None:
        ran: list[tuple[Any, ...]] = []

        @jobs.job("note")
        async def note(context: Context, word: str) -> None:
            ran.append((word, context.organization_id, context.now, context.sandbox))

        await world.enqueue("note", word="hello")
        assert await world.pending() == 1
        await world.work()
        assert ran == [("hello", world.organization.id, NOON, True)]
        assert await world.pending() == 0

    play(story)


def test_a_transaction_that_is_rolled_back_leaves_no_job(play: Play) -> None:
    async def story(world: World) -> None:
        ran: list[str] = []

        @jobs.job("note")
        async def note(context: Context, word: str) -> None:
            ran.append(word)

        with suppress(RuntimeError):
            async with world.database.session() as session:
                await jobs.enqueue(world.context(session), "note", word="lost")
                assert await jobs.pending(world.context(session)) == 1
                raise RuntimeError("the request fails after all")
        assert await world.pending() == 0
        await world.work()
        assert ran == []

    play(story)


def test_a_job_is_not_seen_before_its_transaction_is_committed(play: Play) -> None:
    async def story(world: World) -> None:
        ran: list[str] = []

        @jobs.job("note")
        async def note(context: Context, word: str) -> None:
            ran.append(word)

        async with world.database.session() as session:
            await jobs.enqueue(world.context(session), "note", word="early")
            await world.work()
            assert ran == []
        await world.work()
        assert ran == ["early"]

    play(story)


def test_a_failing_job_of_a_sandbox_is_tried_again_at_once_and_its_changes_are_undone(play: Play) -> None:
    async def story(world: World) -> None:
        attempts: list[int] = []

        @jobs.job("fails_twice")
        async def fails_twice(context: Context) -> None:
            attempts.append(1)
            await create_organization(context.session, f"made by try {len(attempts)}", None)
            if len(attempts) < 3:
                raise ValueError("not yet")

        await world.enqueue("fails_twice")
        deadline = time.monotonic() + DEADLINE_SECONDS
        while await world.pending():
            assert time.monotonic() < deadline
            await world.work()
        assert len(attempts) == 3
        with psycopg.connect(world.database.url) as connection:
            rows = connection.execute("SELECT name FROM organizations WHERE name LIKE 'made%'").fetchall()
        assert rows == [("made by try 3",)]

    play(story)


def test_a_job_that_always_fails_is_given_up_and_counts_no_more_as_pending(play: Play) -> None:
    async def story(world: World) -> None:
        attempts: list[int] = []

        @jobs.job("hopeless")
        async def hopeless(context: Context) -> None:
            attempts.append(1)
            raise ValueError("never")

        await world.enqueue("hopeless")
        deadline = time.monotonic() + DEADLINE_SECONDS
        while await world.pending():
            assert time.monotonic() < deadline
            await world.work()
        assert len(attempts) == len(jobs.WAITS_SECONDS) + 1
        with psycopg.connect(world.database.url) as connection:
            assert connection.execute("SELECT status::text FROM procrastinate_jobs").fetchall() == [("failed",)]

    play(story)


def test_a_failing_job_of_a_live_organization_waits_before_it_is_tried_again(play: Play) -> None:
    async def story(world: World) -> None:
        attempts: list[int] = []

        @jobs.job("fails")
        async def fails(context: Context) -> None:
            attempts.append(1)
            raise ValueError("not now")

        await world.enqueue("fails")
        await world.work()
        await world.work()
        assert len(attempts) == 1
        assert await world.pending() == 1
        with psycopg.connect(world.database.url) as connection:
            row = connection.execute(
                "SELECT extract(epoch FROM scheduled_at - now()) FROM procrastinate_jobs"
            ).fetchone()
        assert row is not None
        assert 0 < row[0] <= jobs.WAITS_SECONDS[0]

    play(story, None)


def test_one_failing_job_does_not_hold_up_the_others(play: Play) -> None:
    async def story(world: World) -> None:
        ran: list[str] = []

        @jobs.job("note")
        async def note(context: Context, word: str) -> None:
            if word == "bad":
                raise ValueError(word)
            ran.append(word)

        for word in ("a", "bad", "b"):
            await world.enqueue("note", word=word)
        await world.work()
        assert sorted(ran) == ["a", "b"]

    play(story, None)


@pytest.fixture
def holder(own_database_url: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own."""
    script = tmp_path / "holder.py"
    script.write_text(HOLDER)
    with (tmp_path / "holder.log").open("wb") as log:
        process = subprocess.Popen(
            launch.command([sys.executable, str(script)]),
            env=environment(own_database_url),
            stdout=log,
            stderr=log,
        )
    yield process
    process.kill()
    process.wait()


def test_a_job_whose_worker_was_killed_is_run_by_another(
    play: Play, holder: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    async def story(world: World) -> None:
        ran: list[str] = []

        @jobs.job("held")
        async def held(context: Context, file: str) -> None:
            ran.append(file)

        begun = tmp_path / "begun"
        await world.enqueue("held", file=str(begun))
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not begun.exists():
            assert holder.poll() is None, (tmp_path / "holder.log").read_text()
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        await world.work()
        assert ran == []  # it still counts as running, and as pending
        assert await world.pending() == 1

        while not await jobs.rescue_stalled(await world.app(), silent_seconds=0.5):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        await world.work()

        assert ran == [str(begun)]
        assert await world.pending() == 0

    play(story)


def test_a_job_whose_worker_lives_is_left_alone(play: Play, holder: subprocess.Popen[bytes], tmp_path: Path) -> None:
    async def story(world: World) -> None:
        begun = tmp_path / "begun"
        await world.enqueue("held", file=str(begun))
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not begun.exists():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        assert await jobs.rescue_stalled(await world.app()) == 0
        assert await world.pending() == 1

    play(story)
