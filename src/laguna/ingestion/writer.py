"""Group commit: the events of all open requests are stored by one COPY in one transaction, and answered after it.

While a group is being stored the next one gathers. What a request can be refused for alone was refused before; what
only the database knows is found here and refuses only the requests it is true of: a key that is no longer valid, an
event that a metric's expression has no value for, an event that is stored already. Nothing is acknowledged before it is
durable, and a group whose fate was lost with the connection is looked up before anything is repeated.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
import structlog
from psycopg import errors

from laguna.ingestion.decoding import Event
from laguna.ingestion.faulty import Note, Notes
from laguna.ingestion.hints import CATALOGS_KEPT, Catalog, Keys, Recent, Streams
from laguna.ingestion.lane import CommitUnknownError, Lane, OrganizationFacts
from laguna.ingestion.submission import Submission
from laguna.kernel import clock, monitoring
from laguna.kernel.db import Database
from laguna.kernel.errors import internal, unauthorized, unavailable

log = structlog.get_logger()

GROUP_ROWS_MAX = 10_000
GROUP_BYTES_MAX = 16 * 2**20
QUEUE_ROWS_MAX = 50_000
QUEUE_BYTES_MAX = 128 * 2**20
WAIT_SECONDS_MAX = 10.0  # a request that can't be stored for so long is told to come again
PROBED_GROUPS = 100  # after a duplicate, so many groups are looked up before they are stored
PAUSE_SECONDS = 0.02  # before what failed is tried again
GATHER_SECONDS = 0.005  # how long a small group waits for the clients of the one before to come again

_NO_TURN = nullcontext()

# a lost race; run again it finds the other's rows
_REPEATABLE = (errors.DeadlockDetected, errors.SerializationFailure, errors.UniqueViolation)


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Requests whose commit was lost with its lane: it took place if the event `key` is stored under `seq`."""

    lane: Lane
    group: Sequence[Submission]
    key: str
    seq: int


class Writer:
    """The one of a process. `write` may be called from many requests at once; a task of its own stores the groups."""

    def __init__(self, database: Database) -> None:
        self.keys = Keys(database)
        self._database_url = database.url
        self._streams = Streams(database)
        self._catalogs: Recent[UUID, Catalog] = Recent(CATALOGS_KEPT)
        self._notes = Notes()
        self._queue: deque[Submission] = deque()
        self._locked: list[Submission] = []  # their organization is being changed; they go first next time
        self._rows = 0
        self._bytes = 0
        self._turns = asyncio.Lock()
        self._doubtful: list[Doubtful] = []
        self._wanted = asyncio.Event()
        self._crowd = 0  # requests that were open at once when the last group was taken
        self._enough: asyncio.Future[None] | None = None  # of a group that gathers
        self._stopping = False
        self._lane: Lane | None = None
        self._probes = 0
        self._task: asyncio.Task[None] | None = None
        self._moved_at = 0.0  # when a group was last durable, or the first request came to an idle writer

    @property
    def stuck_for_seconds(self) -> float:
        """How long no group has become durable though events wait."""
        return asyncio.get_running_loop().time() - self._moved_at if self._rows else 0.0

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Store what was accepted, accept nothing more."""
        self._stopping = True
        self._wanted.set()
        if self._task is not None:
            await self._task
        if self._lane is not None:
            await self._lane.close()

    def turn(self, *, batch: bool) -> AbstractAsyncContextManager[None]:
        """For work on a batch, which keeps the loop busy: between two turns it looks after its connections, so that
        the database never waits for the requests that came in together to be read one after the other. A single event
        takes less than a turn would cost."""
        return self._turn() if batch else _NO_TURN

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        async with self._turns:
            yield
            await asyncio.sleep(0)

    async def write(
        self, organization_id: UUID, key_hash: bytes, events: Sequence[Event], *, batch: bool, size: int
    ) -> bytes:
        """Store the events, all or none; their objects as JSON, with commas between. Raises the API's errors.

        `key_hash` belongs to a key that was valid a while ago: it is looked at again. `size` of the request in bytes.
        """
        if self._stopping or self._rows >= QUEUE_ROWS_MAX or self._bytes >= QUEUE_BYTES_MAX:
            raise unavailable()
        if not self._rows:
            self._moved_at = asyncio.get_running_loop().time()
        self._rows += len(events)
        self._bytes += size
        try:
            streams = await self._streams.of(organization_id, events)
            deadline = asyncio.get_running_loop().time() + WAIT_SECONDS_MAX
            catalog = self._catalogs.get(organization_id)
            async with self.turn(batch=batch):
                submission = Submission(
                    organization_id, key_hash, events, streams, batch=batch, size=size, deadline=deadline
                )
                if catalog is not None:
                    submission.prepare(catalog)
            self._queue.append(submission)  # also while stopping: it was counted before, and is waited for
            self._wanted.set()
            if self._enough is not None and self._is_gathered():
                self._end_gathering()
            return await submission.done
        finally:
            self._rows -= len(events)
            self._bytes -= size
            if self._stopping:
                self._wanted.set()

    async def _run(self) -> None:
        while self._queue or self._locked or self._doubtful or self._rows or not self._stopping:
            group: Sequence[Submission] = []
            try:
                if self._doubtful:
                    await self._settle(self._doubtful.pop(0))
                elif self._queue or self._locked:
                    await self._gather()
                    monitoring.event_queue.set(self._rows)
                    group = self._take()
                    self._crowd = len(group) + len(self._queue)
                    await self._store(group)
                    self._crowd = max(self._crowd, len(group) + len(self._queue))
                else:
                    monitoring.event_queue.set(0)  # those still counted are being answered
                    self._wanted.clear()
                    await self._wanted.wait()
            except Exception:
                log.exception("a group of events could not be stored")
                for submission in group:
                    submission.fail(internal())
                if self._lane is not None:
                    self._lane.lost = True  # whatever state it is in
                await asyncio.sleep(PAUSE_SECONDS)
            if self._locked and not self._queue:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _gather(self) -> None:
        """Let a group grow for a moment when many clients send single events.

        They send the next one when the last is answered: half of them would be stored while the other half is on its
        way, each half by statements and a flush that would do for both. A client alone is never waited for.
        """
        if self._is_gathered() or self._stopping:
            return
        self._enough = asyncio.get_running_loop().create_future()
        timer = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._end_gathering)
        try:
            await self._enough
        finally:
            timer.cancel()
            self._enough = None

    def _is_gathered(self) -> bool:
        return len(self._queue) >= self._crowd * 9 // 10 or bool(self._locked or self._queue[0].batch)

    def _end_gathering(self) -> None:
        if self._enough is not None and not self._enough.done():
            self._enough.set_result(None)

    def _take(self) -> list[Submission]:
        """The next group, in the order of arrival. Of requests that share an event the later waits for the next
        group: only then it is known whether the earlier one was stored."""
        self._queue.extendleft(reversed(self._locked))
        self._locked.clear()
        group: list[Submission] = []
        later: list[Submission] = []
        seen: set[str] = set()
        rows = size = 0
        while self._queue and rows < GROUP_ROWS_MAX and size < GROUP_BYTES_MAX:
            submission = self._queue.popleft()
            if seen.isdisjoint(submission.keys):
                seen.update(submission.keys)
                group.append(submission)
                rows += len(submission.events)
                size += submission.size
            else:
                later.append(submission)
                self._probes = PROBED_GROUPS
        self._queue.extendleft(reversed(later))
        return group

    async def _store(self, group: Sequence[Submission]) -> None:
        """Try until each request of the group is committed, refused, set aside or out of time."""
        while group := self._in_time(group):
            try:
                await self._attempt(await self._usable_lane(), group)
                return
            except _REPEATABLE:
                self._probes = PROBED_GROUPS
                await self._recover()
            except psycopg.OperationalError as error:
                log.warning("the database can't store events now", error=str(error).strip())
                await self._recover()
                await asyncio.sleep(PAUSE_SECONDS)
            except psycopg.Error as error:
                await self._recover()
                if len(group) == 1:
                    log.error("a request can't be stored", error=str(error).strip())
                    group[0].fail(internal())
                else:  # the others need not suffer
                    middle = len(group) // 2
                    await self._store(group[:middle])
                    group = group[middle:]

    def _in_time(self, group: Sequence[Submission]) -> list[Submission]:
        """The requests still to be stored; those that waited too long are told to come again."""
        now = asyncio.get_running_loop().time()
        for submission in group:
            if submission.deadline < now:
                submission.fail(unavailable())
        return [submission for submission in group if submission.waits and submission not in self._locked]

    async def _usable_lane(self) -> Lane:
        await self._drop_lost_lane()
        if self._lane is None:
            self._lane = await Lane.open(self._database_url)
        return self._lane

    async def _drop_lost_lane(self) -> None:
        if self._lane is not None and self._lane.lost:
            lost, self._lane = self._lane, None
            await lost.close()

    async def _recover(self) -> None:
        """Leave no transaction open; let go of a broken connection."""
        if self._lane is not None:
            await self._lane.rollback()
        await self._drop_lost_lane()

    async def _attempt(self, lane: Lane, group: Sequence[Submission]) -> None:
        """One transaction for those of the group that can be stored; afterwards they are answered."""
        began = asyncio.get_running_loop().time()
        present = clock.system_now()
        facts, valid = await lane.begin(
            {submission.organization_id for submission in group}, {submission.key_hash for submission in group}, present
        )
        group = [submission for submission in group if self._may_be_stored(submission, facts, valid)]
        catalogs = await self._current_catalogs(lane, group, facts)
        received = {key: clock.now(fact.test_clock) for key, fact in facts.items()}
        for submission in group:
            submission.render(catalogs[submission.organization_id], received[submission.organization_id])
        group = await self._without_duplicates(lane, [submission for submission in group if submission.waits])
        if not group:
            await lane.rollback()
            return
        first_seq = seq = lane.next_seq
        lines: list[bytes] = []
        for submission in group:
            lines += submission.lines(received[submission.organization_id], seq)
            seq += len(submission.events)
        lines.sort()  # by key: neighbours in the index, and two writers don't wait for each other in a circle
        await lane.copy(lines)
        if faulty := [note for each in group for note in self._faulty(each, received[each.organization_id])]:
            await lane.note(faulty)
        await lane.mark(
            {
                (submission.organization_id, event.external_subscription_id, received[submission.organization_id])
                for submission in group
                if catalogs[submission.organization_id].watched
                for event in submission.events
                if event.external_subscription_id is not None
            }
        )
        try:
            await lane.commit(len(lines))
        except CommitUnknownError:
            self._doubtful.append(Doubtful(lane, group, group[0].keys[0], first_seq))
            return
        self._acknowledge(group)
        monitoring.event_group_events.observe(len(lines))
        monitoring.event_group_seconds.observe(asyncio.get_running_loop().time() - began)

    def _acknowledge(self, group: Sequence[Submission]) -> None:
        """Answer what is durable."""
        self._moved_at = asyncio.get_running_loop().time()
        for submission in group:
            submission.answer()
        monitoring.events.inc(sum(len(submission.events) for submission in group))

    def _faulty(self, submission: Submission, received: datetime) -> list[Note]:
        if not submission.faulty:
            return []
        return self._notes.of(submission.organization_id, submission.faulty, received)

    def _may_be_stored(
        self, submission: Submission, facts: Mapping[UUID, OrganizationFacts], valid: Mapping[bytes, UUID]
    ) -> bool:
        """Refuses a key that is no longer valid; sets aside what must wait for a change of its organization."""
        if valid.get(submission.key_hash) != submission.organization_id:
            self.keys.forget(submission.key_hash)
            submission.fail(unauthorized())
            return False
        if submission.organization_id not in facts:
            self._locked.append(submission)
            return False
        return True

    async def _without_duplicates(self, lane: Lane, group: list[Submission]) -> list[Submission]:
        """Looks up what is doubtful, and refuses the requests with an event that is there already."""
        doubtful = group if self._probes else [submission for submission in group if submission.repeated]
        self._probes = max(0, self._probes - 1)
        if not doubtful:
            return group
        stored = await lane.stored([key for submission in doubtful for key in submission.keys])
        for submission in doubtful:
            found = [index for index, key in enumerate(submission.keys) if key in stored]
            if found:
                self._probes = PROBED_GROUPS
            if any(stored[submission.keys[index]] != submission.identity(index) for index in found):
                log.critical("two events have one key", key=submission.keys[found[0]])
                submission.fail(internal())
            elif found or submission.repeated:
                submission.refuse_duplicates({*found, *submission.repeated})
                self._moved_at = asyncio.get_running_loop().time()
        return [submission for submission in group if submission.waits]

    async def _current_catalogs(
        self, lane: Lane, group: Sequence[Submission], facts: Mapping[UUID, OrganizationFacts]
    ) -> dict[UUID, Catalog]:
        """The metrics as they are in this transaction, read again where they changed."""
        catalogs: dict[UUID, Catalog] = {}
        changed: dict[UUID, int] = {}
        for organization_id in {submission.organization_id for submission in group}:
            version = facts[organization_id].catalog_version
            catalog = self._catalogs.get(organization_id)
            if catalog is None or catalog.version != version:
                changed[organization_id] = version
            else:
                catalogs[organization_id] = catalog
        if changed:
            for organization_id, catalog in (await lane.catalogs(changed)).items():
                self._catalogs.put(organization_id, catalog)
                catalogs[organization_id] = catalog
        return catalogs

    async def _settle(self, doubtful: Doubtful) -> None:
        """Find out whether the lost commit took place: then its requests are answered, else stored again.

        Requests that nobody can tell of in time are answered so, by a 503.
        """
        group = self._in_time(doubtful.group)
        if not group:
            return
        try:
            lane = await self._usable_lane()
            stored = await lane.was_stored(doubtful.key, doubtful.seq, doubtful.lane)
        except psycopg.OperationalError:
            await self._recover()
            stored = None
        if stored is None:
            self._doubtful.insert(0, doubtful)
            await asyncio.sleep(PAUSE_SECONDS)
        elif stored:
            self._acknowledge(group)
        else:
            self._queue.extendleft(reversed(group))
