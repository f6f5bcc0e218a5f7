"""What happens where two things are done to one subscription at a time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString

import psycopg
import pytest

from support.billing import make_customer, make_metric, make_plan, only_invoice, standard, subscribe, use
from support.client import Client, Sandbox

BILLED_AT = "2024-04-01T00:00:00Z"
DEADLINE_SECONDS = 20

REQUESTS = {
    "terminating": ("DELETE", "/subscriptions/sub", None),
    "changing the plan": (
        "POST",
        "/subscriptions",
        {"subscription": {"external_customer_id": "acme", "external_id": "sub", "plan_code": "better"}},
    ),
    "editing": ("PUT", "/subscriptions/sub", {"subscription": {"name": "new"}}),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_had_to_wait_happens_after_what_it_waited_for(sandbox: Sandbox, name: str) -> None:
    """It began in March, and gets the subscription when April has been billed: it must not end it in March."""
    client = sandbox("2024-03-01T00:00:00Z")
    make_plan(client, amount_cents=3100)
    make_plan(client, "better", amount_cents=6200)
    make_customer(client)
    subscribe(client)
    method, path, body = REQUESTS[name]
    with psycopg.connect(client.server.database_url) as billing, ThreadPoolExecutor(1) as pool:
        billing.execute(
            "UPDATE subscriptions SET updated_at = %s, next_billing_at = '2024-05-01' WHERE organization_id = %s",
            [BILLED_AT, client.organization_id],
        )
        answer = pool.submit(client.send, method, path, body)
        wait_until_one_waits(client)
        billing.execute("UPDATE organizations SET test_clock = %s WHERE id = %s", [BILLED_AT, client.organization_id])
        billing.commit()
        assert answer.result().status_code == 200
    assert {row[0].isoformat() for row in rows(client, "SELECT updated_at FROM subscriptions")} == {
        "2024-04-01T00:00:00+00:00"
    }
    ends = rows(client, "SELECT terminated_at FROM subscriptions WHERE terminated_at IS NOT NULL")
    assert [end.isoformat() for (end,) in ends] == ["2024-04-01T00:00:00+00:00"] * (name != "editing")


def test_a_draft_names_the_plan_that_prices_it(sandbox: Sandbox) -> None:
    """Its subscription gets prices of its own while it is a draft."""
    client = sandbox("2024-03-01T00:00:00Z")
    make_plan(client, charges=[standard(make_metric(client), "1")])
    make_customer(client, billing_configuration={"invoice_grace_period": 5})
    subscribe(client)
    use(client, "2024-03-10T00:00:00Z")
    client.at("2024-04-01T01:00:00Z")
    client.put("/subscriptions/sub/charges/calls", {"charge": {"properties": {"amount": "3"}}})
    assert only_invoice(client)["total_amount_cents"] == 300
    query = """
        SELECT line.plan_id, subscription.plan_id, charge.plan_id FROM invoice_lines AS line
        JOIN subscriptions AS subscription ON subscription.id = line.subscription_id
        JOIN fees AS fee ON fee.invoice_id = line.invoice_id JOIN charges AS charge ON charge.id = fee.charge_id
    """
    ((of_line, of_subscription, of_charge),) = rows(client, query, "line.")
    assert of_line == of_subscription == of_charge


def test_what_starts_and_ends_at_the_instant_of_its_predecessors_end_ends_no_earlier_than_it_started(
    sandbox: Sandbox,
) -> None:
    """In a sandbox all of it happens while the clock rests."""
    client = sandbox("2024-03-01T00:00:00Z")
    make_plan(client, amount_cents=3100, pay_in_advance=True)
    make_customer(client)
    for _ in range(3):
        subscribe(client)
        client.delete("/subscriptions/sub")
    query = "SELECT started_at <= terminated_at FROM subscriptions"
    assert rows(client, query) == [(True,)] * 3
    query = """
        SELECT line.due_at <= subscription.terminated_at FROM invoice_lines AS line
        JOIN subscriptions AS subscription ON subscription.id = line.subscription_id
    """
    assert set(rows(client, query, "line.")) == {(True,)}


def test_a_request_that_is_the_victim_of_a_deadlock_is_done_again(sandbox: Sandbox) -> None:
    """Where it writes fees, its draft is locked already; who locked their subscription first wants the draft."""
    client = sandbox("2024-03-01T00:00:00Z")
    make_plan(client, amount_cents=3100)
    make_customer(client, billing_configuration={"invoice_grace_period": 5})
    subscribe(client)
    client.at("2024-04-01T01:00:00Z")
    invoice = only_invoice(client)["lago_id"]
    with psycopg.connect(client.server.database_url) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SET deadlock_timeout = '1min'")  # the other one is to be the victim
        lock = "SELECT FROM subscriptions WHERE organization_id = %s FOR UPDATE"
        other.execute(lock, [client.organization_id])
        answer = pool.submit(client.send, "PUT", f"/invoices/{invoice}/finalize", {})
        wait_until_one_waits(client)
        other.execute("SELECT FROM invoices WHERE id = %s FOR UPDATE", [invoice])
        other.commit()
        assert answer.result().json()["invoice"]["status"] == "finalized"


def wait_until_one_waits(client: Client) -> None:
    """Until a statement waits for a row that another transaction holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(client.server.database_url, autocommit=True) as connection:
        while connection.execute(query).fetchone() == (0,):
            assert time.monotonic() < deadline, "nothing waits"
            time.sleep(0.01)


def rows(client: Client, query: LiteralString, alias: LiteralString = "") -> list[Any]:
    condition = "AND" if "WHERE" in query else "WHERE"
    with psycopg.connect(client.server.database_url, options="-c timezone=UTC") as connection:
        return connection.execute(
            f"{query} {condition} {alias}organization_id = %s", [client.organization_id]
        ).fetchall()
