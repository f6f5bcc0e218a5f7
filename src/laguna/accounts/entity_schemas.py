"""Billing entities in the API (spec 4 §3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from laguna.accounts.logos import logo_url
from laguna.kernel.inputs import (
    Boolean,
    CountryField,
    CurrencyField,
    Days,
    Input,
    LocaleField,
    Read,
    ShortText,
    Text,
    Texts,
    TimezoneField,
    clean_text,
    one_of,
)
from laguna.kernel.outputs import Instant, Output
from laguna.models import BillingEntity
from laguna.taxes.schemas import TaxObject

EMAIL_SETTINGS = ("invoice.finalized", "credit_note.created", "payment_receipt.created")
LogoField = Annotated[str | None, Read(clean_text)]  # a file as text, longer than any other


class BillingConfigurationInput(Input):
    invoice_footer: Text = None
    invoice_grace_period: Days = None
    document_locale: LocaleField = None
    subscription_invoice_issuing_date_anchor: Annotated[
        str | None, one_of("current_period_end", "next_period_start")
    ] = None
    subscription_invoice_issuing_date_adjustment: Annotated[
        str | None, one_of("keep_anchor", "align_with_finalization_date")
    ] = None


class BillingEntityInput(Input):
    name: ShortText = None
    default_currency: CurrencyField = None
    document_numbering: Annotated[str | None, one_of("per_customer", "per_billing_entity")] = None
    document_number_prefix: ShortText = None
    finalize_zero_amount_invoice: Boolean = None
    billing_configuration: BillingConfigurationInput | None = None
    net_payment_term: Days = None
    timezone: TimezoneField = None
    address_line1: ShortText = None
    address_line2: ShortText = None
    city: ShortText = None
    state: ShortText = None
    zipcode: ShortText = None
    country: CountryField = None
    email: ShortText = None
    phone: ShortText = None
    legal_name: ShortText = None
    legal_number: ShortText = None
    tax_identification_number: ShortText = None
    tax_codes: Texts = None
    email_settings: Texts = None
    eu_tax_management: Boolean = None
    einvoicing: Boolean = None
    logo: LogoField = None
    invoice_custom_section_codes: Texts = None


class NewBillingEntityInput(BillingEntityInput):
    code: ShortText = None


class BillingEntityObject(Output):
    lago_id: UUID
    code: str
    name: str
    default_currency: str
    document_locale: str
    document_numbering: str
    document_number_prefix: str
    finalize_zero_amount_invoice: bool
    invoice_footer: str | None
    invoice_grace_period: int
    subscription_invoice_issuing_date_anchor: str
    subscription_invoice_issuing_date_adjustment: str
    is_default: bool
    net_payment_term: int
    address_line1: str | None
    address_line2: str | None
    city: str | None
    state: str | None
    country: str | None
    zipcode: str | None
    email: str | None
    phone: str | None
    legal_name: str | None
    legal_number: str | None
    tax_identification_number: str | None
    timezone: str
    email_settings: list[str]
    eu_tax_management: bool
    einvoicing: bool
    logo_url: str | None
    created_at: Instant
    updated_at: Instant


class BillingEntityDetail(BillingEntityObject):
    taxes: list[TaxObject]
    selected_invoice_custom_sections: list[Output]


class BillingEntityReply(Output):
    billing_entity: BillingEntityDetail


class NewBillingEntityReply(Output):
    billing_entity: BillingEntityObject


_ENTITY_COLUMNS = tuple(
    name
    for name in BillingEntityObject.model_fields
    if name not in ("lago_id", "eu_tax_management", "einvoicing", "logo_url")
)


def _entity_fields(entity: BillingEntity) -> dict[str, Any]:
    fields = {name: getattr(entity, name) for name in _ENTITY_COLUMNS}
    return {
        **fields,
        "lago_id": entity.id,
        "eu_tax_management": False,
        "einvoicing": False,
        "logo_url": logo_url(entity),
    }


def billing_entity_object(entity: BillingEntity) -> BillingEntityObject:
    return BillingEntityObject(**_entity_fields(entity))


def billing_entity_detail(entity: BillingEntity, taxes: Sequence[TaxObject]) -> BillingEntityDetail:
    return BillingEntityDetail(**_entity_fields(entity), taxes=list(taxes), selected_invoice_custom_sections=[])
