"""Organizations in the API (spec 4 §1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from laguna.accounts.entity_schemas import BillingConfigurationInput
from laguna.kernel.inputs import (
    Boolean,
    CountryField,
    CurrencyField,
    Days,
    Input,
    ShortText,
    Text,
    Texts,
    TimezoneField,
    one_of,
)
from laguna.kernel.outputs import Instant, Output
from laguna.models import BillingEntity, Organization
from laguna.taxes.schemas import TaxObject


class OrganizationConfigurationInput(BillingConfigurationInput):
    eu_tax_management: Boolean = None


class OrganizationInput(Input):
    name: ShortText = None
    webhook_url: Text = None
    country: CountryField = None
    default_currency: CurrencyField = None
    address_line1: ShortText = None
    address_line2: ShortText = None
    state: ShortText = None
    zipcode: ShortText = None
    email: ShortText = None
    city: ShortText = None
    legal_name: ShortText = None
    legal_number: ShortText = None
    document_numbering: Annotated[str | None, one_of("per_customer", "per_organization")] = None
    document_number_prefix: ShortText = None
    net_payment_term: Days = None
    tax_identification_number: ShortText = None
    timezone: TimezoneField = None
    email_settings: Texts = None
    billing_configuration: OrganizationConfigurationInput | None = None
    finalize_zero_amount_invoice: Boolean = None
    slug: ShortText = None


class OrganizationBillingConfiguration(Output):
    invoice_footer: str | None
    invoice_grace_period: int
    document_locale: str


class OrganizationObject(Output):
    lago_id: UUID
    name: str
    slug: str
    created_at: Instant
    webhook_url: str | None
    webhook_urls: list[str]
    country: str | None
    default_currency: str
    address_line1: str | None
    address_line2: str | None
    state: str | None
    zipcode: str | None
    email: str | None
    city: str | None
    legal_name: str | None
    legal_number: str | None
    document_numbering: str
    document_number_prefix: str
    net_payment_term: int
    tax_identification_number: str | None
    timezone: str
    email_settings: list[str]
    finalize_zero_amount_invoice: bool
    events_store: str
    billing_configuration: OrganizationBillingConfiguration
    taxes: list[TaxObject]


class OrganizationReply(Output):
    organization: OrganizationObject


def organization_object(
    organization: Organization, entity: BillingEntity, taxes: Sequence[TaxObject], webhook_urls: Sequence[str]
) -> OrganizationObject:
    """The organization as the API shows it: a view of its default billing entity."""
    per_entity = entity.document_numbering == "per_billing_entity"
    return OrganizationObject(
        lago_id=organization.id,
        name=organization.name,
        slug=organization.slug,
        created_at=organization.created_at,
        webhook_url=webhook_urls[0] if webhook_urls else None,
        webhook_urls=list(webhook_urls),
        country=entity.country,
        default_currency=entity.default_currency,
        address_line1=entity.address_line1,
        address_line2=entity.address_line2,
        state=entity.state,
        zipcode=entity.zipcode,
        email=entity.email,
        city=entity.city,
        legal_name=entity.legal_name,
        legal_number=entity.legal_number,
        document_numbering="per_organization" if per_entity else "per_customer",
        document_number_prefix=entity.document_number_prefix,
        net_payment_term=entity.net_payment_term,
        tax_identification_number=entity.tax_identification_number,
        timezone=entity.timezone,
        email_settings=entity.email_settings,
        finalize_zero_amount_invoice=entity.finalize_zero_amount_invoice,
        events_store="postgres",
        billing_configuration=OrganizationBillingConfiguration(
            invoice_footer=entity.invoice_footer,
            invoice_grace_period=entity.invoice_grace_period,
            document_locale=entity.document_locale,
        ),
        taxes=list(taxes),
    )
