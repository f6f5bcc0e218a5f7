"""`laguna webhooks`: what was given up is listed, sent again by hand, and the past is replayed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.client import Client
from support.command import laguna
from support.receiver import Receiver

Organization = Callable[[], Client]


def webhooks(client: Client, *arguments: str) -> str:
    """What the command says."""
    done = laguna("webhooks", *arguments, DATABASE_URL=client.server.database_url)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(client: Client, *arguments: str) -> str:
    done = laguna("webhooks", *arguments, DATABASE_URL=client.server.database_url)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.removeprefix("Error: ").strip()


def given_up(client: Client, receiver: Receiver) -> str:
    """A delivery that failed for three days; its id."""
    receiver.answer = lambda _: (503, b"away for the weekend")
    client.post("/customers", {"customer": {"external_id": "c1", "name": "one"}})
    receiver.wait_for(1)
    with psycopg.connect(client.server.database_url) as connection:
        connection.execute(
            "UPDATE webhook_deliveries SET status = 'failed', next_attempt_at = NULL, leased_until = NULL,"
            " attempts = 24, http_status = 503, response = 'away for the weekend' WHERE organization_id = %s",
            [client.organization_id],
        )
    receiver.answer = lambda _: (200, b"")
    return client.get("/webhook_deliveries")["webhook_deliveries"][0]["lago_id"]


def listen(client: Client, receiver: Receiver, path: str) -> str:
    endpoint = {"webhook_endpoint": {"webhook_url": receiver.url + path}}
    return client.post("/webhook_endpoints", endpoint)["webhook_endpoint"]["lago_id"]


def test_what_was_given_up_is_listed_and_sent_again(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    listen(client, receiver, "/hook")
    delivery = given_up(client, receiver)

    header, line = webhooks(client, "list", "--organization", client.organization_id).splitlines()
    assert header.split()[:4] == ["Delivery", "Queued", "Type", "Object"]
    assert re.match(
        rf" {delivery}\s+\S+Z\s+customer\.created\s+\S+\s+{receiver.url}/hook\s+24\s+503 away for the", line
    )

    assert webhooks(client, "resend", delivery) == "It is sent again.\n"
    first, again = receiver.wait_for(2)
    assert (first.key, first.body) == (again.key, again.body)
    client.settle()
    assert webhooks(client, "list", "--organization", client.organization_id) == "There are no failed deliveries.\n"
    assert refused(client, "resend", delivery).startswith("It has arrived already.")


def test_the_past_is_replayed_to_an_endpoint(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    listen(client, receiver, "/old")
    client.post("/customers", {"customer": {"external_id": "c1", "name": "one"}})
    client.at("2024-01-02T00:00:00Z")
    client.post("/customers", {"customer": {"external_id": "c1", "name": "two"}})
    client.post("/taxes", {"tax": {"name": "T", "code": "t", "rate": 1}})
    client.at("2024-01-03T00:00:00Z")
    client.post("/customers", {"customer": {"external_id": "c1", "name": "three"}})
    receiver.wait_for(3)
    endpoint = listen(client, receiver, "/new")

    assert webhooks(client, "replay", endpoint, "--since", "2024-01-02") == "2 messages are sent again.\n"
    assert [got.message["customer"]["name"] for got in receiver.wait_for(2, "/new")] == ["two", "three"]
    url = f"{receiver.url}/new"
    options = ("--since", "2024-01-01T00:00:00+00:00", "--until", "2024-01-02T12:00:00Z", "--type", "customer.created")
    assert webhooks(client, "replay", url, *options) == "1 messages are sent again.\n"
    assert [got.message["customer"]["name"] for got in receiver.wait_for(3, "/new")] == ["two", "three", "one"]


def documented(algorithm: str) -> Callable[..., bool]:
    """The function of docs/webhooks.md that verifies such signatures."""
    text = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
    (code,) = (each for each in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if algorithm in each)
    names: dict[str, Any] = {}
    exec(code, names)
    return names["is_from_laguna"]


def test_the_documented_ways_to_verify_a_signature_do(organization: Organization, receiver: Receiver) -> None:
    client = organization()
    for algorithm in ("hmac", "jwt"):
        endpoint = {"webhook_url": f"{receiver.url}/{algorithm}", "signature_algo": algorithm}
        client.post("/webhook_endpoints", {"webhook_endpoint": endpoint})
    client.post("/customers", {"customer": {"external_id": "c1", "name": "Zoë"}})
    key = webhooks(client, "hmac-key", "--organization", client.organization_id).strip()
    public_key = client.send("GET", "/webhooks/public_key").text
    for algorithm, secrets in (("hmac", (key,)), ("jwt", (public_key, client.server.url))):
        (got,) = receiver.wait_for(1, f"/{algorithm}")
        verify, signature = documented(f"{algorithm}."), got.headers["x-lago-signature"]
        assert verify(got.body, signature, *secrets)
        assert not verify(got.body + b" ", signature, *secrets)
        assert not verify(got.body, f"{signature[:-6]}AAAAA=", *secrets)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("list", "--organization", "Nobody"), "no organization matches 'Nobody'."),
        (("resend", "nonsense"), "There is no delivery nonsense."),
        (("replay", "https://e.com", "--since", "2024-01-01"), "No endpoint is https://e.com; name one by its id."),
        (("replay", "x", "--since", "soon"), "'soon' is no time. Write 2024-05-01 or 2024-05-01T12:00:00Z."),
        (("replay", "x", "--since", "2024-01-01", "--type", "a.b"), "There is no webhook type a.b."),
    ],
)
def test_what_cannot_be_is_said(organization: Organization, arguments: tuple[str, ...], message: str) -> None:
    assert refused(organization(), *arguments) == message
