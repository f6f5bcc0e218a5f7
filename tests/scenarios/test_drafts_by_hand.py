"""Drafts that are computed again and made final by hand (spec 2 §7.5)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from support.billing import make_customer, make_metric, make_plan, only_invoice, standard, subscribe, use
from support.client import Client, Sandbox


def drafted(sandbox: Sandbox) -> tuple[Client, str]:
    """A draft of March over 31.00 and one event at 1.00."""
    client = sandbox("2024-03-01T00:00:00Z")
    make_plan(client, amount_cents=3100, charges=[standard(make_metric(client), "1")])
    make_customer(client, billing_configuration={"invoice_grace_period": 5})
    subscribe(client)
    use(client, "2024-03-10T00:00:00Z")
    client.at("2024-04-01T01:00:00Z")
    invoice = only_invoice(client)
    assert (invoice["status"], invoice["total_amount_cents"]) == ("draft", 3200)
    return client, f"/invoices/{invoice['lago_id']}"


def test_refreshing_takes_late_usage_in(sandbox: Sandbox) -> None:
    client, path = drafted(sandbox)
    use(client, "2024-03-20T00:00:00Z")
    refreshed = client.put(f"{path}/refresh", {})["invoice"]
    assert (refreshed["status"], refreshed["total_amount_cents"]) == ("draft", 3300)
    assert client.get(path)["invoice"]["total_amount_cents"] == 3300


def test_finalizing_takes_late_usage_in_and_numbers_once(sandbox: Sandbox) -> None:
    client, path = drafted(sandbox)
    use(client, "2024-03-20T00:00:00Z")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.send("PUT", f"{path}/finalize", {}), range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]
    final = client.get(path)["invoice"]
    assert (final["status"], final["total_amount_cents"], final["sequential_id"]) == ("finalized", 3300, 1)
    assert final["issuing_date"] == "2024-04-01"
    use(client, "2024-03-21T00:00:00Z")
    assert client.put(f"{path}/refresh", {})["invoice"]["total_amount_cents"] == 3300
    client.at("2024-04-10T00:00:00Z")
    assert client.get(path)["invoice"]["total_amount_cents"] == 3300


def test_what_is_not_there(sandbox: Sandbox) -> None:
    client, _ = drafted(sandbox)
    for path in ("/invoices/nonsense/refresh", "/invoices/01a211af-edc9-7039-b20b-36b683010d4c/finalize"):
        answer = client.send("PUT", path, {})
        assert (answer.status_code, answer.json()["code"]) == (404, "invoice_not_found")
