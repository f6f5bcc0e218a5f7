"""Plans of a year whose usage is billed by the month (spec 2 PER-30 to 33)."""

from __future__ import annotations

from support.billing import fees, invoices, make_metric, make_plan, standard, subscribe, subscription_amount, use
from support.client import Sandbox


def test_a_year_in_advance_with_monthly_usage(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    charges = [standard(make_metric(client), "1")]
    make_plan(
        client, amount_cents=12000, interval="yearly", pay_in_advance=True, bill_charges_monthly=True, charges=charges
    )
    subscribe(client)
    for month in (1, 2, 12):
        use(client, f"2024-{month:02d}-10T00:00:00Z")
    client.at("2025-01-01T01:00:00Z")
    billed = [
        (invoice["issuing_date"], subscription_amount(invoice), [fee["amount_cents"] for fee in fees(invoice)])
        for invoice in invoices(client)
    ]
    assert (billed[0], billed[1], billed[2]) == (
        ("2024-01-01", 12000, []),
        ("2024-02-01", None, [100]),
        ("2024-03-01", None, [100]),
    )
    assert billed[-1] == ("2025-01-01", 12000, [100])
    assert len(billed) == 13


def test_a_year_that_began_before_it_was_created(sandbox: Sandbox) -> None:
    """Example 3.D."""
    client = sandbox("2023-10-15T00:00:00Z")
    charges = [standard(make_metric(client), "1")]
    make_plan(
        client, amount_cents=12000, interval="yearly", pay_in_advance=True, bill_charges_monthly=True, charges=charges
    )
    subscribe(client, subscription_at="2023-01-01T00:00:00Z")
    use(client, "2023-10-10T00:00:00Z")
    use(client, "2023-12-10T00:00:00Z")
    assert invoices(client) == []
    client.at("2024-01-01T01:00:00Z")
    billed = [
        (invoice["issuing_date"], subscription_amount(invoice), [fee["amount_cents"] for fee in fees(invoice)])
        for invoice in invoices(client)
    ]
    assert billed == [("2023-11-01", None, [100]), ("2023-12-01", None, []), ("2024-01-01", 12000, [100])]
