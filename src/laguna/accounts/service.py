"""Use cases of organizations and their billing entities (spec 4 §§1, 3)."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.accounts.auth import hash_of, new_key
from laguna.accounts.schemas import EMAIL_SETTINGS, OrganizationInput
from laguna.kernel import clock, signals
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, not_found
from laguna.kernel.ids import new_id
from laguna.kernel.rows import find
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
FOOTER_MAX = 600
PREFIX_MAX = 10
# an organization's older fields are a view of its default billing entity
ENTITY_FIELDS = (
    "country",
    "default_currency",
    "address_line1",
    "address_line2",
    "state",
    "zipcode",
    "email",
    "city",
    "legal_name",
    "legal_number",
    "document_number_prefix",
    "net_payment_term",
    "tax_identification_number",
    "timezone",
    "email_settings",
    "finalize_zero_amount_invoice",
)
CONFIGURATION_FIELDS = (
    "invoice_footer",
    "invoice_grace_period",
    "document_locale",
    "subscription_invoice_issuing_date_anchor",
    "subscription_invoice_issuing_date_adjustment",
)
NOT_NULL = frozenset(
    """
    default_currency document_number_prefix net_payment_term timezone finalize_zero_amount_invoice
    invoice_grace_period document_locale document_numbering name slug subscription_invoice_issuing_date_anchor
    subscription_invoice_issuing_date_adjustment
    """.split()
)


@dataclass(frozen=True, slots=True)
class Created:
    """A new organization and its first key, which is told once."""

    organization: Organization
    entity: BillingEntity
    key: str


def _ascii(name: str) -> str:
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()


_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('laguna.organization_slug'))")


async def _free_slug(session: AsyncSession, name: str) -> str:
    """A slug made from the name; with a random suffix where it is taken, reserved or unusable."""
    await session.execute(_ONE_AT_A_TIME)  # two of one name would take the same slug
    wanted = re.sub(r"[^a-z0-9]+", "-", _ascii(name).lower()).strip("-")[:40].strip("-")
    usable = SLUG.match(wanted) and wanted not in RESERVED_SLUGS
    if usable and await session.scalar(select(Organization.id).where(Organization.slug == wanted)) is None:
        return wanted
    return f"{wanted[:29].strip('-') if usable else 'org'}-{secrets.token_hex(5)}"


def document_prefix(name: str, identifier: object) -> str:
    """First three letters of the name, and the last four characters of the id, in capitals: LAG-1234."""
    letters = re.sub(r"[^A-Za-z0-9]", "", _ascii(name))[:3] or "ORG"
    return f"{letters}-{str(identifier)[-4:]}".upper()


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
        code=re.sub(r"[^a-z0-9]+", "_", _ascii(name).lower()).strip("_") or "default",
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


async def default_entity(context: Context) -> BillingEntity:
    query = select(BillingEntity).where(
        BillingEntity.organization_id == context.organization_id, BillingEntity.is_default
    )
    return (await context.session.scalars(query)).one()


async def entity_by_code(context: Context, code: str | None) -> BillingEntity:
    """The billing entity with this code, the default one without; 404 `billing_entity_not_found`."""
    if code is None:
        return await default_entity(context)
    return await find(context, BillingEntity, "billing_entity", code=code)


async def entity_ids(context: Context, codes: Sequence[str]) -> list[UUID]:
    """Ids of billing entities by code, for a list's filter; one unknown code is 404 (spec 0 §7)."""
    query = select(BillingEntity.code, BillingEntity.id).where(
        BillingEntity.organization_id == context.organization_id, BillingEntity.code.in_(codes)
    )
    found = {code: entity_id for code, entity_id in await context.session.execute(query)}
    if set(found) != set(codes):
        raise not_found("billing_entity")
    return list(found.values())


async def own_organization(context: Context) -> tuple[Organization, BillingEntity]:
    organization = await context.session.get_one(Organization, context.organization_id)
    return organization, await default_entity(context)


async def update_organization(
    context: Context, data: OrganizationInput, problems: Problems
) -> tuple[Organization, BillingEntity]:
    """Write through to the default billing entity (spec 4 §1.2, spec 2 BEN-1)."""
    organization, entity = await own_organization(context)
    values = data.given()
    configuration = data.billing_configuration.given() if data.billing_configuration else {}
    await _check_organization(context, organization, {**values, **configuration}, problems)
    if "webhook_url" in values:
        await set_first_url(context, values["webhook_url"], problems)
    problems.check()

    changes: dict[str, Any] = {field: values[field] for field in ENTITY_FIELDS if field in values}
    changes |= {field: configuration[field] for field in CONFIGURATION_FIELDS if field in configuration}
    if "document_numbering" in values:
        per_organization = values["document_numbering"] == "per_organization"
        changes["document_numbering"] = "per_billing_entity" if per_organization else "per_customer"
    if "document_number_prefix" in changes:
        changes["document_number_prefix"] = changes["document_number_prefix"].upper()
    if "email_settings" in changes:
        changes["email_settings"] = list(dict.fromkeys(changes["email_settings"] or []))
    for field, value in changes.items():
        setattr(entity, field, value)
    for field in ("name", "slug"):
        if field in values:
            setattr(organization, field, values[field])
    organization.updated_at = entity.updated_at = context.now
    await context.session.flush()
    await signals.announce(context, signals.BillingEntitiesChanged((entity.id,)))
    return organization, entity


async def _check_organization(
    context: Context, organization: Organization, values: dict[str, Any], problems: Problems
) -> None:
    problems.mandatory(values, [field for field in values if field in NOT_NULL])
    problems.unsupported(values, {"eu_tax_management": False})
    if len(values.get("invoice_footer") or "") > FOOTER_MAX:
        problems.add("invoice_footer", "value_is_too_long")
    if len(values.get("document_number_prefix") or "") > PREFIX_MAX:
        problems.add("document_number_prefix", "value_is_too_long")
    if not set(values.get("email_settings") or ()) <= set(EMAIL_SETTINGS):
        problems.add("email_settings", "value_is_invalid")
    slug = values.get("slug")
    if slug and slug != organization.slug:
        if slug in RESERVED_SLUGS:
            problems.add("slug", "value_is_reserved")
        elif not SLUG.match(slug):
            problems.add("slug", "value_is_invalid")
        elif await context.session.scalar(select(Organization.id).where(Organization.slug == slug)):
            problems.add("slug", "value_already_exist")
