"""Paths as they are written, verbs, sizes, and request ids (spec 0 §§3, 15)."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from support.client import Client, Sandbox
from support.server import Server

LIMIT_BYTES = 5_242_880
NAMES = [
    "a/b",
    "a.b.json",
    "..",
    ".",
    "a+b",
    "a b",
    "50%",
    "%2F",
    "ünï/名",
    "a?b#c",
    "a;b=c",
    "\\",
    "~",
    "a//b",
    "%00x",
]


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return sandbox()


@pytest.mark.parametrize("name", NAMES)
def test_an_identifier_of_any_characters_is_found_when_it_is_percent_encoded(client: Client, name: str) -> None:
    written = quote(name, safe="").replace(".", "%2E")
    client.post("/customers", {"customer": {"external_id": name, "name": "found"}})
    answer = client.send("GET", f"/customers/{written}", raw=True)
    assert (answer.status_code, answer.json()["customer"]["external_id"]) == (200, name)
    client.post("/taxes", {"tax": {"name": "found", "code": name, "rate": 1}})
    answer = client.send("GET", f"/taxes/{written}", raw=True)
    assert (answer.status_code, answer.json()["tax"]["code"]) == (200, name)
    assert client.send("PUT", f"/taxes/{written}", {"tax": {"rate": 2}}, raw=True).json()["tax"]["rate"] == 2
    assert client.send("DELETE", f"/taxes/{written}", raw=True).status_code == 200
    event = {"transaction_id": name, "code": name, "external_subscription_id": name}
    client.post("/events", {"event": event})
    assert client.send("GET", f"/events/{written}", raw=True).json()["event"]["transaction_id"] == name


@pytest.mark.parametrize("name", ["a.b", "v1.0.json", "a+b", "a,b;c=d", "a@b:c", "~a!$&'()*", "a..b"])
def test_characters_that_need_no_encoding_are_found_raw(client: Client, name: str) -> None:
    client.post("/customers", {"customer": {"external_id": name}})
    assert client.send("GET", f"/customers/{name}", raw=True).json()["customer"]["external_id"] == name
    assert client.send("GET", f"/customers/{name}/invoices", raw=True).status_code == 200


def test_a_slash_is_part_of_a_catalogue_code_in_last_position_and_parts_the_path_elsewhere(client: Client) -> None:
    client.post("/taxes", {"tax": {"name": "T", "code": "eu/fr/vat", "rate": 1}})
    for path in ("/taxes/eu/fr/vat", "/taxes/eu%2Ffr/vat", "/taxes/eu%2ffr%2Fvat"):
        assert client.send("GET", path, raw=True).json()["tax"]["code"] == "eu/fr/vat"
    client.post("/customers", {"customer": {"external_id": "a/invoices"}})
    assert client.send("GET", "/customers/a%2Finvoices", raw=True).status_code == 200
    assert client.send("GET", "/customers/a/invoices", raw=True).json()["code"] == "customer_not_found"


def test_a_percent_code_is_decoded_once(client: Client) -> None:
    client.post("/customers", {"customer": {"external_id": "a%2Fb"}})
    assert client.send("GET", "/customers/a%252Fb", raw=True).json()["customer"]["external_id"] == "a%2Fb"
    assert client.send("GET", "/customers/a%2Fb", raw=True).status_code == 404


@pytest.mark.parametrize("segment", ["%00", "a%00b", "%ff", "%C3%28", "%ED%A0%80", "%F8%88%80%80%80"])
def test_nul_and_invalid_utf8_name_nothing(client: Client, segment: str) -> None:
    for path in (f"/customers/{segment}", f"/taxes/{segment}", f"/events/{segment}", f"/customers/{segment}/invoices"):
        answer = client.send("GET", path, raw=True)
        assert (answer.status_code, answer.json()["error"]) == (404, "Not Found"), path


def test_stray_percent_signs_are_taken_as_they_are(client: Client) -> None:
    client.post("/customers", {"customer": {"external_id": "100%"}})
    assert client.send("GET", "/customers/100%", raw=True).json()["customer"]["external_id"] == "100%"
    assert client.send("GET", "/customers/%zz", raw=True).status_code == 404


def test_a_slash_at_the_end_of_a_path_does_not_matter_and_nothing_redirects(client: Client) -> None:
    assert client.send("GET", "/taxes/", raw=True).status_code == 200
    assert client.send("POST", "/taxes/", {"tax": {"name": "T", "code": "t", "rate": 1}}, raw=True).status_code == 200


def test_a_query_string_is_no_part_of_the_identifier(client: Client) -> None:
    client.post("/taxes", {"tax": {"name": "T", "code": "t", "rate": 1}})
    assert client.send("GET", "/taxes/t?x=/taxes/other", raw=True).json()["tax"]["code"] == "t"


def test_head_is_get_without_the_body(client: Client) -> None:
    client.post("/taxes", {"tax": {"name": "T", "code": "t", "rate": 1}})
    for path in ("/taxes", "/taxes/t"):
        head, get = client.send("HEAD", path), client.send("GET", path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == get.headers["content-type"]
        assert head.headers["content-length"] == str(len(get.content))
    assert client.send("HEAD", "/taxes/unknown").status_code == 404
    assert client.http.head(f"{client.server.url}/api/v1/taxes").status_code == 401
    assert client.http.head(f"{client.server.url}/health").status_code == 200


def test_patch_updates_like_put(client: Client) -> None:
    client.post("/taxes", {"tax": {"name": "T", "code": "t", "rate": 1, "description": "kept"}})
    changed = client.send("PATCH", "/taxes/t", {"tax": {"rate": 7}}).json()["tax"]
    assert (changed["rate"], changed["description"]) == (7, "kept")
    assert client.send("PATCH", "/organizations", {"organization": {"net_payment_term": 9}}).status_code == 200
    assert client.get("/organizations")["organization"]["net_payment_term"] == 9


def test_success_is_always_200(client: Client) -> None:
    assert client.send("POST", "/taxes", {"tax": {"name": "T", "code": "t", "rate": 1}}).status_code == 200
    assert client.send("DELETE", "/taxes/t").json()["tax"]["code"] == "t"


def test_content_type_and_accept_are_not_negotiated(client: Client) -> None:
    headers = {"Content-Type": "text/plain", "Accept": "application/xml"}
    answer = client.send(
        "POST", "/taxes", content=b'{"tax":{"name":"T","code":"t","rate":1}}', headers={**headers, "X-Request-Id": "r"}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")


def test_answers_are_compact_utf8_json(client: Client) -> None:
    content = '{"tax":{"name":"Größe <&>\u2028","code":"t","rate":1}}'.encode()
    assert '"name":"Größe <&>\u2028"'.encode() in client.send("POST", "/taxes", content=content).content


# --- size

TOO_LARGE = {"status": 413, "error": "Content Too Large", "code": "body_too_large"}


def body_of(size: int) -> bytes:
    start, end = b'{"tax":{"name":"T","code":"t","rate":1},"x":"', b'"}'
    return start + b"x" * (size - len(start) - len(end)) + end


@pytest.mark.parametrize("path", ["/taxes", "/plans", "/events", "/events/batch", "/customers"])
def test_a_body_beyond_the_limit_is_taken_in_and_refused(client: Client, path: str) -> None:
    answer = client.send("POST", path, content=body_of(LIMIT_BYTES + 1))
    assert (answer.status_code, answer.json()) == (413, TOO_LARGE)


def test_a_body_at_the_limit_is_taken(client: Client) -> None:
    assert client.send("POST", "/taxes", content=body_of(LIMIT_BYTES)).status_code == 200


def test_a_body_that_does_not_tell_its_size_is_measured_on_the_way(client: Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(LIMIT_BYTES // 65536):
            yield b" " * 65536
        yield b" "

    for path in ("/taxes", "/events"):
        answer = client.http.post(
            f"{client.server.url}/api/v1{path}", content=chunks(), headers={"Authorization": f"Bearer {client.key}"}
        )
        assert (answer.status_code, answer.json()) == (413, TOO_LARGE), path


def test_a_body_too_large_is_refused_only_with_a_valid_key(client: Client) -> None:
    url, headers = f"{client.server.url}/api/v1/taxes", {"Authorization": "Bearer unknown"}
    assert client.http.post(url, content=body_of(LIMIT_BYTES + 1), headers=headers).status_code == 401


def test_a_request_that_breaks_off_does_no_harm_and_is_no_news(client: Client) -> None:
    size = client.server.log.stat().st_size
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", client.server.port), timeout=10) as connection:
            connection.sendall(
                b"POST /api/v1/taxes HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
                + f"Authorization: Bearer {client.key}\r\n\r\n".encode()
                + b'{"tax"'
            )
    assert client.get("/taxes")["taxes"] == []
    deadline = time.monotonic() + 0.5  # the server may notice later that nobody listens any more
    while time.monotonic() < deadline:
        with client.server.log.open("rb") as log:
            log.seek(size)
            told = log.read()
        assert client.key.encode() not in told
        assert len(told) < 10_000, told[:2000].decode()
        time.sleep(0.05)


# --- request ids


def test_every_answer_has_a_request_id_and_one_that_was_sent_comes_back(client: Client, server: Server) -> None:
    first, second = (client.send("GET", "/taxes").headers["x-request-id"] for _ in range(2))
    assert first != second
    assert client.send("GET", "/taxes", headers={"X-Request-Id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert client.send("GET", "/taxes", headers={"X-Request-Id": "x" * 500}).headers["x-request-id"] != "x" * 500
    assert httpx.get(f"{server.url}/nothing").headers["x-request-id"]
    assert client.send("POST", "/taxes", content=b"{").headers["x-request-id"]


def test_health_needs_no_key_and_tells_the_version(server: Server, http: httpx.Client) -> None:
    answer = http.get(f"{server.url}/health")
    assert answer.status_code == 200
    assert (set(answer.json()), answer.json()["message"]) == ({"version", "github_url", "message"}, "Success")


def test_the_api_describes_itself(server: Server, http: httpx.Client) -> None:
    document = http.get(f"{server.url}/openapi.json").json()
    paths = document["paths"]
    assert {"/api/v1/plans", "/api/v1/events/batch", "/api/v1/test_clock"} <= set(paths)
    schemas = document["components"]["schemas"]
    for path, methods in paths.items():
        for method, described in methods.items():
            if (method == "put" and not path.endswith(("/refresh", "/finalize"))) or (
                path in ("/api/v1/plans", "/api/v1/events", "/api/v1/events/batch") and method == "post"
            ):
                root = described["requestBody"]["content"]["application/json"]["schema"]["properties"]
                assert root, path
    assert {"PlanInput", "TaxInput", "CustomerInput", "SubscriptionInput"} <= set(schemas)
    assert http.get(f"{server.url}/docs").status_code == 200
