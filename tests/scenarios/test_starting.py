"""How subscriptions start: today, in the past, in the future, twice at once, for customers nobody has heard of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from support.billing import (
    covers,
    fees,
    invoices,
    make_customer,
    make_metric,
    make_plan,
    only_invoice,
    only_period,
    standard,
    subscribe,
    subscription_amount,
    usage_of,
    use,
)
from support.client import Sandbox


def test_a_plan_in_advance_is_billed_when_it_starts_without_any_usage(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T09:30:00Z")
    make_plan(client, amount_cents=1000, pay_in_advance=True, charges=[standard(make_metric(client))])
    use(client, "2024-03-05T09:45:00Z")

    subscribe(client)

    invoice = only_invoice(client)
    assert subscription_amount(invoice) == 871  # 27 of 31 days
    assert covers(invoice) == ("2024-03-05T00:00:00.000Z", "2024-03-31T23:59:59.999Z")
    period = only_period(invoice)
    assert period["invoicing_reason"] == "subscription_starting"
    assert period["charges_from_datetime"] == period["charges_to_datetime"] == "2024-03-05T09:30:00.000Z"
    assert fees(invoice) == []
    assert invoice["issuing_date"] == "2024-03-05"


def test_a_plan_in_arrears_bills_nothing_when_it_starts(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T09:30:00Z")
    make_plan(client, amount_cents=1000)
    subscription = subscribe(client)
    assert (subscription["status"], subscription["started_at"]) == ("active", "2024-03-05T09:30:00.000Z")
    assert invoices(client) == []


def test_a_subscription_in_the_past_bills_no_past_period(sandbox: Sandbox) -> None:
    client = sandbox("2023-10-15T00:00:00Z")
    make_plan(client, amount_cents=3100, charges=[standard(make_metric(client))])
    subscription = subscribe(client, subscription_at="2023-01-01T00:00:00Z")
    assert subscription["started_at"] == "2023-01-01T00:00:00.000Z"
    use(client, "2023-09-30T23:59:59Z")  # of a period that is not billed any more
    use(client, "2023-10-01T00:00:00Z")
    assert invoices(client) == []

    client.at("2023-11-01T00:00:00Z")

    invoice = only_invoice(client)
    assert covers(invoice) == ("2023-10-01T00:00:00.000Z", "2023-10-31T23:59:59.999Z")
    assert subscription_amount(invoice) == 3100
    assert [fee["units"] for fee in fees(invoice)] == ["1.0"]


def test_a_subscription_that_began_this_month_in_the_past_bills_the_days_since_then(sandbox: Sandbox) -> None:
    client = sandbox("2023-10-15T00:00:00Z")
    make_plan(client, amount_cents=3100)
    subscribe(client, subscription_at="2023-10-12T15:00:00Z")

    client.at("2023-11-01T00:00:00Z")

    invoice = only_invoice(client)
    assert covers(invoice) == ("2023-10-12T00:00:00.000Z", "2023-10-31T23:59:59.999Z")
    assert subscription_amount(invoice) == 2000


def test_the_running_period_of_a_plan_in_advance_that_began_in_the_past_counts_as_paid(sandbox: Sandbox) -> None:
    client = sandbox("2023-10-15T00:00:00Z")
    make_plan(client, amount_cents=3100, pay_in_advance=True, charges=[standard(make_metric(client))])
    subscribe(client, subscription_at="2023-10-01T00:00:00Z")
    use(client, "2023-10-10T00:00:00Z")
    assert invoices(client) == []

    client.at("2023-11-01T00:00:00Z")

    invoice = only_invoice(client)
    assert covers(invoice) == ("2023-11-01T00:00:00.000Z", "2023-11-30T23:59:59.999Z")
    assert subscription_amount(invoice) == 3100
    assert [fee["units"] for fee in fees(invoice)] == ["1.0"]


def test_a_future_subscription_starts_at_local_midnight_of_its_day(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-20T00:00:00Z", timezone="Asia/Tokyo")
    make_plan(client, amount_cents=3000, pay_in_advance=True)
    pending = subscribe(client, subscription_at="2024-04-01T03:00:00Z")
    assert (pending["status"], pending["started_at"]) == ("pending", None)
    client.get("/subscriptions/sub", expect=404)

    client.at("2024-03-31T14:59:59.999Z")
    assert client.get("/subscriptions/sub", {"status": "pending"})["subscription"]["status"] == "pending"
    assert invoices(client) == []

    client.at("2024-03-31T15:00:00Z")  # midnight in Tokyo
    started = client.get("/subscriptions/sub")["subscription"]
    assert (started["status"], started["activated_at"]) == ("active", "2024-03-31T15:00:00Z")
    invoice = only_invoice(client)
    assert subscription_amount(invoice) == 3000
    assert invoice["issuing_date"] == "2024-04-01"
    assert covers(invoice) == ("2024-03-31T15:00:00.000Z", "2024-04-30T14:59:59.999Z")


def test_a_future_subscription_in_arrears_bills_its_first_period_at_its_end(sandbox: Sandbox) -> None:
    client = sandbox("2024-02-01T00:00:00Z")
    make_plan(client, amount_cents=3100)
    subscribe(client, subscription_at="2024-03-22T12:00:00Z")

    client.at("2024-04-01T00:00:00Z")

    invoice = only_invoice(client)
    assert covers(invoice) == ("2024-03-22T00:00:00.000Z", "2024-03-31T23:59:59.999Z")
    assert subscription_amount(invoice) == 1000


def test_an_unknown_customer_is_made_with_the_subscription_and_takes_the_plans_currency(sandbox: Sandbox) -> None:
    client = sandbox()
    make_plan(client, amount_cents=1000, currency="JPY")

    subscription = subscribe(client, customer="nobody yet")

    customer = client.get("/customers/nobody yet")["customer"]
    assert customer["lago_id"] == subscription["lago_customer_id"]
    assert (customer["currency"], customer["name"]) == ("JPY", None)


def test_a_known_customer_keeps_the_currency_it_has(sandbox: Sandbox) -> None:
    client = sandbox()
    make_plan(client, amount_cents=1000, currency="JPY")
    make_customer(client, currency="EUR")
    subscribe(client)
    assert client.get("/customers/acme")["customer"]["currency"] == "EUR"


def test_subscribing_again_to_the_same_plan_answers_the_existing_subscription(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T00:00:00Z")
    make_plan(client, amount_cents=1000, pay_in_advance=True)
    first = subscribe(client)
    client.at("2024-03-06T00:00:00Z")
    assert subscribe(client)["lago_id"] == first["lago_id"]
    assert len(invoices(client)) == 1


def test_two_requests_at_once_for_the_same_subscription_make_one_and_bill_it_once(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T00:00:00Z")
    make_plan(client, amount_cents=1000, pay_in_advance=True)
    body = {"subscription": {"external_customer_id": "acme", "plan_code": "plan", "external_id": "sub"}}

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: client.send("POST", "/subscriptions", body), range(6)))
    client.settle()

    assert [answer.status_code for answer in answers] == [200] * 6
    assert len({answer.json()["subscription"]["lago_id"] for answer in answers}) == 1
    assert client.get("/subscriptions")["meta"]["total_count"] == 1
    assert client.get("/customers")["meta"]["total_count"] == 1
    assert len(invoices(client)) == 1


def test_two_customers_asking_at_once_for_the_same_subscription_id_leave_it_to_one_of_them(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T00:00:00Z")
    make_plan(client, amount_cents=1000, pay_in_advance=True)

    def ask(customer: str) -> tuple[int, str]:
        body = {"external_customer_id": customer, "plan_code": "plan", "external_id": "sub"}
        answer = client.send("POST", "/subscriptions", {"subscription": body})
        return answer.status_code, answer.text

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, ["a", "b", "c", "d"]))
    client.settle()

    assert sorted(status for status, _ in answers) == [200, 422, 422, 422]
    assert all('"external_id":["value_already_exist"]' in text for status, text in answers if status == 422)
    assert len(invoices(client)) == 1


def test_events_that_came_before_the_subscription_and_the_metric_count_in_its_first_period(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T00:00:00Z")
    use(client, "2024-03-10T00:00:00Z", code="bytes", size="12.5")
    use(client, "2024-03-04T00:00:00Z", code="bytes", size="100")  # before the subscription starts
    metric = make_metric(client, "bytes", "sum_agg", field_name="size")
    make_plan(client, charges=[standard(metric, "2")])
    subscribe(client)

    client.at("2024-03-11T00:00:00Z")

    usage = usage_of(client)
    assert usage["from_datetime"] == "2024-03-05T00:00:00Z"
    assert [(each["units"], each["amount_cents"]) for each in usage["charges_usage"]] == [("12.5", 2500)]


def test_a_pending_subscription_has_no_usage_yet(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T00:00:00Z")
    make_plan(client, charges=[standard(make_metric(client))])
    subscribe(client, subscription_at="2024-04-01T00:00:00Z")
    answer = client.send("GET", "/customers/acme/current_usage", params={"external_subscription_id": "sub"})
    assert (answer.status_code, answer.json()["code"]) == (405, "no_active_subscription")
