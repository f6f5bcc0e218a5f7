"""What a client may send, and what is refused before it meets the events of others (spec 1 §§1.2, 1.3, 1.6)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laguna.ingestion.decoding import Event, decode_batch, decode_event, milliseconds
from laguna.kernel.errors import ApiError
from laguna.kernel.inputs import too_deep

VALID = {"transaction_id": "t", "code": "calls"}
INVALID_JSON = {"status": 400, "error": "BadRequest: invalid JSON"}


def event(body: str | bytes | None = None, **fields: Any) -> Event:
    if body is None:
        body = json.dumps({"event": {**VALID, **fields}})
    return decode_event(body.encode() if isinstance(body, str) else body)


def refused(body: str | bytes | None = None, **fields: Any) -> Any:
    with pytest.raises(ApiError) as caught:
        event(body, **fields)
    return caught.value.body.get("error_details", caught.value.body)


def batch(*events: Any) -> list[Event]:
    return decode_batch(json.dumps({"events": list(events)}).encode(), 100)


def batch_refused(body: str) -> Any:
    with pytest.raises(ApiError) as caught:
        decode_batch(body.encode(), 100)
    return caught.value.body.get("error_details", caught.value.body)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (1651240791, 1651240791000),
        ("1651240791", 1651240791000),
        ("1651240791.123", 1651240791123),
        ("1780586634.2", 1780586634200),
        ("1780586634.12399999", 1780586634123),
        ("1.78e9", 1780000000000),
        (" 1651240791", None),
        ("-1.0001", -1001),
        ("1e-999999999", 0),
        ("-1e-999999999", -1),
        (0, 0),
        (None, "now"),
        (False, "now"),
        ({}, "now"),
        ([1], "now"),
        (True, None),
        ("", None),
        ("2024-01-01T10:00:00Z", None),
        ("2024-01-01", None),
        ("NaN", None),
        ("Infinity", None),
        ("1_000", None),
        ("١٢٣", None),
        (10**11, None),
        (10**11 - 1, (10**11 - 1) * 1000),
        ("99999999999.9999", 99999999999999),
        ("1e999999999", None),
        (-62_135_596_800, -62_135_596_800_000),
        (-62_135_596_801, None),
        (10**400, None),
    ],
)
def test_timestamps_are_unix_seconds_cut_off_below_the_millisecond(sent: Any, expected: int | str | None) -> None:
    if expected is None:
        with pytest.raises(ValueError):
            milliseconds(sent)
    else:
        assert milliseconds(sent) == (None if expected == "now" else expected)


def test_a_json_fraction_is_read_as_the_decimal_it_shows() -> None:
    sent = event('{"event":{"transaction_id":"t","code":"c","timestamp":1780586634.1,"properties":{"x":0.10}}}')
    assert sent.timestamp == 1780586634100
    assert str(sent.properties["x"]) == "0.10"


def test_numbers_and_booleans_stand_for_their_text() -> None:
    sent = event(transaction_id=12, code=7, external_subscription_id=True)
    assert (sent.transaction_id, sent.code, sent.external_subscription_id) == ("12", "7", "true")


@pytest.mark.parametrize("blank", [None, "", "  ", [], {}])
def test_transaction_id_and_code_are_mandatory(blank: Any) -> None:
    assert refused(transaction_id=blank, code=blank, timestamp="x") == {
        "transaction_id": ["value_is_mandatory"],
        "code": ["value_is_mandatory"],
        "timestamp": ["invalid_format"],
    }


def test_an_absent_or_empty_subscription_is_none() -> None:
    assert event().external_subscription_id is None
    assert event(external_subscription_id="").external_subscription_id is None


def test_codes_and_subscriptions_have_at_most_255_characters() -> None:
    assert event(code="ü" * 255).code == "ü" * 255
    assert refused(code="c" * 256, external_subscription_id="s" * 256) == {
        "code": ["value_is_too_long"],
        "external_subscription_id": ["value_is_too_long"],
    }


@pytest.mark.parametrize("poison", ["\x00", "\ud800", "a\udfffb"])
def test_text_that_no_database_takes_is_refused_on_its_field(poison: str) -> None:
    assert refused(transaction_id=poison) == {"transaction_id": ["value_is_invalid"]}
    assert refused(code=poison, external_subscription_id=poison) == {
        "code": ["value_is_invalid"],
        "external_subscription_id": ["value_is_invalid"],
    }
    for properties in ({"a": poison}, {poison: 1}, {"a": [{"b": [poison]}]}):
        assert refused(properties=properties) == {"properties": ["value_is_invalid"]}


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert event('{"event":{"transaction_id":"\\ud83d\\ude00","code":"c"}}').transaction_id == "😀"


@pytest.mark.parametrize(
    "number", ["1e400000", "1e99999999999999999999", "-1e-5000", "1" * 5000, "0." + "1" * 5000, "1" * 1500]
)
def test_numbers_out_of_all_proportion_are_refused(number: str) -> None:
    body = '{"event":{"transaction_id":"t","code":"c","properties":{"x":[NUMBER]}}}'.replace("NUMBER", number)
    assert refused(body) == {"properties": ["value_is_invalid"]}


def test_numbers_of_doubles_are_fine() -> None:
    body = '{"event":{"transaction_id":"t","code":"c","properties":{"x":1.7976931348623157e308,"y":5e-324}}}'
    assert event(body).properties == {"x": Decimal("1.7976931348623157e308"), "y": Decimal("5e-324")}


@pytest.mark.parametrize("properties", [None, [], "text", 1, True])
def test_properties_that_are_no_object_are_dropped(properties: Any) -> None:
    assert event(properties=properties).properties == {}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("12.5", "12.5"),
        (12.5, "12.5"),
        (None, None),
        ({}, None),
        ("twelve", "0"),
        ("", "0"),
        (True, "0"),
        ("NaN", "0"),
        (" 3 ", "3"),
        ("0.0000000000000005", "0.000000000000001"),
        ("1e-999999999", "0"),
        ("0e999999999", "0"),
    ],
)
def test_an_amount_that_cannot_be_read_is_zero(sent: Any, expected: str | None) -> None:
    amount = event(precise_total_amount_cents=sent).precise_total_amount_cents
    assert amount == (None if expected is None else Decimal(expected))


def test_an_amount_beyond_all_money_is_refused() -> None:
    assert refused(precise_total_amount_cents="1e30") == {"precise_total_amount_cents": ["value_is_out_of_range"]}


@pytest.mark.parametrize("body", ["{", "", "[", '{"event":NaN}', '{"event":{"a":01}}', '"\x01"', "\ufeff{}"])
def test_what_is_not_json_is_a_bad_request(body: str) -> None:
    expected = INVALID_JSON if body else "param is missing"
    answer = refused(body)
    assert answer == expected if body else expected in answer["error"]


def test_invalid_utf8_is_a_bad_request() -> None:
    assert refused(b'{"event":{"transaction_id":"\xff","code":"c"}}') == INVALID_JSON
    assert refused(b'{"event":{"transaction_id":"t","code":"c","properties":{"x":"\xff"}}}') == INVALID_JSON


@pytest.mark.parametrize("body", ["{}", "[]", "1", '{"event":null}', '{"event":{}}', '{"event":[]}', '{"event":"x"}'])
def test_a_missing_root_is_a_bad_request(body: str) -> None:
    error = "BadRequest: param is missing or the value is empty or invalid: event"
    assert refused(body) == {"status": 400, "error": error}


@pytest.mark.parametrize("depth", [90, 97, 98, 99, 200, 10_000, 200_000])
@pytest.mark.parametrize("place", ["properties", "unknown"])
def test_nesting_stops_at_a_hundred(depth: int, place: str) -> None:
    inner = "[" * depth + "]" * depth
    body = f'{{"event":{{"transaction_id":"t","code":"c","{place}":{{"x":{inner}}}}}}}'
    if depth + 3 <= 100:
        assert event(body).code == "c"
    else:
        assert refused(body) == INVALID_JSON
    events = ",".join(['{"transaction_id":"t","code":"c","properties":{}}'] * 50)
    many = f'{{"events":[{events},{{"transaction_id":"u","code":"c","{place}":{inner}}}]}}'
    if depth + 3 <= 100:
        assert len(decode_batch(many.encode(), 100)) == 51
    else:
        assert batch_refused(many) == INVALID_JSON


@pytest.mark.parametrize(
    "body", ["{}", "", "[]", '{"events":null}', '{"events":[]}', '{"events":{}}', '{"events":"x"}']
)
def test_a_batch_without_events(body: str) -> None:
    assert batch_refused(body) == {"events": ["no_events"]}


def test_a_batch_has_at_most_a_hundred_events() -> None:
    assert len(batch(*[VALID] * 100)) == 100
    body = json.dumps({"events": [{}] * 101})
    assert batch_refused(body) == {"events": ["too_many_events"]}


def test_the_errors_of_a_batch_stand_at_their_index() -> None:
    body = json.dumps({"events": [VALID, {**VALID, "timestamp": "x"}, 7, {"transaction_id": "\x00", "code": "c"}]})
    assert batch_refused(body) == {
        "1": {"timestamp": ["invalid_format"]},
        "2": {"transaction_id": ["value_is_mandatory"], "code": ["value_is_mandatory"]},
        "3": {"transaction_id": ["value_is_invalid"]},
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=20,
)
FIELDS = ("transaction_id", "code", "external_subscription_id", "timestamp", "precise_total_amount_cents", "properties")


@given(st.dictionaries(st.sampled_from([*FIELDS, "other"]), JSON), st.booleans())
def test_whatever_is_sent_is_accepted_clean_or_refused(sent: dict[str, Any], ascii_only: bool) -> None:
    try:
        body = json.dumps({"events": [sent]}, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    try:
        (accepted,) = decode_batch(body, 100)
    except ApiError as error:
        refusal = error
    else:
        refusal = None
    if refusal is not None:
        assert refusal.status == 422
        return
    assert accepted.transaction_id.strip()
    assert accepted.code.strip()
    assert "\x00" not in repr(accepted.properties).replace("\\x00", "\x00")
    assert not too_deep(accepted.properties)
