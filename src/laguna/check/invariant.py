"""What an invariant is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# The present of an organization, in a statement whose `o` is its row: its test clock, or real time (spec 2 §1).
NOW = "coalesce(o.test_clock, now())"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Invariant:
    """One thing that is true of healthy data.

    `query` selects the rows that break it; each has an `organization_id`, null where it is nobody's alone, and the
    fields that `told` names. It works on millions of rows: sets, no subquery per row without an index.

    `judge` says for what SQL can't decide alone what is wrong with a row of `query`, or None where nothing is.

    `settles`: a running server puts it right by itself in a moment, a subscription that is just due for example. So a
    finding counts only when it is found again, word for word, after a pause.
    """

    name: str
    why: str
    query: str
    told: str = ""
    judge: Callable[[Row], str | None] | None = None
    settles: bool = False

    def verdict(self, row: Row) -> str | None:
        """What is wrong with a row that `query` selected."""
        return self.judge(row) if self.judge is not None else self.told.format_map(row)
