"""The tenancy sweep: for every route, another organization's key finds nothing and changes nothing.

The routes come from the application, so that a new one that is not described here fails. Organization A has one of
everything; a fresh organization B calls each route with A's identifiers.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from laguna.models import Base
from support.billing import make_customer, make_metric, make_plan, standard, subscribe
from support.client import Client, Json, new_organization
from support.everything import MARK, NOW, PARAMETERS, QUERIES, SHARED_TABLES, Tenant, make_everything
from support.routes import api_routes, application, every_route
from support.server import Server

WITHOUT_KEY = {
    "/health",
    "/ready",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/docs/oauth2-redirect",
    "/redoc",
    "/documents/{name}",  # the link is the key
    "/logos/{organization_id}/{digest}",
}
WITH_OPERATOR_KEY = {"/admin/organizations"}
HISTORICAL = {"external_historical_usage_amount_cents": 900}


def bodies(tenant: Tenant) -> dict[tuple[str, str], Json]:
    """A body for each route that reads one. Where an object can refer to others, it refers to A's."""
    entity = tenant.parameters["/billing_entities/{code}"]
    charge = standard(tenant.ids["metric"], "9")
    event = {"transaction_id": f"{MARK}-event", "external_subscription_id": f"{MARK}-subscription"}
    event |= {"code": f"{MARK}-metric", "timestamp": "1704844800", "properties": {"size": 1000}}
    customer = {"external_id": f"{MARK}-customer", "name": "Beta"}
    subscription = {"external_customer_id": f"{MARK}-customer", "external_id": f"{MARK}-subscription"}
    plan = {"name": "Beta", "code": f"{MARK}-plan", "interval": "monthly", "amount_cents": 1, "amount_currency": "EUR"}
    metric = {"name": "Beta", "code": f"{MARK}-metric", "aggregation_type": "count_agg"}
    tax = {"name": "Beta", "code": f"{MARK}-tax", "rate": 1, "applied_to_organization": True}
    organization = {"organization": {"name": "Beta", "legal_name": "Beta", "net_payment_term": 9}}
    return {
        ("POST", "/events"): {"event": event},
        ("POST", "/events/batch"): {"events": [event, {**event, "transaction_id": "other"}]},
        ("PUT", "/test_clock"): {"test_clock": {"now": "2024-06-01T00:00:00Z"}},
        ("PUT", "/organizations"): organization,
        ("PATCH", "/organizations"): organization,
        ("POST", "/billing_entities"): {"billing_entity": {"code": entity, "name": "Beta"}},
        ("PUT", "/billing_entities/{code}"): {"billing_entity": {"name": "Beta", "tax_codes": [f"{MARK}-tax"]}},
        ("PATCH", "/billing_entities/{code}"): {"billing_entity": {"name": "Beta", "timezone": "Asia/Tokyo"}},
        ("POST", "/taxes"): {"tax": tax},
        ("PUT", "/taxes/{code}"): {"tax": {"rate": 99}},
        ("PATCH", "/taxes/{code}"): {"tax": {"rate": 99}},
        ("POST", "/customers"): {"customer": customer},
        ("POST", "/billable_metrics"): {"billable_metric": metric},
        ("POST", "/billable_metrics/evaluate_expression"): {
            "expression": "event.properties.size + 1",
            "event": {"code": f"{MARK}-metric", "properties": {"size": 1000}},
        },
        ("PUT", "/billable_metrics/{code}"): {"billable_metric": {"name": "Beta"}},
        ("PATCH", "/billable_metrics/{code}"): {"billable_metric": {"name": "Beta"}},
        ("POST", "/plans"): {"plan": {**plan, "charges": [charge]}},
        ("PUT", "/plans/{code}"): {"plan": {"amount_cents": 9, "charges": [{**charge, "id": tenant.ids["charge"]}]}},
        ("PATCH", "/plans/{code}"): {"plan": {"amount_cents": 9, "charges": []}},
        ("POST", "/plans/{code}/metadata"): {"metadata": {"tier": "beta"}},
        ("PATCH", "/plans/{code}/metadata"): {"metadata": {"tier": "beta"}},
        ("POST", "/plans/{code}/charges"): {"charge": {**charge, "code": "beta"}},
        ("PUT", "/plans/{code}/charges/{charge_code}"): {"charge": {"properties": {"amount": "9"}}},
        ("PATCH", "/plans/{code}/charges/{charge_code}"): {"charge": {"properties": {"amount": "9"}}},
        ("POST", "/plans/{code}/charges/{charge_code}/filters"): {"filter": {"values": {"region": ["x"]}}},
        ("PUT", "/plans/{code}/charges/{charge_code}/filters/{lago_id}"): {"filter": {"properties": {"amount": "9"}}},
        ("PATCH", "/plans/{code}/charges/{charge_code}/filters/{lago_id}"): {"filter": {"invoice_display_name": "B"}},
        ("POST", "/subscriptions"): {
            "subscription": {**subscription, "plan_code": f"{MARK}-plan", "billing_entity_code": entity}
        },
        **{
            (method, f"/subscriptions/{{external_id}}/charges/{{charge_code}}{below}"): body
            for method, below, body in (
                ("PUT", "", {"charge": {"properties": {"amount": "9"}}}),
                ("PATCH", "", {"charge": {"properties": {"amount": "9"}}}),
                ("POST", "/filters", {"filter": {"values": {"region": [f"{MARK}-europe"]}}}),
                ("PUT", "/filters/{lago_id}", {"filter": {"properties": {"amount": "9"}}}),
                ("PATCH", "/filters/{lago_id}", {"filter": {"invoice_display_name": "B"}}),
            )
        },
        ("PUT", "/subscriptions/{external_id}"): {"subscription": {"name": "Beta"}},
        ("PATCH", "/subscriptions/{external_id}"): {"subscription": {"name": "Beta"}},
        ("PUT", "/invoices/{lago_id}/refresh"): {},
        ("PATCH", "/invoices/{lago_id}/refresh"): {},
        ("PUT", "/invoices/{lago_id}/finalize"): {},
        ("PATCH", "/invoices/{lago_id}/finalize"): {},
        ("PUT", "/subscriptions/{external_id}/lifetime_usage"): {"lifetime_usage": HISTORICAL},
        ("PATCH", "/subscriptions/{external_id}/lifetime_usage"): {"lifetime_usage": HISTORICAL},
        ("POST", "/webhook_endpoints"): {"webhook_endpoint": {"webhook_url": "https://beta.example.com"}},
        ("PUT", "/webhook_endpoints/{lago_id}"): {"webhook_endpoint": {"name": "Beta"}},
        ("PATCH", "/webhook_endpoints/{lago_id}"): {"webhook_endpoint": {"name": "Beta"}},
        ("POST", "/webhook_endpoints/{lago_id}/replay"): {"replay": {"to_datetime": "2030-01-01"}},
        ("POST", "/webhook_deliveries/{lago_id}/retry"): {},
        ("POST", "/invoices/{lago_id}/download"): {},
        ("POST", "/invoices/{lago_id}/download_pdf"): {},
    }


# Routes by which B makes or changes something of its own even when it uses A's identifiers.
OWN = {
    ("POST", "/events"),
    ("POST", "/events/batch"),
    ("PUT", "/test_clock"),
    ("PUT", "/organizations"),
    ("PATCH", "/organizations"),
    ("POST", "/billing_entities"),
    ("POST", "/taxes"),
    ("POST", "/customers"),
    ("POST", "/billable_metrics"),
    ("POST", "/billable_metrics/evaluate_expression"),
    ("GET", "/organizations"),
    ("GET", "/test_clock"),
    ("GET", "/billing_entities"),
    ("POST", "/webhook_endpoints"),
    ("GET", "/webhooks/json_public_key"),  # the server's, for everybody
    ("GET", "/webhooks/public_key"),
}


def state(database_url: str, organization_id: str) -> dict[str, str]:
    """Number of rows and a hash of them, of every table, of one organization."""
    conditions = {
        "organizations": "id = %(id)s",
        "events": "stream_id IN (SELECT id FROM event_streams WHERE organization_id = %(id)s)",
        "procrastinate_jobs": "args ->> 'organization_id' = %(id)s::text",
    }
    found: dict[str, str] = {}
    with psycopg.connect(database_url) as connection:
        for name in sorted({*Base.metadata.tables, *conditions} - (SHARED_TABLES - conditions.keys())):
            condition = conditions.get(name, "organization_id = %(id)s")
            query = sql.SQL(
                "SELECT count(*) || ' ' || md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), ''))"
                " FROM {} AS t WHERE " + condition
            ).format(sql.Identifier(name))
            row = connection.execute(query, {"id": uuid.UUID(organization_id)}).fetchone()
            assert row is not None
            found[name] = row[0]
    return found


def readings(tenant: Tenant) -> dict[str, Any]:
    """What A itself reads, of every route that reads."""
    found: dict[str, Any] = {}
    for method, route in api_routes():
        if method == "GET" and route != "/webhooks/public_key":  # which is text
            query = QUERIES.get(route) if "{" in route else None
            found[route] = tenant.client.get(tenant.path(route), query)
    return found


def names_of(tenant: Tenant) -> set[str]:
    """Every id in A's rows, and its mark: nothing of it may appear in an answer to B."""
    ids = set(
        re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", json.dumps(readings(tenant)))
    )
    return {*ids, tenant.client.organization_id}


@pytest.fixture(scope="module")
def alpha(server: Server, http: httpx.Client) -> Tenant:
    return make_everything(new_organization(server, http, "Alpha", NOW))


@pytest.fixture(scope="module")
def secrets(alpha: Tenant) -> set[str]:
    return names_of(alpha)


@pytest.fixture
def beta(server: Server, http: httpx.Client) -> Client:
    return new_organization(server, http, "Beta", NOW)


@pytest.fixture
def unchanged(alpha: Tenant, server: Server) -> Iterator[None]:
    """Around a test: A's rows and everything that A reads are the same after it."""
    rows, read = state(server.database_url, alpha.client.organization_id), readings(alpha)
    yield
    assert state(server.database_url, alpha.client.organization_id) == rows
    assert readings(alpha) == read


def name(route: tuple[str, str]) -> str:
    return " ".join(route)


def body_for(tenant: Tenant, method: str, route: str) -> Json | None:
    """The body of a route; one that reads a body and isn't described here fails the test."""
    if method in ("GET", "DELETE"):
        return None
    body = bodies(tenant).get((method, route))
    assert body is not None, f"{method} {route} is new: describe its body in bodies(), and what it may refer to"
    return body


def call(client: Client, tenant: Tenant, method: str, route: str) -> httpx.Response:
    assert "{" not in route or route in tenant.parameters, f"{route} is new: name an object of A's in PARAMETERS"
    body = body_for(tenant, method, route)
    return client.send(method, tenant.path(route), body, params=QUERIES.get(route))


def is_empty(answer: httpx.Response) -> bool:
    """A list with nothing in it."""
    if not answer.headers["content-type"].startswith("application/json"):
        return False
    body = answer.json()
    lists = [value for value in body.values() if isinstance(value, list)]
    return answer.status_code == 200 and lists == [[]]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("route", api_routes(), ids=name)
def test_another_organizations_key_finds_nothing_and_changes_nothing(
    route: tuple[str, str], alpha: Tenant, beta: Client, secrets: set[str]
) -> None:
    answer = call(beta, alpha, *route)
    beta.settle()

    if route in OWN:
        assert answer.status_code == 200, answer.text
    else:
        assert answer.status_code in (404, 405) or is_empty(answer), f"{answer.status_code} {answer.text}"
    assert not [secret for secret in secrets if secret in answer.text]


@pytest.mark.parametrize("path", [path for method, path in api_routes() if method == "GET"])
def test_its_own_key_finds_what_the_others_does_not(path: str, alpha: Tenant) -> None:
    """The sweep proves nothing unless the same calls find something with the right key."""
    answer = call(alpha.client, alpha, "GET", path)
    assert answer.status_code == 200
    assert not is_empty(answer), answer.text


@pytest.mark.parametrize("route", api_routes(), ids=name)
def test_no_route_answers_without_a_valid_key(route: tuple[str, str], alpha: Tenant, http: httpx.Client) -> None:
    """The key comes first: an unknown object or a wrong body makes no difference without one."""
    method, path = route
    body = body_for(alpha, method, path)
    requests = [(alpha.path(path), body), (re.sub(r"{\w+}", "unknown", path), {} if body else None)]
    for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": f"Bearer {uuid.uuid4()}"}):
        for target, json_body in requests:
            url = f"{alpha.client.server.url}/api/v1{target}"
            answer = http.request(method, url, json=json_body, headers=headers)
            assert answer.status_code == 401, f"{method} {target}: {answer.status_code} {answer.text}"
            assert answer.json() == {"status": 401, "error": "Unauthorized"}


def test_every_route_is_below_the_api_or_known_to_need_no_key() -> None:
    elsewhere = {path for _, path in every_route() if not path.startswith("/api/v1/")}
    assert elsewhere == WITHOUT_KEY | WITH_OPERATOR_KEY


def test_every_described_route_is_swept() -> None:
    swept = set(every_route())
    described = {
        (method.upper(), path) for path, methods in application().openapi()["paths"].items() for method in methods
    }
    assert described <= swept
    assert set(bodies_routes()) <= set(api_routes())
    assert set(PARAMETERS) == {path for _, path in api_routes() if "{" in path}


def bodies_routes() -> list[tuple[str, str]]:
    known = {"metric": "", "charge": ""}
    return list(bodies(Tenant(None, ids=known, parameters=PARAMETERS)))  # pyright: ignore[reportArgumentType]


# --- what one object may refer to in another


Attack = Callable[[Client, Tenant], httpx.Response]


def _own_plan(client: Client) -> Json:
    return make_plan(client, "own", 100, charges=[standard(make_metric(client))])


ATTACKS: dict[str, tuple[Attack, int, str]] = {
    "a plan with A's metric": (
        lambda b, a: b.send("POST", "/plans", bodies(a)["POST", "/plans"]),
        404,
        "billable_metrics_not_found",
    ),
    "a plan with A's tax": (
        lambda b, a: b.send(
            "POST",
            "/plans",
            {
                "plan": {
                    "name": "B",
                    "code": "b",
                    "interval": "monthly",
                    "amount_cents": 1,
                    "amount_currency": "EUR",
                    "tax_codes": [f"{MARK}-tax"],
                }
            },
        ),
        404,
        "tax_not_found",
    ),
    "a charge with A's tax": (
        lambda b, a: b.send(
            "PUT",
            "/plans/own",
            {
                "plan": {
                    "charges": [
                        {
                            "id": _own_plan(b)["charges"][0]["lago_id"],
                            "charge_model": "standard",
                            "properties": {"amount": "1"},
                            "tax_codes": [f"{MARK}-tax"],
                        }
                    ]
                }
            },
        ),
        404,
        "tax_not_found",
    ),
    "an override of A's charge": (
        lambda b, a: b.send(
            "POST",
            "/subscriptions",
            {
                "subscription": {
                    "external_customer_id": "b",
                    "external_id": "b",
                    "plan_code": _own_plan(b)["code"],
                    "plan_overrides": {"charges": [{"id": a.ids["charge"], "properties": {"amount": "9"}}]},
                }
            },
        ),
        404,
        "charge_not_found",
    ),
    "an override with A's tax": (
        lambda b, a: b.send(
            "POST",
            "/subscriptions",
            {
                "subscription": {
                    "external_customer_id": "b",
                    "external_id": "b",
                    "plan_code": _own_plan(b)["code"],
                    "plan_overrides": {"tax_codes": [f"{MARK}-tax"]},
                }
            },
        ),
        404,
        "tax_not_found",
    ),
    "A's filter through a charge of one's own": (
        lambda b, a: b.send(
            "PUT",
            f"/plans/{_own_plan(b)['code']}/charges/calls/filters/{a.ids['filter']}",
            {"filter": {"properties": {"amount": "9"}}},
        ),
        404,
        "charge_filter_not_found",
    ),
    "a customer with A's tax": (
        lambda b, a: b.send("POST", "/customers", {"customer": {"external_id": "b", "tax_codes": [f"{MARK}-tax"]}}),
        404,
        "tax_not_found",
    ),
    "a customer of A's billing entity": (
        lambda b, a: b.send(
            "POST",
            "/customers",
            {"customer": {"external_id": "b", "billing_entity_code": a.parameters["/billing_entities/{code}"]}},
        ),
        404,
        "billing_entity_not_found",
    ),
    "a billing entity with A's tax": (
        lambda b, a: b.send(
            "POST", "/billing_entities", {"billing_entity": {"code": "b", "name": "B", "tax_codes": [f"{MARK}-tax"]}}
        ),
        404,
        "tax_not_found",
    ),
    "a subscription to A's plan": (
        lambda b, a: b.send(
            "POST",
            "/subscriptions",
            {"subscription": {"external_customer_id": "b", "external_id": "b", "plan_code": f"{MARK}-plan"}},
        ),
        404,
        "plan_not_found",
    ),
    "a subscription issued by A's billing entity": (
        lambda b, a: b.send(
            "POST",
            "/subscriptions",
            {
                "subscription": {
                    "external_customer_id": "b",
                    "external_id": "b",
                    "plan_code": _own_plan(b)["code"],
                    "billing_entity_id": a.client.organization_id,
                }
            },
        ),
        404,
        "billing_entity_not_found",
    ),
    "invoices of A's billing entity": (
        lambda b, a: b.send(
            "GET", "/invoices", params={"billing_entity_codes[]": a.parameters["/billing_entities/{code}"]}
        ),
        404,
        "billing_entity_not_found",
    ),
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_object_can_not_refer_to_another_organizations(attack: str, alpha: Tenant, beta: Client) -> None:
    send, status, code = ATTACKS[attack]
    answer = send(beta, alpha)
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text


@pytest.mark.usefixtures("unchanged")
def test_ids_of_another_organizations_metadata_and_charges_are_not_taken_over(alpha: Tenant, beta: Client) -> None:
    entry = {"id": alpha.ids["metadata"], "key": "stolen", "value": "x"}
    customer = make_customer(beta, "b", metadata=[entry])
    assert customer["metadata"][0]["lago_id"] != alpha.ids["metadata"]
    plan = _own_plan(beta)
    charge = standard(plan["charges"][0]["lago_billable_metric_id"], "5", id=alpha.ids["charge"])
    changed = beta.put("/plans/own", {"plan": {"charges": [charge]}})["plan"]
    assert alpha.ids["charge"] not in [each["lago_id"] for each in changed["charges"]]


@pytest.mark.usefixtures("unchanged")
def test_two_organizations_may_use_the_same_codes_and_bill_them_apart(alpha: Tenant, beta: Client) -> None:
    metric = make_metric(beta, f"{MARK}-metric", "sum_agg", field_name="size")
    make_plan(beta, f"{MARK}-plan", 500, charges=[standard(metric, "1")])
    subscribe(beta, f"{MARK}-customer", f"{MARK}-plan", f"{MARK}-subscription")
    event = bodies(alpha)["POST", "/events"]
    beta.post("/events", event)  # its transaction id and subscription are A's too
    beta.at("2024-02-01T00:00:00Z")
    billed = beta.get("/invoices")["invoices"]
    assert [each["fees_amount_cents"] for each in billed] == [100355]  # 22 of 31 days, and 1000 units
    beta.delete(f"/customers/{MARK}-customer")
    beta.delete(f"/plans/{MARK}-plan")


@pytest.mark.usefixtures("unchanged")
def test_moving_ones_own_clock_bills_nobody_else(alpha: Tenant, beta: Client) -> None:
    beta.at("2026-01-01T00:00:00Z")


def test_hashes_tell_the_state_of_different_organizations_apart(alpha: Tenant, beta: Client) -> None:
    """The sweep's own measure: every table of A has rows, and they are not B's."""
    rows = state(alpha.client.server.database_url, alpha.client.organization_id)
    empty = hashlib.md5(b"").hexdigest()
    without = {table for table, told in rows.items() if told == f"0 {empty}"}
    assert without == {"timer_failures", "procrastinate_jobs", "usage_marks"}, "what is no longer to be done"
    own = state(beta.server.database_url, beta.organization_id)
    assert {table for table, told in own.items() if told != f"0 {empty}"} == {
        "organizations",
        "billing_entities",
        "api_keys",
    }
    assert not {told for told in own.values() if not told.startswith("0 ")} & set(rows.values())
