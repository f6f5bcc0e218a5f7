"""Events that clients send, and send again, while everything is killed with -9: each is there once, none is lost.

A client whose request was cut off can't know what became of it, so it sends the batch again until it is stored (200) or
refused as one that is there (422). Now and then it sends an old batch again.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from pathlib import Path

import httpx

from crash.billing import Say, running
from crash.installation import DEADLINE_SECONDS, Installation
from support.billing import make_customer, make_metric, make_plan, standard, subscribe
from support.client import Client, LiveClient

CLIENTS = 8
BATCH = 20
SECONDS_AMONG_KILLS = (0.05, 1.0)
REPLAYED = 0.1  # of the batches


class Senders:
    """Clients that send until told to stop; what they report is what a client can know."""

    def __init__(self, url: str, key: str, seed: int) -> None:
        self.sent: list[list[str]] = []  # acknowledged, by the server or by its refusal to take it twice
        self.problems: list[str] = []
        self.unsure = 0  # batches whose first answer never came
        self._url, self._key = url, key
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number, seed)) for number in range(CLIENTS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each client finish its batch."""
        self._stop.set()
        for thread in self._threads:
            thread.join(DEADLINE_SECONDS)
            assert not thread.is_alive(), "a client is still trying"

    def _run(self, number: int, seed: int) -> None:
        chance = random.Random(f"{seed}-{number}")
        with httpx.Client(base_url=self._url, headers={"Authorization": f"Bearer {self._key}"}, timeout=10) as http:
            own: list[list[str]] = []
            while not self._stop.is_set():
                batch = [f"{number}-{len(own)}-{position}" for position in range(BATCH)]
                self._store(http, f"s{number}", batch)
                own.append(batch)
                self.sent.append(batch)
                if chance.random() < REPLAYED and self._post(http, f"s{number}", chance.choice(own)) == 200:
                    self.problems.append("a batch that was stored is taken once more")

    def _store(self, http: httpx.Client, subscription: str, batch: list[str]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        unsure = False
        while time.monotonic() < deadline:
            status = self._post(http, subscription, batch)
            if status == 200 or (status == 422 and unsure):
                self.unsure += unsure
                return
            if status not in (None, 503):
                self.problems.append(f"{batch[0]} is answered {status}")
                return
            unsure = True
            time.sleep(0.02)
        self.problems.append(f"{batch[0]} could not be sent")

    def _post(self, http: httpx.Client, subscription: str, batch: list[str]) -> int | None:
        """The status of the answer; None where none came."""
        events = [
            {
                "transaction_id": transaction_id,
                "external_subscription_id": subscription,
                "code": "calls",
                "timestamp": int(time.time()),
            }
            for transaction_id in batch
        ]
        try:
            return http.post("/events/batch", json={"events": events}).status_code
        except httpx.HTTPError:
            return None


def meter(client: Client) -> None:
    """What is sent is billed each time it has come to another 10.00."""
    thresholds = [{"amount_cents": 1000, "recurring": True}]
    make_plan(client, charges=[standard(make_metric(client), "0.1")], usage_thresholds=thresholds)
    make_customer(client)
    for number in range(CLIENTS):
        subscribe(client, external_id=f"s{number}")


def all_events(url: str, key: str) -> Counter[str]:
    found: Counter[str] = Counter()
    page: int | None = 1
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=DEADLINE_SECONDS) as http:
        while page:
            answer = http.get("/events", params={"page": page, "per_page": 1000}).json()
            found.update(event["transaction_id"] for event in answer["events"])
            page = answer["meta"]["next_page"]
    return found


def run(folder: Path, kills: int, seed: int, say: Say) -> None:
    """AssertionError where an event is lost or there twice."""
    chance = random.Random(seed)
    installation = Installation(folder / "ingestion")
    url = f"{installation.server.url}/api/v1"
    with running(installation), httpx.Client(timeout=DEADLINE_SECONDS) as http:
        meter(LiveClient(installation.server, installation.first_key, http))
        senders = Senders(url, installation.first_key, seed)
        senders.start()
        try:
            for number in range(kills):
                after = chance.uniform(*SECONDS_AMONG_KILLS)
                time.sleep(after)
                stored = len(senders.sent) * BATCH
                installation.kill()
                say(f"kill {number + 1}: {after:.3f} s after the start, {stored} events acknowledged")
                installation.start()
        finally:
            senders.stop()
        sent = Counter(transaction_id for batch in senders.sent for transaction_id in batch)
        stored = all_events(url, installation.first_key)
        assert senders.problems == []
        assert stored == sent, f"lost {list(sent - stored)[:5]}, twice or unknown {list(stored - sent)[:5]}"
        say(f"{stored.total()} events are there, each once; of {senders.unsure} batches the first answer never came")
        say(installation.check())
