"""Answers: how each type is written (spec 0 §§8, 9), and the envelopes of objects and lists (spec 0 §4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, cast

import msgspec
from fastapi import Response
from pydantic import BaseModel, ConfigDict, PlainSerializer

from laguna.kernel.money import decimal_text


def instant_text(value: datetime) -> str:
    """ISO 8601 in UTC with whole seconds: 2026-03-01T09:30:00Z."""
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z".zfill(20)


def instant_ms_text(value: datetime) -> str:
    """ISO 8601 in UTC with milliseconds: 2026-03-01T09:30:00.123Z."""
    value = value.astimezone(UTC)
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z".zfill(24)


Instant = Annotated[datetime, PlainSerializer(instant_text, return_type=str)]
InstantMs = Annotated[datetime, PlainSerializer(instant_ms_text, return_type=str)]
DecimalText = Annotated[Decimal, PlainSerializer(decimal_text, return_type=str)]
# A rate of at most a few decimals: its float prints the very digits, and no arithmetic follows.
DecimalNumber = Annotated[Decimal, PlainSerializer(float, return_type=float)]


def _json_value(value: Any) -> Any:
    """A stored JSON value with its decimals as numbers; one that no float holds exactly is written as text."""
    if isinstance(value, Decimal):
        number = float(value)
        return number if Decimal(repr(number)) == value else decimal_text(value)
    if isinstance(value, dict):
        return {key: _json_value(item) for key, item in cast(dict[str, Any], value).items()}
    if isinstance(value, list):
        return [_json_value(item) for item in cast(list[Any], value)]
    return value


# What a JSON column holds: tier bounds, for example, are JSON numbers with decimals
JsonObject = Annotated[dict[str, Any], PlainSerializer(_json_value)]


class Output(BaseModel):
    """An object of the API: every declared field is written, in the order of declaration."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Meta(Output):
    """Where a page stands in its list (spec 0 §5)."""

    current_page: int
    next_page: int | None
    prev_page: int | None
    total_pages: int
    total_count: int


def to_json(value: Output | Mapping[str, Any] | Sequence[Any] | None) -> bytes:
    """Compact JSON of an answer, or of a part of one; keys in the order of declaration."""
    if isinstance(value, BaseModel):
        return value.__pydantic_serializer__.to_json(value)
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return b"[" + b",".join(map(to_json, value)) + b"]"
    return msgspec.json.encode(value)


def json_response(content: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(content, status, dict(headers or {}), media_type="application/json")


def error_response(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return json_response(msgspec.json.encode(body), status, headers)


def reply(root: str, value: Output | Sequence[Output], ignored: Sequence[str] = ()) -> Response:
    """`{"<root>": value}`; a sequence makes a list answer without `meta`. Fields of the request that were `ignored` are
    told in the header `Warning`."""
    headers = {"Warning": f'299 - "can not be changed: {", ".join(sorted(ignored))}"'} if ignored else None
    return json_response(b'{"%s":%s}' % (root.encode(), to_json(value)), headers=headers)


def reply_page(plural: str, values: Sequence[Output], meta: Meta) -> Response:
    """`{"<plural>": [...], "meta": {...}}`."""
    return json_response(b'{"%s":%s,"meta":%s}' % (plural.encode(), to_json(values), to_json(meta)))
