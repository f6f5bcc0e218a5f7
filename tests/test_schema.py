"""The database is what the models say, and every answer has exactly the fields that the API declares."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, pool

from laguna.kernel.migrations import upgrade
from laguna.models import Base
from support.client import Client, new_organization
from support.everything import NOW, QUERIES, SHARED_TABLES, Tenant, make_everything
from support.routes import api_routes
from support.server import Server


def _is_ours(_: Any, name: str | None, kind: str, __: bool, ___: Any) -> bool:
    return not (name or "").startswith("procrastinate") and not (kind == "table" and name == "alembic_version")


def test_a_migrated_database_is_what_the_models_say(own_database_url: str) -> None:
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(own_database_url), poolclass=pool.NullPool
    )
    with engine.connect() as connection:
        options = {"compare_type": True, "include_object": _is_ours}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata) == []


def test_constraints_and_indexes_have_the_names_the_models_give_them(own_database_url: str) -> None:
    expected = {
        str(item.name) for table in Base.metadata.tables.values() for item in [*table.indexes, *table.constraints]
    } - {"None"}
    with psycopg.connect(own_database_url) as connection:
        rows = connection.execute(
            """
            SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace
            UNION SELECT indexname FROM pg_indexes WHERE schemaname = 'public'
            """
        ).fetchall()
    assert expected - {name for (name,) in rows} == set()


def test_migrating_again_changes_nothing(own_database_url: str) -> None:
    upgrade(own_database_url)
    test_a_migrated_database_is_what_the_models_say(own_database_url)


def test_every_table_belongs_to_an_organization() -> None:
    without = {name for name, table in Base.metadata.tables.items() if "organization_id" not in table.columns}
    assert without <= SHARED_TABLES


def test_every_organization_id_is_mandatory_and_points_to_an_organization() -> None:
    for table in Base.metadata.tables.values():
        column = table.columns.get("organization_id")
        if column is not None:
            assert not column.nullable, table.name
            assert {key.target_fullname for key in column.foreign_keys} == {"organizations.id"}, table.name


def test_every_amount_is_exact() -> None:
    """Money is whole minor units or an exact decimal, never a float, and times know their zone."""
    for table in Base.metadata.tables.values():
        for column in table.columns:
            kind = str(column.type)
            assert not kind.startswith(("FLOAT", "DOUBLE", "REAL")), f"{table.name}.{column.name}"
            if column.name.endswith("_amount_cents") and not column.name.startswith(("precise", "taxes_precise")):
                assert kind in ("BIGINT", "NUMERIC"), f"{table.name}.{column.name} is {kind}"
            if kind == "DATETIME":
                assert column.type.timezone, f"{table.name}.{column.name}"  # pyright: ignore[reportAttributeAccessIssue]


# --- the fields of answers

EMBEDDED_TAX = """
    lago_id name code rate description applied_to_organization add_ons_count customers_count plans_count charges_count
    commitments_count created_at
"""
APPLIED_TAX = """
    lago_id lago_tax_id tax_name tax_code tax_rate tax_description amount_cents amount_currency created_at
"""
CUSTOMER = """
    lago_id external_id billing_entity_code account_type name firstname lastname customer_type sequential_id slug
    created_at updated_at country address_line1 address_line2 state zipcode email city url phone logo_url legal_name
    legal_number currency tax_identification_number timezone applicable_timezone net_payment_term
    external_salesforce_id finalize_zero_amount_invoice skip_invoice_custom_sections billing_configuration
    shipping_address metadata integration_customers
"""
SUBSCRIPTION = """
    lago_id external_id lago_customer_id external_customer_id billing_entity_code name plan_code plan_amount_cents
    plan_amount_currency status billing_time subscription_at started_at activated_at trial_ended_at ending_at
    terminated_at canceled_at created_at previous_plan_code next_plan_code downgrade_plan_date
    current_billing_period_started_at current_billing_period_ending_at on_termination_credit_note
    on_termination_invoice progressive_billing_disabled consolidate_invoice purchase_order_number cancellation_reason
    payment_method activation_rules applied_invoice_custom_sections
"""
INVOICE = """
    lago_id billing_entity_code sequential_id number purchase_order_number issuing_date payment_due_date
    net_payment_term invoice_type status payment_status payment_dispute_lost_at payment_overdue currency
    fees_amount_cents taxes_amount_cents progressive_billing_credit_amount_cents coupons_amount_cents
    credit_notes_amount_cents sub_total_excluding_taxes_amount_cents sub_total_including_taxes_amount_cents
    total_amount_cents total_due_amount_cents total_paid_amount_cents total_offsetted_credit_note_amount_cents
    prepaid_credit_amount_cents prepaid_granted_credit_amount_cents prepaid_purchased_credit_amount_cents file_url
    xml_url web_url version_number self_billed created_at updated_at voided_at customer metadata applied_taxes
"""
ENTITY = """
    lago_id code name default_currency document_locale document_numbering document_number_prefix
    finalize_zero_amount_invoice invoice_footer invoice_grace_period subscription_invoice_issuing_date_anchor
    subscription_invoice_issuing_date_adjustment is_default net_payment_term address_line1 address_line2 city state
    country zipcode email phone legal_name legal_number tax_identification_number timezone email_settings
    eu_tax_management einvoicing logo_url created_at updated_at
"""
ADDRESS = "address_line1 address_line2 city country state zipcode"
METRIC = """
    lago_id name code description aggregation_type weighted_interval recurring rounding_function rounding_precision
    created_at field_name expression active_subscriptions_count draft_invoices_count plans_count filters
"""
PLAN = """
    lago_id name invoice_display_name created_at code interval description amount_cents amount_currency trial_period
    pay_in_advance bill_charges_monthly bill_fixed_charges_monthly customers_count active_subscriptions_count
    draft_invoices_count parent_id pending_deletion minimum_commitment charges fixed_charges usage_thresholds
    applicable_usage_thresholds entitlements taxes metadata
"""
CHARGE = """
    lago_id lago_billable_metric_id lago_parent_id code billable_metric_code invoice_display_name created_at
    charge_model pay_in_advance invoiceable regroup_paid_fees prorated min_amount_cents accepts_target_wallet
    properties applied_pricing_unit filters taxes
"""
FIGURES = "units total_aggregated_units events_count amount_cents pricing_unit_details "
EVENT = """
    lago_id transaction_id lago_customer_id code timestamp precise_total_amount_cents properties lago_subscription_id
    external_subscription_id created_at
"""
FEE = """
    lago_id lago_charge_id lago_charge_filter_id lago_fixed_charge_id lago_invoice_id lago_true_up_fee_id
    lago_true_up_parent_fee_id lago_original_fee_id lago_subscription_id external_subscription_id lago_customer_id
    external_customer_id item pay_in_advance invoiceable amount_cents amount_currency precise_amount
    precise_total_amount taxes_amount_cents taxes_precise_amount taxes_rate total_aggregated_units total_amount_cents
    total_amount_currency units description precise_unit_amount precise_coupons_amount_cents
    sub_total_excluding_taxes_amount_cents sub_total_excluding_taxes_precise_amount_cents events_count payment_status
    created_at succeeded_at failed_at refunded_at event_transaction_id from_date to_date amount_details self_billed
    pricing_unit_details presentation_breakdowns applied_taxes
"""
DELIVERY = """
    lago_id lago_webhook_endpoint_id lago_object_id webhook_type object_type status attempts http_status response
    queued_at last_attempt_at next_attempt_at
"""
OBJECTS = {
    "billing configuration": """
        invoice_grace_period payment_provider payment_provider_code document_locale provider_customer_id sync
        sync_with_provider provider_payment_methods subscription_invoice_issuing_date_anchor
        subscription_invoice_issuing_date_adjustment
    """,
    "address": ADDRESS,
    "metadata": "lago_id key value display_in_invoice created_at",
    "embedded tax": EMBEDDED_TAX,
    "tax": EMBEDDED_TAX + "applied_to_billing_entities_codes",
    "fee tax": APPLIED_TAX + "lago_fee_id",
    "invoice tax": APPLIED_TAX + "lago_invoice_id fees_amount_cents",
    "customer": CUSTOMER,
    "customer detail": CUSTOMER + "taxes applicable_invoice_custom_sections error_details",
    "metric": METRIC,
    "metric filter": "key values",
    "plan": PLAN,
    "commitment": "lago_id plan_code amount_cents invoice_display_name interval created_at updated_at taxes",
    "threshold": "lago_id threshold_display_name amount_cents recurring created_at updated_at",
    "applicable threshold": "threshold_display_name amount_cents recurring",
    "charge": CHARGE,
    "charge filter": "lago_id charge_code invoice_display_name properties values",
    "subscription": SUBSCRIPTION,
    "subscription detail": SUBSCRIPTION + "plan applicable_usage_thresholds entitlements",
    "payment method": "payment_method_id payment_method_type",
    "event": EVENT,
    "usage": """
        from_datetime to_datetime issuing_date lago_invoice_id currency amount_cents taxes_amount_cents
        total_amount_cents charges_usage
    """,
    "charge usage": """
        units total_aggregated_units events_count amount_cents amount_currency pricing_unit_details charge
        billable_metric filters grouped_usage presentation_breakdowns
    """,
    "filter usage": FIGURES + "invoice_display_name values presentation_breakdowns",
    "projected usage": """
        from_datetime to_datetime issuing_date lago_invoice_id currency amount_cents projected_amount_cents
        taxes_amount_cents total_amount_cents charges_usage
    """,
    "projected charge usage": """
        units projected_units events_count amount_cents projected_amount_cents amount_currency pricing_unit_details
        charge billable_metric filters grouped_usage presentation_breakdowns projected_presentation_breakdowns
    """,
    "projected filter usage": """
        units projected_units events_count amount_cents projected_amount_cents pricing_unit_details invoice_display_name
        values presentation_breakdowns projected_presentation_breakdowns
    """,
    "projected charge": "lago_id charge_model invoice_display_name",
    "lifetime usage": """
        lago_id lago_subscription_id external_subscription_id external_historical_usage_amount_cents
        invoiced_usage_amount_cents current_usage_amount_cents from_datetime to_datetime usage_thresholds
    """,
    "reached threshold": "amount_cents completion_ratio reached_at",
    "credit": "lago_id amount_cents amount_currency before_taxes item invoice",
    "credit item": "lago_item_id type code name",
    "credited invoice": "lago_id payment_status",
    "explanation": """
        lago_fee_id lago_invoice_id lago_true_up_parent_fee_id fee_type amount_currency metric charge filter grouped_by
        period price usage steps rounding precise_amount_cents amount_cents taxes taxes_expression taxes_amount_cents
        total_amount_cents
    """,
    "explained period": "from_datetime to_datetime days full_days timezone",
    "explained price": "lago_id kind properties since",
    "step": "name expression result",
    "explained tax": "tax_code tax_name tax_rate expression amount_cents",
    "used charge": "lago_id code charge_model invoice_display_name",
    "used metric": "lago_id name code aggregation_type",
    "invoice": INVOICE,
    "invoice detail": INVOICE
    + "billing_periods subscriptions fees credits error_details applied_invoice_custom_sections",
    "billing period": """
        lago_subscription_id external_subscription_id lago_plan_id subscription_from_datetime
        subscription_to_datetime charges_from_datetime charges_to_datetime fixed_charges_from_datetime
        fixed_charges_to_datetime invoicing_reason
    """,
    "fee": FEE,
    "fee item": """
        type code name description invoice_display_name filters filter_invoice_display_name lago_item_id item_type
        grouped_by
    """,
    "entity": ENTITY,
    "entity detail": ENTITY + "taxes selected_invoice_custom_sections",
    "organization": """
        lago_id name slug created_at webhook_url webhook_urls country default_currency address_line1 address_line2
        state zipcode email city legal_name legal_number document_numbering document_number_prefix net_payment_term
        tax_identification_number timezone email_settings finalize_zero_amount_invoice events_store
        billing_configuration taxes
    """,
    "organization configuration": "invoice_footer invoice_grace_period document_locale",
    "clock": "now status pending_jobs",
    "endpoint": "lago_id lago_organization_id webhook_url signature_algo name event_types created_at",
    "delivery": DELIVERY,
    "delivery detail": DELIVERY + "payload",
    "public key": "public_key",
}
# What stands in a field of an object, where that is an object or a list of objects.
INSIDE = {
    ("customer", "billing_configuration"): "billing configuration",
    ("customer detail", "billing_configuration"): "billing configuration",
    ("customer", "shipping_address"): "address",
    ("customer detail", "shipping_address"): "address",
    ("customer", "metadata"): "metadata",
    ("customer detail", "metadata"): "metadata",
    ("customer detail", "taxes"): "embedded tax",
    ("metric", "filters"): "metric filter",
    ("commitment", "taxes"): "embedded tax",
    ("plan", "charges"): "charge",
    ("plan", "minimum_commitment"): "commitment",
    ("plan", "usage_thresholds"): "threshold",
    ("plan", "applicable_usage_thresholds"): "applicable threshold",
    ("subscription detail", "applicable_usage_thresholds"): "applicable threshold",
    ("lifetime usage", "usage_thresholds"): "reached threshold",
    ("plan", "taxes"): "embedded tax",
    ("charge", "taxes"): "embedded tax",
    ("charge", "filters"): "charge filter",
    ("subscription", "payment_method"): "payment method",
    ("subscription detail", "payment_method"): "payment method",
    ("subscription detail", "plan"): "plan",
    ("usage", "charges_usage"): "charge usage",
    ("charge usage", "charge"): "used charge",
    ("charge usage", "filters"): "filter usage",
    ("charge usage", "billable_metric"): "used metric",
    ("projected usage", "charges_usage"): "projected charge usage",
    ("projected charge usage", "charge"): "projected charge",
    ("projected charge usage", "filters"): "projected filter usage",
    ("projected charge usage", "billable_metric"): "used metric",
    ("explanation", "period"): "explained period",
    ("explanation", "price"): "explained price",
    ("explanation", "steps"): "step",
    ("explanation", "taxes"): "explained tax",
    ("invoice", "customer"): "customer",
    ("invoice", "applied_taxes"): "invoice tax",
    ("invoice detail", "customer"): "customer",
    ("invoice detail", "applied_taxes"): "invoice tax",
    ("invoice detail", "billing_periods"): "billing period",
    ("invoice detail", "subscriptions"): "subscription",
    ("invoice detail", "fees"): "fee",
    ("fee", "item"): "fee item",
    ("fee", "applied_taxes"): "fee tax",
    ("entity detail", "taxes"): "embedded tax",
    ("organization", "taxes"): "embedded tax",
    ("organization", "billing_configuration"): "organization configuration",
}
# What each route that reads answers: under which root, which object, and whether a list has pages.
READS: dict[str, tuple[str, str, bool | None]] = {
    "/billable_metrics": ("billable_metrics", "metric", True),
    "/billable_metrics/{code}": ("billable_metric", "metric", None),
    "/billing_entities": ("billing_entities", "entity", False),
    "/billing_entities/{code}": ("billing_entity", "entity detail", None),
    "/customers": ("customers", "customer detail", True),
    "/customers/{external_id}": ("customer", "customer detail", None),
    "/customers/{external_id}/current_usage": ("customer_usage", "usage", None),
    "/customers/{external_id}/invoices": ("invoices", "invoice", True),
    "/customers/{external_id}/past_usage": ("usage_periods", "usage", True),
    "/customers/{external_id}/projected_usage": ("customer_projected_usage", "projected usage", None),
    "/customers/{external_id}/subscriptions": ("subscriptions", "subscription", True),
    "/events": ("events", "event", True),
    "/events/{transaction_id}": ("event", "event", None),
    "/fees": ("fees", "fee", True),
    "/fees/{lago_id}": ("fee", "fee", None),
    "/fees/{lago_id}/explanation": ("fee_explanation", "explanation", None),
    "/invoices": ("invoices", "invoice", True),
    "/invoices/{lago_id}": ("invoice", "invoice detail", None),
    "/organizations": ("organization", "organization", None),
    "/plans": ("plans", "plan", True),
    "/plans/{code}": ("plan", "plan", None),
    "/plans/{code}/charges": ("charges", "charge", True),
    "/plans/{code}/charges/{charge_code}": ("charge", "charge", None),
    "/plans/{code}/charges/{charge_code}/filters": ("filters", "charge filter", True),
    "/plans/{code}/charges/{charge_code}/filters/{lago_id}": ("filter", "charge filter", None),
    "/subscriptions": ("subscriptions", "subscription", True),
    "/subscriptions/{external_id}": ("subscription", "subscription detail", None),
    "/subscriptions/{external_id}/charges": ("charges", "charge", True),
    "/subscriptions/{external_id}/charges/{charge_code}": ("charge", "charge", None),
    "/subscriptions/{external_id}/charges/{charge_code}/filters": ("filters", "charge filter", True),
    "/subscriptions/{external_id}/charges/{charge_code}/filters/{lago_id}": ("filter", "charge filter", None),
    "/subscriptions/{external_id}/lifetime_usage": ("lifetime_usage", "lifetime usage", None),
    "/taxes": ("taxes", "tax", True),
    "/taxes/{code}": ("tax", "tax", None),
    "/test_clock": ("test_clock", "clock", None),
    "/webhook_deliveries": ("webhook_deliveries", "delivery", True),
    "/webhook_deliveries/{lago_id}": ("webhook_delivery", "delivery detail", None),
    "/webhook_endpoints": ("webhook_endpoints", "endpoint", True),
    "/webhook_endpoints/{lago_id}": ("webhook_endpoint", "endpoint", None),
    "/webhooks/json_public_key": ("webhook", "public key", None),
}
TEXTS = {"/webhooks/public_key"}


@pytest.fixture(scope="module")
def tenant(server: Server, http: httpx.Client) -> Tenant:
    return make_everything(new_organization(server, http, "Everything", NOW))


def compare(value: Any, kind: str) -> None:
    """The object has exactly the declared fields, and so have those inside it."""
    assert set(value) == set(OBJECTS[kind].split()), kind
    for name, inner in value.items():
        if (kind, name) in INSIDE:
            for item in inner if isinstance(inner, list) else [inner]:
                compare(item, INSIDE[kind, name])
        elif isinstance(inner, list) and inner:
            assert not isinstance(inner[0], dict), f"{kind}.{name} holds objects that are not described"


def check(answer: Any, path: str) -> None:
    root, kind, pages = READS[path]
    if pages is None:
        assert set(answer) == {root}
        compare(answer[root], kind)
        return
    assert set(answer) == ({root, "meta"} if pages else {root})
    assert answer[root], "nothing to compare"
    for item in answer[root]:
        compare(item, kind)


@pytest.mark.parametrize("path", [path for method, path in api_routes() if method == "GET" and path not in TEXTS])
def test_a_route_that_reads_answers_the_declared_fields(path: str, tenant: Tenant) -> None:
    assert path in READS, f"{path} is new: say what it answers"
    check(tenant.client.get(tenant.path(path), QUERIES.get(path) if "{" in path else None), path)


def test_changes_answer_what_reading_answers(sandbox: Any) -> None:
    """Made, updated and deleted objects have all the fields they have when read."""
    client: Client = sandbox(NOW)
    check(client.put("/organizations", {"organization": {"name": "N"}}), "/organizations")
    made = client.post("/billing_entities", {"billing_entity": {"name": "B", "code": "b"}})
    compare(made["billing_entity"], "entity")
    check(client.put("/billing_entities/b", {"billing_entity": {"name": "N"}}), "/billing_entities/{code}")
    check(client.post("/taxes", {"tax": {"name": "T", "code": "t", "rate": 1}}), "/taxes/{code}")
    check(client.put("/taxes/t", {"tax": {"rate": 2}}), "/taxes/{code}")
    metric = {
        "name": "M",
        "code": "m",
        "aggregation_type": "count_agg",
        "filters": [{"key": "k", "values": ["p", "s"]}],
    }
    made = client.post("/billable_metrics", {"billable_metric": metric})
    check(made, "/billable_metrics/{code}")
    check(client.put("/billable_metrics/m", {"billable_metric": {"name": "N"}}), "/billable_metrics/{code}")
    charge = {"billable_metric_id": made["billable_metric"]["lago_id"], "charge_model": "standard"}
    plan = {"name": "P", "code": "p", "interval": "monthly", "amount_cents": 1, "amount_currency": "EUR"}
    plan |= {"minimum_commitment": {"amount_cents": 1, "tax_codes": ["t"]}, "usage_thresholds": [{"amount_cents": 1}]}
    charges = [{**charge, "properties": {"amount": "1"}, "tax_codes": ["t"]}]
    check(client.post("/plans", {"plan": {**plan, "charges": charges}}), "/plans/{code}")
    check(client.put("/plans/p", {"plan": {"name": "N"}}), "/plans/{code}")
    check(client.post("/customers", {"customer": {"external_id": "c"}}), "/customers/{external_id}")
    subscription = {"external_customer_id": "c", "plan_code": "p", "external_id": "s"}
    made = client.post("/subscriptions", {"subscription": subscription})
    check(made, "/subscriptions/{external_id}")
    for place in ("/plans/p", "/subscriptions/s"):
        path, known = f"{place}/charges/m", "/plans/{code}/charges/{charge_code}"
        check(client.put(path, {"charge": {"properties": {"amount": "2"}}}), known)
        made = client.post(
            f"{path}/filters", {"filter": {"values": {"k": [place[-1:]]}, "properties": {"amount": "3"}}}
        )
        check(made, f"{known}/filters/{{lago_id}}")
        one = f"{path}/filters/{made['filter']['lago_id']}"
        check(client.put(one, {"filter": {"properties": {"amount": "4"}}}), f"{known}/filters/{{lago_id}}")
        check(client.delete(one), f"{known}/filters/{{lago_id}}")
    check(client.post("/plans/p/charges", {"charge": {**charge, "code": "n"}}), "/plans/{code}/charges/{charge_code}")
    check(client.delete("/plans/p/charges/n"), "/plans/{code}/charges/{charge_code}")
    event = {"transaction_id": "e", "external_subscription_id": "s", "code": "m"}
    check(client.post("/events", {"event": event}), "/events/{transaction_id}")
    batch = client.post("/events/batch", {"events": [{**event, "transaction_id": "f"}]})
    compare(batch["events"][0], "event")
    assert set(batch) == {"events"}
    tried = client.post("/billable_metrics/evaluate_expression", {"expression": "1 + 1", "event": {"code": "m"}})
    assert tried == {"expression_result": {"value": "2.0"}}
    compare(client.delete("/subscriptions/s")["subscription"], "subscription")
    check(client.delete("/customers/c"), "/customers/{external_id}")
    check(client.delete("/plans/p"), "/plans/{code}")
    check(client.delete("/billable_metrics/m"), "/billable_metrics/{code}")
    check(client.delete("/taxes/t"), "/taxes/{code}")
