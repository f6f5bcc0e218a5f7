"""Verifies all invariants in one snapshot of the database; what settles by itself, once more after a pause."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads

from laguna.check.amounts import AMOUNTS
from laguna.check.evidence import EVIDENCE
from laguna.check.invariant import Invariant
from laguna.check.invoices import INVOICES
from laguna.check.numbers import NUMBERS
from laguna.check.subscriptions import SUBSCRIPTIONS
from laguna.check.tenants import TENANTS
from laguna.check.usage import USAGE
from laguna.check.work import WORK
from laguna.kernel.db import from_json

SETTLE_SECONDS = 5.0
KEPT = 10  # findings of one invariant in one organization that are told; the others are counted
_COUNTED = ("organizations", "subscriptions", "invoices", "fees", "events", "webhook_deliveries")
_ROWS_AT_ONCE = 1_000

INVARIANTS: tuple[Invariant, ...] = (
    *AMOUNTS,
    *NUMBERS,
    *INVOICES,
    *EVIDENCE,
    *SUBSCRIPTIONS,
    *USAGE,
    *WORK,
    *TENANTS,
)

Rows = psycopg.Connection[dict[str, Any]]
Progress = Callable[[str], None]


@dataclass(slots=True)
class Broken:
    """An invariant that doesn't hold in an organization: how often, and the first findings."""

    invariant: Invariant
    count: int = 0
    messages: list[str] = field(default_factory=list[str])

    def add(self, message: str) -> None:
        self.count += 1
        if self.count <= KEPT:
            self.messages.append(message)


class Report:
    """What was looked at, and what was found by organization; None is what is nobody's alone."""

    def __init__(self, rows: dict[str, int], verified: int) -> None:
        self.rows = rows
        self.verified = verified
        self.names: dict[UUID | None, str] = {}
        self.found: dict[UUID | None, dict[str, Broken]] = {}

    @property
    def holds(self) -> bool:
        return not self.found

    @property
    def broken(self) -> set[str]:
        """The names of the invariants that don't hold."""
        return {name for invariants in self.found.values() for name in invariants}

    def add(self, invariant: Invariant, organization_id: UUID | None, message: str) -> None:
        invariants = self.found.setdefault(organization_id, {})
        invariants.setdefault(invariant.name, Broken(invariant)).add(message)


def check(database_url: str, *, settle_seconds: float = SETTLE_SECONDS, progress: Progress = lambda _: None) -> Report:
    """Verify the invariants of a database, beside whatever works on it; reads only."""
    with _reading(database_url) as connection:
        report = verify(connection, [each for each in INVARIANTS if not each.settles], progress)
        unsettled = {each: set(_find(connection, each)) for each in INVARIANTS if each.settles}
    report.verified += len(unsettled)
    if any(unsettled.values()):
        progress("waiting for what is under way")
        time.sleep(settle_seconds)
        with _reading(database_url) as connection:
            for invariant, before in unsettled.items():
                for finding in _find(connection, invariant):
                    if finding in before:
                        report.add(invariant, *finding)
            _name(connection, report)
    return report


def verify(connection: Rows, invariants: Sequence[Invariant], progress: Progress = lambda _: None) -> Report:
    """Verify invariants in the connection's transaction."""
    report = Report({table: _count(connection, table) for table in _COUNTED}, len(invariants))
    for invariant in invariants:
        progress(invariant.name)
        for organization_id, message in _find(connection, invariant):
            report.add(invariant, organization_id, message)
    _name(connection, report)
    return report


def _reading(database_url: str) -> Rows:
    """A connection whose one transaction sees one state of the database, and can't change it."""
    connection = Rows.connect(
        database_url,
        row_factory=dict_row,
        options="-c timezone=UTC -c application_name=laguna-check -c statement_timeout=0 -c work_mem=64MB -c jit=off",
    )
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    set_json_loads(from_json, connection)
    return connection


def _count(connection: Rows, table: str) -> int:
    row = connection.execute(f"SELECT count(*) AS count FROM {table}".encode()).fetchone()
    assert row is not None
    return row["count"]


def _find(connection: Rows, invariant: Invariant) -> Iterator[tuple[UUID | None, str]]:
    """(organization, message) of what breaks an invariant, read as it is found.

    Data on which the statement itself fails is a finding, too.
    """
    try:
        with connection.transaction(), connection.cursor(name="findings") as cursor:
            cursor.itersize = _ROWS_AT_ONCE
            cursor.execute(invariant.query.encode())
            for row in cursor:
                message = invariant.verdict(row)
                if message is not None:
                    yield row["organization_id"], message
    except psycopg.errors.DataError as error:
        yield None, f"the data can't be read: {str(error).strip()}"


def _name(connection: Rows, report: Report) -> None:
    """Look up what the organizations with findings are called."""
    query = "SELECT id, name FROM organizations WHERE id = ANY(%s)"
    rows = connection.execute(query, [[each for each in report.found if each is not None]])
    report.names.update({row["id"]: row["name"] for row in rows})
