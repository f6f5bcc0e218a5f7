"""Which filter and group an event belongs to: the examples of spec 1 §§3.5, 3.6, and that each event has just one."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from laguna.catalog.priced import PricedCharge, PricedFilter
from laguna.metrics.derivation import MetricValues
from laguna.metrics.trimming import ALL_VALUES
from laguna.usage.buckets import WHOLE, Narrowing, Sorting, sorting_of

DECLARED = {"cloud": ["aws", "gcp"], "steps": ["25", "50"], "size": ["512", "1024"], "model": ["llama-2", "llama-3"]}


def a_filter(values: Mapping[str, Sequence[str]], **properties: Any) -> PricedFilter:
    accepted = {key: frozenset(DECLARED[key] if list(v) == [ALL_VALUES] else v) for key, v in values.items()}
    return PricedFilter(uuid.uuid4(), values, accepted, uuid.uuid4(), properties, None)


def a_charge(filters: Sequence[PricedFilter], **properties: Any) -> PricedCharge:
    return PricedCharge(
        id=uuid.uuid4(),
        plan_id=uuid.uuid4(),
        code="c",
        metric=MetricValues(uuid.uuid4(), "m", "sum_agg", "value"),
        metric_name="m",
        metric_description=None,
        terms_id=uuid.uuid4(),
        charge_model="standard",
        properties=properties,
        filters=filters,
        invoice_display_name=None,
        pay_in_advance=False,
        invoiceable=True,
        prorated=False,
        min_amount_cents=0,
    )


def position(sorting: Sorting, **properties: str) -> int:
    """The bucket of an event with these properties."""
    combination = tuple(properties.get(key) for key in sorting.keys)
    found = sorting.sort({combination: [["row"]]})
    (bucket,) = [at for at, groups in enumerate(found) if any(rows for rows in groups.values())]
    return bucket


def test_a_part_of_the_values_is_more_specific() -> None:
    sorting = sorting_of(a_charge([a_filter({"cloud": ["aws", "gcp"]}), a_filter({"cloud": ["aws"]})]))
    assert [position(sorting, cloud=cloud) for cloud in ("aws", "gcp", "azure")] == [1, 0, 2]
    assert position(sorting) == 2


def test_of_equal_filters_the_first_one_counts() -> None:
    sorting = sorting_of(a_charge([a_filter({"cloud": ["aws"]}), a_filter({"cloud": ["aws"]})]))
    assert position(sorting, cloud="aws") == 0


def test_more_keys_come_first_and_a_list_beats_all_values() -> None:
    filters = [
        {"steps": ["25"], "size": ["512"], "model": ["llama-2"]},
        {"steps": ["25"], "size": ["512"]},
        {"steps": [ALL_VALUES], "size": [ALL_VALUES]},
        {"size": [ALL_VALUES]},
        {"size": ["512"]},
    ]
    sorting = sorting_of(a_charge([a_filter(values) for values in filters]))
    events = [
        {"steps": "25", "size": "512", "model": "llama-2"},
        {"steps": "25", "size": "512", "model": "llama-3"},
        {"steps": "50", "size": "512"},
        {"size": "512"},
        {"size": "1024"},
        {"size": "2048"},
    ]
    assert [position(sorting, **event) for event in events] == [0, 1, 2, 4, 3, 5]
    explicit = sorting_of(a_charge([a_filter({"cloud": [ALL_VALUES]}), a_filter({"cloud": ["aws", "gcp"]})]))
    assert position(explicit, cloud="aws") == 1


def test_where_none_is_a_part_of_the_other_the_first_created_counts() -> None:
    across = sorting_of(a_charge([a_filter({"size": ["512"]}), a_filter({"steps": ["25"]})]))
    assert position(across, size="512", steps="25") == 0
    overlapping = sorting_of(a_charge([a_filter({"cloud": ["aws", "x"]}), a_filter({"cloud": ["x", "gcp"]})]))
    assert position(overlapping, cloud="x") == 0


def test_groups_are_those_of_the_bucket() -> None:
    filters = [a_filter({"cloud": ["aws"]}, pricing_group_keys=["country"])]
    sorting = sorting_of(a_charge(filters))
    assert sorting.keys == ("cloud", "country")
    found = sorting.sort({("aws", "us"): [["1"]], ("aws", None): [["2"]], ("gcp", "china"): [["3"]]})
    assert list(found[0]) == [(("country", "us"),), (("country", None),)]
    assert list(found[1]) == [()]


def test_without_events_there_is_one_group_without_values() -> None:
    found = sorting_of(a_charge([], pricing_group_keys=["user", "workspace"])).sort({})
    assert found == [{(("user", None), ("workspace", None)): {}}]


def test_a_reader_narrows_groups() -> None:
    charge = a_charge([], pricing_group_keys=["user", "workspace"])
    narrowed = sorting_of(charge, Narrowing(group=(("workspace", frozenset({"a"})),)))
    assert narrowed.buckets[0].group_keys == ("user",)
    found = narrowed.sort({("u1", "a"): [["1"]], ("u2", "b"): [["2"]]})
    assert list(found[0]) == [(("user", "u1"),)]
    ungrouped = sorting_of(charge, Narrowing(skip_grouping=True))
    assert ungrouped.keys == ()


def test_breakdowns() -> None:
    shown = [{"value": "user", "options": {"display_in_invoice": True}}, {"value": "team"}, {"value": "region"}]
    charge = a_charge([], pricing_group_keys=["region"], presentation_group_keys=shown)
    assert sorting_of(charge).buckets[0].breakdown_keys == ("user", "team")
    assert sorting_of(charge, Narrowing(printed=True)).buckets[0].breakdown_keys == ("user",)
    kept = Narrowing(presentation=frozenset({"team"}))
    assert sorting_of(charge, kept).buckets[0].breakdown_keys == ("team",)


VALUES = st.sampled_from(["1", "2", "3"])
FILTERS = st.lists(
    st.dictionaries(st.sampled_from(["a", "b"]), st.frozensets(VALUES, min_size=1), min_size=1), max_size=5
)


@given(FILTERS, st.dictionaries(st.sampled_from(["a", "b"]), VALUES))
def test_every_event_has_one_bucket_and_it_is_the_most_specific(
    filters: list[dict[str, frozenset[str]]], event: dict[str, str]
) -> None:
    priced = [
        PricedFilter(uuid.uuid4(), {k: sorted(v) for k, v in each.items()}, each, uuid.uuid4(), {}, None)
        for each in filters
    ]
    sorting = sorting_of(a_charge(priced), WHOLE)
    chosen = position(sorting, **event)
    matching = [n for n, each in enumerate(filters) if all(event.get(k) in v for k, v in each.items())]
    if not matching:
        assert chosen == len(filters)
        return
    assert chosen in matching
    best = filters[chosen]
    for other in (filters[n] for n in matching):
        assert len(other) <= len(best)
        narrower = other.keys() == best.keys() and all(other[k] <= best[k] for k in best) and other != best
        assert not narrower
