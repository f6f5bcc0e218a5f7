"""The demo as a client of the API: one connection that is kept open, and many of them for the events."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import msgspec

from laguna.demo.flights import Flight
from laguna.demo.server import ServerError

TIMEOUT_SECONDS = 120
BATCH_EVENTS = 100
PAGE_ITEMS = 100
CLOCK_SECONDS = 600
_POLL_SECONDS = 0.2


class Client:
    """One connection to a server, not to be shared between threads."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ServerError(f"{url} is not the URL of a server.")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
        self._base = parts.path.rstrip("/")
        self._url = url
        self._headers = {"Content-Type": "application/json", **headers}

    @classmethod
    def of_organization(cls, url: str, api_key: str) -> Self:
        return cls(url, {"Authorization": f"Bearer {api_key}"})

    @classmethod
    def of_operator(cls, url: str, admin_key: str) -> Self:
        return cls(url, {"X-Admin-API-Key": admin_key})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def send(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """The body of the answer; ServerError when it is a refusal, or when there is none."""
        try:
            self._connection.request(method, self._base + path, body, self._headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServerError(f"{self._url} does not answer: {error or type(error).__name__}") from error
        if answer.status != 200:
            text = content.decode(errors="replace")[:1000]
            raise ServerError(f"{method} {path} was answered with {answer.status}:\n{text}")
        return content

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return msgspec.json.decode(self.send(method, path, None if body is None else msgspec.json.encode(body)))

    def post(self, path: str, root: str, fields: Any) -> Any:
        """The object that was made of `{root: fields}`."""
        return self.call("POST", path, {root: fields})[root]

    def get_all(self, path: str, plural: str, **filters: str) -> Iterator[Any]:
        """Every object of a list, page by page."""
        page: int | None = 1
        while page:
            answer = self.call("GET", f"{path}?{urlencode({**filters, 'page': page, 'per_page': PAGE_ITEMS})}")
            yield from answer[plural]
            page = answer["meta"]["next_page"]

    def move_clock(self, instant: str) -> None:
        """Move the test clock and wait until everything that fell due is done."""
        clock = self.call("PUT", "/api/v1/test_clock", {"test_clock": {"now": instant}})["test_clock"]
        deadline = time.monotonic() + CLOCK_SECONDS
        while clock["status"] != "ready" or clock["pending_jobs"]:
            if time.monotonic() > deadline:
                raise ServerError(f"The test clock did not reach {instant} within {CLOCK_SECONDS} s.")
            time.sleep(_POLL_SECONDS)
            clock = self.call("GET", "/api/v1/test_clock")["test_clock"]


class Crew:
    """Connections that work side by side, each in its thread."""

    def __init__(self, connect: Callable[[], Client], size: int) -> None:
        self._connect = connect
        self._own = threading.local()
        self._clients: list[Client] = []
        self._pool = ThreadPoolExecutor(size, initializer=self._start)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        for client in self._clients:
            client.close()

    def _start(self) -> None:
        self._own.client = self._connect()
        self._clients.append(self._own.client)

    def send_events(self, flights: Sequence[Flight], sent: Callable[[int], None]) -> None:
        """Send them in batches; `sent` hears of every batch that the server has stored."""

        def send(start: int) -> None:
            events = [flight.event() for flight in flights[start : start + BATCH_EVENTS]]
            self._own.client.send("POST", "/api/v1/events/batch", msgspec.json.encode({"events": events}))
            sent(len(events))

        for _ in self._pool.map(send, range(0, len(flights), BATCH_EVENTS)):
            pass

    def get_each(self, paths: Iterable[str]) -> list[Any]:
        """The answers to GET, in order."""
        return list(self._pool.map(lambda path: self._own.client.call("GET", path), paths))
