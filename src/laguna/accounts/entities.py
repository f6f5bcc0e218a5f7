"""Use cases of billing entities, the legal sellers of an organization (spec 2 §1.3, spec 4 §3)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from laguna.accounts.entity_schemas import EMAIL_SETTINGS, BillingEntityInput, NewBillingEntityInput
from laguna.accounts.logos import keep_logo, read_logo
from laguna.kernel import signals
from laguna.kernel.catalogs import EU_COUNTRIES
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, not_found
from laguna.kernel.ids import new_id
from laguna.kernel.rows import find, refuse_taken
from laguna.models import BillingEntity, BillingEntityTax
from laguna.taxes.service import attach

FOOTER_MAX = 600
PREFIX_MAX = 10
E_INVOICING_COUNTRIES = frozenset({"DE", "FR"})
FIELDS = (
    "name",
    "default_currency",
    "document_numbering",
    "document_number_prefix",
    "finalize_zero_amount_invoice",
    "net_payment_term",
    "timezone",
    "email",
    "phone",
    "email_settings",
    "legal_name",
    "legal_number",
    "tax_identification_number",
    "address_line1",
    "address_line2",
    "city",
    "state",
    "zipcode",
    "country",
    "logo_digest",
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
    name default_currency document_numbering document_number_prefix finalize_zero_amount_invoice net_payment_term
    timezone invoice_grace_period document_locale subscription_invoice_issuing_date_anchor
    subscription_invoice_issuing_date_adjustment
    """.split()
)


async def create_entity(context: Context, data: NewBillingEntityInput, problems: Problems) -> BillingEntity:
    """Another seller beside the default one. What is null or absent has its default."""
    values = {field: value for field, value in _values(data).items() if value is not None}
    problems.mandatory(values, ("code", "name"))
    check_entity(values, None, problems)
    if "code" not in problems:
        await refuse_taken(context, problems, BillingEntity, "code", data.code)
    logo = await read_logo(data.logo, problems)
    problems.check()
    assert data.name is not None
    values["logo_digest"] = await keep_logo(context, logo)
    identifier = new_id()
    entity = BillingEntity(
        id=identifier,
        organization_id=context.organization_id,
        code=data.code,
        document_number_prefix=document_prefix(data.name, identifier),
        created_at=context.now,
        updated_at=context.now,
    )
    _assign(entity, values)
    context.session.add(entity)
    await context.session.flush()
    if data.tax_codes:
        await attach(context, BillingEntityTax, {entity.id: data.tax_codes})
    return entity


async def update_entity(
    context: Context, entity: BillingEntity, data: BillingEntityInput, problems: Problems
) -> BillingEntity:
    values = _values(data)
    check_entity(values, entity, problems)
    logo = await read_logo(data.logo, problems)
    problems.check()
    if "logo" in values:
        values["logo_digest"] = await keep_logo(context, logo)
    await change_entity(context, entity, values)
    return entity


async def change_entity(context: Context, entity: BillingEntity, values: Mapping[str, Any]) -> None:
    """Write checked values, and tell what is another than before to those who depend on it (spec 4 §3.4).

    The entity's row is written last: billing, too, takes it after subscriptions and invoices, for its numbers.
    """
    with context.session.no_autoflush:
        changed = _assign(entity, values)
        entity.updated_at = context.now
        if values.get("tax_codes") is not None:
            await attach(context, BillingEntityTax, {entity.id: values["tax_codes"]})
            changed |= {"tax_codes"}
        await signals.announce(context, signals.BillingEntitiesChanged((entity.id,), frozenset(changed)))
    await context.session.flush()


def _values(data: BillingEntityInput) -> dict[str, Any]:
    """What is given, with the fields of its configuration beside the others."""
    values = data.given()
    values.pop("billing_configuration", None)
    return values | (data.billing_configuration.given() if data.billing_configuration else {})


def _assign(entity: BillingEntity, values: Mapping[str, Any]) -> set[str]:
    """Set the columns that `values` name; those that have another value than before."""
    changed: set[str] = set()
    for field in (*FIELDS, *CONFIGURATION_FIELDS):
        if field not in values:
            continue
        value = values[field]
        if field == "document_number_prefix":
            value = value.upper()
        elif field == "email_settings":
            value = list(dict.fromkeys(value or []))
        if getattr(entity, field) != value:
            setattr(entity, field, value)
            changed.add(field)
    return changed


def check_entity(values: Mapping[str, Any], entity: BillingEntity | None, problems: Problems) -> None:
    """Report what can't be so of an entity that is new or given (spec 4 §3.2)."""
    problems.mandatory(values, [field for field in values if field in NOT_NULL])
    problems.unsupported(values, {"invoice_custom_section_codes": []})
    if len(values.get("invoice_footer") or "") > FOOTER_MAX:
        problems.add("invoice_footer", "value_is_too_long")
    if len(values.get("document_number_prefix") or "") > PREFIX_MAX:
        problems.add("document_number_prefix", "value_is_too_long")
    if not set(values.get("email_settings") or ()) <= set(EMAIL_SETTINGS):
        problems.add("email_settings", "value_is_invalid")
    country = values.get("country", entity and entity.country)
    if values.get("eu_tax_management"):
        supported = country in EU_COUNTRIES
        problems.add("eu_tax_management", "unsupported_value" if supported else "billing_entity_must_be_in_eu")
    if values.get("einvoicing"):
        problems.add("einvoicing", _e_invoicing_problem(country))


def _e_invoicing_problem(country: str | None) -> str:
    if not country:
        return "country_must_be_present"
    return "unsupported_value" if country in E_INVOICING_COUNTRIES else "country_not_supported"


def ascii_text(name: str) -> str:
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()


def document_prefix(name: str, identifier: object) -> str:
    """First three letters of the name, and the last four characters of the id, in capitals: LAG-1234."""
    letters = re.sub(r"[^A-Za-z0-9]", "", ascii_text(name))[:3] or "ORG"
    return f"{letters}-{str(identifier)[-4:]}".upper()


async def default_entity(context: Context) -> BillingEntity:
    query = select(BillingEntity).where(
        BillingEntity.organization_id == context.organization_id, BillingEntity.is_default
    )
    return (await context.session.scalars(query)).one()


async def entity_by_code(context: Context, code: str) -> BillingEntity:
    """The billing entity with this code; 404 `billing_entity_not_found`."""
    return await find(context, BillingEntity, "billing_entity", code=code)


async def named_entity(context: Context, code: str | None, identifier: UUID | None = None) -> BillingEntity | None:
    """The billing entity that a request names by its id or its code, if it names one; 404 for an unknown one."""
    if identifier is not None:
        return await find(context, BillingEntity, "billing_entity", id=identifier)
    return await entity_by_code(context, code) if code else None


async def entity_ids(context: Context, codes: Sequence[str]) -> list[UUID]:
    """Ids of billing entities by code, for a list's filter; one unknown code is 404 (spec 0 §7)."""
    query = select(BillingEntity.code, BillingEntity.id).where(
        BillingEntity.organization_id == context.organization_id, BillingEntity.code.in_(codes)
    )
    found = {code: entity_id for code, entity_id in await context.session.execute(query)}
    if set(found) != set(codes):
        raise not_found("billing_entity")
    return list(found.values())
