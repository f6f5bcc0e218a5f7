"""Billing that is killed again and again ends where billing in peace does: invoices, numbers, fees, webhooks.

Two organizations have the same business. The clock of one moves month by month in peace; of the other everything is
killed with -9 at random points of each move, and of the start after it.
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from crash.installation import DEADLINE_SECONDS, Installation
from support.billing import make_metric, make_plan, standard, unix
from support.client import START, Client, Json, new_organization
from support.receiver import Received, Receiver, receiving

SUBSCRIPTIONS_OF_A_CUSTOMER = 2
NUMBERING = {"document_numbering": "per_organization", "document_number_prefix": "CRASH"}
IDS = ("organization_id", "parent_id", "slug", "file_url")
LONGER = 1.2  # kills fall into this many times the span that a move takes in peace: some come after its end
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that billing left behind, each thing as text without its ids, and how often it is there."""

    invoices: Counter[str]
    fees: Counter[str]
    webhooks: Counter[str]

    def __str__(self) -> str:
        return f"{self.invoices.total()} invoices, {self.fees.total()} fees, {self.webhooks.total()} webhooks"


def run(folder: Path, subscriptions: int, months: int, kills: int, seed: int, say: Say) -> None:
    """AssertionError where the kills changed anything."""
    assert months <= kills <= 2 * months, "one kill or two in each month"
    chance = random.Random(seed)
    installation = Installation(folder / "billing")
    with (
        receiving() as receiver,
        httpx.Client(timeout=DEADLINE_SECONDS) as http,
        running(installation) as seconds_to_start,
    ):
        in_peace, killed = (
            fill(installation, http, f"{receiver.url}/{name}", subscriptions, months) for name in ("peace", "killed")
        )
        spans = [move_in_peace(in_peace, month) for month in range(2, months + 2)]
        expected = outcome_of(in_peace, receiver, "/peace")
        say(f"in peace {expected}, in {sum(spans):.1f} s")
        for number, span in enumerate(spans):
            twice = number < kills - months
            move_among_kills(installation, killed, number + 2, span, seconds_to_start, twice, chance, say)
        outcome = outcome_of(killed, receiver, "/killed")
        say(f"among kills {outcome}")
        assert outcome == expected, differences(outcome, expected)
        assert_in_order(receiver.received)
        say(installation.check())


@contextlib.contextmanager
def running(installation: Installation) -> Iterator[float]:
    """Started, and stopped at the end; the seconds that the start took."""
    try:
        yield installation.start()
    finally:
        installation.stop()


# --- the business


def fill(installation: Installation, http: httpx.Client, webhook_url: str, count: int, months: int) -> Client:
    """A sandbox with so many subscriptions, two a customer, and usage for so many months."""
    client = new_organization(installation.server, http, "Crash", START)
    client.put("/organizations", {"organization": NUMBERING})
    client.post("/taxes", {"tax": {"name": "VAT", "code": "vat", "rate": 19.6, "applied_to_organization": True}})
    calls = make_metric(client, "calls")
    traffic = make_metric(client, "traffic", "sum_agg", field_name="gb")
    charges = [standard(calls, "0.015"), standard(traffic, "0.17")]
    thresholds, least = [{"amount_cents": 40}], {"amount_cents": 4000}
    make_plan(client, "arrears", 3100, charges=charges, usage_thresholds=thresholds, minimum_commitment=least)
    make_plan(client, "advance", 999, pay_in_advance=True, charges=charges)
    client.post("/webhook_endpoints", {"webhook_endpoint": {"webhook_url": webhook_url}})
    for number in range(count // SUBSCRIPTIONS_OF_A_CUSTOMER):
        grace = {"invoice_grace_period": 3} if number % 5 == 0 else {}
        customer = {"external_id": f"c{number}", "billing_configuration": grace}
        store(client, "/customers", {"customer": customer})
    for number in range(count):
        subscription = {
            "external_customer_id": f"c{number // SUBSCRIPTIONS_OF_A_CUSTOMER}",
            "external_id": f"s{number}",
            "plan_code": "advance" if number % 3 == 0 else "arrears",
        }
        own = {"plan_overrides": {"amount_cents": 2900}} if number % 7 == 0 else {}
        store(client, "/subscriptions", {"subscription": subscription | own})
    events = [
        {
            "transaction_id": f"{number}-{month}-{code}",
            "external_subscription_id": f"s{number}",
            "code": code,
            "timestamp": unix(f"2024-{month:02d}-17T10:00:00Z"),
            "properties": {"gb": f"{number % 7}.{month}"},
        }
        for number in range(count)
        for month in range(1, months + 1)
        for code in ("calls", "traffic")
    ]
    for first in range(0, len(events), 100):
        store(client, "/events/batch", {"events": events[first : first + 100]})
    client.settle()
    return client


def store(client: Client, path: str, body: Json) -> None:
    answer = client.send("POST", path, body)
    assert answer.status_code == 200, answer.text


def instant(month: int) -> str:
    """After the invoices of the month's first day and the end of their grace period."""
    return f"2024-{month:02d}-05T00:00:00Z"


# --- moves of the clock


def move_in_peace(client: Client, month: int) -> float:
    began = time.monotonic()
    client.at(instant(month))
    return time.monotonic() - began


def move_among_kills(
    installation: Installation,
    client: Client,
    month: int,
    span: float,
    seconds_to_start: float,
    twice: bool,
    chance: random.Random,
    say: Say,
) -> None:
    """Move the clock by a month, killed once on the way, and maybe once more while the next start is under way."""
    mover = threading.Thread(target=ask_for, args=(client, month))
    after = chance.uniform(0, LONGER * span)
    mover.start()
    time.sleep(after)
    installation.kill()
    mover.join()
    told = f"month {month}: killed {after:.3f} s into the move"
    if twice:
        after = chance.uniform(0, seconds_to_start + LONGER * span)
        installation.launch()
        time.sleep(after)
        installation.kill()
        told += f", and {after:.3f} s into the next start"
    say(told)
    installation.start()
    wait_until_there(client, month)


def ask_for(client: Client, month: int) -> None:
    """Ask for the move; the answer may never come."""
    with contextlib.suppress(httpx.HTTPError), httpx.Client(timeout=DEADLINE_SECONDS) as http:
        Client(client.server, client.key, http).send("PUT", "/test_clock", {"test_clock": {"now": instant(month)}})


def wait_until_there(client: Client, month: int) -> None:
    """The move goes on by itself where its request had arrived; where it had not, ask again."""
    client.settle()
    if client.now() != instant(month):
        client.at(instant(month))


def wait_until_told(client: Client) -> None:
    """Until every webhook has arrived."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    for status in ("pending", "retrying"):
        while client.get("/webhook_deliveries", {"status": status, "per_page": 1})["meta"]["total_count"]:
            assert time.monotonic() < deadline, "webhooks are left in the outbox"
            time.sleep(0.05)


# --- what came of it


def outcome_of(client: Client, receiver: Receiver, path: str) -> Outcome:
    wait_until_told(client)
    first = {got.key: got for got in reversed(receiver.received) if got.path == path}
    return Outcome(
        invoices=Counter(map(without_ids, everything(client, "invoices"))),
        fees=Counter(map(without_ids, everything(client, "fees"))),
        webhooks=Counter(without_ids(got.message) for got in first.values()),
    )


def everything(client: Client, name: str) -> Iterator[Json]:
    page: int | None = 1
    while page is not None:
        answer = client.get(f"/{name}", {"page": page, "per_page": 1000})
        yield from answer[name]
        page = answer["meta"]["next_page"]


def without_ids(value: Json) -> str:
    """Its JSON without the ids that Laguna gives, which differ from run to run."""

    def cleaned(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: cleaned(each) for name, each in part.items() if name not in IDS and name[:5] != "lago_"}
        return [cleaned(each) for each in part] if isinstance(part, list) else part

    return json.dumps(cleaned(value), sort_keys=True)


def differences(outcome: Outcome, expected: Outcome) -> str:
    told: list[str] = []
    for name in ("invoices", "fees", "webhooks"):
        found, wanted = getattr(outcome, name), getattr(expected, name)
        told += [f"lost of {name}: {each[:1500]}" for each in list(wanted - found)[:3]]
        told += [f"too many of {name}: {each[:1500]}" for each in list(found - wanted)[:3]]
    return "\n".join(told)


def assert_in_order(received: list[Received]) -> None:
    """What is told of one object arrived in its order; a message that comes once more doesn't count."""
    keys: dict[str, list[str]] = {}
    for got in {got.key: got for got in reversed(received)}.values():  # the first arrival of each
        keys.setdefault(got.message[got.message["object_type"]]["lago_id"], []).append(got.key)
    for told in keys.values():
        assert told == sorted(told, reverse=True), "the keys of deliveries grow in the order in which they were made"
