"""Use cases of organizations (spec 4 §1)."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.accounts.auth import hash_of, new_key
from laguna.accounts.entities import ascii_text, change_entity, check_entity, default_entity, document_prefix
from laguna.accounts.schemas import OrganizationInput
from laguna.kernel import clock
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems
from laguna.kernel.ids import new_id
from laguna.models import ApiKey, BillingEntity, Organization
from laguna.webhooks.service import set_first_url

SLUG = re.compile(r"^[a-z0-9](?:[a-z0-9-]{1,38})[a-z0-9]$")
RESERVED_SLUGS = frozenset(
    """
    auth login sign-up forgot-password reset-password invitation customer-portal 404 forbidden api admin graphql
    webhooks google okta entra settings new design-system devtool customer customers plan plans invoice invoices
    subscriptions coupon coupons add-on add-ons billable-metric billable-metrics credit-notes analytics analytics-v2
    forecasts payment payments feature features tax webhook api-keys create update duplicate
    """.split()
)


@dataclass(frozen=True, slots=True)
class Created:
    """A new organization and its first key, which is told once."""

    organization: Organization
    entity: BillingEntity
    key: str


_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('laguna.organization_slug'))")


async def _free_slug(session: AsyncSession, name: str) -> str:
    """A slug made from the name; with a random suffix where it is taken, reserved or unusable."""
    await session.execute(_ONE_AT_A_TIME)  # two of one name would take the same slug
    wanted = re.sub(r"[^a-z0-9]+", "-", ascii_text(name).lower()).strip("-")[:40].strip("-")
    usable = SLUG.match(wanted) and wanted not in RESERVED_SLUGS
    if usable and await session.scalar(select(Organization.id).where(Organization.slug == wanted)) is None:
        return wanted
    return f"{wanted[:29].strip('-') if usable else 'org'}-{secrets.token_hex(5)}"


async def create_organization(session: AsyncSession, name: str, test_clock: datetime | None) -> Created:
    """A tenant with its default billing entity, which has the same id, and one key (spec 4 §1.2)."""
    now = clock.now(test_clock)
    identifier = new_id()
    organization = Organization(
        id=identifier,
        name=name,
        slug=await _free_slug(session, name),
        test_clock=test_clock,
        created_at=now,
        updated_at=now,
    )
    session.add(organization)
    await session.flush()
    entity = BillingEntity(
        id=identifier,
        organization_id=identifier,
        code=re.sub(r"[^a-z0-9]+", "_", ascii_text(name).lower()).strip("_") or "default",
        name=name,
        is_default=True,
        document_number_prefix=document_prefix(name, identifier),
        created_at=now,
        updated_at=now,
    )
    session.add(entity)
    key = await create_key(session, organization)
    await session.flush()
    await session.refresh(entity)
    return Created(organization, entity, key)


async def create_key(session: AsyncSession, organization: Organization, name: str | None = None) -> str:
    """Another key of the organization; returned once, stored as a hash."""
    key = new_key()
    created_at = clock.now(organization.test_clock)
    session.add(ApiKey(organization_id=organization.id, name=name, hash=hash_of(key), created_at=created_at))
    await session.flush()
    return key


async def own_organization(context: Context) -> tuple[Organization, BillingEntity]:
    organization = await context.session.get_one(Organization, context.organization_id)
    return organization, await default_entity(context)


async def update_organization(
    context: Context, data: OrganizationInput, problems: Problems
) -> tuple[Organization, BillingEntity]:
    """Write through to the default billing entity (spec 4 §1.2, spec 2 BEN-1)."""
    organization, entity = await own_organization(context)
    values = data.given()
    of_entity = _entity_values(data)
    problems.mandatory(values, [field for field in ("name", "slug") if field in values])
    check_entity(of_entity, entity, problems)
    await _check_slug(context, organization, values.get("slug"), problems)
    if "webhook_url" in values:
        await set_first_url(context, values["webhook_url"], problems)
    problems.check()
    for field in ("name", "slug"):
        if field in values:
            setattr(organization, field, values[field])
    organization.updated_at = context.now
    await change_entity(context, entity, of_entity)
    return organization, entity


def _entity_values(data: OrganizationInput) -> dict[str, Any]:
    """The older fields of an organization, which are a view of its default billing entity; it keeps its own name."""
    values = data.given()
    values |= data.billing_configuration.given() if data.billing_configuration else {}
    if values.get("document_numbering") == "per_organization":
        values["document_numbering"] = "per_billing_entity"
    return {field: value for field, value in values.items() if field != "name"}


async def _check_slug(context: Context, organization: Organization, slug: str | None, problems: Problems) -> None:
    if not slug or slug == organization.slug:
        return
    if slug in RESERVED_SLUGS:
        problems.add("slug", "value_is_reserved")
    elif not SLUG.match(slug):
        problems.add("slug", "value_is_invalid")
    elif await context.session.scalar(select(Organization.id).where(Organization.slug == slug)):
        problems.add("slug", "value_already_exist")
