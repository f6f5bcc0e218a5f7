"""Query strings (spec 0 §7) and pages of lists (spec 0 §§5, 6)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from laguna.kernel.errors import Problems
from laguna.kernel.ids import parse_id
from laguna.kernel.outputs import Meta

PER_PAGE_DEFAULT = 100
PER_PAGE_MAX = 1000
_MAX_PARAMETERS = 1000
_MAX_PAGE = 10**12
_INDEXED = re.compile(r"^(?P<name>[^\[\]]+)\[(?P<key>[^\[\]]*)\](?:\[\d*\])?$")


class Query:
    """The parameters of a request: `name`, `name[]=a`, `name[0]=a`, a repeated `name`, `name[key]=value`, and
    `name[key][]=value`."""

    def __init__(self, raw: bytes) -> None:
        self._lists: dict[str, list[str]] = {}
        self._maps: dict[str, dict[str, list[str]]] = {}
        text = raw.decode("ascii", "replace")
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
        except ValueError:  # more fields than any client means
            pairs = []
        for name, value in pairs:
            # PostgreSQL has no NUL in text; nothing can match it anyway
            name, value = name.replace("\x00", "\ufffd"), value.replace("\x00", "\ufffd")
            indexed = _INDEXED.match(name)
            key = indexed["key"] if indexed else ""
            if indexed and key and not key.isdigit():
                self._maps.setdefault(indexed["name"], {}).setdefault(key, []).append(value)
            else:
                self._lists.setdefault(indexed["name"] if indexed else name, []).append(value)

    def text(self, *names: str) -> str | None:
        """The last value given under the first of `names` that occurs; blank counts as absent."""
        for name in names:
            values = self._lists.get(name)
            if values and values[-1] != "":
                return values[-1]
        return None

    def array(self, *names: str) -> list[str]:
        """All values given under `names`, without blanks."""
        return [value for name in names for value in self._lists.get(name, ()) if value != ""]

    def mapping(self, name: str) -> dict[str, str]:
        """`name[key]=value` as {key: value}; an empty value stays, of several the last counts."""
        return {key: values[-1] for key, values in self._maps.get(name, {}).items()}

    def mapping_of_lists(self, name: str) -> dict[str, list[str]]:
        """`name[key]=value` and `name[key][]=value` as {key: [value]}."""
        return self._maps.get(name, {})

    def boolean(self, *names: str) -> bool | None:
        return {"true": True, "1": True, "false": False, "0": False}.get((self.text(*names) or "").lower())

    def instant(self, name: str, problems: Problems | None = None) -> datetime | None:
        """An ISO 8601 instant or day (00:00 UTC). Unreadable: `invalid_date` given `problems`, else ignored."""
        text = self.text(name)
        value = parse_instant(text) if text is not None else None
        if text is not None and value is None and problems is not None:
            problems.add(name, "invalid_date")
        return value

    def day(self, name: str) -> date | None:
        """An ISO 8601 day; an unreadable one is ignored."""
        value = self.instant(name)
        return value.date() if value else None

    def integer(self, name: str, problems: Problems) -> int | None:
        """An integer; anything else is `value_is_invalid`."""
        text = self.text(name)
        if text is None:
            return None
        try:
            value = Decimal(text)
            if value == value.to_integral_value() and abs(value) < 2**63:
                return int(value)
        except (InvalidOperation, ValueError):
            pass
        problems.add(name, "value_is_invalid")
        return None

    def choice(self, name: str, allowed: Sequence[str], problems: Problems) -> str | None:
        """One of `allowed`; anything else is `value_is_invalid`."""
        text = self.text(name)
        if text is not None and text not in allowed:
            problems.add(name, "value_is_invalid")
            return None
        return text

    def choices(self, names: Sequence[str], allowed: Sequence[str], problems: Problems) -> list[str]:
        """Several of `allowed`; the messages of an array are nested by index where they are reported."""
        values = self.array(*names)
        for value in values:
            if value not in allowed:
                problems.add(names[0], "value_is_invalid")
        return [value for value in values if value in allowed]

    def _number(self, name: str, default: int, highest: int) -> int:
        text = self.text(name) or ""
        value = int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0
        return min(value, highest) if value >= 1 else default

    @property
    def page(self) -> int:
        return self._number("page", 1, _MAX_PAGE)

    @property
    def per_page(self) -> int:
        return self._number("per_page", PER_PAGE_DEFAULT, PER_PAGE_MAX)


def parse_instant(text: Any) -> datetime | None:
    """ISO 8601 with any offset, or a day, as UTC to the millisecond; None when unreadable."""
    if not isinstance(text, str) or len(text) > 64:
        return None
    try:
        value = datetime.fromisoformat(text.strip())
        value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    # a day of room at both ends keeps the local date of every zone inside the calendar
    if not datetime(1, 1, 3, tzinfo=UTC) <= value < datetime(9999, 12, 30, tzinfo=UTC):
        return None
    return value.replace(microsecond=value.microsecond // 1000 * 1000)


def page_meta(page: int, per_page: int, total: int) -> Meta:
    """`meta` of a page: all zeros for an empty list; beyond the end only `prev_page` is known."""
    pages = -(-total // per_page)
    return Meta(
        current_page=page if total else 0,
        next_page=page + 1 if page < pages else None,
        prev_page=page - 1 if total and page > 1 else None,
        total_pages=pages,
        total_count=total,
    )


async def paginate(
    session: AsyncSession, statement: Select[Any], query: Query, order: Sequence[Any]
) -> tuple[Sequence[Any], Meta]:
    """The rows of the page asked for, in `order`, and its meta. `statement` selects one entity or column."""
    total = await session.scalar(select(func.count()).select_from(statement.order_by(None).subquery())) or 0
    page, per_page = query.page, query.per_page
    if (page - 1) * per_page >= total:
        return [], page_meta(page, per_page, total)
    rows = await session.scalars(statement.order_by(*order).limit(per_page).offset((page - 1) * per_page))
    return rows.unique().all(), page_meta(page, per_page, total)


def search(term: str, id_column: InstrumentedAttribute[Any], *columns: Any) -> ColumnElement[bool]:
    """`search_term`: a part of one of the texts, ignoring case, or the exact id."""
    pattern = "%" + re.sub(r"([\\%_])", r"\\\1", term) + "%"
    found: list[ColumnElement[bool]] = [column.ilike(pattern) for column in columns]
    identifier = parse_id(term)
    if identifier is not None:
        found.append(id_column == identifier)
    return or_(*found)


def newest_first(entity: Any) -> list[ColumnElement[Any]]:
    """The default order of lists: latest created first, then latest id (spec 0 §6)."""
    return [entity.created_at.desc(), entity.id.desc()]


def given(values: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """Those of `fields` that the request carries."""
    return {field: values[field] for field in fields if field in values}
