"""The demo from beginning to end: read, set up, send month by month, let time pass, compare."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console

from laguna.demo import show
from laguna.demo.client import Client, Crew
from laguna.demo.compare import Invoice, compare, invoice_of
from laguna.demo.expected import Tally, invoices_of
from laguna.demo.flights import YEAR, Flight, carrier_names, data_folder, flight_of, read_rows
from laguna.demo.server import Server, own_server
from laguna.demo.tariff import (
    BASE_FEE_CENTS,
    CURRENCY,
    DISTANCE_TAX,
    HOURLY,
    HOURS,
    OFF_PEAK,
    PEAK,
    PLANS,
    PRODUCTS,
    SALES_TAX,
    TIMEZONE,
    Product,
    plan_of,
    subscription_id,
)

CONNECTIONS = 8
_ZONE = ZoneInfo(TIMEZONE)


@dataclass(frozen=True, slots=True)
class Options:
    """What is billed, and where: without a server, on one of the demo's own."""

    carriers: int | None = None  # those with the fewest flights; None is all of them
    months: int = 12
    connections: int = CONNECTIONS
    server: Server | None = None


class Stopwatch:
    """Adds up the time spent within it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.monotonic() - self._began


@dataclass(frozen=True, slots=True)
class Data:
    """What of the file is billed."""

    names: Mapping[str, str]  # of the chosen carriers, by their codes
    tally: Tally
    flights: Sequence[Sequence[Flight]]  # by month, January first

    @property
    def months(self) -> range:
        return range(1, len(self.flights) + 1)

    def idle(self) -> set[tuple[str, int]]:
        """Carriers and months without a flight."""
        keys = ((carrier, month) for carrier in self.names for month in self.months)
        return {(carrier, month) for carrier, month in keys if not self.tally.of(carrier, month).rows}

    @property
    def events(self) -> int:
        return sum(map(len, self.flights))


def run(options: Options, console: Console) -> bool:
    """Whether every invoice says what the raw file says. DataError and ServerError when it doesn't come so far."""
    began = time.monotonic()
    folder = data_folder()
    with console.status("Reading the flights ..."):
        data = read(folder, options)
    show.introduction(console, data.names, data.events, options.months)
    with contextlib.ExitStack() as stack:
        with console.status("Starting Laguna ..."):
            server = options.server or stack.enter_context(own_server())
        key = _organization(server)
        crew = stack.enter_context(Crew(lambda: Client.of_organization(server.url, key), options.connections))
        client = stack.enter_context(Client.of_organization(server.url, key))
        set_up(client, data.names)
        sending_seconds, billing_seconds = bill(client, crew, data, console)
        with console.status("Reading the invoices ..."):
            issued = invoices(client, crew)
    expected = {carrier: invoices_of(carrier, data.months, data.tally) for carrier in data.names}
    comparison = compare(expected, issued)
    effort = show.Effort(
        data.events, options.connections, sending_seconds, billing_seconds, seconds=time.monotonic() - began
    )
    show.invoices(console, show.Year(data.names, data.months, data.idle(), comparison))
    for carrier in sorted(HOURLY & data.names.keys()):
        show.parts(console, carrier, data.names[carrier], expected[carrier], issued)
    show.summary(console, comparison, effort)
    if options.server:
        show.organization(console, server.url, key)
    return comparison.agrees


def read(folder: Path, options: Options) -> Data:
    """Count the whole file, and keep the flights of the chosen carriers and months."""
    tally = Tally()
    months: list[list[Flight]] = [[] for _ in range(options.months)]
    for row in read_rows(folder):
        tally.count(row)
        flight = flight_of(row)
        if flight.month <= options.months:
            months[flight.month - 1].append(flight)
    carriers = choose(tally, options.months, options.carriers)
    names = carrier_names(folder)
    return Data(
        names={carrier: names[carrier] for carrier in sorted(carriers)},
        tally=tally,
        flights=[[flight for flight in month if flight.carrier in carriers] for month in months],
    )


def choose(tally: Tally, months: int, number: int | None) -> set[str]:
    """The carriers with the fewest flights; first the smallest of each plan, then those that bring a kind of usage
    which the ones before don't have."""

    def flights(carrier: str) -> int:
        return sum(tally.of(carrier, month).rows for month in range(1, months + 1))

    def kinds(carrier: str) -> set[str]:
        units = [tally.of(carrier, month).units() for month in range(1, months + 1)]
        return {code for each in units for code, value in each.items() if value}

    by_size = sorted(tally.carriers(), key=lambda carrier: (flights(carrier), carrier))
    bringing = list({plan_of(carrier).code: carrier for carrier in reversed(by_size)}.values())
    known = {kind for carrier in bringing for kind in kinds(carrier)}
    for carrier in by_size:
        if kinds(carrier) - known:
            bringing.append(carrier)
            known |= kinds(carrier)
    return set([*bringing, *(carrier for carrier in by_size if carrier not in bringing)][:number])


def midnight(month: int) -> datetime:
    """When the first day of the month begins in New York; month 13 is the next January."""
    return datetime(YEAR + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=_ZONE)


def _text(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _organization(server: Server) -> str:
    """Make a sandbox whose clock stands at the first midnight of the year; its key."""
    fields = {"name": "Airports of New York", "sandbox": True, "now": _text(midnight(1))}
    with Client.of_operator(server.url, server.admin_key) as operator:
        return operator.post("/admin/organizations", "organization", fields)["api_key"]


def set_up(client: Client, carriers: Mapping[str, str]) -> None:
    """Taxes, metrics, plans, and a customer with a subscription for each carrier."""
    for tax in (SALES_TAX, DISTANCE_TAX):
        client.post("/api/v1/taxes", "tax", {"code": tax.code, "name": tax.name, "rate": tax.rate})
    metrics: dict[str, str] = {}
    for product in PRODUCTS:
        fields: dict[str, Any] = {
            "code": product.code,
            "name": product.name,
            "aggregation_type": product.aggregation_type,
            "field_name": product.field_name,
            "filters": [{"key": HOURS, "values": [PEAK, OFF_PEAK]}],
        }
        metrics[product.code] = client.post("/api/v1/billable_metrics", "billable_metric", fields)["lago_id"]
    for plan in PLANS:
        fields = {
            "code": plan.code,
            "name": plan.name,
            "interval": "monthly",
            "amount_cents": BASE_FEE_CENTS,
            "amount_currency": CURRENCY,
            "pay_in_advance": plan.pay_in_advance,
            "tax_codes": [SALES_TAX.code],
            "charges": [_charge(product, metrics[product.code]) for product in plan.products],
        }
        client.post("/api/v1/plans", "plan", fields)
    for carrier, name in carriers.items():
        fields = {"external_id": carrier, "name": name, "currency": CURRENCY, "timezone": TIMEZONE}
        client.post("/api/v1/customers", "customer", fields)
        fields = {
            "external_customer_id": carrier,
            "external_id": subscription_id(carrier),
            "plan_code": plan_of(carrier).code,
            "billing_time": "calendar",
            "subscription_at": _text(midnight(1)),
        }
        client.post("/api/v1/subscriptions", "subscription", fields)


def _charge(product: Product, metric_id: str) -> dict[str, Any]:
    return {
        "billable_metric_id": metric_id,
        "charge_model": product.charge_model,
        "properties": product.properties,
        "filters": [
            {"invoice_display_name": each.name, "values": {HOURS: [each.hours]}, "properties": each.properties}
            for each in product.filters
        ],
        "min_amount_cents": product.min_amount_cents,
        "tax_codes": [product.tax.code] if product.tax else [],
    }


def bill(client: Client, crew: Crew, data: Data, console: Console) -> tuple[float, float]:
    """Walk through the year; the seconds in which events were sent, and those in which time passed."""
    sending, billing = Stopwatch(), Stopwatch()
    with show.progress(console, data.events) as bar:
        for month, flights in zip(data.months, data.flights, strict=True):
            with billing:  # usage is reported when the month is nearly over: no event is of the clock's future
                bar.reporting(month)
                client.move_clock(_text(midnight(month + 1) - timedelta(seconds=1)))
            with sending:
                bar.sending(month)
                crew.send_events(flights, bar.advance)
            with billing:
                bar.billing(month)
                client.move_clock(_text(midnight(month + 1)))
    return sending.seconds, billing.seconds


def invoices(client: Client, crew: Crew) -> list[Invoice]:
    """Every invoice of the organization, with its fees."""
    found = [invoice["lago_id"] for invoice in client.get_all("/api/v1/invoices", "invoices")]
    details = crew.get_each(f"/api/v1/invoices/{lago_id}" for lago_id in found)
    return [invoice_of(detail["invoice"]) for detail in details]
