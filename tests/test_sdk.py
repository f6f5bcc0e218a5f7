"""The official Python SDK, unmodified, against a started server: every object it returns is its own model's.

What the SDK can't do, here or anywhere: its clients of lists below a customer or plan send no key; it puts identifiers
into paths as they are, so that `?`, `#` and, outside catalogue codes, `/` need percent-encoding by the caller.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from lago_python_client import Client as Lago
from lago_python_client.exceptions import LagoApiError
from lago_python_client.models import (
    BatchEvent,
    BillableMetric,
    BillableMetricEvaluateExpression,
    BillableMetricEvaluateExpressionEvent,
    BillableMetricFilter,
    BillableMetricFilters,
    Charge,
    ChargeFilter,
    ChargeFilters,
    Charges,
    Customer,
    CustomerBillingConfiguration,
    Event,
    Metadata,
    MetadataList,
    Organization,
    OrganizationBillingConfiguration,
    Plan,
    Subscription,
    Tax,
)
from lago_python_client.models.billing_entity import (
    BillingEntity,
    BillingEntityBillingConfiguration,
    BillingEntityResponse,
    BillingEntityUpdate,
)
from lago_python_client.models.charge import ChargeFilterResponse, ChargeOverrides, ChargeResponse, ChargesOverrides
from lago_python_client.models.customer import CustomerResponse
from lago_python_client.models.customer_projected_usage import CustomerProjectedUsageResponse
from lago_python_client.models.customer_usage import CustomerUsageResponse
from lago_python_client.models.event import EventResponse
from lago_python_client.models.fee import FeeResponse
from lago_python_client.models.invoice import InvoiceResponse
from lago_python_client.models.lifetime_usage import LifetimeUsageResponse
from lago_python_client.models.plan import PlanOverrides, PlanResponse
from lago_python_client.models.subscription import SubscriptionResponse
from lago_python_client.models.tax import TaxResponse

from support.billing import make_plan, standard, unix
from support.client import Client, Sandbox

IDENTIFIERS = [
    "with space",
    "dots.and.more",
    "a+b@c.de",
    "ünïcödé-名前",
    "100%",
    "colon:semi;comma,",
    "'quotes\"",
    "~-_!$&*()=",
]


@pytest.fixture
def story(sandbox: Sandbox) -> Client:
    return sandbox("2024-03-01T00:00:00Z")


@pytest.fixture
def lago(story: Client) -> Lago:
    return Lago(api_key=story.key, api_url=story.server.url)


def metric(code: str, aggregation_type: str = "count_agg", **more: Any) -> BillableMetric:
    return BillableMetric(name=code, code=code, aggregation_type=aggregation_type, **more)


def charge(metric_id: str, model: str, properties: dict[str, Any], **more: Any) -> Charge:
    return Charge(billable_metric_id=metric_id, charge_model=model, properties=properties, **more)


def plan(code: str, *charges: Charge, **more: Any) -> Plan:
    fields = {"name": code, "code": code, "interval": "monthly", "amount_cents": 3100, "amount_currency": "EUR"}
    return Plan(**{**fields, "pay_in_advance": False, "charges": Charges(__root__=list(charges)), **more})


def refusal(call: Any, *arguments: Any, **more: Any) -> LagoApiError:
    with pytest.raises(LagoApiError) as raised:
        call(*arguments, **more)
    assert raised.value.response["status"] == raised.value.status_code
    return raised.value


def test_a_month_from_the_first_tax_to_the_paid_up_invoice(story: Client, lago: Lago) -> None:
    organization = lago.organizations.update(
        Organization(
            default_currency="EUR",
            legal_name="Seller Ltd",
            country="FR",
            email="billing@seller.example",
            net_payment_term=30,
            document_number_prefix="SDK",
            timezone="UTC",
            billing_configuration=OrganizationBillingConfiguration(invoice_footer="Thanks", document_locale="fr"),
        )
    )
    assert (organization.legal_name, organization.net_payment_term) == ("Seller Ltd", 30)
    assert organization.billing_configuration is not None
    assert organization.billing_configuration.invoice_footer == "Thanks"

    vat = lago.taxes.create(Tax(name="VAT", code="vat", rate=20.0, applied_to_organization=True))
    assert isinstance(vat, TaxResponse)
    assert (vat.rate, vat.applied_to_organization) == (20.0, True)

    metrics = {
        "calls": lago.billable_metrics.create(metric("calls")),
        "bytes": lago.billable_metrics.create(metric("bytes", "sum_agg", field_name="size")),
        "peak": lago.billable_metrics.create(metric("peak", "max_agg", field_name="size")),
        "users": lago.billable_metrics.create(
            metric(
                "users",
                "unique_count_agg",
                field_name="user",
                filters=BillableMetricFilters(__root__=[BillableMetricFilter(key="region", values=["eu", "us"])]),
            )
        ),
    }
    ids = {code: made.lago_id for code, made in metrics.items() if made is not None}
    assert len(set(ids.values())) == 4

    graduated = [
        {"from_value": 0, "to_value": 2, "per_unit_amount": "1", "flat_amount": "0"},
        {"from_value": 3, "to_value": None, "per_unit_amount": "0.5", "flat_amount": "1"},
    ]
    volume = [{"from_value": 0, "to_value": None, "per_unit_amount": "3", "flat_amount": "0"}]
    created = lago.plans.create(
        plan(
            "startup",
            charge(ids["calls"], "graduated", {"graduated_ranges": graduated}, invoice_display_name="Calls"),
            charge(ids["bytes"], "package", {"amount": "4", "free_units": 10, "package_size": 100}),
            charge(ids["peak"], "standard", {"amount": "0.1"}),
            charge(ids["users"], "volume", {"volume_ranges": volume}),
            metadata={"tier": "one"},
        )
    )
    assert isinstance(created, PlanResponse)
    assert created.charges is not None
    assert [each.billable_metric_code for each in created.charges.__root__] == ["calls", "bytes", "peak", "users"]

    customer = lago.customers.create(
        Customer(
            external_id="acme",
            name="Acme",
            email="pay@acme.example",
            country="DE",
            currency="EUR",
            timezone="Europe/Berlin",
            billing_configuration=CustomerBillingConfiguration(document_locale="de"),
            metadata=MetadataList(__root__=[Metadata(key="crm", value="42", display_in_invoice=True)]),
        )
    )
    assert isinstance(customer, CustomerResponse)
    assert customer.applicable_timezone == "Europe/Berlin"

    subscription = lago.subscriptions.create(
        Subscription(
            external_customer_id="acme",
            plan_code="startup",
            external_id="acme-1",
            name="Acme's",
            billing_time="calendar",
            subscription_at="2024-02-29T23:00:00Z",
        )
    )
    assert isinstance(subscription, SubscriptionResponse)
    assert (subscription.status, subscription.plan_amount_cents) == ("active", "3100")

    one = Event(
        transaction_id="t0", external_subscription_id="acme-1", code="calls", timestamp=unix("2024-03-02T00:00:00Z")
    )
    stored = lago.events.create(one)
    assert isinstance(stored, EventResponse)
    assert stored.timestamp == "2024-03-02T00:00:00.000Z"
    events = [
        Event(
            transaction_id=f"b{number}",
            external_subscription_id="acme-1",
            code=code,
            timestamp=int(float(unix("2024-03-10T00:00:00Z"))) + number,
            properties=properties,
        )
        for number, (code, properties) in enumerate(
            [("calls", {})] * 3
            + [("bytes", {"size": size}) for size in (10, "40.5", 60)]
            + [("peak", {"size": size}) for size in (7, 3)]
            + [("users", {"user": user, "region": "eu"}) for user in ("a", "b", "a")]
        )
    ]
    assert lago.events.batch_create(BatchEvent(events=events)) is None
    assert isinstance(lago.events.find("b0"), EventResponse)

    story.at("2024-03-31T21:59:59Z")
    usage = lago.customers.current_usage("acme", "acme-1")
    amounts = {each.billable_metric.code: each.amount_cents for each in usage.charges_usage}
    # calls: 2 at 1, then 2 at 0.50 and 1 for the tier; bytes: 110.5 less 10 free is two packages; peak: 7; users: 2
    assert amounts == {"calls": 400, "bytes": 800, "peak": 70, "users": 600}
    assert (usage.amount_cents, usage.taxes_amount_cents, usage.total_amount_cents) == (1870, 374, 2244)
    assert usage.to_datetime == "2024-03-31T21:59:59Z"
    assert lago.customers.current_usage("acme", "acme-1", apply_taxes="false").taxes_amount_cents == 0
    projected = lago.customers.projected_usage("acme", "acme-1")
    assert isinstance(projected, CustomerProjectedUsageResponse)
    assert (projected.amount_cents, projected.projected_amount_cents) == (1870, 1870)  # it is the last day

    story.at("2024-03-31T22:00:00Z")
    listed = lago.invoices.find_all({"external_customer_id": "acme", "per_page": 10, "page": 1})
    assert listed["meta"]["total_count"] == 1
    assert isinstance(listed["invoices"][0], InvoiceResponse)
    invoice = lago.invoices.find(listed["invoices"][0].lago_id)
    assert (invoice.number, invoice.status, invoice.payment_status) == ("SDK-001-001", "finalized", "pending")
    assert (invoice.issuing_date, invoice.payment_due_date) == ("2024-04-01", "2024-05-01")
    assert (invoice.fees_amount_cents, invoice.taxes_amount_cents, invoice.total_amount_cents) == (4970, 994, 5964)
    assert invoice.fees is not None
    assert invoice.billing_periods is not None
    assert invoice.billing_periods.__root__[0].subscription_from_datetime == "2024-02-29T23:00:00.000Z"
    assert {fee.item.code: fee.amount_cents for fee in invoice.fees.__root__ if fee.item} == {
        "startup": 3100,
        **amounts,
    }

    past = lago.customers.past_usage("acme", "acme-1", {"periods_count": 5})
    assert past["meta"]["total_count"] == 1
    assert isinstance(past["usage_periods"][0], CustomerUsageResponse)
    assert (past["usage_periods"][0].amount_cents, past["usage_periods"][0].lago_invoice_id) == (1870, invoice.lago_id)
    lifetime = lago.subscriptions.update_lifetime_usage("acme-1", 500)
    assert isinstance(lifetime, LifetimeUsageResponse)
    assert lago.subscriptions.lifetime_usage("acme-1") == lifetime
    assert (lifetime.external_historical_usage_amount_cents, lifetime.invoiced_usage_amount_cents) == (500, 1870)

    fees = lago.fees.find_all({"external_subscription_id": "acme-1", "fee_type": "charge"})["fees"]
    assert [type(fee) for fee in fees] == [FeeResponse] * 4
    assert lago.fees.find(fees[0].lago_id).lago_invoice_id == invoice.lago_id

    entities = lago.billing_entities.find_all()["billing_entities"]
    assert [type(entity) for entity in entities] == [BillingEntityResponse]
    entity = lago.billing_entities.find(entities[0].code)
    assert entity.is_default
    assert entity.taxes is not None
    assert [tax.code for tax in entity.taxes.__root__] == ["vat"]

    assert lago.subscriptions.destroy("acme-1").status == "terminated"
    story.settle()
    found = lago.subscriptions.find_all({"external_customer_id": "acme", "status[]": ["terminated", "active"]})
    assert [each.status for each in found["subscriptions"]] == ["terminated"]
    assert lago.subscriptions.find("acme-1", {"status": "terminated"}).terminated_at == "2024-03-31T22:00:00Z"
    assert lago.customers.destroy("acme").external_id == "acme"
    assert lago.plans.destroy("startup").code == "startup"
    story.settle()
    for code in ids:
        assert lago.billable_metrics.destroy(code).code == code
    assert lago.taxes.destroy("vat").code == "vat"
    assert lago.plans.find_all()["plans"] == lago.billable_metrics.find_all()["billable_metrics"] == []
    assert len(lago.invoices.find_all()["invoices"]) == 2


def test_objects_are_updated_read_and_listed(story: Client, lago: Lago) -> None:
    lago.taxes.create(Tax(name="VAT", code="vat", rate=20.0))
    assert lago.taxes.update(Tax(rate=5.5, description="reduced"), "vat").rate == 5.5
    assert lago.taxes.find("vat").description == "reduced"
    assert [each.code for each in lago.taxes.find_all()["taxes"]] == ["vat"]

    made = lago.billable_metrics.create(metric("calls"))
    assert made is not None
    assert lago.billable_metrics.update(BillableMetric(name="Calls"), "calls").name == "Calls"
    assert lago.billable_metrics.find("calls").lago_id == made.lago_id
    assert [each.code for each in lago.billable_metrics.find_all()["billable_metrics"]] == ["calls"]

    first = lago.plans.create(plan("p", charge(made.lago_id, "standard", {"amount": "1"}), tax_codes=["vat"]))
    assert first is not None
    assert first.charges is not None
    kept = first.charges.__root__[0].lago_id
    changed = lago.plans.update(
        Plan(
            name="New",
            amount_cents=1,
            charges=Charges(__root__=[charge(made.lago_id, "standard", {"amount": "2"}, id=kept)]),
        ),
        "p",
    )
    assert changed.charges is not None
    assert (changed.name, changed.amount_cents, changed.charges.__root__[0].lago_id) == ("New", 1, kept)
    assert lago.plans.find("p").charges.__root__[0].properties == {"amount": "2"}
    assert [each.code for each in lago.plans.find_all({"per_page": 1})["plans"]] == ["p"]

    lago.customers.create(Customer(external_id="c", name="Before", currency="EUR"))
    assert lago.customers.create(Customer(external_id="c", name="After")).currency == "EUR"
    assert lago.customers.find("c").name == "After"
    assert lago.customers.find_all({"search_term": "aft"})["meta"]["total_count"] == 1


def test_billing_entities_are_made_and_changed(lago: Lago) -> None:
    lago.taxes.create(Tax(name="VAT", code="vat", rate=20.0))
    grace = BillingEntityBillingConfiguration(invoice_grace_period=3, document_locale="fr")
    made = lago.billing_entities.create(
        BillingEntity(code="north", name="North", timezone="Europe/Oslo", country="NO", billing_configuration=grace)
    )
    assert isinstance(made, BillingEntityResponse)
    assert (made.code, made.is_default, made.timezone, made.invoice_grace_period) == ("north", False, "Europe/Oslo", 3)
    update = BillingEntityUpdate(name="Nord", net_payment_term=30, tax_codes=["vat"], email_settings=[])
    changed = lago.billing_entities.update(update, "north")
    assert changed.taxes is not None
    assert (changed.name, changed.net_payment_term, changed.taxes.__root__[0].code) == ("Nord", 30, "vat")
    assert (changed.country, changed.document_locale) == ("NO", "fr")
    assert [each.code for each in lago.billing_entities.find_all()["billing_entities"]][1:] == ["north"]
    bad = refusal(lago.billing_entities.update, BillingEntityUpdate(name="x", timezone="none"), "north")
    assert bad.response["error_details"] == {"timezone": ["invalid_timezone"]}


def test_projected_usage_of_filters_and_groups_is_read(story: Client, lago: Lago) -> None:
    """What no filter matches is read by the SDK, too, whose values may not be null there."""
    filters = BillableMetricFilters(__root__=[BillableMetricFilter(key="region", values=["eu"])])
    made = lago.billable_metrics.create(metric("calls", filters=filters))
    assert made is not None
    prices = [{"values": {"region": ["eu"]}, "properties": {"amount": "2", "pricing_group_keys": ["team"]}}]
    priced = {**standard(made.lago_id, "1"), "filters": prices}
    make_plan(story, charges=[priced])
    lago.customers.create(Customer(external_id="acme"))
    lago.subscriptions.create(Subscription(external_customer_id="acme", plan_code="plan", external_id="sub"))
    for number, properties in enumerate(({"region": "eu", "team": "x"}, {})):
        lago.events.create(
            Event(transaction_id=f"t{number}", external_subscription_id="sub", code="calls", properties=properties)
        )
    usage = lago.customers.projected_usage("acme", "sub").charges_usage[0]
    assert [each.values for each in usage.filters] == [{"region": ["eu"]}, {}]
    assert usage.grouped_usage is not None
    assert [each.grouped_by for each in usage.grouped_usage] == [{"team": "x"}, {}]
    # one of 31 days has passed
    assert [each.projected_amount_cents for each in usage.filters] == [6200, 3100]


@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_identifiers_with_any_characters_are_found_as_the_sdk_writes_them(
    story: Client, lago: Lago, identifier: str
) -> None:
    """Percent signs have to be encoded: as everywhere in an address, `100%` alone means nothing."""
    written = quote(identifier, safe="") if "%" in identifier else identifier
    lago.taxes.create(Tax(name="T", code=identifier, rate=1.0))
    assert lago.taxes.find(written).code == identifier
    made = lago.billable_metrics.create(metric(identifier))
    assert made is not None
    assert lago.billable_metrics.find(written).code == identifier
    lago.plans.create(plan(identifier, charge(made.lago_id, "standard", {"amount": "1"})))
    assert lago.plans.update(Plan(name="New"), written).code == identifier
    lago.customers.create(Customer(external_id=identifier))
    assert lago.customers.find(written).external_id == identifier
    lago.subscriptions.create(
        Subscription(external_customer_id=identifier, plan_code=identifier, external_id=identifier)
    )
    assert lago.subscriptions.find(written).external_id == identifier
    lago.events.create(
        Event(transaction_id=identifier, external_subscription_id=identifier, code=identifier, properties={})
    )
    assert lago.events.find(written).transaction_id == identifier
    usage = lago.customers.current_usage(written, identifier)
    assert [each.events_count for each in usage.charges_usage] == [1]
    assert lago.subscriptions.destroy(written).external_id == identifier
    assert lago.customers.destroy(written).external_id == identifier
    assert lago.plans.destroy(written).code == identifier


def test_slashes_in_identifiers_are_found_raw_in_catalogue_codes_and_encoded_elsewhere(
    story: Client, lago: Lago
) -> None:
    lago.taxes.create(Tax(name="T", code="eu/fr/vat", rate=1.0))
    made = lago.billable_metrics.create(metric("a/b"))
    assert made is not None
    lago.plans.create(plan("team/large", charge(made.lago_id, "standard", {"amount": "1"})))
    lago.customers.create(Customer(external_id="group/acme"))
    lago.subscriptions.create(
        Subscription(external_customer_id="group/acme", plan_code="team/large", external_id="sub/1")
    )
    lago.events.create(Event(transaction_id="t/1", external_subscription_id="sub/1", code="a/b", properties={}))

    for find, code in (
        (lago.taxes.find, "eu/fr/vat"),
        (lago.billable_metrics.find, "a/b"),
        (lago.plans.find, "team/large"),
    ):
        assert find(code).code == find(quote(code, safe="")).code == code
    assert lago.customers.find("group%2Facme").external_id == "group/acme"
    assert lago.subscriptions.find("sub%2F1").external_id == "sub/1"
    assert lago.events.find("t%2F1").transaction_id == lago.events.find("t/1").transaction_id == "t/1"
    assert lago.customers.current_usage("group%2Facme", "sub/1").charges_usage[0].events_count == 1
    assert refusal(lago.customers.find, "group/acme").response["code"] == "resource_not_found"


def test_errors_are_the_sdks_with_the_answer_in_them(story: Client, lago: Lago) -> None:
    stranger = Lago(api_key="00000000-0000-4000-8000-000000000000", api_url=story.server.url)
    assert refusal(stranger.plans.find_all).response == {"status": 401, "error": "Unauthorized"}

    missing = refusal(lago.plans.find, "nothing")
    assert missing.response == {"status": 404, "error": "Not Found", "code": "plan_not_found"}
    assert refusal(lago.invoices.find, "not-a-uuid").response["code"] == "invoice_not_found"

    invalid = refusal(lago.plans.create, Plan(name="P", interval="daily", amount_cents=-1))
    assert invalid.status_code == 422
    assert invalid.response["error_details"] == {
        "interval": ["value_is_invalid"],
        "amount_cents": ["value_is_out_of_range"],
        "code": ["value_is_mandatory"],
        "amount_currency": ["value_is_mandatory"],
    }

    event = Event(transaction_id="twice", external_subscription_id="s", code="c", properties={})
    lago.events.create(event)
    assert refusal(lago.events.create, event).response["error_details"] == {"transaction_id": ["value_already_exist"]}
    assert refusal(lago.events.batch_create, BatchEvent(events=[event])).response["error_details"] == {
        "0": {"transaction_id": ["value_already_exist"]}
    }

    lago.customers.create(Customer(external_id="idle"))
    state = refusal(lago.customers.current_usage, "idle", "none")
    assert (state.status_code, state.response["code"]) == (405, "no_active_subscription")
    assert refusal(lago.taxes.create, Tax()).status_code == 400  # an empty object counts as none
    assert refusal(lago.coupons.find_all).response["code"] == "resource_not_found"  # not there yet, and says so


def test_lists_below_a_customer_come_without_a_key_and_are_refused(story: Client, lago: Lago) -> None:
    """A fault of the SDK: these of its clients send no `Authorization`. The lists themselves work."""
    lago.customers.create(Customer(external_id="acme"))
    assert refusal(lago.customer_invoices.find_all, "acme").status_code == 401
    assert refusal(lago.customer_subscriptions.find_all, "acme").status_code == 401
    assert story.get("/customers/acme/invoices")["invoices"] == []
    assert story.get("/customers/acme/subscriptions")["subscriptions"] == []


def filtered_plan(lago: Lago) -> str:
    """A plan `startup` with a charge `users` that prices one region apart; the charge's id."""
    regions = BillableMetricFilters(__root__=[BillableMetricFilter(key="region", values=["eu", "us", "asia"])])
    made = lago.billable_metrics.create(metric("users", filters=regions))
    assert made is not None
    europe = ChargeFilter(values={"region": ["eu"]}, properties={"amount": "3"}, invoice_display_name="Europe")
    filters = ChargeFilters(__root__=[europe])
    created = lago.plans.create(
        plan("startup", charge(made.lago_id, "standard", {"amount": "1"}, filters=filters, min_amount_cents=500))
    )
    assert created is not None
    (stored,) = created.charges.__root__
    assert (stored.code, stored.min_amount_cents) == ("users", 500)
    assert [each.values for each in stored.filters.__root__] == [{"region": ["eu"]}]
    return stored.lago_id


def test_charges_and_filters_of_a_plan_one_by_one(lago: Lago) -> None:
    filtered_plan(lago)
    metric_id = lago.billable_metrics.find("users").lago_id
    by_ten = {"amount": "5", "package_size": 10, "free_units": 0}
    made = lago.plan_charges.create("startup", charge(metric_id, "package", by_ten, code="packs"))
    assert isinstance(made, ChargeResponse)
    wrong = charge(metric_id, "package", {"amount": "5", "package_size": 0})
    assert refusal(lago.plan_charges.create, "startup", wrong).response["error_details"] == {
        "properties": ["invalid_package_size", "invalid_free_units"]
    }
    changed = lago.plan_charges.update("startup", "packs", Charge(invoice_display_name="Packs"))
    assert (changed.invoice_display_name, changed.properties["amount"]) == ("Packs", "5")
    assert lago.plan_charges.find("startup", "packs").lago_id == made.lago_id
    assert lago.plan_charges.destroy("startup", "packs").lago_id == made.lago_id

    asia = ChargeFilter(values={"region": ["asia"]}, properties={"amount": "2"})
    added = lago.plans.create_charge_filter("startup", "users", asia)
    assert isinstance(added, ChargeFilterResponse)
    again = refusal(lago.plans.create_charge_filter, "startup", "users", asia).response
    assert again["error_details"] == {"values": ["value_already_exist"]}
    repriced = ChargeFilter(properties={"amount": "4"}, cascade_updates=True)
    assert lago.plans.update_charge_filter("startup", "users", added.lago_id, repriced).properties == {"amount": "4"}
    assert lago.plans.find_charge_filter("startup", "users", added.lago_id).values == {"region": ["asia"]}
    assert lago.plans.find_all_charge_filters("startup", "users", {"per_page": 1})["meta"]["total_count"] == 2
    assert lago.plans.destroy_charge_filter("startup", "users", added.lago_id).lago_id == added.lago_id


def test_a_subscription_with_prices_of_its_own(lago: Lago) -> None:
    charge_id = filtered_plan(lago)
    lago.customers.create(Customer(external_id="acme"))
    overridden = ChargeOverrides(id=charge_id, properties={"amount": "9"}, invoice_display_name="Seats")
    overrides = PlanOverrides(amount_cents=1, charges=ChargesOverrides(__root__=[overridden]))
    made = lago.subscriptions.create(
        Subscription(external_customer_id="acme", plan_code="startup", external_id="s", plan_overrides=overrides)
    )
    assert made is not None
    assert (made.plan_code, made.plan_amount_cents) == ("startup", "1")  # its model has text there
    found = lago.subscription_charges.find("s", "users")
    assert (found.invoice_display_name, found.properties) == ("Seats", {"amount": "9"})
    repriced = lago.subscription_charges.update("s", "users", Charge(properties={"amount": "8"}))
    assert (repriced.lago_id, repriced.properties) == (found.lago_id, {"amount": "8"})

    us = ChargeFilter(values={"region": ["us"]}, properties={"amount": "2"})
    added = lago.subscriptions.create_charge_filter("s", "users", us)
    again = refusal(lago.subscriptions.create_charge_filter, "s", "users", us).response
    assert again["error_details"] == {"values": ["value_already_exists"]}
    assert lago.subscriptions.update_charge_filter(
        "s", "users", added.lago_id, ChargeFilter(properties={"amount": "7"})
    ).properties == {"amount": "7"}
    assert lago.subscriptions.find_charge_filter("s", "users", added.lago_id, "active").values == {"region": ["us"]}
    assert lago.subscriptions.find_all_charge_filters("s", "users")["meta"]["total_count"] == 2
    assert lago.subscriptions.destroy_charge_filter("s", "users", added.lago_id).lago_id == added.lago_id
    assert lago.plan_charges.find("startup", "users").properties == {"amount": "1"}


def test_a_metric_computes_by_its_expression_what_an_event_is_stored_with(story: Client, lago: Lago) -> None:
    """Trying an expression out is a fault of the SDK's: it sends no body."""
    expression = "round(event.properties.left * event.properties.right)"
    made = lago.billable_metrics.create(metric("area", "sum_agg", field_name="size", expression=expression))
    assert made is not None
    assert made.expression == expression
    event = Event(transaction_id="t", external_subscription_id="s", code="area", properties={"left": 2.5, "right": "3"})
    stored = lago.events.create(event)
    assert stored is not None
    assert stored.properties == {"left": 2.5, "right": "3", "size": "8.0"}
    event = Event(transaction_id="u", external_subscription_id="s", code="area", properties={"left": 2.5})
    failure = "expression_evaluation_failed: Variable: right not found"
    assert refusal(lago.events.create, event).response["error_details"] == failure
    assert refusal(lago.events.batch_create, BatchEvent(events=[event])).response["error_details"] == {"0": failure}

    tried = BillableMetricEvaluateExpression(
        expression=expression, event=BillableMetricEvaluateExpressionEvent(code="area", properties={"left": 1})
    )
    assert refusal(lago.billable_metrics.evaluate_expression, tried).response["error_details"] == {
        "expression": ["value_is_mandatory"],
        "event": ["invalid_event"],
    }


def test_events_may_go_to_an_ingestion_host_of_their_own(story: Client) -> None:
    lago = Lago(
        api_key=story.key, api_url="http://127.0.0.1:1/", use_ingest_service=True, ingest_api_url=story.server.url
    )
    event = Event(transaction_id="t", external_subscription_id="s", code="c", timestamp=1709251200, properties=None)
    assert lago.events.create(event).properties == {}
    assert story.get("/events/t")["event"]["timestamp"] == "2024-03-01T00:00:00.000Z"
