"""What a use case is given: the session, whose data it may touch, and what time it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.kernel import clock


class OutrunError(Exception):
    """What a unit of work has locked was changed after the instant that it takes for now: it waited for the lock."""

    def __init__(self, changed_at: datetime) -> None:
        super().__init__(f"changed at {changed_at.isoformat()}, in the meantime")
        self.changed_at = changed_at


@dataclass(frozen=True, slots=True)
class Context:
    """One unit of work of one organization. The framework commits `session`, never a service."""

    session: AsyncSession
    organization_id: UUID
    now: datetime
    sandbox: bool

    def check_follows(self, changed_at: datetime) -> None:
        """OutrunError where what is locked was changed later than now: nothing may end before what it was billed for.
        The unit of work is run again, later."""
        if changed_at > self.now:
            raise OutrunError(changed_at)


async def context_of(session: AsyncSession, organization_id: UUID) -> Context:
    """The context of work that no request asked for: a job's or a timer's."""
    query = text("SELECT test_clock FROM organizations WHERE id = :id")
    test_clock: datetime | None = (await session.execute(query, {"id": organization_id})).scalar_one()
    return Context(session, organization_id, clock.now(test_clock), test_clock is not None)
