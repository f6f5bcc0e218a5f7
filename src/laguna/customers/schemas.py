"""Customers in the API (spec 2 §1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from laguna.kernel.inputs import (
    Boolean,
    CountryField,
    CurrencyField,
    Days,
    FreeObject,
    IdField,
    Input,
    LocaleField,
    ShortText,
    Text,
    Texts,
    TimezoneField,
    one_of,
)
from laguna.kernel.outputs import Instant, Output
from laguna.models import Customer, CustomerMetadata
from laguna.taxes.schemas import TaxObject

ADDRESS_FIELDS = ("address_line1", "address_line2", "city", "state", "zipcode", "country")

ZeroAmountField = Annotated[str | None, one_of("inherit", "skip", "finalize", code="invalid_value")]


class AddressInput(Input):
    address_line1: ShortText = None
    address_line2: ShortText = None
    city: ShortText = None
    state: ShortText = None
    zipcode: ShortText = None
    country: CountryField = None


class CustomerBillingConfigurationInput(Input):
    invoice_grace_period: Days = None
    subscription_invoice_issuing_date_anchor: Annotated[
        str | None, one_of("current_period_end", "next_period_start")
    ] = None
    subscription_invoice_issuing_date_adjustment: Annotated[
        str | None, one_of("keep_anchor", "align_with_finalization_date")
    ] = None
    document_locale: LocaleField = None
    payment_provider: Text = None
    payment_provider_code: Text = None
    provider_customer_id: Text = None
    sync: Boolean = None
    sync_with_provider: Boolean = None
    provider_payment_methods: Texts = None


class CustomerMetadataInput(Input):
    id: IdField = None
    key: Text = None
    value: Text = None
    display_in_invoice: Boolean = None


class CustomerInput(Input):
    external_id: ShortText = None
    billing_entity_code: ShortText = None
    account_type: Annotated[str | None, one_of("customer", "partner")] = None
    name: ShortText = None
    firstname: ShortText = None
    lastname: ShortText = None
    customer_type: Annotated[str | None, one_of("company", "individual")] = None
    email: Text = None
    phone: ShortText = None
    url: ShortText = None
    logo_url: Text = None
    legal_name: ShortText = None
    legal_number: ShortText = None
    tax_identification_number: ShortText = None
    address_line1: ShortText = None
    address_line2: ShortText = None
    city: ShortText = None
    state: ShortText = None
    zipcode: ShortText = None
    country: CountryField = None
    shipping_address: AddressInput | None = None
    currency: CurrencyField = None
    timezone: TimezoneField = None
    net_payment_term: Days = None
    finalize_zero_amount_invoice: Annotated[str | None, one_of("inherit", "skip", "finalize", code="invalid_value")] = (
        None
    )
    skip_invoice_custom_sections: Boolean = None
    invoice_custom_section_codes: Texts = None
    tax_codes: Texts = None
    external_salesforce_id: ShortText = None
    metadata: list[CustomerMetadataInput] | None = None
    integration_customers: list[FreeObject] | None = None
    billing_configuration: CustomerBillingConfigurationInput | None = None


class AddressObject(Output):
    address_line1: str | None
    address_line2: str | None
    city: str | None
    country: str | None
    state: str | None
    zipcode: str | None


class CustomerBillingConfigurationObject(Output):
    invoice_grace_period: int | None
    payment_provider: str | None = None
    payment_provider_code: str | None = None
    document_locale: str | None
    provider_customer_id: str | None = None
    sync: bool | None = None
    sync_with_provider: bool | None = None
    provider_payment_methods: list[str] | None = None
    subscription_invoice_issuing_date_anchor: str | None
    subscription_invoice_issuing_date_adjustment: str | None


class CustomerMetadataObject(Output):
    lago_id: UUID
    key: str
    value: str
    display_in_invoice: bool
    created_at: Instant


class CustomerObject(Output):
    """A customer as it stands inside other objects."""

    lago_id: UUID
    external_id: str
    billing_entity_code: str
    account_type: str
    name: str | None
    firstname: str | None
    lastname: str | None
    customer_type: str | None
    sequential_id: int
    slug: str
    created_at: Instant
    updated_at: Instant
    country: str | None
    address_line1: str | None
    address_line2: str | None
    state: str | None
    zipcode: str | None
    email: str | None
    city: str | None
    url: str | None
    phone: str | None
    logo_url: str | None
    legal_name: str | None
    legal_number: str | None
    currency: str | None
    tax_identification_number: str | None
    timezone: str | None
    applicable_timezone: str
    net_payment_term: int | None
    external_salesforce_id: str | None
    finalize_zero_amount_invoice: str
    skip_invoice_custom_sections: bool
    billing_configuration: CustomerBillingConfigurationObject
    shipping_address: AddressObject
    metadata: list[CustomerMetadataObject]
    integration_customers: list[Output]


class CustomerDetail(CustomerObject):
    """A customer as its own endpoints answer it."""

    taxes: list[TaxObject]
    applicable_invoice_custom_sections: list[Output]
    error_details: list[Output]


class CustomerReply(Output):
    customer: CustomerDetail


_SPECIAL = frozenset(
    """
    lago_id billing_entity_code applicable_timezone billing_configuration shipping_address metadata
    integration_customers
    """.split()
)
_COLUMNS = tuple(name for name in CustomerObject.model_fields if name not in _SPECIAL)


def _fields(
    customer: Customer, entity_code: str, entity_timezone: str, metadata: Sequence[CustomerMetadata]
) -> dict[str, Any]:
    fields: dict[str, Any] = {name: getattr(customer, name) for name in _COLUMNS}
    configuration = CustomerBillingConfigurationObject(
        invoice_grace_period=customer.invoice_grace_period,
        document_locale=customer.document_locale,
        subscription_invoice_issuing_date_anchor=customer.subscription_invoice_issuing_date_anchor,
        subscription_invoice_issuing_date_adjustment=customer.subscription_invoice_issuing_date_adjustment,
    )
    return fields | {
        "lago_id": customer.id,
        "billing_entity_code": entity_code,
        "applicable_timezone": customer.timezone or entity_timezone,
        "billing_configuration": configuration,
        "shipping_address": AddressObject(**{name: getattr(customer, f"shipping_{name}") for name in ADDRESS_FIELDS}),
        "metadata": [
            CustomerMetadataObject(
                lago_id=item.id,
                key=item.key,
                value=item.value,
                display_in_invoice=item.display_in_invoice,
                created_at=item.created_at,
            )
            for item in metadata
        ],
        "integration_customers": [],
    }


def customer_object(
    customer: Customer, entity_code: str, entity_timezone: str, metadata: Sequence[CustomerMetadata]
) -> CustomerObject:
    return CustomerObject(**_fields(customer, entity_code, entity_timezone, metadata))


def customer_detail(
    customer: Customer,
    entity_code: str,
    entity_timezone: str,
    metadata: Sequence[CustomerMetadata],
    taxes: Sequence[TaxObject],
) -> CustomerDetail:
    return CustomerDetail(
        **_fields(customer, entity_code, entity_timezone, metadata),
        taxes=list(taxes),
        applicable_invoice_custom_sections=[],
        error_details=[],
    )
