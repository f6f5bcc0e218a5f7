"""`laguna bench` in small: that it measures what it says. The figures themselves are for a quiet machine."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from support.server import environment


def bench(database_url: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "laguna", "bench", *arguments],
        env=environment(database_url),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("ingest", "--events", "1000", "--runs", "1", "--workers", "1"), r"median ratio \d"),
        (("billing", "--subscriptions", "10", "--events", "500", "--runs", "1"), r"20 subscriptions.*\n.*invoices/s\n"),
        (("documents", "--runs", "1"), r"lines 1,500, pages \d+, \d+ kB: [\d,]+ ms of a core, \d+ pages/s"),
        (("year", "--subscriptions", "5", "--events", "500"), r"5 subscriptions, 500 events, 60 invoices: a year in"),
    ],
)
def test_every_benchmark_runs_to_its_figures(own_database_url: str, arguments: tuple[str, ...], told: str) -> None:
    assert re.search(told, bench(own_database_url, *arguments))
