"""The windows of usage that the calendar's ranges are (spec 1 §0.3). Pure."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from laguna.metrics.window import Window
from laguna.subscriptions.grid import DAY, local_date
from laguna.subscriptions.periods import Range


def usage_window(period: Range, timezone: ZoneInfo, *, succeeded: bool = False) -> Window:
    """A range as rating takes it. After an upgrade (`succeeded`) the last day belongs to the new plan."""
    last = local_date(period.end, timezone)
    return Window(
        start=period.start,
        until=period.until,
        end=period.end,
        days=max(period.days - succeeded, 0),
        full_days=period.full_days,
        last_day=last - DAY if succeeded else last,
        timezone=timezone,
    )
