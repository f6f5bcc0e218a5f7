"""Logos of billing entities: uploaded, linked to, printed, replaced, removed and refused."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import httpx
import psycopg
import pytest

from laguna.accounts.logos import MAX_BYTES
from support.billing import make_customer, make_plan, subscribe
from support.client import Client, Json, Sandbox
from support.pdf import reader
from support.pictures import JPEG, encoded, png, png_that_only_says_its_size

PNG = png(120, 30)
OTHER = png(40, 40, b"\xc0\x20\x20")


def make(client: Client, **fields: Any) -> Json:
    body = {"billing_entity": {"code": "north", "name": "North", **fields}}
    return client.post("/billing_entities", body)["billing_entity"]


def change(client: Client, **fields: Any) -> Json:
    return client.put("/billing_entities/north", {"billing_entity": fields})["billing_entity"]


def stored(client: Client) -> int:
    with psycopg.connect(client.server.database_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM logos WHERE organization_id = %s", [client.organization_id]
        ).fetchone()
    assert row is not None
    return row[0]


# --- set, shown, removed


def test_a_logo_is_read_at_a_link_that_needs_no_key(sandbox: Sandbox, http: httpx.Client) -> None:
    client = sandbox()
    made = make(client, logo=encoded(PNG))
    url = made["logo_url"]
    digest = hashlib.sha256(PNG).hexdigest()
    assert url == f"{client.server.url}/logos/{client.organization_id}/{digest}"
    assert client.get("/billing_entities/north")["billing_entity"]["logo_url"] == url
    assert [each["logo_url"] for each in client.get("/billing_entities")["billing_entities"]] == [None, url]
    file = http.get(url)
    assert (file.status_code, file.content, file.headers["content-type"]) == (200, PNG, "image/png")
    assert file.headers["x-content-type-options"] == "nosniff"
    assert http.head(url).headers["content-length"] == str(len(PNG))


@pytest.mark.parametrize(
    ("text", "content_type"),
    [
        (encoded(PNG, None), "image/png"),
        (encoded(PNG, "image/jpeg"), "image/png"),  # the bytes tell
        (encoded(JPEG, "image/jpeg"), "image/jpeg"),
        (encoded(JPEG, "image/jpg"), "image/jpeg"),
        (encoded(JPEG, "IMAGE/JPEG;name=a.jpg"), "image/jpeg"),
        (encoded(JPEG, None), "image/jpeg"),
        (base64.encodebytes(PNG).decode(), "image/png"),  # in lines, as programs write it
    ],
)
def test_a_logo_is_taken_however_it_is_written(
    text: str, content_type: str, sandbox: Sandbox, http: httpx.Client
) -> None:
    file = http.get(make(sandbox(), logo=text)["logo_url"])
    assert (file.content, file.headers["content-type"]) == (JPEG if "jpeg" in content_type else PNG, content_type)


def test_a_logo_is_replaced_removed_and_otherwise_stays(sandbox: Sandbox, http: httpx.Client) -> None:
    client = sandbox()
    first = make(client, logo=encoded(PNG))["logo_url"]
    assert change(client, city="Oslo")["logo_url"] == first
    second = change(client, logo=encoded(OTHER))["logo_url"]
    assert http.get(second).content == OTHER
    assert change(client, logo=None)["logo_url"] is None
    assert http.get(first).content == PNG  # invoices made with it still have it
    assert change(client, logo=encoded(PNG))["logo_url"] == first
    assert change(client, logo="")["logo_url"] is None
    assert stored(client) == 2
    assert make(client, code="south", logo=None)["logo_url"] is None


def test_the_largest_logo_is_taken(sandbox: Sandbox, http: httpx.Client) -> None:
    largest = png(520, 520, noisy=True)
    largest += bytes(MAX_BYTES - len(largest))  # what follows the end is nobody's
    assert http.get(make(sandbox(), logo=encoded(largest))["logo_url"]).content == largest


# --- refused

BROKEN = png(30, 30, noisy=True)
BAD: dict[str, tuple[str, str]] = {
    "no base64": ("data:image/png;base64,*", "value_is_invalid"),
    "half a byte": (encoded(PNG)[:-3], "value_is_invalid"),
    "a link": ("https://example.com/logo.png", "value_is_invalid"),
    "NUL": ("\x00", "value_is_invalid"),
    "not ASCII": ("é" * 8, "value_is_invalid"),
    "a number": ("1234", "invalid_content_type"),
    "another type": (encoded(PNG, "image/svg+xml"), "invalid_content_type"),
    "another file": (encoded(b"GIF89a" + bytes(20)), "invalid_content_type"),
    "a page": (encoded(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "invalid_content_type"),
    "nothing but a head": ("data:image/png;base64,", "invalid_content_type"),
    "too long": (encoded(PNG + bytes(MAX_BYTES)), "invalid_size"),
    "a byte too long": (encoded(PNG + bytes(MAX_BYTES - len(PNG) + 1)), "invalid_size"),
    "too wide": (encoded(png(8001, 1)), "invalid_size"),
    "too many pixels": (encoded(png_that_only_says_its_size(2001, 2000)), "invalid_size"),
    "a bomb": (encoded(png_that_only_says_its_size(2**31 - 1, 2**31 - 1)), "invalid_size"),
    "no pixels": (encoded(png_that_only_says_its_size(0, 5)), "value_is_invalid"),
    "fewer pixels than it says": (encoded(png_that_only_says_its_size(5, 5)), "value_is_invalid"),
    "cut off": (encoded(BROKEN[:-200]), "value_is_invalid"),
    "cut off in the head": (encoded(PNG[:20]), "value_is_invalid"),
    "the first bytes": (encoded(PNG[:8]), "value_is_invalid"),
    "a changed byte": (encoded(BROKEN[:100] + b"x" + BROKEN[101:]), "value_is_invalid"),
    "a JPEG's first bytes": (encoded(JPEG[:3]), "value_is_invalid"),
    "a JPEG without a frame": (encoded(JPEG[:100]), "value_is_invalid"),
    "a JPEG of fillings": (encoded(b"\xff\xd8" + b"\xff" * 1000), "value_is_invalid"),
    "a JPEG of empty parts": (encoded(b"\xff\xd8" + b"\xff\xd0" * 1000), "value_is_invalid"),
}


def test_a_wrong_logo_is_refused_and_nothing_is_stored(sandbox: Sandbox) -> None:
    client = sandbox()
    before = make(client, logo=encoded(JPEG))
    for name, (text, code) in BAD.items():
        for send, path in ((client.post, "/billing_entities"), (client.put, "/billing_entities/north")):
            fields = {"code": "new", "name": "New", "logo": text}
            answer = send(path, {"billing_entity": fields}, expect=422)
            assert answer["error_details"] == {"logo": [code]}, name
    assert client.get("/billing_entities")["billing_entities"][1:] == [before]
    assert stored(client) == 1


def test_a_wrong_logo_is_told_with_everything_else_that_is_wrong(sandbox: Sandbox) -> None:
    client = sandbox()
    before = make(client)
    wrong = {"logo": "*", "country": "ZZ", "name": "", "invoice_custom_section_codes": ["a"]}
    answer = client.put("/billing_entities/north", {"billing_entity": wrong}, expect=422)
    assert answer["error_details"] == {
        "country": ["not_a_valid_country_code"],
        "name": ["value_is_mandatory"],
        "invoice_custom_section_codes": ["unsupported_value"],
        "logo": ["value_is_invalid"],
    }
    fine = {"logo": encoded(PNG), "country": "ZZ"}
    client.put("/billing_entities/north", {"billing_entity": fine}, expect=422)
    assert client.get("/billing_entities")["billing_entities"][1:] == [before]
    assert stored(client) == 0


# --- links


def test_a_link_to_no_logo_is_not_found(sandbox: Sandbox, http: httpx.Client) -> None:
    """An organization's link gives access to its own logos, and to nothing else."""
    client, other = sandbox(), sandbox()
    url = make(client, logo=encoded(PNG))["logo_url"]
    base, digest = f"{client.server.url}/logos", hashlib.sha256(PNG).hexdigest()
    for wrong in (
        f"{base}/{other.organization_id}/{digest}",
        f"{base}/{client.organization_id}/{digest.upper()}",
        f"{base}/{client.organization_id}/{hashlib.sha256(OTHER).hexdigest()}",
        f"{base}/none/{digest}",
        f"{base}/{client.organization_id}/%F0%9F%9A%80",
        url + ".png",
    ):
        answer = http.get(wrong)
        assert (answer.status_code, answer.json()["code"]) == (404, "logo_not_found"), wrong


def test_two_organizations_may_have_the_same_logo(sandbox: Sandbox, http: httpx.Client) -> None:
    urls = {make(client, logo=encoded(PNG))["logo_url"] for client in (sandbox(), sandbox())}
    assert len(urls) == 2
    assert {http.get(url).content for url in urls} == {PNG}


# --- invoices


def test_an_invoice_keeps_the_logo_that_it_was_made_with(sandbox: Sandbox, http: httpx.Client) -> None:
    client = sandbox()
    make(client)
    make_plan(client, "pro", 4900)
    make_customer(client, billing_entity_code="north")
    subscribe(client, plan="pro")
    for now, logo in (
        ("2024-02-05T00:00:00Z", None),
        ("2024-03-05T00:00:00Z", PNG),
        ("2024-04-05T00:00:00Z", OTHER),
        ("2024-05-05T00:00:00Z", None),
    ):
        change(client, logo=logo and encoded(logo))
        client.at(now)
    invoices = sorted(client.get("/invoices")["invoices"], key=lambda invoice: invoice["issuing_date"])
    first, second, third, fourth = (invoice["file_url"] for invoice in invoices)
    printed = http.get(second).content
    assert [sizes(http.get(url).content) for url in (first, second, third, fourth)] == [[], [(120, 30)], [(40, 40)], []]
    change(client, logo=encoded(JPEG))
    assert http.get(second).content == printed
    assert sizes(http.get(third).content) == [(40, 40)]


def sizes(pdf: bytes) -> list[tuple[int, int]]:
    """Of the pictures on the first page, in pixels."""
    resources = reader(pdf).pages[0]["/Resources"]
    objects = [each.get_object() for each in resources.get("/XObject", {}).values()]  # pyright: ignore[reportAttributeAccessIssue]
    return [(each["/Width"], each["/Height"]) for each in objects if each["/Subtype"] == "/Image"]
