"""Random lives of a subscription: no day and no event is billed twice, none is left out (spec 2 §§3 to 5).

A day belongs to one plan: the day of an upgrade to the new one, the day of a termination to what ended. What was paid
in advance beyond the last day is what a credit for unused time gives back; here it is left out of the count.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from support.billing import fees, invoices, make_customer, make_metric, make_plan, standard, subscribe, use
from support.client import Client, Json, Sandbox

STORIES = settings(
    deadline=None,
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a failing story is short enough to be read as it is
)
START = datetime(2024, 1, 17, 9, 30, tzinfo=UTC)
# code: interval, amount in cents, in advance, monthly usage
PLANS: dict[str, tuple[str, int, bool, bool]] = {
    "weekly": ("weekly", 700, False, False),
    "weekly-advance": ("weekly", 910, True, False),
    "monthly": ("monthly", 3100, False, False),
    "monthly-advance": ("monthly", 6200, True, False),
    "quarterly-advance": ("quarterly", 7000, True, False),
    "yearly": ("yearly", 36600, False, True),
    "yearly-advance": ("yearly", 50000, True, True),
}


class Step(NamedTuple):
    """After `hours`, with an event on the way: the plan to change to, or None to end and start again two days later."""

    hours: int
    plan: str | None


steps = st.lists(
    st.builds(Step, st.integers(1, 24 * 70), st.one_of(st.none(), st.sampled_from(sorted(PLANS)))),
    min_size=1,
    max_size=5,
)


def text(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Story:
    """Plays the steps; `events` counts those sent while a subscription was in force."""

    def __init__(self, client: Client, zone: str, billing_time: str) -> None:
        self.client, self.zone, self.billing_time = client, ZoneInfo(zone), billing_time
        self.now, self.events, self.active = START, 0, False
        metric = make_metric(client)
        for code, (interval, amount, in_advance, monthly) in PLANS.items():
            charges = [standard(metric, "1")]
            more = {"bill_charges_monthly": monthly} if monthly else {}
            make_plan(client, code, amount, interval=interval, pay_in_advance=in_advance, charges=charges, **more)
        make_customer(client, timezone=zone)

    def play(self, first: str, following: list[Step]) -> None:
        self.start(first)
        for step in following:
            self.wait(step.hours)
            if step.plan is not None:
                self.start(step.plan)
            else:
                self.end()
                self.wait(48)
                self.start(first)
        self.wait(24 * 40)
        self.end()

    def wait(self, hours: int) -> None:
        """An event in the middle of the time."""
        for part in (hours // 2, hours - hours // 2):
            self.now += timedelta(hours=part)
            self.client.at(text(self.now))
            if part == hours // 2 and self.active:
                use(self.client, text(self.now))
                self.events += 1

    def start(self, plan: str) -> None:
        subscribe(self.client, plan=plan, billing_time=self.billing_time)
        self.active = True

    def end(self) -> None:
        self.client.delete("/subscriptions/sub")
        self.active = False

    def day_of(self, instant: str) -> date:
        return datetime.fromisoformat(instant).astimezone(self.zone).date()


def used_days(story: Story, lives: list[Json]) -> dict[str, set[date]]:
    """The days of each life, by its lago_id: the last one belongs to the successor, if there is one."""
    found: dict[str, set[date]] = {}
    for life in lives:
        first, last = story.day_of(life["started_at"]), story.day_of(life["terminated_at"])
        days = (last - first).days + (0 if life["next_plan_code"] else 1)
        found[life["lago_id"]] = {first + timedelta(days=number) for number in range(days)}
    return found


def billed_days(story: Story, fee: Json) -> list[date]:
    """As many days as the fee says it is for, from its first."""
    explained = story.client.get(f"/fees/{fee['lago_id']}/explanation")["fee_explanation"]
    first = story.day_of(fee["from_date"])
    return [first + timedelta(days=number) for number in range(explained["period"]["days"])]


@STORIES
@given(
    zone=st.sampled_from(["UTC", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Auckland"]),
    billing_time=st.sampled_from(["calendar", "anniversary"]),
    first=st.sampled_from(sorted(PLANS)),
    following=steps,
)
@example("America/Los_Angeles", "anniversary", "monthly", [Step(5, "monthly-advance"), Step(900, "weekly")])
@example("UTC", "calendar", "yearly-advance", [Step(2000 - 320, "monthly"), Step(24 * 60, None), Step(30, "yearly")])
def test_law_no_day_and_no_event_is_billed_twice_or_left_out(
    sandbox: Sandbox, zone: str, billing_time: str, first: str, following: list[Step]
) -> None:
    story = Story(sandbox(text(START)), zone, billing_time)
    story.play(first, following)
    lives = story.client.get("/subscriptions", {"status[]": "terminated", "per_page": 100})["subscriptions"]
    made = invoices(story.client)
    assert sum(fee["events_count"] for invoice in made for fee in fees(invoice)) == story.events
    used = used_days(story, lives)
    billed = Counter(
        day
        for invoice in made
        for fee in fees(invoice, "subscription")
        for day in billed_days(story, fee)
        if day in used[fee["lago_subscription_id"]]
    )
    assert billed == Counter(day for days in used.values() for day in days)
    beyond = [
        fee
        for invoice in made
        for fee in fees(invoice, "subscription")
        if not PLANS[fee["item"]["code"]][2] and not set(billed_days(story, fee)) <= used[fee["lago_subscription_id"]]
    ]
    assert not beyond, "only what is paid in advance goes beyond the end"
