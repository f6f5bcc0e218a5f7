"""Sender and receiver are killed with -9 while webhooks are on their way: none is lost, and their order holds."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from crash.billing import everything, wait_until_told
from crash.installation import DEADLINE_SECONDS, Installation, descendants
from support.client import START, Client, new_organization
from support.receiver_process import ReceiverProcess
from support.server import free_port

CUSTOMERS, ROUNDS = 6, 12


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[ReceiverProcess]:
    process = ReceiverProcess(free_port(), tmp_path / "received")
    process.start()
    yield process
    process.kill()


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    running = Installation(tmp_path / "data")
    running.start()
    yield running
    running.stop()


class Talk(threading.Thread):
    """Changes each customer again and again; a change whose answer is cut off is made again."""

    def __init__(self, client: Client) -> None:
        super().__init__(daemon=True)
        self.rounds_done = 0
        self._client = client

    def run(self) -> None:
        for number in range(ROUNDS):
            for customer in range(CUSTOMERS):
                while not self._change(f"c{customer}", str(number)):
                    time.sleep(0.05)
            self.rounds_done = number + 1

    def _change(self, external_id: str, name: str) -> bool:
        try:
            body = {"customer": {"external_id": external_id, "name": name}}
            return self._client.send("POST", "/customers", body).status_code == 200
        except httpx.HTTPError:
            return False

    def wait_for(self, rounds: int) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.rounds_done < rounds:
            assert time.monotonic() < deadline
            time.sleep(0.005)


def kill_the_sender(installation: Installation) -> None:
    """The API's processes, in which the sender runs; `laguna up` starts them again."""
    for pid in descendants(installation.pid):
        if b"serve" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            for each in descendants(pid):
                os.kill(each, signal.SIGKILL)
            return
    raise AssertionError("there is no sender")


def test_neither_kill_loses_a_webhook_or_changes_their_order(
    installation: Installation, receiver: ReceiverProcess
) -> None:
    with httpx.Client(timeout=DEADLINE_SECONDS) as http:
        client = new_organization(installation.server, http, "Killed", START)
        client.post("/webhook_endpoints", {"webhook_endpoint": {"webhook_url": receiver.url}})
        talk = Talk(client)
        talk.start()
        talk.wait_for(3)
        kill_the_sender(installation)
        talk.wait_for(6)
        receiver.kill()
        talk.wait_for(8)
        receiver.start()
        talk.wait_for(10)
        kill_the_sender(installation)
        talk.join(DEADLINE_SECONDS)
        installation.wait_until_ready()
        wait_until_told(client)
        log = list(everything(client, "webhook_deliveries"))
    received = receiver.received()

    assert len(log) >= CUSTOMERS * ROUNDS
    assert {entry["status"] for entry in log} == {"succeeded"}
    assert {entry["lago_id"] for entry in log} == {key for key, _ in received}, "each arrived"
    assert len(set(received)) == len(log), "what comes again is the same, byte for byte"
    told: dict[str, list[int]] = {f"c{number}": [] for number in range(CUSTOMERS)}
    for _, body in dict.fromkeys(received):
        customer = json.loads(body)["customer"]
        told[customer["external_id"]].append(int(customer["name"]))
    for names in told.values():
        assert names == sorted(names)
        assert set(names) == set(range(ROUNDS))
