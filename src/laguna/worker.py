"""The worker process: jobs, the live ticker, the moves of test clocks, and the rescue of what a killed one left."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from laguna import modules
from laguna.accounts import test_clock
from laguna.kernel import collector, jobs, timers
from laguna.kernel.db import Database, connect
from laguna.kernel.logs import configure_logs
from laguna.kernel.public import serve_at
from laguna.settings import settings

log = structlog.get_logger()

TICK_SECONDS = 1.0
RESCUE_SECONDS = 10.0
JOBS_AT_ONCE = 4
assert modules.ROUTERS  # importing the modules registers their timers and jobs


class Clocks:
    """Moves the test clocks that are on their way: one task per organization, woken by the API or by the tick."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._moving: dict[UUID, asyncio.Task[None]] = {}
        self.woken = asyncio.Event()

    async def move_all(self) -> None:
        """Start the moves that are not under way yet."""
        for organization_id in await test_clock.advancing(self._database):
            if organization_id not in self._moving:
                task = asyncio.create_task(self._move(organization_id))
                self._moving[organization_id] = task
                task.add_done_callback(lambda _, key=organization_id: self._moving.pop(key, None))

    async def _move(self, organization_id: UUID) -> None:
        try:
            await test_clock.move(self._database, organization_id)
        except Exception:
            log.exception("test clock stopped; it goes on at the next tick", organization=str(organization_id))

    async def listen(self) -> None:
        """Wake up when the API says that a sandbox has something due."""
        connection = await connect(self._database.url, autocommit=True)
        async with connection:
            await connection.execute(f"LISTEN {test_clock.CHANNEL}")
            async for _ in connection.notifies():
                self.woken.set()

    async def finish(self) -> None:
        """Let the steps under way end; the targets are stored and the next start goes on from there."""
        for task in list(self._moving.values()):
            task.cancel()
        await asyncio.gather(*self._moving.values(), return_exceptions=True)


async def _repeat(name: str, step: Callable[[], Awaitable[object]], stop: asyncio.Event, pause_seconds: float) -> None:
    """Run `step` again and again until stopped; what fails is logged and tried again."""
    while not stop.is_set():
        try:
            await step()
        except Exception:
            log.exception("step failed", step=name)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_seconds)


async def run() -> None:
    """Work until SIGTERM or SIGINT; finish what is in flight."""
    configuration = settings()
    assert configuration.database_url, "the worker needs a database"
    configure_logs(configuration.log_format, configuration.log_level)
    collector.look_rarely()
    serve_at(configuration.reachable_url)  # of the invoices that webhooks show
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    database = Database(configuration.database_url, configuration.pool_size)
    try:
        await work(database, stop, configuration.stop_seconds)
    finally:
        await database.close()


async def work(database: Database, stop: asyncio.Event, stop_seconds: float = 30) -> None:
    """Run everything that needs no request, until `stop` is set."""
    clocks = Clocks(database)
    app = jobs.worker_app(database)

    async def tick() -> None:
        await timers.run_live(database, stop)
        await timers.run_sandboxes(database, stop)

    async def clock_step() -> None:
        clocks.woken.clear()
        await clocks.move_all()
        waits = [asyncio.create_task(clocks.woken.wait()), asyncio.create_task(stop.wait())]
        await asyncio.wait(waits, timeout=TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async with app.open_async():
        queue = asyncio.create_task(
            app.run_worker_async(
                concurrency=JOBS_AT_ONCE,
                install_signal_handlers=False,
                delete_jobs="successful",
                shutdown_graceful_timeout=stop_seconds,
            )
        )
        listening = asyncio.create_task(_repeat("listen", clocks.listen, stop, TICK_SECONDS))
        steps = [
            _repeat("tick", tick, stop, TICK_SECONDS),
            _repeat("clocks", clock_step, stop, 0),
            _repeat("rescue", lambda: jobs.rescue_stalled(app), stop, RESCUE_SECONDS),
        ]
        running = asyncio.gather(*steps)
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([queue, stopped], return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        listening.cancel()
        queue.cancel()  # it gives its jobs as long as the steps have
        await asyncio.wait([running], timeout=stop_seconds)
        running.cancel()  # its transaction is rolled back, and the next start does it again
        await clocks.finish()
        await asyncio.gather(running, listening, queue, stopped, return_exceptions=True)
