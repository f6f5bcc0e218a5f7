"""A client for tests: one organization's view of a server, with a test clock that a story moves."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import httpx

from support.server import Server

START = "2024-01-01T00:00:00Z"  # of a test clock that a test says nothing about
SETTLE_SECONDS = 60.0
Json: TypeAlias = dict[str, Any]
Params: TypeAlias = Mapping[str, Any] | Sequence[tuple[str, Any]]


class Client:
    """Speaks as one organization. Answers are JSON, already checked for their status (200 unless told otherwise).

    After everything that may cause work it waits until the work is done, so that the next line of a story sees it.
    """

    def __init__(self, server: Server, key: str, http: httpx.Client, organization_id: str = "") -> None:
        self.server, self.key, self.http = server, key, http
        self.organization_id = organization_id

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Params | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        raw: bool = False,
    ) -> httpx.Response:
        """One request below `/api/v1`, nothing checked. `raw` sends the path byte for byte as it is written."""
        target = f"{self.server.url}/api/v1{path}"
        request = self.http.build_request(
            method,
            f"{self.server.url}/api/v1" if raw else target,
            json=body if content is None else None,
            content=content,
            params=params if params is None or isinstance(params, Mapping) else list(params),
            headers={"Authorization": f"Bearer {self.key}", **(headers or {})},
            extensions={"target": f"/api/v1{path}".encode("utf-8", "surrogateescape")} if raw else None,
        )
        return self.http.send(request)

    def _answer(self, response: httpx.Response, expect: int) -> Any:
        told = f"{response.request.method} {response.request.url}: {response.status_code} {response.text[:2000]}"
        assert response.status_code == expect, told
        return response.json() if response.content else None

    def get(self, path: str, params: Params | None = None, *, expect: int = 200) -> Any:
        return self._answer(self.send("GET", path, params=params), expect)

    def post(self, path: str, body: Any = None, *, expect: int = 200) -> Any:
        return self._change("POST", path, body, None, expect)

    def put(self, path: str, body: Any = None, *, expect: int = 200) -> Any:
        return self._change("PUT", path, body, None, expect)

    def delete(self, path: str, params: Params | None = None, *, expect: int = 200) -> Any:
        return self._change("DELETE", path, None, params, expect)

    def _change(self, method: str, path: str, body: Any, params: Params | None, expect: int) -> Any:
        answer = self._answer(self.send(method, path, body, params=params), expect)
        if expect == 200:
            self.settle()
        return answer

    def at(self, instant: str) -> None:
        """Move the test clock to `instant`: all that falls due on the way happens, in order."""
        self._answer(self.send("PUT", "/test_clock", {"test_clock": {"now": instant}}), 200)
        self.settle()

    def now(self) -> str:
        return str(self.get("/test_clock")["test_clock"]["now"])

    def settle(self) -> None:
        """Wait until the organization has no work under way."""
        deadline, pause = time.monotonic() + SETTLE_SECONDS, 0.003
        while True:
            clock = self._answer(self.send("GET", "/test_clock"), 200)["test_clock"]
            if clock["status"] == "ready" and clock["pending_jobs"] == 0:
                return
            assert time.monotonic() < deadline, f"still busy after {SETTLE_SECONDS:.0f} s: {clock}"
            time.sleep(pause)
            pause = min(pause * 2, 0.2)


def new_organization(server: Server, http: httpx.Client, name: str, now: str | None) -> Client:
    """A fresh organization: a sandbox whose test clock starts at `now`, a live one without."""
    organization: Json = {"name": name} if now is None else {"name": name, "sandbox": True, "now": now}
    answer = http.post(
        f"{server.url}/admin/organizations",
        json={"organization": organization},
        headers={"X-Admin-API-Key": server.admin_key},
    )
    assert answer.status_code == 200, answer.text
    made = answer.json()["organization"]
    return Client(server, made["api_key"], http, made["lago_id"])


class LiveClient(Client):
    """A live organization's: there is no test clock that could tell when everything is done."""

    def settle(self) -> None:
        return


def live_organization(server: Server, http: httpx.Client, name: str) -> LiveClient:
    made = new_organization(server, http, name, None)
    return LiveClient(server, made.key, http, made.organization_id)


class Sandbox(Protocol):
    """Makes a fresh organization with a test clock at `now`; more arguments are attributes of the organization."""

    def __call__(self, now: str = START, **attributes: Any) -> Client: ...
