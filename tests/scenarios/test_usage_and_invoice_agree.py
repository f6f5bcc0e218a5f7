"""What a customer sees as current usage at the last instant of a period is what the invoice bills.

Whatever the charges and the events are: by charge, filter and group. Minimums aside, which are billed alone.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from support.billing import fees, make_customer, make_metric, make_plan, only_invoice, subscribe, unix, usage_of
from support.client import Client, Json, Sandbox

STORIES = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a failing story is short enough to be read as it is
)
FIGURES = ("units", "total_aggregated_units", "events_count", "amount_cents")
CLOUDS, REGIONS = ("aws", "gcp", "azure"), ("eu", "us")
PERIODS = [
    ("UTC", "2024-01-10T08:00:00.000Z", "2024-01-31T23:59:59.999Z", "2024-02-01T00:00:00Z"),
    ("America/New_York", "2024-03-01T05:00:00.000Z", "2024-04-01T03:59:59.999Z", "2024-04-01T04:00:00Z"),
    ("Asia/Tokyo", "2024-01-15T00:00:00.000Z", "2024-01-31T14:59:59.999Z", "2024-01-31T15:00:00Z"),
]
METRICS: dict[str, Json] = {
    "count": {"aggregation_type": "count_agg"},
    "sum": {"aggregation_type": "sum_agg", "field_name": "size"},
    "ceil": {
        "aggregation_type": "sum_agg",
        "field_name": "size",
        "rounding_function": "ceil",
        "rounding_precision": 1,
    },
    "max": {"aggregation_type": "max_agg", "field_name": "size"},
    "latest": {"aggregation_type": "latest_agg", "field_name": "size"},
    "unique": {"aggregation_type": "unique_count_agg", "field_name": "who"},
    "weighted": {"aggregation_type": "weighted_sum_agg", "field_name": "size", "weighted_interval": "seconds"},
    "held": {"aggregation_type": "sum_agg", "field_name": "size", "recurring": True},
    "members": {"aggregation_type": "unique_count_agg", "field_name": "who", "recurring": True},
}
PRICES = st.decimals("0", "99", places=4).map(str)
MODELS = ("standard", "graduated", "package", "volume", "percentage", "graduated_percentage", "dynamic")
PRORATED_MODELS = ("standard", "graduated", "volume")


@st.composite
def tiers(draw: st.DrawFn, price: str) -> list[Json]:
    return [
        {"from_value": low, "to_value": high, price: draw(PRICES), "flat_amount": draw(PRICES)}
        for low, high in ((0, 3), (4, 20), (21, None))
    ]


PROPERTIES: dict[str, st.SearchStrategy[Json]] = {
    "standard": st.fixed_dictionaries({"amount": PRICES}),
    "graduated": st.fixed_dictionaries({"graduated_ranges": tiers("per_unit_amount")}),
    "package": st.fixed_dictionaries(
        {"amount": PRICES, "free_units": st.integers(0, 5), "package_size": st.integers(1, 20)}
    ),
    "volume": st.fixed_dictionaries({"volume_ranges": tiers("per_unit_amount")}),
    "percentage": st.fixed_dictionaries(
        {"rate": PRICES},
        optional={
            "fixed_amount": PRICES,
            "free_units_per_events": st.integers(1, 3),
            "free_units_per_total_aggregation": PRICES,
            "per_transaction_max_amount": PRICES,
        },
    ),
    "graduated_percentage": st.fixed_dictionaries({"graduated_percentage_ranges": tiers("rate")}),
    "dynamic": st.just({}),
}
GROUPS = st.sampled_from([[], [], ["region"], ["region", "cloud"], ["team"]])
FILTERS = st.lists(
    st.sampled_from(
        [
            {"cloud": ["aws"]},
            {"cloud": ["aws", "gcp"]},
            {"cloud": ["__ALL_FILTER_VALUES__"]},
            {"region": ["eu"]},
            {"cloud": ["gcp"], "region": ["eu", "us"]},
        ]
    ),
    max_size=3,
    unique_by=json.dumps,
)


def allowed(metric: str, model: str) -> bool:
    if model == "dynamic":
        return METRICS[metric]["aggregation_type"] == "sum_agg"
    return metric != "latest" or model not in ("percentage", "graduated_percentage")


PAIRS = [(metric, model) for metric in METRICS for model in MODELS if allowed(metric, model)]


@st.composite
def charges(draw: st.DrawFn) -> Json:
    """A charge; `metric` stands for the metric's id."""
    metric, model = draw(st.sampled_from(PAIRS))

    def priced() -> Json:
        properties = draw(PROPERTIES[model])
        groups = draw(GROUPS)
        return {**properties, "pricing_group_keys": groups} if groups else properties

    recurring = METRICS[metric].get("recurring", False)
    return {
        "metric": metric,
        "charge_model": model,
        "properties": priced(),
        "prorated": recurring and model in PRORATED_MODELS and draw(st.booleans()),
        "filters": [{"values": values, "properties": priced()} for values in draw(FILTERS)],
    }


SIZES = st.integers(-5, 30) | st.decimals("0", "9", places=5).map(str) | st.sampled_from(["text", None])
EVENTS = st.fixed_dictionaries(
    {
        "code": st.sampled_from([*METRICS]),
        "at": st.floats(-0.1, 1.1),  # where in the period, or just outside
        "cost": st.integers(0, 9_999),
        "properties": st.fixed_dictionaries(
            {"size": SIZES, "who": st.sampled_from("abcde")},
            optional={
                "cloud": st.sampled_from(CLOUDS),
                "region": st.sampled_from(REGIONS),
                "team": st.sampled_from(["red", ""]),
                "operation_type": st.sampled_from(["add", "remove"]),
            },
        ),
    }
)


def make_charges(client: Client, drawn: list[Json]) -> list[Json]:
    filters = [{"key": "cloud", "values": [*CLOUDS]}, {"key": "region", "values": [*REGIONS]}]
    ids = {code: make_metric(client, code, filters=filters, **METRICS[code]) for code in {c["metric"] for c in drawn}}
    return [
        {name: value for name, value in charge.items() if name != "metric"}
        | {"billable_metric_id": ids[charge["metric"]], "code": f"c{number}"}
        for number, charge in enumerate(drawn)
    ]


def send(client: Client, drawn: list[Json], first: str, last: str) -> None:
    """All events, and each one twice more at the very ends of the period."""
    start, end = float(unix(first)), float(unix(last))
    events: list[Json] = []
    for number, event in enumerate(drawn):
        instants = [unix(first), unix(last)] if number == 0 else [f"{start + event['at'] * (end - start):.3f}"]
        for each, instant in enumerate(instants):
            events.append(
                {
                    "transaction_id": f"e{number}-{each}",
                    "external_subscription_id": "sub",
                    "code": event["code"],
                    "timestamp": instant,
                    "precise_total_amount_cents": f"{event['cost']}.5",
                    "properties": event["properties"],
                }
            )
    for position in range(0, len(events), 100):
        client.post("/events/batch", {"events": events[position : position + 100]})


Key = tuple[str, str, str]


def shown_lines(usage: Json) -> dict[Key, Json]:
    """What usage shows by charge, filter and group."""
    found: dict[Key, Json] = {}
    for charge in usage["charges_usage"]:
        for group in charge["grouped_usage"] or [charge]:
            for line in group["filters"] or [group]:
                key = (charge["charge"]["lago_id"], _text(line.get("values")), _text(group.get("grouped_by", {})))
                assert key not in found
                found[key] = {name: line[name] for name in FIGURES}
    return found


def billed_lines(billed: list[Json]) -> dict[Key, Json]:
    found: dict[Key, Json] = {}
    for fee in billed:
        key = (fee["lago_charge_id"], _text(fee["item"]["filters"]), _text(fee["item"]["grouped_by"]))
        assert key not in found
        found[key] = {name: fee[name] for name in FIGURES}
    return found


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@settings(STORIES, max_examples=20)
@given(
    drawn=st.lists(charges(), min_size=1, max_size=4),
    events=st.lists(EVENTS, max_size=40),
    period=st.sampled_from(PERIODS),
    currency=st.sampled_from(["EUR", "JPY", "USD"]),
)
def test_the_invoice_bills_the_usage_that_was_shown_at_the_last_instant(
    sandbox: Sandbox, drawn: list[Json], events: list[Json], period: tuple[str, str, str, str], currency: str
) -> None:
    zone, first, last, after = period
    client = sandbox(first)
    client.post("/taxes", {"tax": {"name": "VAT", "code": "vat", "rate": 20, "applied_to_organization": True}})
    make_plan(client, amount_cents=100, currency=currency, charges=make_charges(client, drawn))
    make_customer(client, timezone=zone)
    subscribe(client)
    send(client, events, first, last)

    client.at(last)
    shown = usage_of(client)
    client.at(after)
    invoice = only_invoice(client)

    assert invoice["billing_periods"][0]["charges_from_datetime"] == first
    assert invoice["billing_periods"][0]["charges_to_datetime"] == last
    billed, usage = billed_lines(fees(invoice)), shown_lines(shown)
    assert billed.items() <= usage.items()
    for key in usage.keys() - billed.keys():  # what is zero is shown, but not billed
        line = usage[key]
        assert (line["units"], line["events_count"], line["amount_cents"]) == ("0.0", 0, 0)
    assert sum(line["amount_cents"] for line in billed.values()) == shown["amount_cents"]
    assert invoice["currency"] == shown["currency"] == currency
    past = client.get("/customers/acme/past_usage", {"external_subscription_id": "sub"})["usage_periods"]
    assert [(each["amount_cents"], each["from_datetime"]) for each in past] == [
        (shown["amount_cents"], shown["from_datetime"])
    ]
    assert billed.items() == shown_lines(past[0]).items()


@settings(STORIES, max_examples=5)
@given(drawn=st.lists(charges(), min_size=1, max_size=3), events=st.lists(EVENTS, max_size=20))
def test_taxes_and_totals_agree_where_usage_is_all_that_is_billed(
    sandbox: Sandbox, drawn: list[Json], events: list[Json]
) -> None:
    zone, first, last, after = PERIODS[0]
    client = sandbox(first)
    client.put("/organizations", {"organization": {"finalize_zero_amount_invoice": True}})
    client.post("/taxes", {"tax": {"name": "VAT", "code": "vat", "rate": 20, "applied_to_organization": True}})
    make_plan(client, charges=make_charges(client, drawn))
    make_customer(client, timezone=zone)
    subscribe(client)
    send(client, events, first, last)

    client.at(last)
    shown = usage_of(client)
    client.at(after)
    invoice = only_invoice(client)

    assert invoice["fees_amount_cents"] == shown["amount_cents"]
    assert invoice["taxes_amount_cents"] == shown["taxes_amount_cents"]
    assert invoice["total_amount_cents"] == shown["total_amount_cents"]
