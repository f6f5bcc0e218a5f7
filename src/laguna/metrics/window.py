"""The stretch of time that usage is aggregated over, with the days that prorate it (spec 1 §0.3). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

_SECOND = timedelta(seconds=1)
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Window:
    """Events belong to it when start <= timestamp < until. `end` is its last instant as shown.

    `days` of the `full_days` of the whole period lie in it, `last_day` is the last of them, both by the calendar of
    `timezone`: where another subscription takes over within a day, that day is the other one's.
    """

    start: datetime
    until: datetime
    end: datetime
    days: int
    full_days: int
    last_day: date
    timezone: ZoneInfo = _UTC

    @property
    def ratio(self) -> Decimal:
        """The part of the whole period, for which what is held from before it is paid."""
        return Decimal(self.days) / self.full_days

    @property
    def first_day(self) -> date:
        return self.day(self.start)

    @property
    def closes_at(self) -> datetime:
        """The end, rounded up to a full second: how long a running sum holds (spec 1 §5.5)."""
        return self.end if not self.end.microsecond else self.end.replace(microsecond=0) + _SECOND

    @property
    def seconds(self) -> Decimal:
        """How long it is, exactly."""
        return exact_seconds(self.closes_at - self.start)

    @property
    def full_seconds(self) -> int:
        return self.full_days * 86_400

    def day(self, instant: datetime) -> date:
        return instant.astimezone(self.timezone).date()

    def days_left(self, instant: datetime) -> int:
        """Days from that of `instant` to that of the end, both included: what comes in a period counts on its last day,
        too, where that is the day of an upgrade (spec 1 §5.1)."""
        return max((self.day(self.end) - self.day(instant)).days + 1, 0)


def exact_seconds(span: timedelta) -> Decimal:
    return Decimal(span.days * 86_400 + span.seconds) + Decimal(span.microseconds).scaleb(-6)


def whole(start: datetime, until: datetime, timezone: ZoneInfo = _UTC) -> Window:
    """A window that is a whole period in itself."""
    end = until - timedelta(milliseconds=1)
    last = end.astimezone(timezone).date()
    days = (last - start.astimezone(timezone).date()).days + 1
    return Window(start.astimezone(UTC), until, end, days, days, last, timezone)
