"""What a client sent, as events that are safe to store (spec 1 §§1.2, 1.3, 1.6).

Everything that could make the database refuse a row is refused here, so that one client's poison never fails the
others of its group: NUL, half surrogate pairs, oversized numbers, deep nesting, instants outside the calendar.
A body without escapes, exponents and long numbers holds none of these, which a few passes in C over its bytes tell;
only other bodies are looked at value by value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any, NoReturn, cast

import msgspec

from laguna.kernel.errors import ApiError, Problems, invalid_json, missing_root, validation
from laguna.kernel.inputs import DIGITS_AFTER, DIGITS_BEFORE, MAX_DEPTH, too_deep

TEXT_MAX = 255  # of a code and of an external subscription id, which are indexed
NUMBER_MAX_DIGITS = 1_000  # a double needs at most 325 in front of the point and 1,075 bits behind it
SECONDS_MIN, SECONDS_MAX = -62_135_596_800, 10**11  # year 1; beyond: milliseconds by mistake
_EXACT = Context(prec=NUMBER_MAX_DIGITS * 4)
_MILLISECOND = Decimal("0.001")
_SCALE = Decimal(1).scaleb(-DIGITS_AFTER)

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")
_NOT_A_NUMBER = Decimal("NaN")


class Event(msgspec.Struct, gc=False):
    """One event. As decoded the fields hold any JSON value; once `check` accepts it:

    `transaction_id` and `code` are text, `external_subscription_id` is text or None, `timestamp` is in milliseconds or
    None for the time of receipt, `precise_total_amount_cents` is a decimal or None, `properties` is an object.
    """

    transaction_id: Any = None
    code: Any = None
    external_subscription_id: Any = None
    timestamp: Any = None
    precise_total_amount_cents: Any = None
    properties: Any = None


class InvalidEventsError(ApiError):
    """422: some events of a batch are invalid. `wrong` tells which of their fields, by index."""

    def __init__(self, events: Sequence[Event], wrong: Mapping[int, Mapping[str, list[str]]]) -> None:
        error = validation({str(index): fields for index, fields in wrong.items()})
        super().__init__(error.status, error.body)
        self.events = events
        self.wrong = wrong


class _Single(msgspec.Struct, gc=False):
    event: Event


class _Batch(msgspec.Struct, gc=False):
    events: list[Event]


_single = msgspec.json.Decoder(_Single, float_hook=Decimal)
_batch = msgspec.json.Decoder(_Batch, float_hook=Decimal)
_UNREADABLE = (msgspec.DecodeError, InvalidOperation, RecursionError, ValueError)

# digits become 0 and exponents e, signs vanish: an exponent is "0e0" then, and a long number a long run of zeros
_DIGITS = bytes.maketrans(b"123456789E", b"000000000e")
_LONG_NUMBER = b"0" * 100


def _is_plain(body: bytes) -> bool:
    """Whether no string has an escape and no number an exponent or a hundred digits: nothing to look for inside."""
    if b"\\" in body:
        return False
    shape = body.translate(_DIGITS, b"+-.")
    return b"0e0" not in shape and _LONG_NUMBER not in shape


def _may_be_deep(body: bytes, events: list[Event]) -> bool:
    """Whether something may nest deeper than allowed: more brackets than the events themselves account for."""
    brackets = body.count(b"{") + body.count(b"[") - len(events)
    return brackets > MAX_DEPTH - 2 and brackets - sum(type(e.properties) is dict for e in events) > MAX_DEPTH - 2


def decode_event(body: bytes) -> Event:
    """The event of `POST /events`; 400 without the root key, 422 with all its invalid fields."""
    try:
        event = _single.decode(body).event
        exact = not _may_be_deep(body, [event])
    except _UNREADABLE:
        exact, event = False, Event()
    if not exact or (event.transaction_id is None and event.code is None):
        sent = _decode_any(body).get("event")
        if not isinstance(sent, dict) or not sent:
            raise missing_root("event")
        event = _event_of(sent)
    problems = check(event, exact and _is_plain(body))
    if problems is not None:
        raise validation(problems.fields)
    return event


def decode_batch(body: bytes, events_max: int) -> list[Event]:
    """The events of `POST /events/batch`; InvalidEventsError with the errors of all of them, by index (spec 1 §1.6)."""
    try:
        events = _batch.decode(body).events
        exact = not _may_be_deep(body, events)
    except _UNREADABLE:
        exact, events = False, []
    if not exact:
        sent = _decode_any(body).get("events")
        events = [_event_of(item) for item in cast(list[Any], sent)] if isinstance(sent, list) else []
    if not events:
        raise validation({"events": ["no_events"]})
    if len(events) > events_max:
        raise validation({"events": ["too_many_events"]})
    plain = exact and _is_plain(body)
    wrong: dict[int, dict[str, list[str]]] = {}
    for index, event in enumerate(events):
        problems = check(event, plain)
        if problems is not None:
            wrong[index] = problems.fields
    if wrong:
        raise InvalidEventsError(events, wrong)
    return events


def _event_of(sent: Any) -> Event:
    """An element that is no object is an event without any field."""
    if not isinstance(sent, dict):
        return Event()
    fields = cast(dict[str, Any], sent)
    return Event(**{name: fields.get(name) for name in Event.__struct_fields__})


def _decode_any(body: bytes) -> dict[str, Any]:
    """The body as an object, whatever its shape; numbers of any size and half surrogate pairs are kept to be found."""
    if not body.strip():
        return {}
    try:
        value = json.loads(
            body.decode(), parse_float=_any_number, parse_int=_any_integer, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError):
        raise invalid_json() from None
    if too_deep(value):
        raise invalid_json()
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def _any_number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of more than 18 digits
        return _NOT_A_NUMBER


def _any_integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= NUMBER_MAX_DIGITS else Decimal(text)


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def check(event: Event, plain: bool) -> Problems | None:
    """Bring the event's fields to their types; the invalid ones, if any. `plain`: its body can't hide any poison."""
    transaction_id, code, subscription = event.transaction_id, event.code, event.external_subscription_id
    timestamp = event.timestamp
    if (  # what nearly all are like; whatever else there is to say is said by `_check_all`
        plain
        and type(transaction_id) is str
        and type(code) is str
        and type(subscription) is str
        and type(timestamp) is int
        and SECONDS_MIN <= timestamp < SECONDS_MAX
        and type(event.properties) is dict
        and event.precise_total_amount_cents is None
        and 0 < len(code) <= TEXT_MAX
        and 0 < len(subscription) <= TEXT_MAX
        and transaction_id
        and not transaction_id.isspace()
        and not code.isspace()
    ):
        event.timestamp = timestamp * 1000
        return None
    return _check_all(event, plain)


def _check_all(event: Event, plain: bool) -> Problems | None:
    problems = Problems()
    for field, longest in (("transaction_id", None), ("code", TEXT_MAX), ("external_subscription_id", TEXT_MAX)):
        _read_text(event, field, getattr(event, field), longest, problems)
    problems.mandatory({"transaction_id": event.transaction_id, "code": event.code}, ("transaction_id", "code"))
    try:
        event.timestamp = milliseconds(event.timestamp)
    except ValueError:
        problems.add("timestamp", "invalid_format")
    if event.precise_total_amount_cents is not None:
        _read_amount(event, problems)
    if type(event.properties) is not dict:
        event.properties = {}
    elif not plain and not _is_storable(event.properties):
        problems.add("properties", "value_is_invalid")
    return problems if problems else None


def _read_text(event: Event, field: str, value: Any, longest: int | None, problems: Problems) -> None:
    text: str | None = None
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, (str, int, Decimal)):
        text = str(value) or None
    if text is not None and (not _is_clean(text) or value is _NOT_A_NUMBER):
        problems.add(field, "value_is_invalid")
    elif text is not None and longest is not None and len(text) > longest:
        problems.add(field, "value_is_too_long")
    setattr(event, field, text)


def milliseconds(value: Any) -> int | None:
    """A timestamp in Unix milliseconds, cut off below; None for the time of receipt. ValueError when it isn't one.

    1651240791 -> 1651240791000; "1780586634.2" -> 1780586634200, exactly.
    """
    kind = type(value)
    if kind is int:
        if SECONDS_MIN <= value < SECONDS_MAX:
            return cast(int, value) * 1000
        raise ValueError(value)
    if value is None or value is False or kind is dict or kind is list:
        return None  # an object or array counts as absent (spec 0 §3)
    if kind is str and len(value) <= NUMBER_MAX_DIGITS and _NUMBER.fullmatch(value):
        value = Decimal(value)
    elif kind is not Decimal:
        raise ValueError(value)
    if not value.is_finite() or not SECONDS_MIN <= value < SECONDS_MAX:
        raise ValueError(value)
    if value.adjusted() < -3:  # less than a millisecond, perhaps with millions of zeros
        return -1 if value < 0 else 0
    return int(value.quantize(_MILLISECOND, ROUND_FLOOR, _EXACT).scaleb(3, _EXACT))


def _read_amount(event: Event, problems: Problems) -> None:
    """`precise_total_amount_cents`: what can't be read is 0 (spec 1 §1.2), stored with 15 decimals (spec 1 §0.1)."""
    value = event.precise_total_amount_cents
    kind = type(value)
    if kind is dict or kind is list:
        event.precise_total_amount_cents = None
        return
    amount = Decimal(0)
    if kind is Decimal or kind is int:
        amount = Decimal(value)
    elif kind is str and len(value) <= NUMBER_MAX_DIGITS and _NUMBER.fullmatch(value.strip()):
        amount = Decimal(value.strip())
    if amount.is_zero():
        amount = Decimal(0)
    elif not amount.is_finite() or amount.adjusted() >= DIGITS_BEFORE:
        problems.add("precise_total_amount_cents", "value_is_out_of_range")
    elif amount.adjusted() < -DIGITS_AFTER - 1:
        amount = Decimal(0)
    elif cast(int, amount.as_tuple().exponent) < -DIGITS_AFTER:
        amount = amount.quantize(_SCALE, ROUND_HALF_UP, _EXACT)
    event.precise_total_amount_cents = amount


def _is_clean(text: str) -> bool:
    """Whether PostgreSQL takes the text: no NUL, no half of a surrogate pair."""
    return "\x00" not in text and (text.isascii() or _encodes(text))


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_storable(value: dict[str, Any]) -> bool:
    """Whether PostgreSQL takes the object as jsonb, and its numbers can be written out."""
    queue: list[Any] = [value]
    while queue:
        item = queue.pop()
        kind = type(item)
        if kind is dict:
            if not all(map(_is_clean, item)):
                return False
            queue.extend(item.values())
        elif kind is list:
            queue.extend(item)
        elif not _CHECKS.get(kind, _anything)(item):
            return False
    return True


def _is_writable(number: Decimal) -> bool:
    if not number.is_finite():
        return False
    _, digits, exponent = number.as_tuple()
    return (
        len(digits) <= NUMBER_MAX_DIGITS
        and abs(number.adjusted()) <= NUMBER_MAX_DIGITS
        and abs(cast(int, exponent)) <= NUMBER_MAX_DIGITS
    )


def _is_writable_integer(number: int) -> bool:
    return number.bit_length() <= NUMBER_MAX_DIGITS * 3


def _anything(_: Any) -> bool:
    return True


_CHECKS: dict[type, Callable[[Any], bool]] = {
    str: _is_clean,
    Decimal: _is_writable,
    int: _is_writable_integer,
}
