"""Draws the pictures of docs/periods.md: `python docs/pictures/draw.py`.

Days and amounts are what the program computes; a test draws them again and compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from html import escape
from pathlib import Path
from zoneinfo import ZoneInfo

from laguna.kernel.money import round_cents
from laguna.subscriptions.amounts import Occasion, subscription_fee, trial_end, unused_time
from laguna.subscriptions.grid import DAY, BillingTime, Calendar, Interval, local_date, next_billing_day
from laguna.subscriptions.periods import Range, periodic, starting, terminating

HERE = Path(__file__).parent
WIDTH, LEFT, RIGHT, ROW, TOP = 820, 150, 20, 46, 34
COLOURS = {
    "fee": ("#2563a8", "#ffffff"),
    "usage": ("#e3a83b", "#1f2328"),
    "free": ("#dfe7ee", "#1f2328"),
    "unused": ("#ffffff", "#1f2328"),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """From the first to the last of these days, both whole."""

    first: date
    last: date
    kind: str
    says: str


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    bars: Sequence[Bar]
    invoices: Sequence[date] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    name: str
    first: date
    last: date
    rows: Sequence[Row]
    marks: Sequence[tuple[date, str]] = ()


def svg(picture: Picture) -> str:
    """The picture as SVG, readable on any background."""
    height = TOP + ROW * len(picture.rows) + 34
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        ' font-family="Helvetica, Arial, sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *_months(picture, height),
        *(line for number, row in enumerate(picture.rows) for line in _row(picture, row, TOP + ROW * number)),
        *_marks(picture, height),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _x(picture: Picture, day: date) -> float:
    """Where a day begins."""
    whole = (picture.last - picture.first).days + 1
    return round(LEFT + (WIDTH - LEFT - RIGHT) * (day - picture.first).days / whole, 1)


def _months(picture: Picture, height: int) -> Iterator[str]:
    day = picture.first
    while day <= picture.last:
        if day.day == 1 or day == picture.first:
            x = _x(picture, day)
            yield f'<line x1="{x}" y1="22" x2="{x}" y2="{height - 26}" stroke="#d0d7de"/>'
            yield _text(x + 3, 16, f"{day:%b} {day.day}" if day.day != 1 else f"{day:%B}", "#57606a")
        day += DAY


def _row(picture: Picture, row: Row, y: int) -> Iterator[str]:
    yield _text(8, y + 26, row.name, "#1f2328", "font-weight='bold'")
    for bar in row.bars:
        x, end = _x(picture, bar.first), _x(picture, bar.last + DAY)
        fill, ink = COLOURS[bar.kind]
        edge = ' stroke="#57606a" stroke-dasharray="4 3"' if bar.kind == "unused" else ' stroke="#ffffff"'
        yield f'<rect x="{x}" y="{y + 10}" width="{round(end - x, 1)}" height="24" rx="3" fill="{fill}"{edge}/>'
        yield _text(round((x + end) / 2, 1), y + 26, bar.says, ink, "text-anchor='middle'")
    for day in row.invoices:
        x = _x(picture, day)
        yield f'<path d="M {x} {y + 10} l -5 -8 l 10 0 z" fill="#1a7f37"/>'


def _marks(picture: Picture, height: int) -> Iterator[str]:
    for day, says in picture.marks:
        x = _x(picture, day)
        yield f'<line x1="{x}" y1="22" x2="{x}" y2="{height - 22}" stroke="#cf222e" stroke-width="1.5"/>'
        anchor = "end" if x > WIDTH * 0.75 else "start"
        yield _text(x if anchor == "start" else x + 3, height - 8, says, "#cf222e", f"text-anchor='{anchor}'")


def _text(x: float, y: float, says: str, ink: str, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" fill="{ink}" {more}>{escape(says)}</text>'


# --- the stories

UTC_ZONE = ZoneInfo("UTC")
AMOUNT = 3100  # cents a month


def monthly(anchor: date, billing_time: BillingTime = BillingTime.CALENDAR, *, in_advance: bool = False) -> Calendar:
    return Calendar(Interval.MONTHLY, billing_time, anchor, UTC_ZONE, pay_in_advance=in_advance)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def fee_bar(
    calendar: Calendar,
    occasion: Occasion,
    day: date,
    period: Range,
    amount_cents: int = AMOUNT,
    trial_ends_at: datetime | None = None,
) -> Bar:
    """The fee of a line as a bar over the days that it is for."""
    fee = subscription_fee(amount_cents, "EUR", calendar, occasion, day, period, trial_ends_at=trial_ends_at)
    assert fee is not None
    first = local_date(period.start, UTC_ZONE)
    if trial_ends_at is not None:
        first = max(first, local_date(trial_ends_at, UTC_ZONE))
    amount = f"{fee.amount_cents // 100}.{fee.amount_cents % 100:02}"
    says = amount if fee.days == fee.full_days else f"{fee.days}/{fee.full_days} days: {amount}"
    return Bar(first, first + (fee.days - 1) * DAY, "fee", says)


def started(calendar: Calendar, start: date, amount_cents: int = AMOUNT) -> Bar:
    return fee_bar(calendar, Occasion.STARTING, start, starting(calendar, noon(start)).subscription, amount_cents)


def billed(calendar: Calendar, start: date, day: date, amount_cents: int = AMOUNT) -> Bar:
    """What the billing day `day` bills."""
    ranges = periodic(calendar, noon(start), day)
    return fee_bar(calendar, Occasion.PERIODIC, day, ranges.subscription, amount_cents)


def ended(calendar: Calendar, start: date, day: date, occasion: Occasion = Occasion.TERMINATING) -> Bar:
    ranges = terminating(
        calendar, noon(start), noon(day), succeeded=occasion is Occasion.UPGRADED, previous_billed=True
    )
    return fee_bar(calendar, occasion, day, ranges.subscription)


def unused(calendar: Calendar, day: date, *, upgraded: bool, fee_cents: int = AMOUNT) -> Bar:
    """What a credit for unused time gives back."""
    credit = unused_time(calendar, noon(day), upgraded=upgraded, plan_amount_cents=AMOUNT, fee_amount_cents=fee_cents)
    assert credit is not None
    first = day if upgraded else day + DAY
    cents = round_cents(credit.amount_cents)
    return Bar(first, first + (credit.days - 1) * DAY, "unused", f"{cents // 100}.{cents % 100:02} unused")


def usage(first: date, last: date) -> Bar:
    return Bar(first, last, "usage", "usage")


def grids() -> Picture:
    start = date(2024, 1, 17)
    rows: list[Row] = []
    for billing_time in BillingTime:
        calendar, day, bars, days = monthly(start, billing_time), start, list[Bar](), list[date]()
        while (day := next_billing_day(calendar, day)) <= date(2024, 4, 17):
            bars.append(billed(calendar, start, day))
            days.append(day)
        rows.append(Row(billing_time.value, bars, days))
    return Picture("grids", date(2024, 1, 1), date(2024, 4, 20), rows, [(start, "17 January: subscription_at")])


def advance() -> Picture:
    start, february, march = date(2024, 1, 17), date(2024, 2, 1), date(2024, 3, 1)
    arrears, in_advance = monthly(start), monthly(start, in_advance=True)
    used = [usage(start, february - DAY), usage(february, march - DAY)]
    return Picture(
        "advance",
        date(2024, 1, 1),
        date(2024, 3, 31),
        [
            Row("in arrears", [billed(arrears, start, february), billed(arrears, start, march)], [february, march]),
            Row(
                "in advance",
                [started(in_advance, start), *(billed(in_advance, start, day) for day in (february, march))],
                [start, february, march],
            ),
            Row("usage of both", used, [february, march]),
        ],
        [(start, "17 January: start")],
    )


def upgrade() -> Picture:
    start, day, april = date(2024, 3, 1), date(2024, 3, 12), date(2024, 4, 1)
    arrears, in_advance = monthly(start), monthly(start, in_advance=True)
    double = 2 * AMOUNT
    paid = [_until(started(in_advance, start), day - DAY), unused(in_advance, day, upgraded=True)]
    return Picture(
        "upgrade",
        start,
        april + 3 * DAY,
        [
            Row("arrears: old", [ended(arrears, start, day, Occasion.UPGRADED)], [day]),
            Row("new", [billed(arrears, day, april, double)], [april]),
            Row("advance: old", paid, [start]),
            Row("new", [started(in_advance, day, double)], [day]),
        ],
        [(day, "12 March: to 62.00 a month")],
    )


def downgrade() -> Picture:
    start, asked, april = date(2024, 3, 1), date(2024, 3, 12), date(2024, 4, 1)
    in_advance = monthly(start, in_advance=True)
    return Picture(
        "downgrade",
        start,
        date(2024, 4, 30),
        [
            Row("old", [started(in_advance, start)], [start]),
            Row("new", [started(in_advance, april, AMOUNT // 2)], [april]),
        ],
        [(asked, "12 March: asked for 15.50 a month"), (april, "takes effect")],
    )


def ending() -> Picture:
    start, day = date(2024, 1, 1), date(2024, 2, 21)
    february = date(2024, 2, 1)
    arrears, in_advance = monthly(start), monthly(start, in_advance=True)
    return Picture(
        "ending",
        start,
        date(2024, 3, 5),
        [
            Row("in arrears", [billed(arrears, start, february), ended(arrears, start, day)], [february, day]),
            Row(
                "in advance",
                [
                    started(in_advance, start),
                    _until(billed(in_advance, start, february), day),
                    unused(in_advance, day, upgraded=False),
                ],
                [start, february],
            ),
            Row("usage of both", [usage(start, february - DAY), usage(february, day)], [february, day]),
        ],
        [(day, "21 February: ended")],
    )


def trial() -> Picture:
    start, april = date(2024, 3, 5), date(2024, 4, 1)
    ends_at = trial_end(noon(start), Decimal(10))
    assert ends_at is not None
    day = local_date(ends_at, UTC_ZONE)
    free = Bar(start, day - DAY, "free", "10 days of trial")
    in_advance, arrears = monthly(start, in_advance=True), monthly(start)
    first = fee_bar(
        in_advance,
        Occasion.STARTING,
        day,
        starting(in_advance, noon(start), day).subscription,
        trial_ends_at=ends_at,
    )
    finished = fee_bar(
        arrears,
        Occasion.PERIODIC,
        april,
        periodic(arrears, noon(start), april).subscription,
        trial_ends_at=ends_at,
    )
    return Picture(
        "trial",
        date(2024, 3, 1),
        date(2024, 4, 5),
        [
            Row("in advance", [free, first], [day]),
            Row("in arrears", [free, finished], [april]),
            Row("usage of both", [usage(start, april - DAY)], [april]),
        ],
        [(start, "5 March: start")],
    )


def _until(bar: Bar, last: date) -> Bar:
    """A bar shown up to a day; it says what all of it costs."""
    return replace(bar, last=last, says=f"paid {bar.says}")


PICTURES = (grids, advance, upgrade, downgrade, ending, trial)


def drawn() -> dict[str, str]:
    """File name -> what it holds."""
    return {f"{picture.name}.svg": svg(picture) for picture in (draw() for draw in PICTURES)}


if __name__ == "__main__":
    for name, content in drawn().items():
        (HERE / name).write_text(content, encoding="utf-8")
