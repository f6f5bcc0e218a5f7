"""What the demo prints."""

from __future__ import annotations

import contextlib
from calendar import month_abbr, month_name
from collections.abc import Container, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.columns import Columns
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from laguna.demo.compare import Comparison, Difference, Invoice, Total, dollars, issued_on
from laguna.demo.expected import BASE_FEE, MINIMUM, PART, START, Figures, Line
from laguna.demo.flights import YEAR
from laguna.demo.tariff import (
    BASE_FEE_CENTS,
    CURRENCY,
    DEST,
    HOURLY,
    HOURLY_PRODUCTS,
    ORIGIN,
    PREPAYING,
    PRODUCTS,
    SALES_TAX,
    Product,
)

WIDTH_WITHOUT_TERMINAL = 140
_AMOUNT_WIDTH = len(" 12,345.67")
_FIXED_WIDTH = len(" UA 123,456.78 ✓ ")
_DIFFERENCES_SHOWN = 50
_WORDS = {DEST: "destination", ORIGIN: "airport"}
_RIGHT, _WRONG, _IDLE = "✓", "✗", "∅"


def console() -> Console:
    """Where the demo prints: the terminal, or a file or pipe, which has no width to keep to."""
    made = Console(highlight=False)
    if not made.is_terminal:
        made.width = WIDTH_WITHOUT_TERMINAL
    return made


def introduction(console: Console, carriers: Mapping[str, str], events: int, months: int) -> None:
    """What is going to be billed, and the prices."""
    period = f"{month_name[1]} to {month_name[months]} {YEAR}" if months > 1 else f"{month_name[1]} {YEAR}"
    console.print()
    console.print(f"[bold]The flights from New York City, {period}[/]: {len(carriers)} carriers, {events:,} events")
    console.print()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for heading in ("Billed monthly", "Code", "Metric", "Price", "Tax"):
        table.add_column(heading)
    table.add_row("Base fee", "", "", dollars(BASE_FEE_CENTS), f"{SALES_TAX.rate} %")
    for product in PRODUCTS:
        of = f" of {product.field_name}" if product.field_name else ""
        tax = f"{(product.tax or SALES_TAX).rate} %"
        table.add_row(product.name, product.code, f"{product.aggregation_type}{of}", product.charge_model, tax)
    console.print(table)
    hourly = sorted(HOURLY & carriers.keys())
    if hourly:
        console.print(f"\n{' and '.join(hourly)} pays by the hour:", *map(_by_the_hour, HOURLY_PRODUCTS), sep="")
    console.print(
        "\nAn event counts for the metric of its code: by day that of the airport, from 20:00 to 5:00 the last.\n",
        style="dim",
    )


def _by_the_hour(product: Product) -> str:
    """What is special about a price, in words."""
    said = [f"{each.name.lower()} at a price of their own{_per(each.properties)}" for each in product.filters]
    if groups := _per(product.properties):
        said.append(f"{'the others' if product.filters else 'priced'}{groups}")
    if product.min_amount_cents:
        said.append(f"at least {dollars(product.min_amount_cents)}")
    return f"\n  {product.name}: {', '.join(said)}" if said else ""


def _per(properties: Mapping[str, Any]) -> str:
    keys = properties.get("pricing_group_keys")
    return f" for each {' and '.join(_WORDS[key] for key in keys)}" if keys else ""


class Bar:
    """The progress of the year."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def reporting(self, month: int) -> None:
        self._describe(month, "letting time pass")

    def sending(self, month: int) -> None:
        self._describe(month, "sending events")

    def billing(self, month: int) -> None:
        self._describe(month, "making invoices")

    def advance(self, events: int) -> None:
        self._progress.advance(self._task, events)

    def _describe(self, month: int, what: str) -> None:
        self._progress.update(self._task, description=f"{month_abbr[month]} {YEAR}: {what}")


class _Speed(TextColumn):
    """Events a second, of late."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} events/s" if speed else "", style="cyan")


@contextlib.contextmanager
def progress(console: Console, events: int) -> Generator[Bar]:
    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description:<25}"),
        BarColumn(bar_width=None),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        _Speed(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, expand=True) as running:
        yield Bar(running, running.add_task("Setting up", total=events))


@dataclass(frozen=True, slots=True)
class Year:
    """Which invoices there should be, and what came of them."""

    carriers: Mapping[str, str]  # names by code
    months: Sequence[int]
    idle: Container[tuple[str, int]]  # carrier and month without a flight
    comparison: Comparison


def invoices(console: Console, year: Year) -> None:
    """The totals by carrier and month, in as many tables as the width asks for."""
    fit = max(1, (console.width - _FIXED_WIDTH) // _AMOUNT_WIDTH)
    parts = -(-len(year.months) // fit)
    size = -(-len(year.months) // parts)
    console.print(f"[bold]Invoices by the month of the flights, taxes included, in {CURRENCY}[/]\n")
    for first in range(0, len(year.months), size):
        console.print(_table(year, year.months[first : first + size]), "")
    totals = year.comparison.totals
    notes = [
        Text.assemble(
            f"{carrier} pays the base fee in advance; its total holds the invoice of 1 January: ",
            _amount(totals[carrier, START]),
        )
        for carrier in sorted(PREPAYING & year.carriers.keys())
    ]
    if any(key in year.idle for key in totals):
        notes.append(Text(f"{_IDLE} A month without flights"))
    if notes:
        console.print(*notes, "", sep="\n")
    console.print(Columns([f"[dim]{code} {name}[/]" for code, name in year.carriers.items()], padding=(0, 3)), "")
    if year.comparison.differences:
        _differences(console, year.comparison.differences)


def parts(
    console: Console, carrier: str, name: str, expected: Mapping[int, Figures], issued: Iterable[Invoice]
) -> None:
    """The invoice of one month, line by line: the first one that fills up to a minimum beside some usage."""
    shown = [(month, figures) for month, figures in expected.items() if month != START]
    filled = [each for each in shown if any(line.endswith(MINIMUM) for line in each[1].lines)]
    month, figures = max(filled or shown, key=lambda each: (len(each[1].lines), -each[0]))
    actual = next(
        (each.figures.lines for each in issued if (each.carrier, each.issued_on) == (carrier, issued_on(month))), {}
    )
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for heading in ("Line", "Part"):
        table.add_column(heading)
    for heading in ("Units", "Amount"):
        table.add_column(heading, justify="right", no_wrap=True)
    names = {BASE_FEE: "Base fee"} | {product.code: product.name for product in HOURLY_PRODUCTS}
    for line, wanted in figures.lines.items():
        code, _, of = line.partition(PART)
        table.add_row(names[code], of, f"{wanted.units:,f}", _compared(actual.get(line), wanted))
    console.print(f"[bold]What {name} is billed for {month_name[month]}, before taxes[/]\n")
    console.print(table, "")


def _compared(line: Line | None, wanted: Line) -> Text:
    text = "none" if line is None else dollars(line.amount_cents)
    return Text(f"{text} {_RIGHT}", style="green") if line == wanted else Text(f"{text} {_WRONG}", style="bold red")


def _table(year: Year, shown: Sequence[int]) -> Table:
    """Some months of the year. Beside the last of them stand the totals of all."""
    ends = shown[-1] == year.months[-1]
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=0,  # the box has a space between columns already
        show_edge=False,
        show_footer=True,
        footer_style="",
    )
    totals = year.comparison.totals
    table.add_column("", no_wrap=True)
    for month in shown:
        of_month = [totals[carrier, month] for carrier in year.carriers]
        table.add_column(month_abbr[month], _sum(of_month), justify="right", no_wrap=True)
    if ends:
        table.add_column("Total", _sum(totals.values(), marked=True), justify="right", no_wrap=True)
    for carrier in year.carriers:
        cells = [_amount(totals[carrier, month], (carrier, month) in year.idle) for month in shown]
        if ends:
            cells.append(_sum((total for (of, _), total in totals.items() if of == carrier), marked=True))
        table.add_row(carrier, *cells)
    return table


def _amount(total: Total, idle: bool = False) -> Text:
    """Green where it is the expected one; what isn't is marked, too."""
    text = "none" if total.invoiced_cents is None else dollars(total.invoiced_cents)
    if not total.agrees:
        return Text(f"{_WRONG}{text}", style="bold red")
    return Text.assemble((f"{_IDLE} " if idle else "", "dim"), (text, "green"))


def _sum(totals: Iterable[Total], *, marked: bool = False) -> Text:
    of = list(totals)
    agree = all(total.agrees for total in of)
    text = dollars(sum(total.invoiced_cents or 0 for total in of))
    mark = f" {_RIGHT if agree else _WRONG}" if marked else ""
    return Text(f"{text}{mark}", style="bold green" if agree else "bold red")


def _differences(console: Console, differences: Sequence[Difference]) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for heading in ("Carrier", "Month", "What"):
        table.add_column(heading)
    for heading in ("Invoiced", "Expected"):
        table.add_column(heading, justify="right")
    for each in differences[:_DIFFERENCES_SHOWN]:
        month = "start" if each.month == START else month_abbr[each.month]
        table.add_row(each.carrier, month, each.what, each.invoiced or "none", each.expected or "none")
    console.print("[bold red]What differs from the raw file[/]\n")
    console.print(table, "")
    if len(differences) > _DIFFERENCES_SHOWN:
        console.print(f"... and {len(differences) - _DIFFERENCES_SHOWN:,} more.\n")


@dataclass(frozen=True, slots=True)
class Effort:
    """What it took."""

    events: int
    connections: int
    sending_seconds: float
    billing_seconds: float
    seconds: float  # all in all, reading and starting included


def summary(console: Console, comparison: Comparison, effort: Effort) -> None:
    equal, all_of_them = comparison.equal_totals, len(comparison.totals)
    mark, style = (_RIGHT, "bold green") if comparison.agrees else (_WRONG, "bold red")
    console.print(
        f"[{style}]{mark} {equal} of {all_of_them} invoice totals equal the figures computed from the raw file[/]"
    )
    if comparison.differences:
        console.print(f"[{style}]  {len(comparison.differences):,} differences stand above[/]")
    rate = effort.events / effort.sending_seconds if effort.sending_seconds else 0
    console.print(
        f"  {effort.events:,} events over HTTP in {effort.sending_seconds:.1f} s on {effort.connections} connections: "
        f"[bold]{rate:,.0f} events/s[/]"
    )
    console.print(f"  {all_of_them} invoices in {effort.billing_seconds:.1f} s; {effort.seconds:.1f} s all in all\n")


def organization(console: Console, url: str, api_key: str) -> None:
    """Where to look at it afterwards, on a server that goes on."""
    console.print(f"  The organization stays at {url}; its API key: {api_key}\n")
