"""What clients may send: shapes, scalars, and the poison that no field takes (spec 0 §§3, 8, 9)."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Annotated, Any

import pytest

from laguna.kernel.errors import ApiError, Problems
from laguna.kernel.inputs import (
    MAX_DEPTH,
    Boolean,
    Cents,
    CountryField,
    CurrencyField,
    FreeObject,
    IdField,
    Input,
    InstantField,
    ShortText,
    Texts,
    TimezoneField,
    decimal,
    decode_json,
    integer,
    one_of,
    parse,
    too_deep,
)
from support.client import Client, Sandbox

ZERO_ID = "00000000-0000-0000-0000-000000000000"


class InnerInput(Input):
    amount: Cents = None
    label: ShortText = None


class ThingInput(Input):
    name: ShortText = None
    flag: Boolean = None
    count: Annotated[int | None, integer(-5, 5)] = None
    cents: Cents = None
    rate: Annotated[Decimal | None, decimal(0)] = None
    kind: Annotated[str | None, one_of("a", "b")] = None
    at: InstantField = None
    thing_id: IdField = None
    currency: CurrencyField = None
    country: CountryField = None
    timezone: TimezoneField = None
    tags: Texts = None
    inner: InnerInput | None = None
    items: list[InnerInput] | None = None
    free: FreeObject = None


def read(**raw: Any) -> dict[str, Any]:
    problems = Problems()
    thing = parse(ThingInput, raw, problems)
    assert not problems, problems.fields
    return thing.given()


def refused(**raw: Any) -> dict[str, list[str]]:
    problems = Problems()
    parse(ThingInput, raw, problems)
    return problems.fields


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return sandbox()


def test_what_is_absent_stays_apart_from_null() -> None:
    assert read() == {}
    assert read(name=None, cents=None) == {"name": None, "cents": None}


def test_unknown_fields_are_ignored() -> None:
    assert read(name="x", nothing=1, inner={"label": "l", "other": []})["inner"].given() == {"label": "l"}


@pytest.mark.parametrize("wrong", [{"a": 1}, [1], [], {}])
def test_an_object_or_a_list_where_a_scalar_belongs_counts_as_not_sent(wrong: Any) -> None:
    scalars = ("name", "flag", "count", "cents", "rate", "kind", "at", "thing_id", "currency", "timezone")
    assert read(**dict.fromkeys(scalars, wrong)) == {}


@pytest.mark.parametrize("wrong", ["text", 1, True, None, 1.5])
def test_a_scalar_or_null_where_an_object_or_a_list_belongs_counts_as_not_sent(wrong: Any) -> None:
    assert read(inner=wrong, items=wrong, tags=wrong, free=wrong) == {}


def test_what_has_no_place_in_a_list_is_dropped_from_it() -> None:
    assert read(tags=["a", None, {}, ["b"], 1, True]) == {"tags": ["a", "1", "true"]}
    items = read(items=[{"amount": 1}, None, "x", [], {"amount": "2"}])["items"]
    assert [item.amount for item in items] == [1, 2]


def test_numbers_as_text_are_numbers_and_numbers_as_numbers_are_text() -> None:
    assert read(count="3", cents="1200", rate="12.50", name=42, flag="true") == {
        "count": 3,
        "cents": 1200,
        "rate": Decimal("12.50"),
        "name": "42",
        "flag": True,
    }
    assert read(cents=Decimal("10.0"), name=Decimal("1.10"), flag="false") == {
        "cents": 10,
        "name": "1.10",
        "flag": False,
    }


@pytest.mark.parametrize(
    "text", ["", " ", "x", "1,5", "1_000", "0x10", "NaN", "Infinity", "-Infinity", "٣", "1e", "--1"]
)
def test_text_that_is_no_number_is_invalid(text: str) -> None:
    assert refused(rate=text, cents=text) == {"rate": ["value_is_invalid"], "cents": ["value_is_invalid"]}


@pytest.mark.parametrize("number", [True, False, "1.5", Decimal("0.1")])
def test_what_is_no_integer_is_invalid_where_one_belongs(number: Any) -> None:
    assert refused(cents=number) == {"cents": ["value_is_invalid"]}


@pytest.mark.parametrize("number", ["1e30", 10**30, -(10**40), "1e999999", "1e-999999", Decimal("1e-16"), "9" * 5000])
def test_numbers_beyond_what_is_stored_are_out_of_range(number: Any) -> None:
    assert refused(rate=number) == {"rate": ["value_is_out_of_range"]}


def test_bounds_are_the_fields() -> None:
    assert read(count=5, cents=0) == {"count": 5, "cents": 0}
    out = ["value_is_out_of_range"]
    assert refused(count=6, cents=-1, rate=-1) == {"count": out, "cents": out, "rate": out}
    assert refused(cents=2**63) == {"cents": ["value_is_out_of_range"]}


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "\udfff tail", "\x00"])
def test_text_with_nul_or_half_a_character_is_invalid(text: str) -> None:
    assert refused(name=text, kind=text, tags=[text], inner={"label": text}) == {
        "name": ["value_is_invalid"],
        "kind": ["value_is_invalid"],
        "tags": ["value_is_invalid"],
        "label": ["value_is_invalid"],
    }


def test_text_of_any_other_kind_is_kept_as_it_is() -> None:
    for text in ("名前", "🙂", "\u2028\u2029", "'; DROP TABLE plans; --", "\\u0000", "<b>&amp;</b>", "\x7f\x01", " x "):
        assert read(name=text) == {"name": text}


def test_text_may_have_255_characters() -> None:
    assert read(name="é" * 255) == {"name": "é" * 255}
    assert refused(name="é" * 256) == {"name": ["value_is_too_long"]}


def test_instants_have_an_offset_or_are_utc_and_keep_milliseconds() -> None:
    for text, expected in (
        ("2024-02-29T23:30:00+05:30", "2024-02-29T18:00:00+00:00"),
        ("2024-02-29", "2024-02-29T00:00:00+00:00"),
        ("2024-02-29T10:00:00", "2024-02-29T10:00:00+00:00"),
        ("2024-02-29T10:00:00.123999Z", "2024-02-29T10:00:00.123000+00:00"),
    ):
        assert read(at=text)["at"].isoformat() == expected


@pytest.mark.parametrize(
    "text", ["", "now", "2024-02-30", "29/02/2024", 1709200000, True, "9999-12-31T23:59:59Z", "x" * 99]
)
def test_what_is_no_instant_is_an_invalid_date(text: Any) -> None:
    assert refused(at=text) == {"at": ["invalid_date"]}


def test_the_all_zero_id_and_an_empty_one_mean_not_given() -> None:
    assert read(thing_id=ZERO_ID) == {"thing_id": None}
    assert read(thing_id="") == {"thing_id": None}
    assert refused(thing_id="not-an-id") == {"thing_id": ["value_is_invalid"]}


def test_closed_lists_have_codes_of_their_own() -> None:
    assert read(currency="eur", country="de", kind="a") == {"currency": "EUR", "country": "DE", "kind": "a"}
    assert refused(currency="EURO", country="XX", timezone="Europe/Atlantis", kind="c") == {
        "kind": ["value_is_invalid"],
        "currency": ["value_is_invalid"],
        "country": ["not_a_valid_country_code"],
        "timezone": ["invalid_timezone"],
    }


def test_a_field_that_can_not_be_read_does_not_hide_the_others() -> None:
    problems = Problems()
    thing = parse(ThingInput, {"cents": "x", "name": "kept", "items": [{"amount": "y", "label": "l"}]}, problems)
    assert problems.fields == {"cents": ["value_is_invalid"], "amount": ["value_is_invalid"]}
    assert thing.name == "kept"
    assert thing.items is not None
    assert thing.items[0].label == "l"


# --- JSON


def nested(depth: int) -> bytes:
    return b'{"tax":' + b'{"a":' * (depth - 1) + b"1" + b"}" * depth


def test_json_keeps_decimals_exact_and_takes_the_last_of_equal_keys() -> None:
    assert decode_json(b'{"a": 0.1, "a": 1.10, "n": 12345678901234567890}') == {
        "a": Decimal("1.10"),
        "n": 12345678901234567890,
    }


@pytest.mark.parametrize(
    "body", [b"[" * 10_000, nested(10_000), b"[" * 10_000 + b"]" * 10_000, b"[" * 5_000_000, nested(MAX_DEPTH + 1)]
)
def test_json_nested_too_deep_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as raised:
        decode_json(body)
    assert raised.value.status == 400


def test_json_may_nest_a_hundred_deep() -> None:
    assert not too_deep(decode_json(nested(MAX_DEPTH)))


@pytest.mark.parametrize(
    "body", [b"1e9999999999", b"-" + b"9" * 100_000, b'"\\ud800"', b'"\\u0000"', b"\xef\xbb\xbf{}"]
)
def test_json_of_strange_scalars_is_read_or_refused_but_never_fails(body: bytes) -> None:
    with contextlib.suppress(ApiError):
        decode_json(body)


# --- over HTTP: nothing of it ends in a 500, and nothing is stored by halves

POISON: list[Any] = [
    "a\x00b",
    "1e400",
    10**400,
    -(10**30),
    "NaN",
    True,
    None,
    {},
    [],
    {"deep": [{}]},
    "x" * 100_000,
    "\u202e",
    "9999-12-31T23:59:59Z",
    "2024-02-30",
]


@pytest.mark.parametrize(
    ("path", "root", "valid"),
    [
        ("/taxes", "tax", {"name": "n", "code": "c", "rate": 1, "description": "d", "applied_to_organization": False}),
        (
            "/billable_metrics",
            "billable_metric",
            {
                "name": "n",
                "code": "c",
                "aggregation_type": "sum_agg",
                "field_name": "f",
                "rounding_function": "round",
                "rounding_precision": 2,
                "filters": [{"key": "k", "values": ["v"]}],
            },
        ),
        (
            "/plans",
            "plan",
            {
                "name": "n",
                "code": "c",
                "interval": "monthly",
                "amount_cents": 1,
                "amount_currency": "EUR",
                "trial_period": 0,
                "charges": [],
                "tax_codes": [],
                "metadata": {"k": "v"},
            },
        ),
        (
            "/customers",
            "customer",
            {
                "external_id": "c",
                "name": "n",
                "email": "a@b.co",
                "timezone": "UTC",
                "net_payment_term": 3,
                "currency": "EUR",
                "metadata": [{"key": "k", "value": "v", "display_in_invoice": True}],
                "billing_configuration": {"invoice_grace_period": 1},
                "shipping_address": {"city": "c"},
            },
        ),
        (
            "/subscriptions",
            "subscription",
            {"external_customer_id": "c", "plan_code": "p", "external_id": "s", "subscription_at": "2024-01-01"},
        ),
        ("/events", "event", {"transaction_id": "t", "code": "c", "timestamp": 1, "properties": {}}),
    ],
)
def test_no_value_of_any_field_breaks_the_server(client: Client, path: str, root: str, valid: dict[str, Any]) -> None:
    for field in valid:
        for poison in POISON:
            response = client.send("POST", path, {root: {**valid, field: poison}})
            told = f"{field}={str(poison)[:40]!r}: {response.status_code} {response.text[:300]}"
            assert response.status_code in (200, 400, 404, 422), told
            body = response.json()
            if response.status_code == 422:
                details = body["error_details"]
                assert all(isinstance(codes, list) for codes in details.values()), told
            assert "Traceback" not in response.text


@pytest.mark.parametrize("path", ["/taxes", "/plans", "/customers", "/subscriptions", "/events", "/events/batch"])
@pytest.mark.parametrize(
    "content",
    [b"[" * 10_000, nested(10_000), b'{"tax":' * 200 + b"}" * 200, b'{"tax":{"name":"\\ud800","code":"c","rate":1}}'],
    ids=["open lists", "deep", "deep root", "half a character"],
)
def test_deep_or_broken_json_is_refused_everywhere(client: Client, path: str, content: bytes) -> None:
    response = client.send("POST", path, content=content)
    assert response.status_code in (400, 422), response.text
    assert response.json()["status"] == response.status_code


def test_half_a_character_is_refused_in_a_field_like_in_an_event(client: Client) -> None:
    body = b'{"tax":{"name":"\\udc00","code":"c","rate":1}}'
    assert client.send("POST", "/taxes", content=body).status_code in (400, 422)
    body = b'{"event":{"transaction_id":"t","code":"c","properties":{"a":"\\ud800"}}}'
    assert client.send("POST", "/events", content=body).status_code in (400, 422)
    assert client.get("/taxes")["taxes"] == client.get("/events")["events"] == []


def test_a_refused_change_leaves_everything_as_it_was(client: Client) -> None:
    client.post("/customers", {"customer": {"external_id": "c", "name": "Before", "currency": "EUR"}})
    before = client.get("/customers/c")
    change = {"external_id": "c", "name": "After", "timezone": "Nowhere", "tax_codes": []}
    client.post("/customers", {"customer": change}, expect=422)
    client.post("/customers", {"customer": {**change, "timezone": None, "tax_codes": ["unknown"]}}, expect=404)
    assert client.get("/customers/c") == before


def test_null_clears_a_field_and_absence_keeps_it(client: Client) -> None:
    client.post("/customers", {"customer": {"external_id": "c", "name": "N", "city": "Paris", "net_payment_term": 5}})
    customer = client.post("/customers", {"customer": {"external_id": "c", "net_payment_term": None}})["customer"]
    assert (customer["name"], customer["city"], customer["net_payment_term"]) == ("N", "Paris", None)
