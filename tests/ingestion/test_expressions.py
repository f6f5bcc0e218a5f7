"""Events whose metric has an expression: what is stored, what is refused, and which definition holds (spec 1 §2.6)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from laguna.app import create_app
from laguna.settings import Settings
from support.sender import Sender, make_sender

pytestmark = pytest.mark.anyio
SUM = "event.properties.left + event.properties.right"
NOT_FOUND = "expression_evaluation_failed: Variable: right not found"
DUPLICATE = {"transaction_id": ["value_already_exist"]}


def event(transaction_id: str, code: str = "total", **properties: Any) -> dict[str, Any]:
    return {
        "transaction_id": transaction_id,
        "external_subscription_id": "s1",
        "code": code,
        "timestamp": 1709287170,
        "properties": properties,
    }


def complete(transaction_id: str) -> dict[str, Any]:
    return event(transaction_id, left="1", right="2")


async def values(sender: Sender) -> dict[str, tuple[Any, Any, Any]]:
    """Of each stored event its value, its text and its property `result`."""
    statement = text(
        """
        SELECT event.transaction_id, event.value, event.value_text, event.properties ->> 'result'
        FROM events AS event JOIN event_streams AS stream ON stream.id = event.stream_id
        WHERE stream.organization_id = :id
        """
    )
    async with sender.app.state.database.session() as session:
        return {row[0]: (row[1], row[2], row[3]) for row in await session.execute(statement, {"id": sender.id})}


async def put(sender: Sender, **fields: Any) -> None:
    answer = await sender.http.put("/api/v1/billable_metrics/total", json={"billable_metric": fields})
    assert answer.status_code == 200, answer.text


def details(answer: Any) -> Any:
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "validation_errors"
    return answer.json()["error_details"]


async def test_the_value_is_stored_answered_and_counted(sender: Sender) -> None:
    await sender.metric("total", "sum_agg", "result", expression=SUM)
    sent = event("a", left="1", right=2, result="sent", other=None)
    stored = (await sender.event(**sent)).json()["event"]
    assert stored["properties"] == {"left": "1", "right": 2, "result": "3.0", "other": None}
    assert (await sender.get("/events/a")).json()["event"] == stored
    batch = (await sender.events(complete("b"), event("c", "other", left=1))).json()["events"]
    assert [each["properties"].get("result") for each in batch] == ["3.0", None]
    assert await values(sender) == {"a": (3, None, "3.0"), "b": (3, None, "3.0"), "c": (None, None, None)}


async def test_text_is_stored_as_it_is_and_counted_as_distinct(sender: Sender) -> None:
    await sender.metric("total", "unique_count_agg", "result", expression="concat(event.properties.a, '\t\\\"-é', '')")
    await sender.event(**event("a", a="x\n"))
    assert await values(sender) == {"a": (1, 'x\n\t\\"-é', 'x\n\t\\"-é')}


async def test_code_and_time_of_an_event_are_variables(sandboxed: Sender) -> None:
    await sandboxed.metric("total", "unique_count_agg", "result", expression="concat(event.code, '@', event.timestamp)")
    await sandboxed.event(**{**event("a"), "timestamp": "1709287170.999"})
    await sandboxed.event(**{**event("b"), "timestamp": None})
    await sandboxed.event(**{**event("c"), "timestamp": "-0.5"})
    results = {key: value[2] for key, value in (await values(sandboxed)).items()}
    assert results == {"a": "total@1709287170", "b": "total@1709287200", "c": "total@-1"}


async def test_an_event_without_value_is_refused_in_both_shapes(sender: Sender) -> None:
    await sender.metric("total", "sum_agg", "result", expression=SUM)
    await sender.event(**complete("first"))  # from here on the metrics are remembered
    assert details(await sender.event(**event("a", left="1"))) == NOT_FOUND
    answer = await sender.events(complete("b"), event("c", left=1), event("d", "x"), event("e", left="x", right="1"))
    expected = {"1": NOT_FOUND, "3": "expression_evaluation_failed: Expected a decimal"}
    assert details(answer) == expected
    assert await sender.transaction_ids() == ["first"]


async def test_the_first_event_of_a_process_is_refused_too(sender: Sender) -> None:
    await sender.metric("total", "sum_agg", "result", expression="1 / event.properties.left")
    answer = await sender.event(**event("a", left="0"))
    assert details(answer) == "expression_evaluation_failed: Division by zero"
    assert await sender.transaction_ids() == []


async def test_a_batch_tells_all_that_is_wrong_with_its_events_but_duplicates(sender: Sender) -> None:
    await sender.metric("total", "sum_agg", "result", expression=SUM)
    await sender.event(**complete("first"))
    untimed = {**event("d", left=1), "timestamp": None}
    wrong = {**event("c", left=1), "timestamp": "soon", "transaction_id": ""}
    answer = await sender.events(complete("first"), event("b", left=1), wrong, untimed, complete("e"))
    invalid = {"transaction_id": ["value_is_mandatory"], "timestamp": ["invalid_format"]}
    assert details(answer) == {"1": NOT_FOUND, "2": invalid, "3": NOT_FOUND}
    assert details(await sender.events(complete("first"), event("b", left=1))) == {"1": NOT_FOUND}
    assert details(await sender.events(complete("b"), complete("b"), event("c"))) == {
        "2": "expression_evaluation_failed: Variable: left not found"
    }
    assert details(await sender.events(complete("first"), complete("b"))) == {"0": DUPLICATE}


async def test_a_refused_request_spoils_no_other_of_its_group(sender: Sender) -> None:
    await sender.metric("total", "sum_agg", "result", expression=SUM)
    requests = [complete(f"{n}") if n % 3 else event(f"{n}", left=1) for n in range(30)]
    answers = await asyncio.gather(*(sender.event(**each) for each in requests))
    assert [answer.status_code for answer in answers] == [200 if n % 3 else 422 for n in range(30)]
    assert len(await sender.transaction_ids()) == 20
    assert (await sender.event(**complete("0"))).status_code == 200


async def test_a_key_that_stopped_being_valid_comes_first(sender: Sender) -> None:
    await sender.metric("total", "sum_agg", "result", expression=SUM)
    await sender.event(**complete("first"))
    async with sender.app.state.database.session() as session:
        expired = text("UPDATE api_keys SET expires_at = '2000-01-01' WHERE organization_id = :id")
        await session.execute(expired, {"id": sender.id})
    assert (await sender.event(**event("a"))).status_code == 401
    assert (await sender.events(event("a"), {**event("b"), "timestamp": "x"})).status_code == 401


async def test_another_organizations_expression_means_nothing(app: FastAPI, sender: Sender) -> None:
    await sender.metric("total", "sum_agg", "result", expression=SUM)
    other = await make_sender(app)
    async with other.http:
        stored = await asyncio.gather(sender.event(**complete("a")), other.event(**event("a", left=1)))
        assert [answer.json()["event"]["properties"].get("result") for answer in stored] == ["3.0", None]
        assert details(await other.events(event("b"), {**event("c"), "timestamp": "x"})) == {
            "1": {"timestamp": ["invalid_format"]}
        }


async def test_every_change_of_a_metric_holds_for_the_very_next_event(sender: Sender, database_url: str) -> None:
    """In the process that made the change, and in another."""
    second = create_app(Settings(database_url=database_url, log_level="error"))
    async with second.router.lifespan_context(second):
        other = await make_sender(second)
        async with other.http:
            other.http.headers["Authorization"] = f"Bearer {sender.key}"

            async def results(name: str) -> list[str | None]:
                sent = [await each.event(**complete(f"{name}-{n}")) for n, each in enumerate([sender, other])]
                return [answer.json()["event"]["properties"].get("result") for answer in sent]

            assert await results("undefined") == [None, None]
            await sender.metric("total", "sum_agg", "result", expression=SUM)
            assert await results("defined") == ["3.0", "3.0"]
            await put(sender, expression="event.properties.left * 10")
            assert await results("edited") == ["10.0", "10.0"]
            await put(sender, expression=None)
            assert await results("cleared") == [None, None]
            await put(sender, expression="event.properties.none")
            assert details(await other.event(**complete("refused"))) == (
                "expression_evaluation_failed: Variable: none not found"
            )
            await sender.http.delete("/api/v1/billable_metrics/total")
            assert await results("deleted") == [None, None]


async def test_an_edit_while_events_wait_is_the_one_they_are_stored_by(sender: Sender) -> None:
    """They were rendered ahead by what was remembered; the transaction knows better, both ways."""
    await sender.metric("total", "sum_agg", "result", expression=SUM)
    await sender.event(**complete("first"))
    change = text(
        """
        WITH changed AS (UPDATE billable_metrics SET expression = 'event.properties.new' WHERE organization_id = :id)
        UPDATE organizations SET catalog_version = catalog_version + 1 WHERE id = :id
        """
    )
    writer = sender.app.state.writer
    async with sender.app.state.database.session() as session:
        await session.execute(change, {"id": sender.id})
        waiting = [asyncio.create_task(sender.event(**each)) for each in (complete("old"), event("new", new="7"))]
        while writer._rows < 2:  # noqa: ASYNC110 - until both reached the writer
            await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
    old, new = [await task for task in waiting]
    assert details(old) == "expression_evaluation_failed: Variable: new not found"
    assert new.json()["event"]["properties"] == {"new": "7", "result": "7.0"}


async def test_events_that_came_before_their_metric_keep_what_they_carry(sender: Sender) -> None:
    await sender.event(**complete("before"))
    metric = await sender.metric("total", "sum_agg", "result", expression=SUM)
    await sender.event(**complete("after"))
    assert await values(sender) == {"before": (None, None, None), "after": (3, None, "3.0")}
    assert metric["expression"] == SUM


async def test_without_a_field_the_expression_only_refuses(sender: Sender) -> None:
    await sender.metric("total", "count_agg", expression=SUM)
    assert (await sender.event(**complete("a"))).json()["event"]["properties"] == {"left": "1", "right": "2"}
    assert details(await sender.event(**event("b", left=1))) == NOT_FOUND
