"""Billing entities over the API: every field, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from support.billing import make_customer, make_plan, subscribe
from support.client import Client, Json, Sandbox

EVERYTHING: Json = {
    "name": "Laguna Iberia",
    "default_currency": "EUR",
    "document_numbering": "per_billing_entity",
    "document_number_prefix": "IBE-1",
    "finalize_zero_amount_invoice": False,
    "net_payment_term": 15,
    "timezone": "Europe/Madrid",
    "address_line1": "Calle 1",
    "address_line2": "2º",
    "city": "Madrid",
    "state": "Madrid",
    "zipcode": "28001",
    "country": "ES",
    "email": "iberia@example.com",
    "phone": "+34 600 000 000",
    "legal_name": "Laguna Iberia SL",
    "legal_number": "B-1",
    "tax_identification_number": "ESB12345678",
    "email_settings": ["invoice.finalized"],
}
CONFIGURATION: Json = {
    "invoice_footer": "Gracias",
    "invoice_grace_period": 3,
    "document_locale": "es",
    "subscription_invoice_issuing_date_anchor": "current_period_end",
    "subscription_invoice_issuing_date_adjustment": "keep_anchor",
}


def make(client: Client, code: str = "iberia", **fields: Any) -> Json:
    return client.post("/billing_entities", {"billing_entity": {"code": code, "name": "Iberia", **fields}})[
        "billing_entity"
    ]


def entities(client: Client) -> list[Json]:
    return client.get("/billing_entities")["billing_entities"]


def test_an_entity_has_all_the_fields_it_was_made_with(sandbox: Sandbox) -> None:
    client = sandbox()
    made = make(client, **EVERYTHING, billing_configuration=CONFIGURATION)
    assert {field: made[field] for field in (*EVERYTHING, *CONFIGURATION)} == EVERYTHING | CONFIGURATION
    assert (made["code"], made["is_default"], made["created_at"]) == ("iberia", False, "2024-01-01T00:00:00Z")
    shown = client.get("/billing_entities/iberia")["billing_entity"]
    assert shown == {**made, "taxes": [], "selected_invoice_custom_sections": []}
    assert [(each["code"], each["is_default"]) for each in entities(client)][1:] == [("iberia", False)]
    assert entities(client)[0]["is_default"]


def test_a_bare_entity_has_defaults_and_a_prefix_of_its_name_and_id(sandbox: Sandbox) -> None:
    client = sandbox()
    made = make(client, document_number_prefix=None, timezone=None)
    assert made["document_number_prefix"] == f"IBE-{made['lago_id'][-4:]}".upper()
    assert (made["default_currency"], made["timezone"], made["document_locale"]) == ("USD", "UTC", "en")
    assert (made["document_numbering"], made["finalize_zero_amount_invoice"]) == ("per_customer", True)
    assert (made["net_payment_term"], made["invoice_grace_period"], made["email_settings"]) == (0, 0, [])
    assert made["subscription_invoice_issuing_date_anchor"] == "next_period_start"
    assert made["subscription_invoice_issuing_date_adjustment"] == "align_with_finalization_date"


@pytest.mark.parametrize("rooted", [True, False])
def test_an_update_changes_what_is_given_with_or_without_the_root(sandbox: Sandbox, rooted: bool) -> None:
    client = sandbox()
    client.post("/taxes", {"tax": {"name": "IVA", "code": "iva", "rate": 21}})
    before = make(client, **EVERYTHING, billing_configuration=CONFIGURATION)
    change = {
        "name": "Otra",
        "code": "another",
        "document_number_prefix": "otra",
        "phone": None,
        "tax_codes": ["IVA"],
        "billing_configuration": {"invoice_grace_period": 5},
    }
    client.put("/billing_entities/iberia", {"billing_entity": change} if rooted else change)
    after = client.get("/billing_entities/iberia")["billing_entity"]
    assert [tax["code"] for tax in after.pop("taxes")] == ["iva"]
    assert after.pop("selected_invoice_custom_sections") == []
    expected = {"name": "Otra", "document_number_prefix": "OTRA", "phone": None, "invoice_grace_period": 5}
    assert after == before | expected  # the code stays
    assert client.get("/taxes/iva")["tax"]["applied_to_billing_entities_codes"] == ["iberia"]
    client.put("/billing_entities/iberia", {"billing_entity": {"tax_codes": []}})
    assert client.get("/billing_entities/iberia")["billing_entity"]["taxes"] == []


def test_the_organization_is_a_view_of_its_default_entity_alone(sandbox: Sandbox) -> None:
    client = sandbox()
    make(client)
    client.put("/organizations", {"organization": {"net_payment_term": 30, "document_numbering": "per_organization"}})
    default, other = entities(client)
    assert (default["net_payment_term"], default["document_numbering"]) == (30, "per_billing_entity")
    assert (other["net_payment_term"], other["document_numbering"]) == (0, "per_customer")
    client.put(f"/billing_entities/{default['code']}", {"billing_entity": {"net_payment_term": 7, "city": "Vigo"}})
    shown = client.get("/organizations")["organization"]
    assert (shown["net_payment_term"], shown["city"]) == (7, "Vigo")


BAD: dict[str, tuple[Json, str, str]] = {
    "no name": ({"name": " "}, "name", "value_is_mandatory"),
    "currency": ({"default_currency": "XXX"}, "default_currency", "value_is_invalid"),
    "country": ({"country": "ZZ"}, "country", "not_a_valid_country_code"),
    "zone": ({"timezone": "Mars/Olympus"}, "timezone", "invalid_timezone"),
    "numbering": ({"document_numbering": "per_organization"}, "document_numbering", "value_is_invalid"),
    "prefix": ({"document_number_prefix": "ELEVEN-CHAR"}, "document_number_prefix", "value_is_too_long"),
    "term": ({"net_payment_term": -1}, "net_payment_term", "value_is_out_of_range"),
    "e-mails": ({"email_settings": ["invoice.paid"]}, "email_settings", "value_is_invalid"),
    "footer": ({"billing_configuration": {"invoice_footer": "x" * 601}}, "invoice_footer", "value_is_too_long"),
    "grace": ({"billing_configuration": {"invoice_grace_period": "x"}}, "invoice_grace_period", "value_is_invalid"),
    "locale": ({"billing_configuration": {"document_locale": "xx"}}, "document_locale", "not_a_valid_language_code"),
    "EU taxes outside": (
        {"country": "US", "eu_tax_management": True},
        "eu_tax_management",
        "billing_entity_must_be_in_eu",
    ),
    "EU taxes nowhere": ({"eu_tax_management": True}, "eu_tax_management", "billing_entity_must_be_in_eu"),
    "EU taxes": ({"country": "FR", "eu_tax_management": True}, "eu_tax_management", "unsupported_value"),
    "e-invoices nowhere": ({"einvoicing": True}, "einvoicing", "country_must_be_present"),
    "e-invoices elsewhere": ({"country": "ES", "einvoicing": True}, "einvoicing", "country_not_supported"),
    "e-invoices": ({"country": "DE", "einvoicing": True}, "einvoicing", "unsupported_value"),
    "sections": ({"invoice_custom_section_codes": ["a"]}, "invoice_custom_section_codes", "unsupported_value"),
}


def test_what_is_wrong_is_told_all_at_once_and_nothing_changes(sandbox: Sandbox) -> None:
    client = sandbox()
    make(client, "known")
    before = entities(client)
    for fields, field, problem in BAD.values():
        for send, path in ((client.post, "/billing_entities"), (client.put, "/billing_entities/known")):
            answer = send(path, {"billing_entity": {"code": "new", "name": "New", **fields}}, expect=422)
            assert answer["error_details"] == {field: [problem]}, path
    fields = {"code": "known", "name": "", "country": "ZZ", "timezone": "x", "document_number_prefix": "ELEVEN-CHAR"}
    answer = client.post("/billing_entities", {"billing_entity": fields}, expect=422)
    assert answer["error_details"] == {
        "country": ["not_a_valid_country_code"],
        "timezone": ["invalid_timezone"],
        "name": ["value_is_mandatory"],
        "document_number_prefix": ["value_is_too_long"],
        "code": ["value_already_exist"],
    }
    assert client.post("/billing_entities", {"billing_entity": {"city": "Vigo"}}, expect=422)["error_details"] == {
        "code": ["value_is_mandatory"],
        "name": ["value_is_mandatory"],
    }
    client.put("/billing_entities/known", {"billing_entity": {"timezone": None}}, expect=422)
    client.post("/billing_entities", {}, expect=400)
    tax = {"tax_codes": ["none"], "name": "Changed"}
    assert client.put("/billing_entities/known", {"billing_entity": tax}, expect=404)["code"] == "tax_not_found"
    answer = client.post("/billing_entities", {"billing_entity": {**tax, "code": "new"}}, expect=404)
    assert answer["code"] == "tax_not_found"
    assert entities(client) == before


def test_an_unknown_entity_is_not_found_wherever_it_is_named(sandbox: Sandbox) -> None:
    client = sandbox()
    make_plan(client, amount_cents=1000)
    make_customer(client)
    subscribe(client)
    unknown = {"billing_entity_code": "none"}
    subscription = {"external_customer_id": "fresh", "plan_code": "plan", "external_id": "s", **unknown}
    for answer in (
        client.get("/billing_entities/none", expect=404),
        client.put("/billing_entities/none", {"billing_entity": {"name": "x"}}, expect=404),
        client.post("/customers", {"customer": {"external_id": "acme", "name": "x", **unknown}}, expect=404),
        client.post("/subscriptions", {"subscription": subscription}, expect=404),
        client.put("/subscriptions/sub", {"subscription": {"name": "x", **unknown}}, expect=404),
        client.get("/customers", {"billing_entity_codes[]": "none"}, expect=404),
        client.get("/subscriptions", {"billing_entity_codes[]": "none"}, expect=404),
        client.get("/customers/acme/subscriptions", {"billing_entity_codes[]": "none"}, expect=404),
        client.get("/invoices", {"billing_entity_codes[]": "none"}, expect=404),
    ):
        assert answer["code"] == "billing_entity_not_found"
    assert client.get("/customers/acme")["customer"]["name"] is None
    assert client.get("/subscriptions/sub")["subscription"]["name"] is None
    client.get("/customers/fresh", expect=404)  # nothing is left of the request


def test_lists_are_filtered_by_entity(sandbox: Sandbox) -> None:
    client = sandbox()
    make(client, "north")
    make_plan(client, amount_cents=1000)
    make_customer(client, "a")
    make_customer(client, "b", billing_entity_code="north")
    subscribe(client, customer="a", external_id="a1")
    subscribe(client, customer="a", external_id="a2", billing_entity_code="north")
    subscribe(client, customer="b", external_id="b1")
    client.at("2024-02-01T00:00:00Z")
    default = entities(client)[0]["code"]

    def found(path: str, root: str, field: str, *codes: str) -> list[str]:
        return sorted(
            each[field] for each in client.get(path, [("billing_entity_codes[]", code) for code in codes])[root]
        )

    assert found("/customers", "customers", "external_id", "north") == ["b"]
    assert found("/customers", "customers", "external_id", "north", default) == ["a", "b"]
    assert found("/subscriptions", "subscriptions", "external_id", "north") == ["a2", "b1"]
    assert found("/subscriptions", "subscriptions", "external_id", default) == ["a1"]
    assert found("/customers/a/subscriptions", "subscriptions", "external_id", "north") == ["a2"]
    assert found("/invoices", "invoices", "billing_entity_code", "north") == ["north", "north"]
    assert found("/customers/a/invoices", "invoices", "billing_entity_code", default) == [default]
