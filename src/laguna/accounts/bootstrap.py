"""What the command line needs of accounts before a server runs: the first organization, another key."""

from __future__ import annotations

import asyncio
from uuid import UUID

from sqlalchemy import or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.accounts.service import create_key as make_key
from laguna.accounts.service import create_organization
from laguna.kernel.db import Database
from laguna.kernel.ids import parse_id
from laguna.models import Organization

FIRST_NAME = "My Company"
_LOCK = 0x6C6167756E62  # one process makes the first organization


class UnknownOrganizationError(LookupError):
    """No organization, or more than one, answers to the name or id given."""


def first_organization(database_url: str) -> str | None:
    """Make the first live organization where there is none; its key, or None when there is one already."""
    return asyncio.run(_first_organization(database_url))


async def _first_organization(database_url: str) -> str | None:
    database = Database(database_url, pool_size=1)
    try:
        async with database.session() as session:
            await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            if await session.scalar(select(Organization.id).where(Organization.test_clock.is_(None)).limit(1)):
                return None
            return (await create_organization(session, FIRST_NAME, None)).key
    finally:
        await database.close()


def create_key(database_url: str, organization: str | None) -> str:
    """Another key for the organization with this id, name or slug; without one, for the only live organization."""
    return asyncio.run(_create_key(database_url, organization))


async def _create_key(database_url: str, wanted: str | None) -> str:
    database = Database(database_url, pool_size=1)
    try:
        async with database.session() as session:
            return await make_key(session, await find_organization(session, wanted))
    finally:
        await database.close()


async def find_organization(session: AsyncSession, wanted: str | None) -> Organization:
    """The organization with this id, name or slug; without one, the only live organization.

    UnknownOrganizationError where none or more than one answers to it.
    """
    query = select(Organization).limit(2)
    if wanted is None:
        query = query.where(Organization.test_clock.is_(None))
    else:
        identifier: UUID | None = parse_id(wanted)
        names = [Organization.name == wanted, Organization.slug == wanted]
        query = query.where(or_(*names, Organization.id == identifier) if identifier else or_(*names))
    found = (await session.scalars(query)).all()
    if len(found) != 1:
        problem = "no organization" if not found else "more than one organization"
        raise UnknownOrganizationError(f"{problem} matches {wanted!r}" if wanted else f"there is {problem}; name one")
    return found[0]
