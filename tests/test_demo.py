"""`laguna demo`: how it reads the flights, how it works out its own figures, and the quick form from end to end."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from laguna.demo import expected, flights, show
from laguna.demo.compare import Invoice, compare, invoice_of, issued_on
from laguna.demo.expected import (
    BASE_FEE,
    FORMULAS,
    START,
    Figures,
    Line,
    Tally,
    Usage,
    divided,
    invoices_of,
    kind_of,
)
from laguna.demo.flights import DataError, Row, data_folder, flight_of, read_rows, rows_of, scheduled
from laguna.demo.run import Options, choose, run
from laguna.demo.server import Server
from laguna.demo.tariff import HOURLY_PRODUCTS
from support.server import Server as RunningServer

has_flights = pytest.mark.skipif(find_spec(flights.PACKAGE) is None, reason="the extra `demo` isn't installed")

HEADER = ",".join(Row._fields)
# year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,
# air_time,distance,hour,minute,time_hour
FLOWN = "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z"
CANCELLED = "2013,1,2,NA,1545,NA,NA,1910,NA,AA,133,NA,JFK,LAX,NA,2475,15,45,2013-01-02T20:00:00Z"


def row(**changes: str) -> Row:
    return next(rows_of([HEADER, FLOWN]))._replace(**changes)


def cents(model: str, units: str, properties: Mapping[str, Any]) -> int:
    return expected.cents(FORMULAS[model](Decimal(units), properties))


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_row_becomes_an_event_at_its_scheduled_hour() -> None:
    assert flight_of(row()).event() == {
        "transaction_id": "2013-01-01T10:00:00Z-UA-1545",
        "external_subscription_id": "UA-2013",
        "code": "ewr_day",
        "timestamp": 1357034400,
        "properties": {
            "distance": 1400,
            "air_time": 227,
            "tailnum": "N14228",
            "origin": "EWR",
            "dest": "IAH",
            "hours": "off_peak",
        },
    }


def test_what_the_file_does_not_know_is_left_out_of_the_event() -> None:
    flight = flight_of(next(rows_of([HEADER, CANCELLED])))
    assert flight.air_time is None
    assert flight.tailnum is None
    assert flight.event()["properties"] == {
        "distance": 2475,
        "origin": "JFK",
        "dest": "LAX",
        "hours": "off_peak",
    }


@pytest.mark.parametrize(
    ("time_hour", "month", "hour"),
    [
        ("2013-01-01T10:00:00Z", 1, 5),
        ("2013-07-01T09:00:00Z", 7, 5),  # in summer New York is four hours behind
        ("2013-08-01T03:00:00Z", 7, 23),  # the last hour of a month is the next month's in UTC
        ("2014-01-01T04:00:00Z", 12, 23),
    ],
)
def test_the_clocks_of_new_york_say_when_a_flight_leaves(time_hour: str, month: int, hour: int) -> None:
    assert scheduled(time_hour)[1:] == (month, hour)


@pytest.mark.parametrize(
    ("time_hour", "origin", "code"),
    [
        ("2013-01-01T10:00:00Z", "EWR", "ewr_day"),
        ("2013-01-01T10:00:00Z", "JFK", "jfk_day"),
        ("2013-01-02T00:00:00Z", "LGA", "lga_day"),  # 19:00
        ("2013-01-02T01:00:00Z", "LGA", "night"),  # 20:00
        ("2013-01-01T09:00:00Z", "EWR", "night"),  # 4:00
    ],
)
def test_the_airport_gives_the_code_by_day_and_the_hour_by_night(time_hour: str, origin: str, code: str) -> None:
    assert flight_of(row(time_hour=time_hour, origin=origin)).code == code


def test_a_file_with_other_columns_is_refused() -> None:
    with pytest.raises(DataError, match="columns"):
        rows_of(["year,month", "2013,1"])


def test_without_the_package_the_demo_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "PACKAGE", "no_such_package_of_flights")
    with pytest.raises(DataError, match=r"pip install 'laguna\[demo\]'"):
        data_folder()


@has_flights
def test_the_file_is_whole_and_its_two_calendars_agree() -> None:
    ids: set[str] = set()
    for each in read_rows(data_folder()):
        flight = flight_of(each)
        ids.add(flight.transaction_id)
        assert scheduled(each.time_hour)[1:] == (int(each.month), int(each.hour))
        assert flight.event()["properties"]["hours"] == kind_of(each).hours
    assert len(ids) == 336_776


# --- the independent figures ------------------------------------------------------------------------------------------


def test_usage_is_counted_from_the_text_of_the_rows() -> None:
    usage = Usage()
    for each in (
        row(),
        row(tailnum="NA", air_time="NA"),
        row(origin="JFK", distance="2475"),
        row(origin="JFK", distance="187", air_time="NA"),
        row(origin="LGA", tailnum="N1"),
        row(origin="LGA", tailnum="N1"),
        row(origin="LGA", tailnum="NA"),
        row(origin="LGA", hour="20", air_time="95"),
        row(origin="JFK", hour="4", air_time="310"),
        row(origin="JFK", hour="23", air_time="NA"),
    ):
        usage.count(each)
    assert usage.rows == 10
    assert usage.units() == {"ewr_day": 2, "jfk_day": 2662, "lga_day": 1, "night": 310}


GRADUATED = {
    "graduated_ranges": [
        {"from_value": 0, "to_value": 10, "per_unit_amount": "10", "flat_amount": "2"},
        {"from_value": 11, "to_value": 20, "per_unit_amount": "5", "flat_amount": "3"},
        {"from_value": 21, "to_value": None, "per_unit_amount": "5", "flat_amount": "3"},
    ]
}
VOLUME = {
    "volume_ranges": [
        {"from_value": 0, "to_value": 100, "per_unit_amount": "2", "flat_amount": "10"},
        {"from_value": 101, "to_value": 200, "per_unit_amount": "1", "flat_amount": "0"},
        {"from_value": 201, "to_value": None, "per_unit_amount": "0.5", "flat_amount": "50"},
    ]
}


@pytest.mark.parametrize(
    ("units", "amount"), [("0", 200), ("1", 1200), ("10", 10200), ("11", 11000), ("12", 11500), ("21", 16300)]
)
def test_graduated_tiers_each_price_what_falls_into_them(units: str, amount: int) -> None:
    assert cents("graduated", units, GRADUATED) == amount


@pytest.mark.parametrize(
    ("units", "amount"), [("0", 1000), ("1", 1200), ("100", 21000), ("101", 10100), ("200", 20000), ("300", 20000)]
)
def test_volume_prices_all_units_by_the_tier_reached(units: str, amount: int) -> None:
    assert cents("volume", units, VOLUME) == amount


@pytest.mark.parametrize(
    ("units", "free", "amount"),
    [("121", 0, 130000), ("121", 10, 120000), ("121", 200, 0), ("3", 5, 0), ("12", 5, 10000), ("0", 0, 0)],
)
def test_a_package_that_is_begun_is_due(units: str, free: int, amount: int) -> None:
    assert cents("package", units, {"amount": "100", "package_size": 10, "free_units": free}) == amount


def test_halves_of_a_cent_are_rounded_up() -> None:
    assert cents("standard", "10", {"amount": "5.12345"}) == 5123
    assert cents("standard", "1", {"amount": "0.525"}) == 53


def test_taxes_are_rounded_once_for_the_whole_invoice() -> None:
    # 8.875 % of 100 and of 100 are 8.875 each, 7.5 % of 7 is 0.525: 18.275 together; one by one it would be 19
    lines = {BASE_FEE: Line(Decimal(1), 100), "ewr_day": Line(Decimal(1), 100), "jfk_day": Line(Decimal(1), 7)}
    assert expected.invoice(lines) == Figures(lines, fees_cents=207, taxes_cents=18, total_cents=225)


def test_a_month_without_flights_has_an_invoice_too() -> None:
    # 450.00 and the first tier's 15.00; 8.875 % of them are 41.26875
    figures = invoices_of("OO", [2], Tally())[2]
    assert set(figures.lines) == {BASE_FEE, "ewr_day"}
    assert (figures.fees_cents, figures.taxes_cents, figures.total_cents) == (465_00, 41_27, 506_27)


def test_a_carrier_that_pays_in_advance_has_one_invoice_more() -> None:
    assert set(invoices_of("HA", [1, 2], Tally())) == {START, 1, 2}
    assert set(invoices_of("OO", [1, 2], Tally())) == {1, 2}
    assert (issued_on(START), issued_on(1), issued_on(12)) == (date(2013, 1, 1), date(2013, 2, 1), date(2014, 1, 1))


def hourly(*rows: Row) -> Tally:
    """The tally of flights of the carrier that pays by the hour."""
    tally = Tally()
    for each in rows:
        tally.count(each._replace(carrier="VX"))
    return tally


def test_peak_hours_and_destinations_are_priced_for_themselves_and_filled_up_to_the_minimum() -> None:
    peak, night = row(hour="17", dest="LAX"), row(hour="21")
    tally = hourly(peak, peak, row(hour="7", dest="SFO"), row(hour="9", dest="LAX"), row(hour="19"), night)
    assert divided(HOURLY_PRODUCTS[0], tally.parts_of("VX", 1)) == {
        "ewr_day · Peak hours · LAX": Line(Decimal(2), 669),
        "ewr_day · Peak hours · SFO": Line(Decimal(1), 335),
        "ewr_day · IAH": Line(Decimal(1), 210),
        "ewr_day · LAX": Line(Decimal(1), 210),
        "ewr_day · minimum": Line(Decimal(1), 500_00 - 669 - 335 - 210 - 210),
    }


def test_what_no_filter_takes_is_in_groups_of_its_own() -> None:
    peak, other = row(origin="JFK", hour="17", distance="2475"), row(origin="JFK", hour="12", distance="2586")
    tally = hourly(peak, peak._replace(dest="SFO"), other, other._replace(dest="SFO"), other._replace(dest="SFO"))
    assert divided(HOURLY_PRODUCTS[1], tally.parts_of("VX", 1)) == {
        "jfk_day · Peak hours": Line(Decimal(4950), 1436),  # 14.355
        "jfk_day · IAH": Line(Decimal(2586), 556),  # 5.5599
        "jfk_day · SFO": Line(Decimal(5172), 1112),
    }


def test_without_flights_the_minimum_is_due() -> None:
    # 450.00 and 500.00; 8.875 % of them are 84.3125
    figures = invoices_of("VX", [1], Tally())[1]
    assert set(figures.lines) == {BASE_FEE, "ewr_day · minimum"}
    assert (figures.fees_cents, figures.total_cents) == (950_00, 1034_31)


# --- comparing --------------------------------------------------------------------------------------------------------

EXPECTED = {"OO": invoices_of("OO", [1, 2], Tally())}
ISSUED = [
    Invoice("OO", issued_on(month), f"N-{month}", "finalized", figures) for month, figures in EXPECTED["OO"].items()
]


def test_equal_invoices_agree() -> None:
    comparison = compare(EXPECTED, ISSUED)
    assert comparison.agrees
    assert comparison.equal_totals == 2


def test_every_difference_is_named_and_shown() -> None:
    lines = {**ISSUED[0].figures.lines, "night": Line(Decimal("3.0"), 131)}
    wrong = replace(ISSUED[0], figures=replace(ISSUED[0].figures, lines=lines, fees_cents=46631, total_cents=50758))
    comparison = compare(EXPECTED, [wrong, ISSUED[0]])
    assert not comparison.agrees
    assert comparison.equal_totals == 0
    assert [(each.month, each.what, each.invoiced, each.expected) for each in comparison.differences] == [
        (1, "invoice N-1 of 2013-02-01", "506.27", None),
        (1, "night", "3 units, 1.31", None),
        (1, "fees", "466.31", "465.00"),
        (1, "total", "507.58", "506.27"),
        (2, "invoice", None, "506.27"),
    ]
    console = Console(file=io.StringIO(), width=140)
    show.invoices(console, show.Year({"OO": "SkyWest"}, [1, 2], {("OO", 2)}, comparison))
    show.summary(console, comparison, show.Effort(0, 8, 0.0, 1.0, 2.0))
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    assert "✗507.58" in printed
    assert "✗none" in printed
    assert "3 units, 1.31" in printed
    assert "0 of 2 invoice totals equal" in printed


def fee(kind: str, code: str, units: str, amount_cents: int, name: str | None = None, **more: Any) -> dict[str, Any]:
    item = {"type": kind, "code": code, "filter_invoice_display_name": name, "grouped_by": more.pop("grouped_by", {})}
    ids = {"lago_true_up_fee_id": None, "lago_true_up_parent_fee_id": None}
    return {"item": item, "units": units, "amount_cents": amount_cents, **ids, **more}


def test_lines_are_called_by_their_filter_and_group() -> None:
    answer: dict[str, Any] = {
        "customer": {"external_id": "VX"},
        "issuing_date": "2013-02-01",
        "number": "N-1",
        "status": "finalized",
        "fees": [
            fee("charge", "ewr_day", "2.0", 669, "Peak hours", grouped_by={"dest": "LAX"}),
            fee("charge", "ewr_day", "0.0", 0, grouped_by={"dest": None}, lago_true_up_fee_id="x"),
            fee("charge", "ewr_day", "1.0", 49331, lago_true_up_parent_fee_id="y"),
        ],
        "fees_amount_cents": 50000,
        "taxes_amount_cents": 0,
        "total_amount_cents": 50000,
    }
    assert invoice_of(answer).figures.lines == {
        "ewr_day · Peak hours · LAX": Line(Decimal(2), 669),
        "ewr_day · minimum": Line(Decimal(1), 49331),
    }


def test_an_invoice_is_read_from_the_answer_of_the_api() -> None:
    answer: dict[str, Any] = {
        "customer": {"external_id": "OO"},
        "issuing_date": "2013-02-01",
        "number": "N-1",
        "status": "finalized",
        "fees": [
            fee("subscription", "airports", "1.0", 45000),
            fee("charge", "ewr_day", "0.0", 1500),
        ],
        "fees_amount_cents": 46500,
        "taxes_amount_cents": 4127,
        "total_amount_cents": 50627,
    }
    assert invoice_of(answer) == ISSUED[0]


def test_the_smallest_carriers_are_chosen_and_first_those_with_another_kind_of_usage() -> None:
    tally = Tally()
    for carrier, origin, number in (("AA", "EWR", 4), ("BB", "LGA", 1), ("CC", "LGA", 2), ("DD", "JFK", 3)):
        for _ in range(number):
            tally.count(row(carrier=carrier, origin=origin))
    assert choose(tally, 1, 2) == {"BB", "DD"}
    assert choose(tally, 1, 4) == choose(tally, 1, None) == {"AA", "BB", "CC", "DD"}


# --- from end to end --------------------------------------------------------------------------------------------------


def demo(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LAGUNA_", "DATABASE_URL"))}
    return subprocess.run(
        [sys.executable, "-m", "laguna", "demo", *arguments],
        env={**kept, **variables},
        capture_output=True,
        text=True,
        timeout=240,
    )


@has_flights
def test_the_quick_form_bills_real_flights_on_a_server_of_its_own(tmp_path: Path) -> None:
    done = demo("--carriers", "3", "--months", "2", TMPDIR=str(tmp_path), DATABASE_URL="postgresql://nobody@nowhere/x")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 carriers, 647 events" in done.stdout
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "Flights from Newark minimum 1 500.00 ✓" in lines
    assert "Miles from Kennedy Peak hours 378,765 1,057.67 ✓" in lines
    # three carriers, two months, and the first invoice of the one that pays in advance
    assert "✓ 7 of 7 invoice totals equal the figures computed from the raw file" in done.stdout
    assert "∅ 506.27" in done.stdout  # a month without flights
    assert list(tmp_path.iterdir()) == []  # the folder of its server is gone


@has_flights
def test_a_running_server_can_be_used(server: RunningServer) -> None:
    console = Console(file=io.StringIO(), width=140)
    assert run(Options(carriers=4, months=1, connections=2, server=Server(server.url, server.admin_key)), console)
    assert isinstance(console.file, io.StringIO)
    assert "✓ 5 of 5 invoice totals" in console.file.getvalue()
    assert f"The organization stays at {server.url}" in console.file.getvalue()


@has_flights
def test_what_a_person_can_set_right_is_said_without_a_traceback(server: RunningServer) -> None:
    for arguments, message in (
        (["--url", server.url], "--url needs --admin-key"),
        (["--url", server.url, "--admin-key", "wrong"], "answered with 401"),
        (["--url", "http://127.0.0.1:1", "--admin-key", "x"], "http://127.0.0.1:1 does not answer"),
        (["--url", "ftp://there", "--admin-key", "x"], "ftp://there is not the URL of a server"),
    ):
        done = demo(*arguments, "--months", "1")
        assert done.returncode == 1
        assert message in done.stderr
        assert "Traceback" not in done.stderr
