"""`/ready` and `/metrics`: what a load balancer and Prometheus are told."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.billing import make_customer, make_metric, make_plan, standard, subscribe
from support.client import Client, live_organization, new_organization
from support.database import Databases
from support.everything import MARK, NOW, make_everything
from support.server import Server, running_server

TOKEN = "token-of-prometheus"


@pytest.fixture(scope="module")
def watched(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without a worker: what is due stays due."""
    url = databases.clone()
    with running_server(url, tmp_path_factory.mktemp("watched"), worker=False) as server:
        yield server
    databases.drop(url)


def figures(server: Server, **headers: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = httpx.get(f"{server.url}/metrics", headers=headers, timeout=10)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def figure(server: Server, name: str, **labels: str) -> float:
    return figures(server)[name, tuple(sorted(labels.items()))]


def execute(server: Server, statement: str, *parameters: object) -> None:
    with psycopg.connect(server.database_url) as connection:
        connection.execute(statement.encode(), parameters)


def send(client: Client, *transaction_ids: str) -> None:
    events = [{"transaction_id": each, "external_subscription_id": "s", "code": "calls"} for each in transaction_ids]
    assert client.send("POST", "/events/batch", {"events": events}).status_code == 200


def test_a_server_is_ready_as_long_as_its_database_answers(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    url = databases.clone()
    with running_server(url, tmp_path_factory.mktemp("ready"), worker=False) as server:
        answer = httpx.get(f"{server.url}/ready")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        databases.drop(url)
        answer = httpx.get(f"{server.url}/ready", timeout=10)
        assert (answer.status_code, answer.json()) == (503, {"status": "database unreachable"})
        assert figure(server, "laguna_database_up") == 0


def test_stored_events_are_counted_and_the_queue_is_empty_afterwards(watched: Server, http: httpx.Client) -> None:
    client = live_organization(watched, http, "counted")
    before = figures(watched)
    send(client, "a", "b", "c")
    assert (
        client.send(
            "POST", "/events", {"event": {"transaction_id": "a", "external_subscription_id": "s", "code": "calls"}}
        ).status_code
        == 422
    )
    after = figures(watched)

    def grown(name: str) -> float:
        return after[name, ()] - before[name, ()]

    assert grown("laguna_events_ingested_total") == 3
    assert grown("laguna_event_group_events_sum") == 3
    assert grown("laguna_event_group_events_count") == 1
    assert grown("laguna_event_group_seconds_count") == 1
    assert after["laguna_event_queue_events", ()] == 0


def test_requests_are_counted_by_the_template_of_their_route(watched: Server, http: httpx.Client) -> None:
    client = live_organization(watched, http, "routes")
    client.get("/plans/no-such-plan-of-mine", expect=404)
    client.send("GET", "/no/such/path-of-mine")
    http.request("BREW", f"{watched.url}/health")
    found = figures(watched)
    name = "laguna_http_requests_total"
    routes = {dict(labels)["route"] for (each, labels) in found if each == name}
    assert any(route.startswith("/api/v1/plans/{") for route in routes)
    assert found[name, (("method", "GET"), ("route", "none"), ("status", "404"))] >= 1
    assert {dict(labels)["method"] for (each, labels) in found if each == name} <= {"GET", "POST", "other"}
    assert not any("of-mine" in route for route in routes)


def test_the_connections_of_the_pool_are_told(watched: Server) -> None:
    found = figures(watched)
    assert found["laguna_database_connections_max", ()] == 10
    assert 0 <= found["laguna_database_connections_used", ()] <= 10


def test_what_runs_is_told(watched: Server) -> None:
    assert any(name == "laguna_build_info" and dict(labels)["version"] for name, labels in figures(watched))


def test_billing_that_is_due_in_a_live_organization_is_late(watched: Server, http: httpx.Client) -> None:
    client = live_organization(watched, http, "late")
    make_plan(client, "plan", 1000, charges=[standard(make_metric(client))])
    make_customer(client)
    subscribe(client)
    assert figure(watched, "laguna_timer_late_seconds", timer="bill_subscriptions") == 0
    late = "UPDATE subscriptions SET next_billing_at = now() - interval '90 s' WHERE organization_id = %s"
    execute(watched, late, client.organization_id)
    assert 90 <= figure(watched, "laguna_timer_late_seconds", timer="bill_subscriptions") < 150
    failed = """
        INSERT INTO timer_failures (timer, item_id, organization_id, error, attempts, failed_at, retry_at)
        SELECT 'bill_subscriptions', id, organization_id, 'x', 1, now(), now() + interval '1 hour'
        FROM subscriptions WHERE organization_id = %s
    """
    execute(watched, failed, client.organization_id)
    assert figure(watched, "laguna_timer_late_seconds", timer="bill_subscriptions") == 0, "it is in quarantine"
    assert figure(watched, "laguna_timer_quarantined", timer="bill_subscriptions", clock="live") == 1


def test_a_sandbox_is_never_late(watched: Server, http: httpx.Client) -> None:
    client = new_organization(watched, http, "sandbox", "2024-01-01T00:00:00Z")
    before = figure(watched, "laguna_timer_late_seconds", timer="bill_subscriptions")
    make_plan(client, "plan", 1000)
    make_customer(client)
    subscribe(client)
    assert figure(watched, "laguna_timer_late_seconds", timer="bill_subscriptions") == before == 0


def test_jobs_are_told_by_state(watched: Server) -> None:
    job = "INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('other', 'x', %s)"
    assert figure(watched, "laguna_job_late_seconds") == 0
    for state in ("todo", "failed", "failed"):
        execute(watched, job, state)
    execute(watched, "UPDATE procrastinate_jobs SET scheduled_at = now() - interval '70 s' WHERE task_name = 'x'")
    assert 70 <= figure(watched, "laguna_job_late_seconds") < 130
    assert figure(watched, "laguna_jobs", state="queued") == 1
    assert figure(watched, "laguna_jobs", state="running") == 0
    assert figure(watched, "laguna_jobs", state="failed") == 2


def test_webhooks_that_wait_are_told_with_the_age_of_the_oldest(watched: Server, http: httpx.Client) -> None:
    client = live_organization(watched, http, "webhooks")
    assert figure(watched, "laguna_webhook_oldest_seconds", state="retrying") == 0
    endpoint = {"webhook_endpoint": {"webhook_url": "https://endpoint.invalid/hook"}}
    assert client.send("POST", "/webhook_endpoints", endpoint).status_code == 200
    make_customer(client)
    execute(watched, "UPDATE webhook_deliveries SET queued_at = now() - interval '500 s', status = 'retrying'")
    execute(watched, "UPDATE webhook_deliveries SET next_attempt_at = now() + interval '1 hour'")
    assert figure(watched, "laguna_webhook_deliveries_open", state="retrying") >= 1
    assert 500 <= figure(watched, "laguna_webhook_oldest_seconds", state="retrying") < 560


def test_no_figure_tells_anything_of_a_tenant(server: Server, http: httpx.Client) -> None:
    client = new_organization(server, http, MARK, NOW)
    tenant = make_everything(client)
    told = httpx.get(f"{server.url}/metrics", timeout=10).text
    assert MARK not in told
    assert client.organization_id not in told
    assert not any(identifier in told for identifier in tenant.ids.values())


def test_with_a_token_the_figures_are_for_its_bearer_and_several_processes_count_as_one(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    url = databases.clone()
    folder = tmp_path_factory.mktemp("together")
    with (
        running_server(url, folder, worker=False, LAGUNA_WORKERS="2", LAGUNA_METRICS_TOKEN=TOKEN) as server,
        httpx.Client() as http,
    ):
        assert httpx.get(f"{server.url}/metrics").status_code == 401
        assert httpx.get(f"{server.url}/metrics", headers={"Authorization": "Bearer x"}).status_code == 401
        client = live_organization(server, http, "together")
        for number in range(40):  # each on a connection of its own, which one of the processes takes
            with httpx.Client() as fresh:
                send(Client(server, client.key, fresh), f"t{number}")
        for _ in range(8):
            found = figures(server, Authorization=f"Bearer {TOKEN}")
            assert found["laguna_events_ingested_total", ()] == 40
            assert found["laguna_database_connections_max", ()] == 20
    databases.drop(url)
