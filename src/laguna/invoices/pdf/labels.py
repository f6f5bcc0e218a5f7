"""The fixed words of documents, one file a locale. All files have the same keys."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).with_name("labels")


@dataclass(frozen=True, slots=True)
class Labels:
    texts: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.texts[name]

    def say(self, name: str, /, **values: str) -> str:
        """A label with values in it: say("period", start="1 May", end="31 May") -> "From 1 May to 31 May"."""
        return self.texts[name].format(**values)


@cache
def labels_of(locale: str) -> Labels:
    return Labels(tomllib.loads((_FOLDER / f"{locale}.toml").read_text(encoding="utf-8")))
