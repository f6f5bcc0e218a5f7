"""`events.errors`: once an hour, what could not be used of the hour before (spec 1 §1.9, CLK-7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from laguna.ingestion import faulty
from support.billing import make_metric
from support.client import Client, Json
from support.receiver import Receiver

Organization = Callable[[], Client]


def listen(client: Client, receiver: Receiver, types: list[str]) -> None:
    endpoint = {"webhook_url": f"{receiver.url}/hook", "event_types": types}
    client.post("/webhook_endpoints", {"webhook_endpoint": endpoint})


def send(client: Client, *events: tuple[str, str, dict[str, Any]]) -> None:
    sent = [
        {"transaction_id": name, "external_subscription_id": "s", "code": code, "properties": properties}
        for name, code, properties in events
    ]
    client.post("/events/batch", {"events": sent})


def deliveries(client: Client) -> list[Json]:
    found = client.get("/webhook_deliveries", {"webhook_type": "events.errors"})["webhook_deliveries"]
    return [client.get(f"/webhook_deliveries/{each['lago_id']}")["webhook_delivery"] for each in reversed(found)]


def noted(client: Client) -> int:
    with psycopg.connect(client.server.database_url) as connection:
        query = "SELECT count(*) FROM faulty_events WHERE organization_id = %s"
        row = connection.execute(query, [client.organization_id]).fetchone()
    assert row is not None
    return row[0]


def metrics(client: Client) -> None:
    make_metric(client, "size", "sum_agg", field_name="mb", filters=[{"key": "region", "values": ["eu", "us"]}])
    make_metric(client, "seats", "unique_count_agg", field_name="user")
    make_metric(client, "calls")


def test_the_hour_before_is_told_at_five_past(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    listen(client, receiver, ["events.errors"])
    metrics(client)
    client.at("2024-01-01T10:00:00Z")
    send(client, ("good", "size", {"mb": 1, "region": "eu"}), ("unknown", "sise", {}), ("bad", "size", {"mb": "1e3"}))
    client.at("2024-01-01T10:59:59Z")
    send(
        client,
        ("mars", "size", {"mb": 1, "region": "mars"}),
        ("both", "size", {"region": "mars"}),
        ("seat", "seats", {}),
        ("odd", "seats", {"user": "a", "operation_type": "drop"}),
        ("call", "calls", {}),
    )
    client.at("2024-01-01T11:04:59Z")
    send(client, ("later", "sise", {}))
    assert deliveries(client) == []
    client.at("2024-01-01T11:05:00Z")
    (got,) = receiver.wait_for(1)
    assert (got.type, got.message["object_type"]) == ("events.errors", "events_errors")
    missing = ["bad", "both", "seat", "odd"]
    assert got.message["events_errors"] == {
        "invalid_code": ["unknown"],
        "missing_aggregation_property": missing,
        "missing_aggregation_properties": missing,
        "missing_group_key": None,
        "invalid_filter_values": ["mars", "both"],
    }
    client.at("2024-01-01T12:05:00Z")
    assert [got.message["events_errors"]["invalid_code"] for got in receiver.wait_for(2)] == [["unknown"], ["later"]]
    client.at("2024-01-03T00:00:00Z")  # each is told once
    assert len(deliveries(client)) == 2
    assert noted(client) == 0


def test_what_can_be_used_by_then_is_not_told(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    listen(client, receiver, ["events.errors"])
    send(client, ("a", "size", {"mb": 1}), ("b", "size", {"mb": 2, "region": "asia"}))
    metrics(client)
    client.put("/billable_metrics/size", {"billable_metric": {"filters": [{"key": "region", "values": ["asia"]}]}})
    client.at("2024-01-01T02:00:00Z")
    assert (deliveries(client), noted(client)) == ([], 0)


def test_the_same_transaction_of_two_subscriptions_is_named_once(
    organization: Organization, receiver: Receiver
) -> None:
    client = organization()
    listen(client, receiver, ["events.errors"])
    for subscription in ("s1", "s2"):
        event = {"transaction_id": "a", "external_subscription_id": subscription, "code": "unknown"}
        client.post("/events", {"event": event})
    client.at("2024-01-01T02:00:00Z")
    (told,) = receiver.wait_for(1)
    assert told.message["events_errors"]["invalid_code"] == ["a"]


@pytest.mark.parametrize("types", [["customer.created"], None])
def test_who_doesnt_listen_is_told_nothing_then_or_later(
    organization: Organization, receiver: Receiver, types: list[str] | None
) -> None:
    client = organization()
    if types is not None:
        listen(client, receiver, types)
    send(client, ("a", "unknown", {}))
    assert noted(client) == 1
    client.at("2024-01-01T01:05:00Z")
    assert noted(client) == 0
    if types is None:
        listen(client, receiver, ["events.errors"])
    client.at("2024-01-02T00:00:00Z")
    assert deliveries(client) == []


def test_a_flood_of_faults_is_told_by_its_first_thousand(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    listen(client, receiver, ["events.errors"])
    for batch in range(11):
        send(client, *((f"t{batch}-{number}", "unknown", {}) for number in range(100)))
    client.at("2024-01-01T01:05:00Z")
    (told,) = receiver.wait_for(1)
    named = told.message["events_errors"]["invalid_code"]
    assert named == [f"t{batch}-{number}" for batch in range(10) for number in range(100)]
    assert len(named) == faulty.NOTED_MAX
