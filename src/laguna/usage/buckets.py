"""Which price an event has: the filter it belongs to and its group (spec 1 §§3.5, 3.6). Pure.

Events come condensed, by the combination of the values that some properties have. Each combination belongs to just one
bucket: a filter, or the charge itself, and within it to one group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from laguna.catalog.priced import PricedCharge, PricedFilter
from laguna.metrics.aggregations import Row
from laguna.metrics.store import Combination
from laguna.metrics.trimming import ALL_VALUES

Group = tuple[tuple[str, str | None], ...]  # pricing group key and value, in the order of the keys


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What a reader asks to see of usage (spec 1 §6.1).

    `group`: only events with these values, whose keys no longer group. `skip_grouping`: no pricing groups.
    `presentation`: the breakdown keys to keep; None keeps all. `printed`: only those that are shown on invoices.
    """

    group: tuple[tuple[str, frozenset[str]], ...] = ()
    skip_grouping: bool = False
    presentation: frozenset[str] | None = None
    printed: bool = False


WHOLE = Narrowing()
PRINTED = Narrowing(printed=True)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Usage that has one price: of a filter, or without one of what no filter matches."""

    filter: PricedFilter | None
    terms_id: UUID
    properties: Mapping[str, Any]
    group_keys: tuple[str, ...]
    breakdown_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sorting:
    """How the events of a charge are sorted: `keys` are the properties that tell."""

    buckets: Sequence[Bucket]
    keys: tuple[str, ...]
    narrowing: Narrowing

    def sort(self, rows: Mapping[Combination, list[Row]]) -> list[dict[Group, dict[Combination, list[Row]]]]:
        """For each bucket its groups, each with the combinations that it consists of.

        A bucket without events has one group, whose values are None.
        """
        found: list[dict[Group, dict[Combination, list[Row]]]] = [{} for _ in self.buckets]
        for combination, condensed in rows.items():
            values = dict(zip(self.keys, combination, strict=True))
            if all(values[key] in accepted for key, accepted in self.narrowing.group):
                position = self._bucket_of(values)
                group = tuple((key, values[key]) for key in self.buckets[position].group_keys)
                found[position].setdefault(group, {})[combination] = condensed
        for bucket, groups in zip(self.buckets, found, strict=True):
            if not groups:
                groups[tuple((key, None) for key in bucket.group_keys)] = {}
        return [dict(sorted(groups.items(), key=_by_values)) for groups in found]

    def _bucket_of(self, values: Mapping[str, str | None]) -> int:
        """The most specific filter that matches, the charge itself where none does."""
        matching = [
            position
            for position, bucket in enumerate(self.buckets)
            if bucket.filter is not None
            and all(values[key] in accepted for key, accepted in bucket.filter.accepted.items())
        ]
        if len(matching) > 1:
            return most_specific(self.buckets, matching)
        return matching[0] if matching else len(self.buckets) - 1

    def breakdown(
        self, bucket: Bucket, rows: Mapping[Combination, list[Row]]
    ) -> dict[tuple[tuple[str, str | None], ...], list[Row]]:
        """The rows of a group by the values of its breakdown keys."""
        found: dict[tuple[tuple[str, str | None], ...], list[Row]] = {}
        positions = [(key, self.keys.index(key)) for key in bucket.breakdown_keys]
        for combination, condensed in rows.items():
            found.setdefault(tuple((key, combination[at]) for key, at in positions), []).extend(condensed)
        return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def most_specific(buckets: Sequence[Bucket], matching: Sequence[int]) -> int:
    """Of several filters that match: the most keys, then none that another one with the same keys is part of, then
    the first created."""
    filters = {position: bucket.filter for position in matching if (bucket := buckets[position]).filter is not None}
    most = max(len(item.accepted) for item in filters.values() if item)
    candidates = {position: item for position, item in filters.items() if item and len(item.accepted) == most}
    return min(
        position
        for position, item in candidates.items()
        if not any(_is_part(other, item) for other in candidates.values())
    )


def _is_part(narrow: PricedFilter, wide: PricedFilter) -> bool:
    """Whether it takes less than the other: a list beats all values, also where all are in the list."""
    if narrow.accepted.keys() != wide.accepted.keys():
        return False
    if all(narrow.accepted[key] <= wide.accepted[key] for key in wide.accepted):
        return narrow.accepted != wide.accepted or _explicit(narrow) > _explicit(wide)
    return False


def _explicit(item: PricedFilter) -> int:
    """How many of its keys name their values."""
    return sum(list(values) != [ALL_VALUES] for values in item.values.values())


def _by_values(item: tuple[Group, Any]) -> list[tuple[bool, str]]:
    return _order(item[0])


def _order(group: Group) -> list[tuple[bool, str]]:
    """By their values, missing ones last."""
    return [(value is None, value or "") for _, value in group]


def sorting_of(charge: PricedCharge, narrowing: Narrowing = WHOLE) -> Sorting:
    """How a charge's events are sorted, as far as a reader asks to see them."""
    buckets = [
        *(_bucket(item, item.terms_id, item.properties, narrowing) for item in charge.filters),
        _bucket(None, charge.terms_id, charge.properties, narrowing),
    ]
    keys: dict[str, None] = {}
    for bucket in buckets:
        if bucket.filter is not None:
            keys.update(dict.fromkeys(bucket.filter.accepted))
        keys.update(dict.fromkeys((*bucket.group_keys, *bucket.breakdown_keys)))
    keys.update(dict.fromkeys(key for key, _ in narrowing.group))
    return Sorting(buckets, tuple(keys), narrowing)


def _bucket(item: PricedFilter | None, terms_id: UUID, properties: Mapping[str, Any], narrowing: Narrowing) -> Bucket:
    pricing: Sequence[str] = properties.get("pricing_group_keys") or ()
    narrowed = {key for key, _ in narrowing.group}
    shown = [
        group["value"]
        for group in properties.get("presentation_group_keys") or ()
        if not narrowing.printed or group.get("options", {}).get("display_in_invoice")
    ]
    return Bucket(
        filter=item,
        terms_id=terms_id,
        properties=properties,
        group_keys=() if narrowing.skip_grouping else tuple(key for key in pricing if key not in narrowed),
        breakdown_keys=tuple(
            key
            for key in shown
            if key not in pricing and (narrowing.presentation is None or key in narrowing.presentation)
        ),
    )
