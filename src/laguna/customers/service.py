"""Use cases of customers (spec 2 §1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, insert, select, update

from laguna.accounts.entities import default_entity, named_entity
from laguna.customers.schemas import (
    ADDRESS_FIELDS,
    CustomerDetail,
    CustomerInput,
    CustomerMetadataInput,
    CustomerObject,
    customer_detail,
    customer_object,
)
from laguna.kernel import signals
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, not_found
from laguna.kernel.ids import new_id
from laguna.kernel.rows import living
from laguna.models import BillingEntity, Customer, CustomerMetadata, CustomerTax, Invoice, Organization, Subscription
from laguna.taxes.service import attach, tax_objects
from laguna.webhooks.outbox import emit

METADATA_MAX = 5
METADATA_KEY_MAX = 20
METADATA_VALUE_MAX = 100
# as browsers check an <input type=email>; a comma-separated list is accepted
EMAIL = re.compile(r"^[\w.!#$%&'*+/=?^`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9-]+)+$")

PLAIN_FIELDS = (
    "account_type",
    "name",
    "firstname",
    "lastname",
    "customer_type",
    "email",
    "phone",
    "url",
    "logo_url",
    "legal_name",
    "legal_number",
    "tax_identification_number",
    "address_line1",
    "address_line2",
    "city",
    "state",
    "zipcode",
    "country",
    "currency",
    "timezone",
    "net_payment_term",
    "finalize_zero_amount_invoice",
    "skip_invoice_custom_sections",
    "external_salesforce_id",
)
CONFIGURATION_FIELDS = (
    "invoice_grace_period",
    "document_locale",
    "subscription_invoice_issuing_date_anchor",
    "subscription_invoice_issuing_date_adjustment",
)
# what null means for the fields that have no null
DEFAULTS: dict[str, Any] = {
    "account_type": "customer",
    "finalize_zero_amount_invoice": "inherit",
    "skip_invoice_custom_sections": False,
}


async def upsert_customer(context: Context, data: CustomerInput, problems: Problems) -> Customer:
    """Create the customer with this external id, or change what is given of the existing one (CUS-1)."""
    values = data.given()
    problems.mandatory(values, ("external_id",))
    _check(data, problems)
    problems.check()
    entity = await named_entity(context, data.billing_entity_code)
    assert data.external_id is not None
    customer = await lock_by_external_id(context, data.external_id)
    webhook_type = "customer.created" if customer is None else "customer.updated"
    if customer is None:
        customer = await create_customer(context, data.external_id, entity)
    elif "account_type" in values and not await _is_editable(context, customer):
        problems.ignore(values, ["account_type"], customer)
        del values["account_type"]  # frozen once anything was billed (CUS-3)
    _assign(customer, data, values)
    if entity is not None:
        customer.billing_entity_id = entity.id
    customer.updated_at = context.now
    await context.session.flush()
    if data.metadata is not None:
        await _replace_metadata(context, customer, data.metadata)
    if data.tax_codes is not None:
        await attach(context, CustomerTax, {customer.id: data.tax_codes})
    await signals.announce(context, signals.CustomersChanged((customer.id,)))
    await tell(context, webhook_type, customer)
    return customer


async def tell(context: Context, webhook_type: str, customer: Customer) -> None:
    """Send a webhook about a customer."""

    async def render() -> list[tuple[UUID, CustomerObject]]:
        return list((await customer_objects(context, [customer])).items())

    await emit(context, webhook_type, "customer", render)


def _check(data: CustomerInput, problems: Problems) -> None:
    configuration = data.billing_configuration.given() if data.billing_configuration else {}
    problems.unsupported(data.given(), {"integration_customers": [], "invoice_custom_section_codes": []})
    problems.unsupported(configuration, {"payment_provider": None})
    if data.email and not all(EMAIL.match(part.strip()) for part in data.email.split(",")):
        problems.add("email", "invalid_email_format")
    metadata = data.metadata or []
    if len(metadata) > METADATA_MAX:
        problems.add("metadata", "invalid_count")
    for item in metadata:
        if not (item.key or "").strip():
            problems.add("key", "value_is_mandatory")
        elif len(item.key or "") > METADATA_KEY_MAX:
            problems.add("key", "value_is_too_long")
        if item.value is None or item.value == "":
            problems.add("value", "value_is_mandatory")
        elif len(item.value) > METADATA_VALUE_MAX:
            problems.add("value", "value_is_too_long")
    keys = [item.key for item in metadata]
    if len(set(keys)) < len(keys):
        problems.add("key", "value_already_exist")


def _assign(customer: Customer, data: CustomerInput, values: dict[str, Any]) -> None:
    changes = {field: values[field] for field in PLAIN_FIELDS if field in values}
    if data.billing_configuration:
        configuration = data.billing_configuration.given()
        changes |= {field: configuration[field] for field in CONFIGURATION_FIELDS if field in configuration}
    if data.shipping_address:
        address = data.shipping_address.given()
        changes |= {f"shipping_{field}": address[field] for field in ADDRESS_FIELDS if field in address}
    for field, value in changes.items():
        setattr(customer, field, DEFAULTS.get(field) if value is None else value)


async def lock_by_external_id(context: Context, external_id: str) -> Customer | None:
    """The customer, held until the end of the transaction: it can't be deleted meanwhile, nor changed by another."""
    query = living(context, Customer, external_id=external_id).with_for_update(key_share=True)
    return (await context.session.scalars(query)).one_or_none()


async def create_customer(context: Context, external_id: str, entity: BillingEntity | None = None) -> Customer:
    """A bare customer: also what a subscription to an unknown customer makes (CUS-4)."""
    default = await default_entity(context)
    next_number = (
        update(Organization)
        .where(Organization.id == context.organization_id)
        .values(customer_sequence=Organization.customer_sequence + 1)
        .returning(Organization.customer_sequence)
    )
    sequential_id = (await context.session.execute(next_number)).scalar_one()
    customer = Customer(
        organization_id=context.organization_id,
        external_id=external_id,
        billing_entity_id=(entity or default).id,
        sequential_id=sequential_id,
        slug=f"{default.document_number_prefix}-{sequential_id:03d}",
        created_at=context.now,
        updated_at=context.now,
    )
    context.session.add(customer)
    await context.session.flush()
    return customer


async def _is_editable(context: Context, customer: Customer) -> bool:
    """Never billed: no subscription and no invoice so far (CUS-3)."""
    billed = select(
        exists().where(Subscription.customer_id == customer.id) | exists().where(Invoice.customer_id == customer.id)
    )
    return not await context.session.scalar(billed)


async def _replace_metadata(context: Context, customer: Customer, items: Sequence[CustomerMetadataInput]) -> None:
    """Entries with a known id are changed, without id created, missing ones removed (CUS-8). All are written anew, so
    that two may change keys with each other."""
    gone = (
        delete(CustomerMetadata)
        .where(CustomerMetadata.customer_id == customer.id)
        .returning(CustomerMetadata.id, CustomerMetadata.created_at)
    )
    known: dict[UUID, datetime] = {entry_id: created for entry_id, created in await context.session.execute(gone)}
    rows: list[dict[str, Any]] = []
    for position, item in enumerate(items):
        created_at = known.pop(item.id, None) if item.id else None
        rows.append(
            {
                "id": item.id if created_at else new_id(),
                "organization_id": context.organization_id,
                "customer_id": customer.id,
                "key": item.key,
                "value": item.value,
                "display_in_invoice": bool(item.display_in_invoice),
                "position": position,
                "created_at": created_at or context.now,
                "updated_at": context.now,
            }
        )
    if rows:
        await context.session.execute(insert(CustomerMetadata), rows)


async def delete_customer(context: Context, external_id: str) -> CustomerDetail:
    """Soft, at once; what follows from it (final invoices) is a job of whoever hears of it (CUS-40, CUS-41). As it was;
    404 without."""
    customer = await lock_by_external_id(context, external_id)
    if customer is None:
        raise not_found("customer")
    details = (await customer_details(context, [customer]))[0]
    customer.deleted_at = customer.updated_at = context.now
    await context.session.flush()
    await signals.announce(context, signals.CustomersDeleted((customer.id,)))
    return details


async def _metadata_of(context: Context, customer_ids: Iterable[UUID]) -> dict[UUID, list[CustomerMetadata]]:
    found: dict[UUID, list[CustomerMetadata]] = {customer_id: [] for customer_id in customer_ids}
    query = (
        select(CustomerMetadata)
        .where(CustomerMetadata.customer_id.in_(list(found)))
        .order_by(CustomerMetadata.position, CustomerMetadata.id)
    )
    for row in await context.session.scalars(query):
        found[row.customer_id].append(row)
    return found


async def _entities(context: Context) -> dict[UUID, tuple[str, str]]:
    query = select(BillingEntity.id, BillingEntity.code, BillingEntity.timezone).where(
        BillingEntity.organization_id == context.organization_id
    )
    return {entity_id: (code, timezone) for entity_id, code, timezone in await context.session.execute(query)}


async def customer_objects(context: Context, customers: Sequence[Customer]) -> dict[UUID, CustomerObject]:
    """Many customers as they stand inside other objects, in a fixed number of queries."""
    if not customers:
        return {}
    entities = await _entities(context)
    metadata = await _metadata_of(context, {customer.id for customer in customers})
    return {
        customer.id: customer_object(customer, *entities[customer.billing_entity_id], metadata[customer.id])
        for customer in customers
    }


async def customer_details(context: Context, customers: Sequence[Customer]) -> list[CustomerDetail]:
    """Many customers as their own endpoints answer them."""
    if not customers:
        return []
    entities = await _entities(context)
    ids = [customer.id for customer in customers]
    metadata = await _metadata_of(context, ids)
    taxes = await tax_objects(context, CustomerTax, ids)
    return [
        customer_detail(customer, *entities[customer.billing_entity_id], metadata[customer.id], taxes[customer.id])
        for customer in customers
    ]
