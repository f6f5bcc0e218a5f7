"""What the demo sells: the metrics, their prices, the taxes, and who buys.

A code has one metric, so each row, being one event, counts for one of them: by day each airport charges in its own way,
and at night, wherever the flight leaves from, the longest counts.

One carrier pays by the hour: at peak hours and to each destination for itself, and no less than a minimum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

TIMEZONE = "America/New_York"
CURRENCY = "USD"

EWR_DAY, JFK_DAY, LGA_DAY, NIGHT = "ewr_day", "jfk_day", "lga_day", "night"
HOURS, PEAK, OFF_PEAK = "hours", "peak", "off_peak"  # a property of events, and its values
DEST, ORIGIN = "dest", "origin"


@dataclass(frozen=True, slots=True)
class Tax:
    code: str
    name: str
    rate: str  # percent


@dataclass(frozen=True, slots=True)
class Filter:
    """A price of its own for the events of some hours."""

    name: str
    hours: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Product:
    """A billable metric and the charge that prices it."""

    code: str
    name: str
    aggregation_type: str
    field_name: str | None
    charge_model: str
    properties: Mapping[str, Any]
    tax: Tax | None = None  # of its own, in place of the plan's
    filters: tuple[Filter, ...] = ()
    min_amount_cents: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    code: str
    name: str
    pay_in_advance: bool
    products: tuple[Product, ...]


def _tier(first: int, last: int | None, per_unit: str, flat: str) -> dict[str, Any]:
    return {"from_value": first, "to_value": last, "per_unit_amount": per_unit, "flat_amount": flat}


SALES_TAX = Tax("sales", "Sales tax", "8.875")
DISTANCE_TAX = Tax("distance", "Tax on distance", "7.5")

BASE_FEE_CENTS = 450_00
PREPAYING = frozenset({"HA"})  # carriers that pay the base fee of a month at its start
HOURLY = frozenset({"VX"})  # carriers that pay by the hour

PRODUCTS = (
    Product(
        code=EWR_DAY,
        name="Flights from Newark",
        aggregation_type="count_agg",
        field_name=None,
        charge_model="graduated",
        properties={
            "graduated_ranges": [
                _tier(0, 100, "2.4", "15"),
                _tier(101, 1_000, "1.85", "25.5"),
                _tier(1_001, None, "1.3475", "0"),
            ]
        },
    ),
    Product(
        code=JFK_DAY,
        name="Miles from Kennedy",
        aggregation_type="sum_agg",
        field_name="distance",
        charge_model="volume",
        properties={
            "volume_ranges": [
                _tier(0, 100_000, "0.00215", "0"),
                _tier(100_001, 1_000_000, "0.00185", "20"),
                _tier(1_000_001, None, "0.00157", "150"),
            ]
        },
        tax=DISTANCE_TAX,
    ),
    Product(
        code=LGA_DAY,
        name="Aircraft at LaGuardia",
        aggregation_type="unique_count_agg",
        field_name="tailnum",
        charge_model="package",
        properties={"amount": "45", "package_size": 10, "free_units": 5},
    ),
    Product(
        code=NIGHT,
        name="Longest night flight, in minutes",
        aggregation_type="max_agg",
        field_name="air_time",
        charge_model="standard",
        properties={"amount": "0.4375"},
    ),
)

NEWARK, KENNEDY, LAGUARDIA, LONGEST = PRODUCTS

HOURLY_PRODUCTS = (
    replace(
        NEWARK,
        charge_model="standard",
        properties={"amount": "2.1", "pricing_group_keys": [DEST]},
        filters=(Filter("Peak hours", PEAK, {"amount": "3.345", "pricing_group_keys": [DEST]}),),
        min_amount_cents=500_00,
    ),
    replace(
        KENNEDY,
        properties={**KENNEDY.properties, "pricing_group_keys": [DEST]},
        filters=(
            Filter(
                "Peak hours",
                PEAK,
                {"volume_ranges": [_tier(0, 350_000, "0.0029", "0"), _tier(350_001, None, "0.0027", "35")]},
            ),
        ),
    ),
    LAGUARDIA,
    replace(LONGEST, properties={**LONGEST.properties, "pricing_group_keys": [ORIGIN]}),
)

IN_ARREARS = Plan("airports", "Airports of New York", pay_in_advance=False, products=PRODUCTS)
IN_ADVANCE = Plan("airports_prepaid", "Airports of New York, prepaid", pay_in_advance=True, products=PRODUCTS)
BY_THE_HOUR = Plan("airports_hourly", "Airports of New York, by the hour", False, HOURLY_PRODUCTS)
PLANS = (IN_ARREARS, IN_ADVANCE, BY_THE_HOUR)


def plan_of(carrier: str) -> Plan:
    if carrier in HOURLY:
        return BY_THE_HOUR
    return IN_ADVANCE if carrier in PREPAYING else IN_ARREARS


def subscription_id(carrier: str) -> str:
    return f"{carrier}-2013"
