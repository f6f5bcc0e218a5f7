"""The pictures of the documentation show what the program computes."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def test_the_pictures_are_what_would_be_drawn_today() -> None:
    drawn = runpy.run_path(str(DOCS / "pictures" / "draw.py"))["drawn"]()
    kept = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "pictures").glob("*.svg")}
    assert kept == drawn
    text = (DOCS / "periods.md").read_text(encoding="utf-8")
    assert all(f"pictures/{name}" in text for name in drawn)
