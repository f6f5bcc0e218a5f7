"""Documents over HTTP: asked for with a key, read with a link, the same whenever they are read."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from uuid import UUID

import httpx
import psycopg
import pytest
from lago_python_client.client import Client as Sdk

from laguna.invoices.pdf.links import SECRET_NAME, file_name
from support.billing import make_customer, make_metric, make_plan, only_invoice, standard, subscribe, use
from support.client import Client, Json, Sandbox
from support.pdf import text

SELLER: Json = {
    "name": "Laguna",
    "legal_name": "Laguna SAS",
    "country": "FR",
    "city": "Paris",
    "zipcode": "75002",
    "tax_identification_number": "FR12901234567",
    "billing_configuration": {"invoice_footer": "Merci.", "document_locale": "fr"},
}


def bill(client: Client, **customer: object) -> Json:
    """A finalized invoice of January: a plan of 49 euros and three calls of 2 euros each, with VAT of 20 %."""
    client.put("/organizations", {"organization": SELLER})
    client.post("/taxes", {"tax": {"name": "TVA", "code": "tva", "rate": 20, "applied_to_organization": True}})
    make_plan(client, "pro", 4900, charges=[standard(make_metric(client), "2")])
    make_customer(client, name="Ada & Söhne", **customer)
    subscribe(client, plan="pro", name="Team *Berlin*")
    for _ in range(3):
        use(client, "2024-01-10T00:00:00Z")
    client.at("2024-02-05T00:00:00Z")
    return only_invoice(client)


def read(url: str, http: httpx.Client) -> httpx.Response:
    """As a browser does: with the link alone."""
    return http.get(url)


def test_a_download_answers_the_invoice_with_a_link_that_needs_no_key(sandbox: Sandbox, http: httpx.Client) -> None:
    client = sandbox(net_payment_term=30)
    invoice = bill(client)
    answer = client.post(f"/invoices/{invoice['lago_id']}/download")["invoice"]
    assert answer == client.get(f"/invoices/{invoice['lago_id']}")["invoice"]
    assert answer == client.post(f"/invoices/{invoice['lago_id']}/download_pdf")["invoice"]
    assert answer["file_url"].startswith(f"{client.server.url}/documents/")
    file = read(answer["file_url"], http)
    assert (file.status_code, file.headers["content-type"]) == (200, "application/pdf")
    assert file.headers["content-disposition"].startswith(f'inline; filename="{invoice["number"]}.pdf"')
    assert file.headers["x-content-type-options"] == "nosniff"
    assert file.headers["referrer-policy"] == "no-referrer"
    told = text(file.content)
    for part in (
        f"Numéro de facture {invoice['number']}",
        "Date d’émission 1 févr. 2024",
        "Délai de paiement 30 jours",
        "De Laguna SAS 75002 Paris France",
        "FR12901234567",
        "Facturé à Ada & Söhne",
        "2 mars 2024",
        "Team *Berlin*",
        "Du 1 janv. 2024 au 31 janv. 2024",
        "Frais d’abonnement – Pro 1 49,00 € 20 % 49,00 €",
        "Calls 3 2,00 € 20 % 6,00 €",
        "TVA (20 % sur 55,00 €) 11,00 €",
        "Total 66,00 €",
        "Merci.",
    ):
        assert part in told, f"{part} is not in {told}"


def test_every_invoice_that_is_shown_has_its_link(sandbox: Sandbox, http: httpx.Client) -> None:
    client = sandbox()
    invoice = bill(client)
    (listed,) = client.get("/invoices")["invoices"]
    (of_customer,) = client.get("/customers/acme/invoices")["invoices"]
    assert invoice["file_url"] == listed["file_url"] == of_customer["file_url"]
    assert read(invoice["file_url"], http).status_code == 200  # without a download before


def test_the_official_sdk_downloads(sandbox: Sandbox) -> None:
    client = sandbox()
    invoice = bill(client)
    downloaded = Sdk(api_key=client.key, api_url=client.server.url).invoices.download(invoice["lago_id"])
    assert downloaded.file_url == invoice["file_url"]


def test_a_head_request_tells_what_would_come(sandbox: Sandbox, http: httpx.Client) -> None:
    answer = http.head(bill(sandbox())["file_url"])
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "application/pdf", b"")


def test_later_changes_change_no_document(sandbox: Sandbox, http: httpx.Client) -> None:
    client = sandbox()
    invoice = bill(client, metadata=[{"key": "Center", "value": "4711", "display_in_invoice": True}])
    first = read(invoice["file_url"], http).content
    assert "Center 4711" in text(first)
    client.put("/organizations", {"organization": {"legal_name": "Other", "city": "Lyon"}})
    metadata = [{"key": "Center", "value": "other", "display_in_invoice": True}]
    make_customer(client, name="Other", city="Rome", document_locale="it", metadata=metadata)
    client.put("/plans/pro", {"plan": {"name": "Other", "invoice_display_name": "Other"}})
    client.put("/taxes/tva", {"tax": {"name": "Other"}})
    client.post(
        "/subscriptions",
        {"subscription": {"external_customer_id": "acme", "external_id": "sub", "plan_code": "pro", "name": "Other"}},
    )
    client.at("2024-06-15T00:00:00Z")
    assert read(invoice["file_url"], http).content == first


def test_names_before_the_first_read_are_those_of_the_invoice(sandbox: Sandbox, http: httpx.Client) -> None:
    client = sandbox()
    invoice = bill(client)
    client.put("/organizations", {"organization": {"legal_name": "Other", "document_locale": "de"}})
    make_customer(client, name="Other")
    told = text(read(invoice["file_url"], http).content)
    assert "Laguna SAS" in told
    assert "Ada & Söhne" in told
    assert "Other" not in told


def test_many_readers_at_once_read_the_same(sandbox: Sandbox, server: object) -> None:
    client = sandbox()
    url = bill(client)["file_url"]
    found: list[bytes] = []

    def reader() -> None:
        found.append(httpx.get(url, timeout=60).content)

    readers = [threading.Thread(target=reader) for _ in range(8)]
    for each in readers:
        each.start()
    for each in readers:
        each.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert found[0].startswith(b"%PDF")
    with psycopg.connect(client.server.database_url) as connection:
        query = "SELECT count(*) FROM invoice_pdfs WHERE organization_id = %s"
        assert connection.execute(query, [client.organization_id]).fetchone() == (1,)


def test_an_invoice_of_1500_charges_is_printed_whole(sandbox: Sandbox, http: httpx.Client) -> None:
    client = sandbox()
    metric = make_metric(client)
    charges = [standard(metric, "2", invoice_display_name=f"Line {number}.") for number in range(1500)]
    make_plan(client, charges=charges)
    make_customer(client)
    subscribe(client)
    use(client, "2024-01-10T00:00:00Z")
    client.at("2024-02-01T00:00:00Z")
    told = text(read(only_invoice(client)["file_url"], http).content)
    for number in range(1500):
        assert f"Line {number}. 1 €2.00 0% €2.00" in told
    assert "Total €3,000.00" in told


def test_a_draft_has_no_document(sandbox: Sandbox) -> None:
    client = sandbox()
    make_plan(client, "pro", 4900)
    make_customer(client, billing_configuration={"invoice_grace_period": 3})
    subscribe(client, plan="pro")
    client.at("2024-02-01T00:00:00Z")
    draft = only_invoice(client)
    assert (draft["status"], draft["file_url"]) == ("draft", None)
    for action in ("download", "download_pdf"):
        refused = client.post(f"/invoices/{draft['lago_id']}/{action}", expect=405)
        assert refused["code"] == "is_draft"
    client.at("2024-02-04T00:00:00Z")
    assert client.post(f"/invoices/{draft['lago_id']}/download")["invoice"]["file_url"]


@pytest.mark.parametrize("lago_id", ["unknown", "0", "00000000-0000-0000-0000-000000000000", "a%2Fb", "%F0%9F%9A%80"])
@pytest.mark.parametrize("action", ["download", "download_pdf"])
def test_an_unknown_invoice_is_not_found(lago_id: str, action: str, sandbox: Sandbox) -> None:
    assert sandbox().post(f"/invoices/{lago_id}/{action}", expect=404)["code"] == "invoice_not_found"


def test_another_organizations_invoice_is_not_found(sandbox: Sandbox) -> None:
    invoice = bill(sandbox())
    assert sandbox().post(f"/invoices/{invoice['lago_id']}/download", expect=404)["code"] == "invoice_not_found"


def secret_of(client: Client) -> bytes:
    with psycopg.connect(client.server.database_url) as connection:
        row = connection.execute("SELECT value FROM server_secrets WHERE name = %s", [SECRET_NAME]).fetchone()
    assert row is not None
    return row[0].encode()


def refused(client: Client, name: str, http: httpx.Client) -> bool:
    answer = http.get(f"{client.server.url}/documents/{name}")
    return answer.status_code == 404 and answer.json()["code"] == "document_not_found"


def test_a_link_is_refused_after_its_last_day(sandbox: Sandbox, http: httpx.Client) -> None:
    client = sandbox()
    invoice_id, secret = UUID(bill(client)["lago_id"]), secret_of(client)
    today = date.today()  # noqa: DTZ011 - links age in real time
    good = file_name(secret, invoice_id, today + timedelta(days=2))
    assert http.get(f"{client.server.url}/documents/{good}").status_code == 200
    assert refused(client, file_name(secret, invoice_id, today - timedelta(days=2)), http)


def test_a_forged_link_is_refused(sandbox: Sandbox, http: httpx.Client) -> None:
    client = sandbox()
    invoice = bill(client)
    name = invoice["file_url"].rpartition("/")[2]
    tomorrow = date.today() + timedelta(days=1)  # noqa: DTZ011
    forged = [
        file_name(b"guessed", UUID(invoice["lago_id"]), tomorrow),
        f"{invoice['lago_id']}.pdf",
        f"{invoice['number']}.pdf",
        name.removesuffix(".pdf"),
        f"{name}.pdf",
        name.swapcase(),
        "%00.pdf",
        "%FF.pdf",
        "x" * 3000,
        "../health",
    ]
    for each in forged:
        assert refused(client, each, http) or each in ("%00.pdf", "%FF.pdf", "../health"), each
        assert http.get(f"{client.server.url}/documents/{each}").content[:4] != b"%PDF"


def test_a_link_to_what_is_no_document_is_refused(sandbox: Sandbox, http: httpx.Client) -> None:
    """Drafts have no link; one made with the very secret opens nothing."""
    client = sandbox()
    make_plan(client, "pro", 4900)
    make_customer(client, billing_configuration={"invoice_grace_period": 3})
    subscribe(client, plan="pro")
    client.at("2024-02-01T00:00:00Z")
    tomorrow = date.today() + timedelta(days=1)  # noqa: DTZ011
    for invoice_id in (only_invoice(client)["lago_id"], client.organization_id):
        assert refused(client, file_name(secret_of(client), UUID(invoice_id), tomorrow), http)
