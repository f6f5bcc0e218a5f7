"""A stop under load: what was acknowledged is stored, no answer is cut, and what had begun ends or is begun again."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import psycopg
import pytest

from laguna.accounts.bootstrap import first_organization
from support.billing import make_customer, make_metric, make_plan, subscribe
from support.client import live_organization
from support.server import Server, environment, free_port, running_server, start, stop, wait_until_healthy

SENDERS, READERS = 8, 2
ENOUGH = 500  # acknowledged events before the stop
DEADLINE_SECONDS = 30


class Caller(threading.Thread):
    """Sends one request after the other on one connection, on a new one whenever it was closed, until it is refused."""

    def __init__(self, port: int, key: str, path: str, name: str, on_answer: Callable[[], None]) -> None:
        super().__init__(daemon=True, name=name)
        self.acknowledged: list[str] = []
        self.outcomes: Counter[str] = Counter()
        self._port, self._key, self._path, self._on_answer = port, key, path, on_answer
        self._sent = 0

    def run(self) -> None:
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", self._port), timeout=DEADLINE_SECONDS)
            except OSError:
                self.outcomes["refused"] += 1
                return
            with connection:
                while self._exchange(connection):
                    pass

    def _exchange(self, connection: socket.socket) -> bool:
        """Whether the connection may be used again."""
        transaction_id = f"{self.name}-{self._sent}"
        self._sent += 1
        read = b""
        with contextlib.suppress(OSError):
            connection.sendall(self._request(transaction_id))
            while not _is_whole(read) and (more := connection.recv(65_536)):
                read += more
        if not _is_whole(read):
            self.outcomes["cut" if read else "unanswered"] += 1
            return False
        status = int(read.split(b" ", 2)[1])
        self.outcomes[str(status)] += 1
        if status == 200 and self._path == "/api/v1/events":
            self.acknowledged.append(transaction_id)
            self._on_answer()
        return b"connection: close" not in read.lower()

    def _request(self, transaction_id: str) -> bytes:
        body, method = b"", "GET"
        if self._path == "/api/v1/events":
            event = {"transaction_id": transaction_id, "external_subscription_id": "s", "code": "calls"}
            body, method = json.dumps({"event": event}).encode(), "POST"
        head = (
            f"{method} {self._path} HTTP/1.1\r\nHost: laguna\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    length = next(line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return len(body) == int(length)


@pytest.mark.parametrize(("command", "workers", "drain_seconds"), [("serve", 1, 0), ("serve", 2, 1), ("up", 1, 1)])
def test_a_stop_under_load_cuts_no_answer_and_loses_no_event(
    own_database_url: str, tmp_path: Path, command: str, workers: int, drain_seconds: int
) -> None:
    port, log = free_port(), tmp_path / "log"
    key = first_organization(own_database_url)
    assert key is not None
    url = f"http://127.0.0.1:{port}"
    variables = {"LAGUNA_HOST": "127.0.0.1", "LAGUNA_PORT": str(port), "LAGUNA_DRAIN_SECONDS": str(drain_seconds)}
    variables["LAGUNA_WORKERS"] = str(workers)
    answers = threading.Semaphore(0)
    paths = ["/api/v1/events"] * SENDERS + ["/api/v1/plans"] * READERS
    callers = [Caller(port, key, path, f"caller-{n}", answers.release) for n, path in enumerate(paths)]
    process = start(command, log, environment(own_database_url, **variables))
    try:
        wait_until_healthy(url, process, log)
        for caller in callers:
            caller.start()
        for _ in range(ENOUGH):
            assert answers.acquire(timeout=DEADLINE_SECONDS), log.read_text()
        process.send_signal(signal.SIGTERM)
        if drain_seconds:
            _read_until_draining(url)
        assert process.wait(DEADLINE_SECONDS) == 0, log.read_text()
        for caller in callers:
            caller.join(DEADLINE_SECONDS)
    finally:
        process.kill()
        process.wait()
    outcomes = sum((caller.outcomes for caller in callers), Counter[str]())
    assert outcomes["cut"] == 0
    # Sent in the very instant in which a socket was closed: the client can't know, and sends it again.
    assert outcomes["unanswered"] <= len(callers)
    assert outcomes["refused"] == len(callers)
    assert outcomes.keys() <= {"200", "503", "unanswered", "refused"}
    with psycopg.connect(own_database_url) as connection:
        stored = Counter(row[0] for row in connection.execute("SELECT transaction_id FROM events"))
    acknowledged = {transaction_id for caller in callers for transaction_id in caller.acknowledged}
    assert not acknowledged - stored.keys(), "nothing acknowledged is lost"
    assert set(stored.values()) == {1}
    assert "Traceback" not in log.read_text()


def _read_until_draining(url: str) -> None:
    """`/ready` says that the server won't be there for long, while it is still served."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (answer := httpx.get(f"{url}/ready", timeout=5)).status_code == 200:
        assert time.monotonic() < deadline, "the server did not say that it stops"
    assert (answer.status_code, answer.json()) == (503, {"status": "shutting down"})
    assert httpx.get(f"{url}/health", timeout=5).status_code == 200


@pytest.fixture
def alone(own_database_url: str, tmp_path: Path) -> Iterator[Server]:
    """A server without a worker, which the test starts itself."""
    with running_server(own_database_url, tmp_path, worker=False) as server:
        yield server


def _blocked(connection: psycopg.Connection[Any]) -> int:
    """How many sessions wait for a lock of this database."""
    query = "SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) WHERE NOT l.granted"
    row = connection.execute(f"{query} AND a.datname = current_database()").fetchone()
    assert row is not None
    return int(row[0])


def _done(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    """Invoices, and jobs that are not done with."""
    query = "SELECT (SELECT count(*) FROM invoices), (SELECT count(*) FROM procrastinate_jobs)"
    return cast("tuple[int, int]", connection.execute(query).fetchone())


@pytest.mark.parametrize("in_time", [True, False])
def test_what_the_worker_has_begun_ends_before_it_stops_or_is_begun_again(
    alone: Server, http: httpx.Client, tmp_path: Path, in_time: bool
) -> None:
    client = live_organization(alone, http, "due")
    make_plan(client, "plan", 1000)
    make_customer(client)
    subscribe(client, subscription_at=(datetime.now(UTC) - timedelta(days=70)).isoformat())
    event = {"transaction_id": "e", "external_subscription_id": "s", "code": "calls"}
    assert client.send("POST", "/events", {"event": event}).status_code == 200
    make_metric(client, "calls", "sum_agg", field_name="n")  # which queues a job that derives the values of its events
    variables = environment(alone.database_url, LAGUNA_STOP_SECONDS="30" if in_time else "1")
    deadline = time.monotonic() + DEADLINE_SECONDS
    with (
        psycopg.connect(alone.database_url) as holding,
        psycopg.connect(alone.database_url, autocommit=True) as watching,
        contextlib.ExitStack() as stack,
    ):
        watching.execute("UPDATE subscriptions SET next_billing_at = date_trunc('month', now(), 'UTC')")
        holding.execute("SELECT FROM subscriptions FOR UPDATE")
        holding.execute("SELECT FROM billable_metrics FOR UPDATE")
        worker = start("work", tmp_path / "worker.log", variables)
        stack.callback(stop, worker)
        while _blocked(watching) < 2:
            assert time.monotonic() < deadline, "a job and a page of the billing run wait for the rows"
        worker.send_signal(signal.SIGTERM)
        if in_time:
            holding.rollback()
        assert worker.wait(DEADLINE_SECONDS) == 0, (tmp_path / "worker.log").read_text()
        if not in_time:
            assert _done(watching) == (0, 1)
            holding.rollback()
            another = start("work", tmp_path / "another.log", variables)
            stack.callback(stop, another)
            while _done(watching) != (1, 0):
                assert time.monotonic() < deadline, (tmp_path / "another.log").read_text()
        assert _done(watching) == (1, 0)


def test_a_request_that_never_comes_to_its_end_holds_up_no_stop(own_database_url: str, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    variables = {"LAGUNA_HOST": "127.0.0.1", "LAGUNA_PORT": str(port)}
    variables |= {"LAGUNA_DRAIN_SECONDS": "0", "LAGUNA_STOP_SECONDS": "1"}
    process = start("up", log, environment(own_database_url, **variables))
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", process, log)
        key = re.search(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", log.read_text())
        assert key is not None
        with socket.create_connection(("127.0.0.1", port)) as connection:
            head = f"POST /api/v1/events HTTP/1.1\r\nHost: laguna\r\nAuthorization: Bearer {key[0]}\r\n"
            connection.sendall(f"{head}Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n".encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 100"), "the request has begun"
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_SECONDS) == 0
            assert time.monotonic() - began < 10
    finally:
        process.kill()
        process.wait()
