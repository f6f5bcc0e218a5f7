"""Ids grow with time, so that they order what a test clock made at one instant."""

from __future__ import annotations

import itertools
import threading
from uuid import UUID

import pytest

from laguna.kernel.ids import new_id, parse_id


def test_ids_are_version_7_and_strictly_increasing() -> None:
    ids = [new_id() for _ in range(100_000)]
    assert {identifier.version for identifier in ids} == {7}
    assert all(earlier < later for earlier, later in itertools.pairwise(ids))


def test_threads_never_get_the_same_id() -> None:
    found: list[list[UUID]] = [[] for _ in range(8)]

    def make(mine: list[UUID]) -> None:
        mine.extend(new_id() for _ in range(5_000))

    threads = [threading.Thread(target=make, args=(mine,)) for mine in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({identifier for mine in found for identifier in mine}) == 40_000
    assert all(mine == sorted(mine) for mine in found)


@pytest.mark.parametrize("text", ["", None, "x", "0123", "0190d2a1-7c3e-7f00-8000", "g" * 32, "{" * 50, "é" * 36])
def test_what_is_no_id_names_nothing(text: str | None) -> None:
    assert parse_id(text) is None


def test_an_id_is_read_in_either_case() -> None:
    identifier = new_id()
    assert parse_id(str(identifier)) == parse_id(str(identifier).upper()) == identifier
