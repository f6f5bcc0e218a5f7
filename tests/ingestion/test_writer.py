"""The writer: arrival order, lanes, lost connections, changes of metrics and organizations around it."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from laguna import operating
from laguna.app import create_app
from laguna.ingestion import writer as writer_module
from laguna.ingestion.lane import LOCK_CLASS, CommitUnknownError, Lane
from laguna.settings import Settings
from support.sender import Sender, make_sender

pytestmark = pytest.mark.anyio

SEQUENCES = """
    SELECT event.seq, event.transaction_id, event.value, event.value_text
    FROM events AS event JOIN event_streams AS stream ON stream.id = event.stream_id
    WHERE stream.organization_id = :id ORDER BY event.seq
"""


def event(transaction_id: str, **more: Any) -> dict[str, Any]:
    return {"transaction_id": transaction_id, "external_subscription_id": "s1", "code": "calls", **more}


async def rows(app: FastAPI, statement: str, **parameters: Any) -> list[Any]:
    async with app.state.database.session() as session:
        return list(await session.execute(text(statement), parameters))


async def terminate(url: str, pid: int) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


# ---- arrival ----


async def test_arrivals_are_numbered_in_order_without_gaps(app: FastAPI, sender: Sender) -> None:
    await sender.event(**event("a"))
    await sender.events(event("c"), event("b"))
    await sender.event(**event("a"))  # refused: takes no number
    await asyncio.gather(*(sender.events(event(f"{n}-0"), event(f"{n}-1")) for n in range(10)))
    stored = await rows(app, SEQUENCES, id=sender.id)
    assert [row.transaction_id for row in stored[:3]] == ["a", "c", "b"]
    first = stored[0].seq
    assert [row.seq for row in stored] == list(range(first, first + 23))
    for number in range(3, 23, 2):  # a request's events are neighbours
        assert stored[number].transaction_id.split("-")[0] == stored[number + 1].transaction_id.split("-")[0]
    lane, last = first >> 48, stored[-1].seq & (2**48 - 1)
    assert (lane, last) in [(row.lane, row.last) for row in await rows(app, "SELECT lane, last FROM writer_lanes")]


async def test_two_writers_take_two_lanes_and_a_free_one_is_taken_over(
    app: FastAPI, sender: Sender, database_url: str
) -> None:
    second = create_app(Settings(database_url=database_url, log_level="error"))
    async with second.router.lifespan_context(second):
        other = await make_sender(second)
        async with other.http:
            await sender.event(**event("a"))
            await other.event(**event("a"))
            await other.event(**event("b"))
    lanes = [{row.seq >> 48 for row in await rows(app, SEQUENCES, id=each.id)} for each in (sender, other)]
    assert len(lanes[0]) == len(lanes[1]) == 1
    assert lanes[0] != lanes[1]
    last = (await rows(app, SEQUENCES, id=other.id))[-1].seq
    third = create_app(Settings(database_url=database_url, log_level="error"))
    async with third.router.lifespan_context(third):
        heir = await make_sender(third)
        async with heir.http:
            await heir.event(**event("a"))
    assert [row.seq for row in await rows(app, SEQUENCES, id=heir.id)] == [last + 1]


async def test_two_writers_accept_an_event_once(app: FastAPI, sender: Sender, database_url: str) -> None:
    second = create_app(Settings(database_url=database_url, log_level="error"))
    async with second.router.lifespan_context(second):
        other = await make_sender(second)
        async with other.http:
            other.http.headers["Authorization"] = f"Bearer {sender.key}"
            for round_number in range(10):
                batches = [
                    [event(f"{round_number}-{n}") for n in range(30)],
                    [event(f"{round_number}-{n}") for n in range(29, -1, -1)],
                ]
                answers = await asyncio.gather(sender.events(*batches[0]), other.events(*batches[1]))
                assert sorted(answer.status_code for answer in answers) == [200, 422]
    ids = await sender.transaction_ids()
    assert len(ids) == len(set(ids)) == 300


# ---- lost connections ----


async def test_events_survive_connections_that_break_at_any_moment(
    app: FastAPI, sender: Sender, database_url: str
) -> None:
    done = asyncio.Event()

    async def break_often() -> int:
        broken = 0
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
            while not done.is_set():
                cursor = await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"
                    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                    [LOCK_CLASS],
                )
                broken += len(await cursor.fetchall())
                await asyncio.sleep(0.013)
        return broken

    async def send(number: int) -> list[str]:
        acknowledged: list[str] = []
        for index in range(40):
            ids = [f"{number}-{index}-{place}" for place in range(10)]
            answer = await sender.events(*(event(each) for each in ids))
            assert answer.status_code in (200, 503), answer.text
            if answer.status_code == 200:
                acknowledged += ids
        return acknowledged

    breaking = asyncio.create_task(break_often())
    acknowledged = [each for ids in await asyncio.gather(*map(send, range(8))) for each in ids]
    done.set()
    assert await breaking > 3
    stored = await sender.transaction_ids()
    assert len(stored) == len(set(stored))
    assert set(acknowledged) <= set(stored)
    assert len(acknowledged) > 0.9 * 3200


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events each group has, as they are committed. Gathering lasts until enough have come."""
    counts: list[int] = []
    commit = Lane.commit

    async def count(self: Lane, events: int) -> None:
        counts.append(events)
        await commit(self, events)

    monkeypatch.setattr(Lane, "commit", count)
    monkeypatch.setattr(writer_module, "GATHER_SECONDS", 600.0)
    return counts


async def test_a_client_alone_is_never_waited_for(sender: Sender, groups: list[int]) -> None:
    for number in range(3):
        assert (await sender.event(**event(str(number)))).status_code == 200
    assert (await sender.events(event("b"), event("c"))).status_code == 200
    assert groups == [1, 1, 1, 2]


async def test_a_group_waits_for_most_of_those_who_were_there_before(
    app: FastAPI, sender: Sender, groups: list[int]
) -> None:
    app.state.writer._crowd = 10
    answers = await asyncio.gather(*(sender.event(**event(str(number))) for number in range(9)))
    assert {answer.status_code for answer in answers} == {200}
    assert groups == [9]


async def test_a_batch_is_not_waited_with(app: FastAPI, sender: Sender, groups: list[int]) -> None:
    app.state.writer._crowd = 10
    assert (await sender.events(event("a"), event("b"))).status_code == 200
    assert groups == [2]


@pytest.mark.parametrize("committed", [True, False])
async def test_a_commit_whose_answer_was_lost_is_looked_up(
    app: FastAPI, sender: Sender, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    commit, lost = Lane.commit, 0

    async def lose(self: Lane, count: int) -> None:
        nonlocal lost
        lost += 1
        if committed or lost > 1:
            await commit(self, count)
        if lost == 1:
            self.lost = True
            raise CommitUnknownError

    monkeypatch.setattr(Lane, "commit", lose)
    answer = await sender.events(event("a"), event("b", external_subscription_id=None))
    assert answer.status_code == 200
    assert lost == (1 if committed else 2)
    assert await sender.transaction_ids() == ["a", "b"]
    assert (await sender.event(**event("c"))).status_code == 200
    seqs = [row.seq for row in await rows(app, SEQUENCES, id=sender.id)]
    assert seqs == list(range(seqs[0], seqs[0] + 3))


@pytest.mark.parametrize(("default", "used"), [("off", "on"), ("on", "on"), ("remote_apply", "remote_apply")])
async def test_a_commit_waits_for_the_disk_whatever_the_database_prefers(
    own_database_url: str, monkeypatch: pytest.MonkeyPatch, default: str, used: str
) -> None:
    async with await psycopg.AsyncConnection.connect(own_database_url, autocommit=True) as connection:
        name = connection.info.dbname
        await connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = {default}'.encode())
    commit, seen = Lane.commit, list[str]()

    async def look(self: Lane, count: int) -> None:
        cursor = await self._connection.execute("SHOW synchronous_commit")  # pyright: ignore[reportPrivateUsage]
        seen.extend(row[0] for row in await cursor.fetchall())
        await commit(self, count)

    monkeypatch.setattr(Lane, "commit", look)
    app = create_app(Settings(database_url=own_database_url, log_level="error"))
    async with app.router.lifespan_context(app):
        sender = await make_sender(app)
        async with sender.http:
            assert (await sender.event(**event("a"))).status_code == 200
    assert seen == [used]


async def test_a_commit_that_stays_unknown_is_answered_503(
    sender: Sender, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    await sender.event(**event("first"))
    monkeypatch.setattr(writer_module, "WAIT_SECONDS_MAX", 0.3)
    commit = Lane.commit
    lost: list[Lane] = []

    async def lose(self: Lane, count: int) -> None:
        if lost:
            await commit(self, count)
            return
        lost.append(self)
        self.lost = True
        raise CommitUnknownError

    async def linger(self: Lane) -> None:
        """Its session lives on."""
        self.lost = True

    close = Lane.close
    monkeypatch.setattr(Lane, "commit", lose)
    monkeypatch.setattr(Lane, "close", linger)
    answer = await sender.event(**event("a"))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == {"status": 503, "error": "Service Unavailable", "code": "unavailable"}
    monkeypatch.setattr(Lane, "close", close)
    await close(lost[0])
    assert (await sender.event(**event("a"))).status_code == 200
    assert await sender.transaction_ids() == ["a", "first"]


async def test_a_full_queue_turns_requests_away(app: FastAPI, sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "QUEUE_ROWS_MAX", 50)
    answers = await asyncio.gather(*(sender.events(*(event(f"{n}-{i}") for i in range(20))) for n in range(30)))
    codes = {answer.status_code for answer in answers}
    assert codes == {200, 503}
    accepted = sum(answer.status_code == 200 for answer in answers)
    assert len(await sender.transaction_ids()) == accepted * 20


async def test_stopping_finishes_what_is_in_flight(database_url: str) -> None:
    app = create_app(Settings(database_url=database_url, log_level="error"))
    async with app.router.lifespan_context(app):
        sender = await make_sender(app)
        await sender.event(**event("first"))
        sending = [asyncio.create_task(sender.event(**event(f"{n}"))) for n in range(50)]
        while app.state.writer._rows < 50:  # noqa: ASYNC110 - until all reached the writer
            await asyncio.sleep(0)
        await app.state.writer.stop()
        assert [answer.status_code for answer in await asyncio.gather(*sending)] == [200] * 50
        assert (await sender.event(**event("late"))).status_code == 503
        assert len(await sender.transaction_ids()) == 51
        await sender.http.aclose()


# ---- changes around it ----


async def test_an_organization_that_is_being_changed_holds_up_no_other(app: FastAPI, sender: Sender) -> None:
    other = await make_sender(app)
    async with other.http:
        await asyncio.gather(sender.event(**event("first")), other.event(**event("first")))
        async with app.state.database.session() as session:
            await session.execute(text("UPDATE organizations SET name = 'x' WHERE id = :id"), {"id": sender.id})
            waiting = [asyncio.create_task(sender.event(**event(f"held-{n}"))) for n in range(3)]
            for number in range(10):
                assert (await other.event(**event(f"{number}"))).status_code == 200
            assert not any(task.done() for task in waiting)
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200] * 3
    stored = await rows(app, SEQUENCES, id=sender.id)
    assert [row.transaction_id for row in stored] == ["first", "held-0", "held-1", "held-2"]


async def test_a_changed_metric_holds_for_the_very_next_event(app: FastAPI, sender: Sender) -> None:
    properties = {"mb": "12.50", "seat": "x"}
    await sender.event(**event("before", properties=properties))
    await sender.metric("calls", "sum_agg", "mb")
    await sender.event(**event("sum", properties=properties))
    change = {"billable_metric": {"aggregation_type": "unique_count_agg", "field_name": "seat"}}
    assert (await sender.http.put("/api/v1/billable_metrics/calls", json=change)).status_code == 200
    await sender.event(**event("unique", properties=properties))
    await sender.http.delete("/api/v1/billable_metrics/calls")
    await sender.event(**event("after", properties=properties))
    stored = {row.transaction_id: (row.value, row.value_text) for row in await rows(app, SEQUENCES, id=sender.id)}
    assert stored == {"before": (None, None), "sum": (12.5, None), "unique": (1, "x"), "after": (None, None)}


async def test_two_processes_see_a_changed_metric(app: FastAPI, sender: Sender, database_url: str) -> None:
    second = create_app(Settings(database_url=database_url, log_level="error"))
    async with second.router.lifespan_context(second):
        other = await make_sender(second)
        async with other.http:
            other.http.headers["Authorization"] = f"Bearer {sender.key}"
            await other.event(**event("before", properties={"mb": 1}))
            await sender.metric("calls", "sum_agg", "mb")
            await other.event(**event("after", properties={"mb": 1}))
    stored = {row.transaction_id: row.value for row in await rows(app, SEQUENCES, id=sender.id)}
    assert stored == {"before": None, "after": 1}


async def test_streams_are_interned_once_by_concurrent_requests(app: FastAPI, sender: Sender) -> None:
    def batch(number: int) -> list[dict[str, Any]]:
        return [
            {
                "transaction_id": f"{number}-{n}",
                "code": f"c{n % 3}",
                "external_subscription_id": f"s{n % 7}" if n % 5 else None,
            }
            for n in range(50)
        ]

    answers = await asyncio.gather(*(sender.events(*batch(number)) for number in range(10)))
    assert [answer.status_code for answer in answers] == [200] * 10
    (count,) = await rows(app, "SELECT count(*) FROM event_streams WHERE organization_id = :id", id=sender.id)
    names = {(e["code"], e["external_subscription_id"]) for e in batch(0)}
    assert count[0] == len(names)
    listed = (await sender.get("/events", per_page=1000)).json()["events"]
    assert {(e["code"], e["external_subscription_id"]) for e in listed} == names
    assert len(listed) == 500


# ---- readiness ----


async def test_a_server_whose_writer_is_stuck_is_not_ready_until_it_stores_again(
    app: FastAPI, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operating, "STUCK_SECONDS", 0)
    await sender.event(**event("a"))
    async with await psycopg.AsyncConnection.connect(app.state.database.url) as blocker, asyncio.timeout(30):
        await blocker.execute("LOCK TABLE writer_lanes IN ACCESS EXCLUSIVE MODE")
        storing = asyncio.create_task(sender.event(**event("b")))
        while (answer := await sender.http.get("/ready")).status_code == 200:
            pass
        assert (answer.status_code, answer.json()) == (503, {"status": "events can't be stored"})
        await blocker.rollback()
        assert (await storing).status_code == 200
    assert (await sender.http.get("/ready")).status_code == 200
