"""How the PDF of a billed invoice tells percentages, filters, groups and minimums (spec 3 §9.2)."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest

from laguna.invoices.pdf.labels import labels_of
from laguna.kernel.catalogs import LOCALES
from support.billing import make_customer, make_plan, only_invoice, subscribe, use
from support.client import Client, Json, Sandbox
from support.pdf import missing_glyphs, plain, text

RANGES = [
    {"from_value": 0, "to_value": 100, "rate": "5", "flat_amount": "1"},
    {"from_value": 101, "to_value": None, "rate": "2.5", "flat_amount": "10"},
]


def metric(client: Client, code: str, name: str, **more: object) -> str:
    fields = {"code": code, "name": name, "aggregation_type": "sum_agg", "field_name": "amount", **more}
    return client.post("/billable_metrics", {"billable_metric": fields})["billable_metric"]["lago_id"]


def bill(client: Client, charges: Sequence[Json], starts: str = "2024-01-01T00:00:00Z") -> None:
    make_plan(client, "pay", charges=charges)
    make_customer(client)
    subscribe(client, plan="pay", subscription_at=starts)


def told(client: Client, http: httpx.Client) -> str:
    client.at("2024-02-01T00:00:00Z")
    return text(http.get(only_invoice(client)["file_url"]).content)


def percentage(client: Client, **properties: object) -> Json:
    identifier = metric(client, "pay", "Payments", filters=[{"key": "card", "values": ["visa", "amex"]}])
    return {"billable_metric_id": identifier, "charge_model": "percentage", "properties": {"rate": "1", **properties}}


def pay(client: Client, *amounts: int, code: str = "pay", **properties: str) -> None:
    for hour, amount in enumerate(amounts):
        use(client, f"2024-01-10T{hour:02}:00:00Z", code, amount=amount, **properties)


def test_percentages_tell_what_is_free_what_is_rated_and_what_each_event_costs(
    sandbox: Sandbox, http: httpx.Client
) -> None:
    client = sandbox()
    amex = {"rate": "2.9", "fixed_amount": "0.3", "free_units_per_events": 1, "pricing_group_keys": ["shop"]}
    charge = percentage(client, rate="1.3", per_transaction_min_amount="1", per_transaction_max_amount="10")
    charge["filters"] = [{"values": {"card": ["amex"]}, "properties": amex, "invoice_display_name": "American Express"}]
    tiers = metric(client, "fx", "Exchange")
    bill(
        client,
        [
            charge,
            {
                "billable_metric_id": tiers,
                "charge_model": "graduated_percentage",
                "properties": {"graduated_percentage_ranges": RANGES},
                "min_amount_cents": 5000,
            },
        ],
    )
    pay(client, 50, 150, 400, card="amex", shop="Berlin")
    pay(client, 80, card="amex", shop="Oslo")
    pay(client, 10, 200, 10_000, card="visa")
    pay(client, 150, code="fx")
    page = told(client, http)
    for part in (
        "Payments American Express · Berlin 600 0% €16.55"
        " Free units 50 0% €0.00 Rate on the amount 550 2.9% €15.95"
        " Free events 1 €0.00 €0.00 Fee per event 2 €0.30 €0.60",
        "Payments American Express · Oslo 80 0% €0.00 Free units 80 0% €0.00",
        "Payments 10,210 0% €13.60"  # 1.00 for the first, 2.60, and no more than 10.00
        " Rate on the amount 10,210 1.3% €132.73 Adjustment to minimum or maximum per event −€119.13",
        "Exchange 150 0% €17.25 First 100 100 5% €5.00 First 100: flat fee €1.00"
        " 101 and above 50 2.5% €1.25 101 and above: flat fee €10.00",
        "Exchange: top-up to the minimum Minimum €50.00, used €17.25 1 0% €32.75",
        "Total €80.15",
    ):
        assert part in page, f"{part} is not in {page}"


def test_a_minimum_of_a_part_of_the_period_tells_its_days(sandbox: Sandbox, http: httpx.Client) -> None:
    client = sandbox()
    client.at("2024-01-17T00:00:00Z")
    bill(client, [{**percentage(client), "min_amount_cents": 3100}], "2024-01-17T00:00:00Z")
    page = told(client, http)
    assert "Payments 0 €0.00 0% €0.00" in page
    assert "Payments: top-up to the minimum Minimum €31.00, used €0.00 · 15 of 31 days 1 0% €15.00" in page


def test_a_plain_percentage_is_one_line_with_its_rate(sandbox: Sandbox, http: httpx.Client) -> None:
    client = sandbox()
    bill(client, [percentage(client)])
    pay(client, 400)
    assert "Payments 400 0% €4.00 Rate on the amount 400 1% €4.00 Subtotal" in told(client, http)


def test_a_dynamic_price_tells_how_many_events_say_it(sandbox: Sandbox, http: httpx.Client) -> None:
    client = sandbox()
    identifier = metric(client, "tokens", "Tokens")
    bill(client, [{"billable_metric_id": identifier, "charge_model": "dynamic", "properties": {}}])
    for number, cents in enumerate(("10.1", "30.1")):
        event = {
            "transaction_id": f"d{number}",
            "external_subscription_id": "sub",
            "code": "tokens",
            "timestamp": 1704880800,
            "precise_total_amount_cents": cents,
            "properties": {"amount": 10},
        }
        client.post("/events", {"event": event})
    assert "Tokens 20 0% €0.40 Events with amounts of their own 2 €0.40" in told(client, http)


@pytest.mark.parametrize("locale", sorted(LOCALES))
def test_every_locale_has_words_for_prices(sandbox: Sandbox, http: httpx.Client, locale: str) -> None:
    client = sandbox()
    client.put("/organizations", {"organization": {"billing_configuration": {"document_locale": locale}}})
    bounds = {"per_transaction_min_amount": "1"}
    free = {"fixed_amount": "1", "free_units_per_events": 1}
    bill(client, [{**percentage(client, **bounds, **free), "min_amount_cents": 5000}])
    pay(client, 10, 20)
    page, labels = told(client, http), labels_of(locale)
    for name in ("free_units", "rate", "free_events", "fee_per_event"):
        assert plain(labels[name]) in page, name
    assert plain(labels.say("true_up", name="Payments")) in page
    for name in ("min_max_adjustment", "priced_events", "minimum_and_used"):
        assert labels[name]
    assert missing_glyphs(http.get(only_invoice(client)["file_url"]).content) == 0
