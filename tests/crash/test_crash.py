"""Everything is killed with -9, and nothing is lost or there twice. `make crash` does the same at full length."""

from __future__ import annotations

from pathlib import Path

from crash import billing, ingestion

SEED = 2024


def test_billing_that_is_killed_ends_where_billing_in_peace_does(tmp_path: Path) -> None:
    billing.run(tmp_path, subscriptions=40, months=2, kills=4, seed=SEED, say=print)


def test_events_sent_among_kills_are_there_once(tmp_path: Path) -> None:
    ingestion.run(tmp_path, kills=2, seed=SEED, say=print)
