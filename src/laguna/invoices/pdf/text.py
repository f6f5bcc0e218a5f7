"""What people typed, made fit for print: no control characters, no word wider than its column. Pure."""

from __future__ import annotations

import re
import unicodedata

# Controls and non-characters have no glyph; overrides of the writing direction could make a page read as it is not.
_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufff9-\uffff]")
_NEWLINE = re.compile("\r\n|\r|\x0b|\x0c|\x85|\u2028|\u2029")
# Scripts that are written without spaces (Thai, Burmese, Khmer, those of East Asia) break by themselves.
_LONG_WORD = re.compile(r"[^\s\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\U0010ffff]{40,}")
_BREAK_EVERY = 4
_ZERO_WIDTH_SPACE = "\u200b"


def lines(text: str | None) -> str:
    """Text of several lines: line breaks stay."""
    text = unicodedata.normalize("NFC", text or "")
    text = _UNPRINTABLE.sub("", _NEWLINE.sub("\n", text).replace("\t", " "))
    return _LONG_WORD.sub(_breakable, text).strip()


def line(text: str | None) -> str:
    """Text of one line: line breaks become spaces."""
    return " ".join(lines(text).split("\n"))


def _breakable(word: re.Match[str]) -> str:
    text = word[0]
    return _ZERO_WIDTH_SPACE.join(text[at : at + _BREAK_EVERY] for at in range(0, len(text), _BREAK_EVERY))
