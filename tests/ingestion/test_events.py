"""Events over HTTP: answers, duplicates, keys, reading back (spec 1 §§1.4 to 1.6, 1.11)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from support.sender import Sender, make_sender

pytestmark = pytest.mark.anyio
DUPLICATE = {"transaction_id": ["value_already_exist"]}


def event(transaction_id: str, subscription: str | None = "s1", code: str = "calls", **more: Any) -> dict[str, Any]:
    return {"transaction_id": transaction_id, "external_subscription_id": subscription, "code": code, **more}


async def test_an_event_is_answered_as_sent_and_reads_back_the_same(sandboxed: Sender) -> None:
    sent = event("a/b c+ü\\\n", timestamp="1709287170.1239", precise_total_amount_cents=123.45)
    properties = {"n": 1.25, "text": 'tab\t\\ "é" \u2028', "deep": {"x": [None, True, -0.5]}, "k\n": ""}
    answer = await sandboxed.event(**sent, properties=properties)
    assert answer.status_code == 200
    stored = answer.json()["event"]
    assert stored == {
        "lago_id": stored["lago_id"],
        "transaction_id": "a/b c+ü\\\n",
        "lago_customer_id": None,
        "code": "calls",
        "timestamp": "2024-03-01T09:59:30.123Z",
        "precise_total_amount_cents": "123.45",
        "properties": properties,
        "lago_subscription_id": None,
        "external_subscription_id": "s1",
        "created_at": "2024-03-01T10:00:00Z",
    }
    read = await sandboxed.http.get("/api/v1/events/a%2Fb%20c+%C3%BC%5C%0A")
    assert read.json() == {"event": stored}
    assert (await sandboxed.get("/events")).json()["events"] == [stored]


async def test_the_described_object_has_the_fields_of_the_answer(app: FastAPI, sender: Sender) -> None:
    stored = (await sender.event(**event("a"))).json()["event"]
    described = app.openapi()["components"]["schemas"]["EventObject"]["properties"]
    assert list(stored) == list(described)


async def test_numbers_keep_their_exact_text(sender: Sender) -> None:
    properties = b'{"a":1.10,"b":12345678901234567890.123456789,"c":1e2}'
    answer = await sender.raw(b'{"event":{"transaction_id":"n","code":"c","properties":%s}}' % properties)
    assert b'"properties":{"a":1.10,"b":12345678901234567890.123456789,"c":1E+2}' in answer.content
    read = (await sender.get("/events/n")).content
    assert b'"a":1.10,"b":12345678901234567890.123456789,"c":100' in read


async def test_the_time_of_receipt_stands_in_for_a_timestamp(sender: Sender, sandboxed: Sender) -> None:
    stored = (await sandboxed.event(**event("a"))).json()["event"]
    assert (stored["timestamp"], stored["created_at"]) == ("2024-03-01T10:00:00.000Z", "2024-03-01T10:00:00Z")
    stored = (await sender.event(**event("a", timestamp=None))).json()["event"]
    assert abs(datetime.fromisoformat(stored["timestamp"]) - datetime.now(UTC)) < timedelta(seconds=30)


async def test_a_moved_test_clock_holds_for_the_next_event(app: FastAPI, sandboxed: Sender) -> None:
    await sandboxed.event(**event("a"))
    async with app.state.database.session() as session:
        moved = text("UPDATE organizations SET test_clock = '2024-04-02T00:00:00Z' WHERE id = :id")
        await session.execute(moved, {"id": sandboxed.id})
    stored = (await sandboxed.event(**event("b"))).json()["event"]
    assert (stored["timestamp"], stored["created_at"]) == ("2024-04-02T00:00:00.000Z", "2024-04-02T00:00:00Z")


async def test_the_ends_of_the_calendar_are_stored(sender: Sender) -> None:
    first = (await sender.event(**event("a", timestamp=-62_135_596_800))).json()["event"]
    assert first["timestamp"] == "0001-01-01T00:00:00.000Z"
    assert (await sender.get("/events/a")).json()["event"]["timestamp"] == "0001-01-01T00:00:00.000Z"
    last = (await sender.event(**event("b", timestamp="99999999999.9999"))).json()["event"]
    assert last["timestamp"] == "5138-11-16T09:46:39.999Z"


# ---- duplicates ----


async def test_an_event_is_stored_once_per_subscription(sender: Sender) -> None:
    assert (await sender.event(**event("a"))).status_code == 200
    again = await sender.event(**event("a", code="other", timestamp=1))
    assert again.status_code == 422
    assert again.json() == {
        "status": 422,
        "error": "Unprocessable Entity",
        "code": "validation_errors",
        "error_details": DUPLICATE,
    }
    assert (await sender.event(**event("a", "s2"))).status_code == 200
    assert await sender.transaction_ids() == ["a", "a"]


async def test_events_without_a_subscription_are_never_duplicates(sender: Sender) -> None:
    assert (await sender.event(**event("a", None))).status_code == 200
    assert (await sender.event(**event("a", None))).status_code == 200
    assert (await sender.events(event("a", ""), event("a", None))).status_code == 200
    assert await sender.transaction_ids() == ["a"] * 4


async def test_organizations_do_not_share_transaction_ids(app: FastAPI, sender: Sender) -> None:
    other = await make_sender(app)
    async with other.http:
        assert (await sender.event(**event("a"))).status_code == 200
        assert (await other.event(**event("a"))).status_code == 200
        assert (await other.get("/events/a")).json() != (await sender.get("/events/a")).json()
        assert await other.transaction_ids() == ["a"]


async def test_a_batch_with_duplicates_is_refused_whole(sender: Sender) -> None:
    answer = await sender.events(event("a"), event("b"), event("a"), event("b"))
    assert answer.json()["error_details"] == {"2": DUPLICATE, "3": DUPLICATE}
    assert await sender.transaction_ids() == []
    await sender.event(**event("c"))
    answer = await sender.events(event("a"), event("c"), event("d"))
    assert answer.json()["error_details"] == {"1": DUPLICATE}
    answer = await sender.events(event("c"), event("a"), event("a"), event("c"))
    assert answer.json()["error_details"] == {"0": DUPLICATE, "2": DUPLICATE, "3": DUPLICATE}
    assert await sender.transaction_ids() == ["c"]
    assert (await sender.events(event("a"), event("a", "s2"), event("a", None), event("a", None))).status_code == 200


async def test_invalid_events_come_before_duplicates(sender: Sender) -> None:
    await sender.event(**event("a"))
    answer = await sender.events(event("a"), event("b"), event("b"), event("c", timestamp="x"))
    assert answer.json()["error_details"] == {"3": {"timestamp": ["invalid_format"]}}
    assert await sender.transaction_ids() == ["a"]


@pytest.mark.parametrize("seen_before", [False, True])
async def test_of_concurrent_duplicates_one_wins(sender: Sender, seen_before: bool) -> None:
    if seen_before:  # then the writer looks events up before it stores them
        await sender.event(**event("x"))
        await sender.event(**event("x"))
    answers = await asyncio.gather(*(sender.event(**event("a")) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [422] * 19
    assert (await sender.transaction_ids()).count("a") == 1


async def test_a_refused_batch_leaves_its_other_events_to_later_requests_of_its_group(sender: Sender) -> None:
    await sender.event(**event("stored"))
    answers = await asyncio.gather(
        sender.event(**event("before")),
        sender.events(event("stored"), event("shared")),
        sender.events(event("shared"), event("own")),
        sender.events(event("shared"), event("lost")),
        sender.event(**event("after")),
    )
    assert [answer.status_code for answer in answers] == [200, 422, 200, 422, 200]
    assert answers[1].json()["error_details"] == {"0": DUPLICATE}
    assert answers[3].json()["error_details"] == {"0": DUPLICATE}
    assert await sender.transaction_ids() == ["after", "before", "own", "shared", "stored"]


async def test_many_batches_with_and_without_duplicates_at_once(sender: Sender) -> None:
    batches = [[event(f"{number}-{index}") for index in range(20)] for number in range(30)]
    for number in range(0, 30, 3):  # every third ends with an event of its predecessor
        batches[number][-1] = batches[number - 1][0] if number else event("0-0")
    answers = await asyncio.gather(*(sender.events(*batch) for batch in batches))
    stored = [
        event for batch, answer in zip(batches, answers, strict=True) if answer.status_code == 200 for event in batch
    ]
    ids = [event["transaction_id"] for event in stored]
    assert len(set(ids)) == len(ids)
    assert await sender.transaction_ids() == sorted(ids)
    assert [answer.status_code for answer in answers if answer.status_code != 200] == [422] * sum(
        answer.status_code != 200 for answer in answers
    )
    assert all(answers[number].status_code == 200 for number in range(30) if number % 3 == 1)


# ---- poison ----


async def test_poison_fails_only_its_own_request(sender: Sender) -> None:
    poison = [
        b'{"event":{"transaction_id":"p","code":"c","properties":{"x":"\\u0000"}}}',
        b'{"event":{"transaction_id":"\\ud800","code":"c"}}',
        b'{"event":{"transaction_id":"p","code":"c","properties":{"x":1e999999}}}',
        b'{"event":{"transaction_id":"p","code":"c","timestamp":1e300}}',
        b'{"event":{"transaction_id":"p","code":"c","properties":{"x":NaN}}}',
        b'{"event":{"transaction_id":"p","code":"c","properties":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}}",
        b"\xff",
    ]
    fine = [sender.event(**event(f"fine-{number}")) for number in range(20)]
    answers = await asyncio.gather(*fine[:10], *map(sender.raw, poison), *fine[10:])
    assert [answer.status_code for answer in answers] == [200] * 10 + [422, 422, 422, 422, 400, 400, 400] + [200] * 10
    assert len(await sender.transaction_ids()) == 20


async def test_a_row_the_database_refuses_fails_only_its_own_request(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laguna.ingestion.decoding._is_storable", lambda properties: True)
    bad = b'{"event":{"transaction_id":"p","code":"c","properties":{"x":"\\u0000"}}}'
    fine = [sender.event(**event(f"fine-{number}")) for number in range(20)]
    answers = await asyncio.gather(*fine[:10], sender.raw(bad), *fine[10:])
    assert [answer.status_code for answer in answers] == [200] * 10 + [500] + [200] * 10
    assert answers[10].json() == {"status": 500, "error": "Internal Server Error"}
    assert len(await sender.transaction_ids()) == 20


async def test_a_body_over_the_limit(app: FastAPI, sender: Sender) -> None:
    app.state.max_body_bytes = 1000
    answer = await sender.event(**event("a", properties={"x": "x" * 1000}))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


# ---- keys ----


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/events/batch"])
async def test_the_key_comes_first(sender: Sender, path: str) -> None:
    for header in ("", "Bearer", "Bearer no-such-key", "Bearer \xff"):
        headers = {"Authorization": header.encode("latin-1")}
        answer = await sender.http.post(path, content=b"{", headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"status": 401, "error": "Unauthorized"})
    del sender.http.headers["Authorization"]
    assert (await sender.http.post(path, content=b"{")).status_code == 401


@pytest.mark.parametrize("revocation", ["DELETE FROM api_keys", "UPDATE api_keys SET expires_at = now()"])
async def test_a_revoked_key_is_refused_at_once(app: FastAPI, sender: Sender, revocation: str) -> None:
    assert (await sender.event(**event("a"))).status_code == 200
    async with app.state.database.session() as session:
        await session.execute(text(f"{revocation} WHERE organization_id = :id"), {"id": sender.id})
    other = await make_sender(app)
    async with other.http:
        refused, stored = await asyncio.gather(sender.event(**event("b")), other.event(**event("b")))
    assert (refused.status_code, stored.status_code) == (401, 200)
    assert (await sender.raw(b"{")).status_code == 401
    assert (await sender.event(**event("c"))).status_code == 401


async def test_a_revoked_key_is_not_told_what_else_is_wrong(app: FastAPI, sender: Sender) -> None:
    await sender.event(**event("a"))
    async with app.state.database.session() as session:
        await session.execute(text("DELETE FROM api_keys WHERE organization_id = :id"), {"id": sender.id})
    assert (await sender.event(code="calls")).status_code == 401


# ---- reading ----


async def test_events_are_listed_latest_first_and_filtered(sandboxed: Sender) -> None:
    await sandboxed.events(
        event("e1", timestamp=1709337600),
        event("e2", code="seats", timestamp=1709424000),
        event("e4", "s2", timestamp=1709510400),
        event("e3", "s2", timestamp=1709510400),
    )

    async def ids(**parameters: Any) -> list[str]:
        answer = await sandboxed.get("/events", **parameters)
        assert answer.status_code == 200, answer.text
        return [event["transaction_id"] for event in answer.json()["events"]]

    assert await ids() == ["e3", "e4", "e2", "e1"]
    assert await ids(code="calls") == ["e3", "e4", "e1"]
    assert await ids(external_subscription_id="s1") == ["e2", "e1"]
    assert await ids(code="seats", external_subscription_id="s2") == []
    assert await ids(timestamp_from="2024-03-03T00:00:00Z", timestamp_to="2024-03-03") == ["e2"]
    assert await ids(timestamp_from="2024-03-03T00:00:00.001Z") == ["e3", "e4"]
    answer = (await sandboxed.get("/events", page=2, per_page=3)).json()
    assert [event["transaction_id"] for event in answer["events"]] == ["e1"]
    assert answer["meta"] == {"current_page": 2, "next_page": None, "prev_page": 1, "total_pages": 2, "total_count": 4}


async def test_bad_filters_are_told(sender: Sender) -> None:
    answer = await sender.get("/events", timestamp_from="yesterday", timestamp_to="2024-13-01")
    assert answer.json()["error_details"] == {"timestamp_from": ["invalid_date"], "timestamp_to": ["invalid_date"]}
    answer = await sender.get("/events", timestamp_from="2024-01-01", timestamp_from_started_at="true")
    assert answer.json()["error_details"] == {
        "timestamp_from": ["cannot be used with timestamp_from_started_at"],
        "external_subscription_id": ["required with timestamp_from_started_at"],
    }


async def test_an_unknown_event_is_not_found(sender: Sender) -> None:
    answer = await sender.get("/events/none")
    assert answer.json() == {"status": 404, "error": "Not Found", "code": "event_not_found"}
    assert (await sender.http.post("/api/v1/events/none")).json()["code"] == "resource_not_found"
