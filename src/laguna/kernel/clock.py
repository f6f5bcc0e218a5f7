"""Time is a value. This is the one module of the server that reads the system clock."""

from __future__ import annotations

from datetime import UTC, datetime


def system_now() -> datetime:
    """The machine's time in UTC, to the millisecond, as everything stored is."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def now(test_clock: datetime | None) -> datetime:
    """An organization's present: where its test clock stands if it has one (a sandbox), else the machine's time."""
    return test_clock if test_clock is not None else system_now()
