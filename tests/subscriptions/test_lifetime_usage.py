"""Lifetime usage: from before, invoiced, and running (spec 1 §6.7)."""

from __future__ import annotations

from typing import Any

import pytest

from support.billing import make_customer, make_metric, make_plan, standard, subscribe, use
from support.client import Client, Json, Sandbox

FIGURES = ("external_historical_usage_amount_cents", "invoiced_usage_amount_cents", "current_usage_amount_cents")


def lifetime(client: Client, external_id: str = "sub") -> Json:
    return client.get(f"/subscriptions/{external_id}/lifetime_usage")["lifetime_usage"]


def figures(client: Client, external_id: str = "sub") -> list[int]:
    shown = lifetime(client, external_id)
    return [shown[name] for name in FIGURES]


def set_to(client: Client, amount: Any, **more: Any) -> Json:
    body = {"lifetime_usage": {"external_historical_usage_amount_cents": amount}}
    return client.put("/subscriptions/sub/lifetime_usage", body, **more)


@pytest.fixture
def story(sandbox: Sandbox) -> Client:
    client = sandbox("2024-01-10T12:30:00Z")
    client.post("/taxes", {"tax": {"name": "VAT", "code": "vat", "rate": 20, "applied_to_organization": True}})
    make_plan(client, amount_cents=900, charges=[standard(make_metric(client), "2")])
    make_customer(client)
    subscribe(client)
    return client


def test_usage_is_current_until_it_is_invoiced_and_never_counted_twice(story: Client) -> None:
    use(story, "2024-01-11T00:00:00Z")
    assert figures(story) == [0, 0, 200]
    story.at("2024-02-05T00:00:00Z")
    use(story, "2024-02-05T00:00:00Z")
    assert figures(story) == [0, 200, 200]  # neither the plan's own fee nor taxes
    shown = lifetime(story)
    assert (shown["from_datetime"], shown["to_datetime"]) == ("2024-01-10T12:30:00Z", "2024-02-05T00:00:00Z")
    assert shown["external_subscription_id"] == "sub"
    assert shown["usage_thresholds"] == []
    story.delete("/subscriptions/sub")
    assert figures(story) == [0, 400, 0]


def test_a_draft_counts_as_invoiced(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-10T00:00:00Z")
    make_plan(client, charges=[standard(make_metric(client), "2")])
    make_customer(client, billing_configuration={"invoice_grace_period": 5})
    subscribe(client)
    use(client, "2024-01-11T00:00:00Z")
    client.at("2024-02-02T00:00:00Z")
    assert client.get("/invoices")["invoices"][0]["status"] == "draft"
    assert figures(client) == [0, 200, 0]


def test_what_was_used_before_is_told_by_the_client(story: Client) -> None:
    before = lifetime(story)
    changed = set_to(story, 12_345)["lifetime_usage"]
    assert changed == {**before, "external_historical_usage_amount_cents": 12_345}
    assert lifetime(story) == changed
    # nothing else can be set
    body = {"lifetime_usage": {"invoiced_usage_amount_cents": 7}}
    assert story.put("/subscriptions/sub/lifetime_usage", body)["lifetime_usage"] == changed
    assert set_to(story, None)["lifetime_usage"] == before


@pytest.mark.parametrize(
    ("amount", "details"),
    [
        (-1, {"historical_usage_amount_cents": ["value_is_out_of_range"]}),
        (2**62, {"historical_usage_amount_cents": ["value_is_out_of_range"]}),
        ("x", {"external_historical_usage_amount_cents": ["value_is_invalid"]}),
        (1.5, {"external_historical_usage_amount_cents": ["value_is_invalid"]}),
    ],
)
def test_what_is_no_amount_is_refused(story: Client, amount: Any, details: Json) -> None:
    assert set_to(story, amount, expect=422)["error_details"] == details
    assert figures(story)[0] == 0


def test_an_unknown_subscription_has_none(story: Client) -> None:
    body = {"lifetime_usage": {"external_historical_usage_amount_cents": 1}}
    for answer in (
        story.get("/subscriptions/nothing/lifetime_usage", expect=404),
        story.put("/subscriptions/nothing/lifetime_usage", body, expect=404),
    ):
        assert answer["code"] == "lifetime_usage_not_found"


def test_it_goes_on_in_the_next_life_with_the_same_start_and_begins_anew_in_another(story: Client) -> None:
    set_to(story, 700)
    use(story, "2024-01-10T12:30:00Z")
    story.at("2024-01-11T00:00:00Z")
    story.delete("/subscriptions/sub")
    first = lifetime(story)
    again = subscribe(story, subscription_at="2024-01-10T12:30:00Z")
    shown = lifetime(story)
    assert (shown["lago_id"], shown["lago_subscription_id"]) == (first["lago_id"], again["lago_id"])
    assert figures(story) == [700, 200, 0]

    story.delete("/subscriptions/sub")
    story.at("2024-01-20T00:00:00Z")
    subscribe(story)
    assert figures(story) == [0, 0, 0]
    assert lifetime(story)["lago_id"] != first["lago_id"]


def test_it_goes_on_over_changes_of_plan(story: Client) -> None:
    set_to(story, 700)
    first = lifetime(story)
    use(story, "2024-01-11T00:00:00Z")
    story.at("2024-01-15T00:00:00Z")
    make_plan(story, "more", amount_cents=9000, charges=[standard(make_metric(story, "rows"), "3")])
    upgraded = subscribe(story, plan="more")
    use(story, "2024-01-16T00:00:00Z", "rows")
    assert figures(story) == [700, 200, 300]
    subscribe(story, plan="plan")  # at the end of the period
    assert figures(story) == [700, 200, 300]
    assert lifetime(story)["lago_subscription_id"] == upgraded["lago_id"]
    story.at("2024-02-10T00:00:00Z")
    use(story, "2024-02-10T00:00:00Z")
    assert figures(story) == [700, 500, 200]
    assert lifetime(story)["lago_id"] == first["lago_id"]


def test_a_subscription_that_has_not_begun_has_used_nothing(story: Client) -> None:
    subscribe(story, external_id="later", subscription_at="2024-06-01T00:00:00Z")
    assert figures(story, "later") == [0, 0, 0]
