"""Request bodies: root keys, shapes, scalars, and all invalid fields at once (spec 0 §§3, 8, 9, 10).

An input model is a Pydantic model of optional fields. What the client sent is first reduced to the model's shape
(unknown fields go, values of the wrong shape count as absent), then each scalar is read by its type, whose error is
an API code. Services go on with the same `Problems`, so that the database's objections come in the same answer.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from fastapi import Request
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import PydanticCustomError, core_schema

from laguna.kernel.catalogs import COUNTRIES, CURRENCIES, LOCALES, TIMEZONES
from laguna.kernel.errors import Problems, invalid_json, missing_root, too_large
from laguna.kernel.ids import parse_id
from laguna.kernel.queries import parse_instant

MAX_DEPTH = 100
DRAINED_LIMITS = 10  # of a body that is too large, so many times the limit is taken in
INTEGER_MAX = 2**63 - 1
INT32_MAX = 2**31 - 1
DIGITS_BEFORE, DIGITS_AFTER = 30, 15
TEXT_MAX = 10_000
_NIL = UUID(int=0)

_decoder = msgspec.json.Decoder(float_hook=Decimal)


class Input(BaseModel):
    """Fields that may be absent. `given()` are those that the request carries, `null` included."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    def given(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.model_fields_set}


InputT = TypeVar("InputT", bound=Input)


def _fail(code: str) -> PydanticCustomError:
    return PydanticCustomError("api", "{code}", {"code": code})  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True, slots=True)
class Read:
    """How a scalar is read: metadata of an annotated field. `null` stays null, an error is an API code."""

    read: Callable[[Any], Any]
    json_schema: dict[str, Any] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(schema) if self.json_schema is None else dict(self.json_schema)

    def _read(self, value: Any) -> Any:
        return None if value is None else self.read(value)


def clean_text(value: Any) -> str:
    """Text, or a number or boolean as its text; never with NUL or half of a surrogate pair, which no database takes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        value = str(value)
    if not isinstance(value, str) or "\x00" in value:
        raise _fail("value_is_invalid")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _fail("value_is_invalid") from None
    return value


def _text(longest: int) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        text = clean_text(value)
        if len(text) > longest:
            raise _fail("value_is_too_long")
        return text

    return read


def read_decimal(value: Any) -> Decimal:
    """A finite decimal from a number or numeric text, within 30 digits before and 15 after the point."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise _fail("value_is_invalid")
    if isinstance(value, str) and (not value.isascii() or "_" in value):  # Python reads them, nobody means them
        raise _fail("value_is_invalid")
    try:
        number = Decimal(value)
    except (InvalidOperation, ValueError):
        raise _fail("value_is_invalid") from None
    if not number.is_finite():
        raise _fail("value_is_invalid")
    if number and (number.adjusted() >= DIGITS_BEFORE or number.adjusted() < -DIGITS_BEFORE):
        raise _fail("value_is_out_of_range")
    exponent = cast(int, number.as_tuple().exponent)
    if exponent < -DIGITS_AFTER and round(number, DIGITS_AFTER) != number:
        raise _fail("value_is_out_of_range")
    return number


def _integer(lowest: int, highest: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        number = read_decimal(value)
        if number != number.to_integral_value():
            raise _fail("value_is_invalid")
        if not lowest <= number <= highest:
            raise _fail("value_is_out_of_range")
        return int(number)

    return read


def _decimal(lowest: Decimal | None, highest: Decimal | None) -> Callable[[Any], Decimal]:
    def read(value: Any) -> Decimal:
        number = read_decimal(value)
        if (lowest is not None and number < lowest) or (highest is not None and number > highest):
            raise _fail("value_is_out_of_range")
        return number

    return read


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise _fail("value_is_invalid")


def _instant(value: Any) -> datetime:
    instant = parse_instant(value)
    if instant is None:
        raise _fail("invalid_date")
    return instant


def _id(value: Any) -> UUID | None:
    """An id; the all-zero one is how the Go SDK leaves a field out (spec 0 §16), an invalid one names nothing."""
    identifier = parse_id(value) if isinstance(value, str) else None
    if identifier is None and value != "":
        raise _fail("value_is_invalid")
    return None if identifier == _NIL else identifier


def _member(allowed: frozenset[str], code: str, normalize: Callable[[str], str] = str) -> Callable[[Any], str | None]:
    def read(value: Any) -> str | None:
        text = normalize(clean_text(value))
        if text == "":
            return None
        if text not in allowed:
            raise _fail(code)
        return text

    return read


def one_of(*allowed: str, code: str = "value_is_invalid") -> Read:
    """A closed list of values."""
    return Read(_member(frozenset(allowed), code), {"type": "string", "enum": [*allowed]})


def integer(lowest: int = -INTEGER_MAX, highest: int = INTEGER_MAX) -> Read:
    """An integer within bounds, given as a number or as text."""
    return Read(_integer(lowest, highest))


def decimal(lowest: int | None = None, highest: int | None = None) -> Read:
    """A decimal within bounds, given as a number or as text."""
    bounds = [None if bound is None else Decimal(bound) for bound in (lowest, highest)]
    return Read(_decimal(*bounds), {"type": ["number", "string"]})


def _timezone(value: Any) -> str | None:
    text = clean_text(value)
    if text == "":
        return None
    if text not in TIMEZONES:
        raise _fail("invalid_timezone")
    ZoneInfo(text)
    return text


Text = Annotated[str | None, Read(_text(TEXT_MAX))]
ShortText = Annotated[str | None, Read(_text(255))]
Boolean = Annotated[bool | None, Read(_boolean)]
Cents = Annotated[int | None, integer(0)]
Days = Annotated[int | None, integer(0, 100_000)]
InstantField = Annotated[datetime | None, Read(_instant)]
IdField = Annotated[UUID | None, Read(_id)]
CurrencyField = Annotated[str | None, Read(_member(CURRENCIES, "value_is_invalid", str.upper))]
CountryField = Annotated[str | None, Read(_member(COUNTRIES, "not_a_valid_country_code", str.upper))]
LocaleField = Annotated[str | None, Read(_member(LOCALES, "not_a_valid_language_code"))]
TimezoneField = Annotated[str | None, Read(_timezone)]
Texts = list[Annotated[str, Read(_text(TEXT_MAX))]] | None
# objects whose keys are the client's own; they are read where their rules are known
FreeObject = dict[str, Any] | None


Shape = Literal["scalar", "object", "array", "any"]


def _shape(annotation: Any) -> tuple[Shape, Any]:
    """Whether a field holds a scalar, an object or an array, and what is inside: a model, or an item's annotation.

    What is annotated as Any is taken as it comes.
    """
    if annotation is Any:
        return "any", None
    origin = get_origin(annotation)
    if origin is Annotated:
        return _shape(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return _shape(next(arg for arg in get_args(annotation) if arg is not type(None)))
    if origin is list:
        return "array", get_args(annotation)[0]
    if origin is dict:
        return "object", None
    if isinstance(annotation, type) and issubclass(annotation, Input):
        return "object", annotation
    return "scalar", None


_ABSENT = object()


def _reduced(annotation: Any, value: Any) -> Any:
    """`value` as far as it has the shape of `annotation`, else `_ABSENT`; null is a value only of a scalar."""
    shape, inner = _shape(annotation)
    if shape == "any":
        return value
    if shape == "scalar":
        return _ABSENT if isinstance(value, (dict, list)) else value
    if shape == "object":
        if not isinstance(value, dict):
            return _ABSENT
        return shaped(inner, cast(dict[str, Any], value)) if inner else value
    if not isinstance(value, list):
        return _ABSENT
    items = (_reduced(inner, item) for item in cast(list[Any], value))
    return [item for item in items if item is not _ABSENT and item is not None]


def shaped(model: type[Input], raw: Mapping[str, Any]) -> dict[str, Any]:
    """`raw` without what `model` does not know, and without values of the wrong shape (spec 0 §3)."""
    reduced = {name: _reduced(field.annotation, raw[name]) for name, field in model.model_fields.items() if name in raw}
    return {name: value for name, value in reduced.items() if value is not _ABSENT}


def _drop(raw: Any, path: tuple[int | str, ...]) -> None:
    """Remove the value at `path`; inside an array, where indexes must stay, replace it by null."""
    *parents, last = path
    for step in parents:
        raw = raw[step]
    if isinstance(last, str):
        raw.pop(last, None)
    else:
        raw[last] = ""


def parse(model: type[InputT], raw: Mapping[str, Any], problems: Problems) -> InputT:
    """The input that `raw` holds. A field that can't be read is reported, under its own name, and left out."""
    values = shaped(model, raw)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            path = tuple(step for step in item["loc"])
            field = next(step for step in reversed(path) if isinstance(step, str))
            problems.add(field, str(item.get("ctx", {}).get("code", "value_is_invalid")))
            _drop(values, path)
    return model.model_validate(values)


def _containers(value: Any) -> Iterator[Any]:
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, (dict, list)):
            yield item


def too_deep(value: Any, limit: int = MAX_DEPTH) -> bool:
    """Whether objects and arrays nest deeper than `limit`; never recursive."""
    level = [value] if isinstance(value, (dict, list)) else []
    depth = 0
    while level:
        depth += 1
        if depth > limit:
            return True
        level = [inner for item in level for inner in _containers(item)]
    return False


async def receive_body(request: Request) -> None:
    """Take the body in, once, and keep it for `read_body`, before a connection of the database is held for it.

    One that is too large is still taken in, to a point, and thrown away: a client that is cut off while it sends
    doesn't see why.
    """
    if hasattr(request.state, "body"):
        return
    limit: int = request.app.state.max_body_bytes
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit * DRAINED_LIMITS:
        request.state.body = None  # not worth the wait
        return
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        elif size > limit * DRAINED_LIMITS:
            break
    request.state.body = b"".join(chunks) if size <= limit else None


async def read_body(request: Request) -> bytes:
    """The raw body, at most the configured size (413 beyond)."""
    await receive_body(request)
    body: bytes | None = request.state.body
    if body is None:
        raise too_large()
    return body


def decode_json(body: bytes) -> Any:
    """The JSON value of a body, fractions as Decimal. Malformed, or nested deeper than 100: 400."""
    try:
        value = _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, InvalidOperation, UnicodeDecodeError, ValueError):
        raise invalid_json() from None
    if too_deep(value):
        raise invalid_json()
    return value


async def read_object(request: Request) -> dict[str, Any]:
    """The body as an object; an empty or other body counts as {}."""
    body = await read_body(request)
    value = decode_json(body) if body.strip() else {}
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


async def read(request: Request, root: str, model: type[InputT], *, bare: bool = False) -> tuple[InputT, Problems]:
    """The input under the root key, and the collector holding what could not be read.

    Root absent, not an object, or an empty object: 400. `bare` also accepts the fields without the root.
    """
    body = await read_object(request)
    raw = body.get(root)
    if bare and root not in body and body:
        raw = body
    if not isinstance(raw, dict) or not raw:
        raise missing_root(root)
    problems = Problems()
    return parse(model, cast(dict[str, Any], raw), problems), problems
