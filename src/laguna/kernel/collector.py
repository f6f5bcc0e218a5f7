"""How often Python looks for objects that only refer to each other."""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 20_000
YOUNGER_COLLECTIONS = (20, 50)


def look_rarely() -> None:
    """For a process that works through pages: thousands of objects made at once, which all live to the page's end.

    Python's own thresholds look through them again and again, for nothing: a fifth of a billing run's time. What has
    been imported by now is left out for good.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *YOUNGER_COLLECTIONS)
