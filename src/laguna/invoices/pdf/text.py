"""What people typed, made fit for print: no control characters, no word wider than its column. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

# Controls and non-characters have no glyph; overrides of the writing direction could make a page read as it is not.
_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufff9-\uffff]")
_NEWLINE = re.compile("\r\n|\r|\x0b|\x0c|\x85|\u2028|\u2029")
LONGEST_WORD = 39  # breaks are copied from the page along with the word: e-mails and numbers of usual length have none
_BREAK_EVERY = 4
_ZERO_WIDTH_SPACE = "\u200b"


def lines(text: str | None, *, longest_word: int = LONGEST_WORD) -> str:
    """Text of several lines: line breaks stay. Longer words than `longest_word` letters may break anywhere."""
    text = unicodedata.normalize("NFC", text or "")
    text = _UNPRINTABLE.sub("", _NEWLINE.sub("\n", text).replace("\t", " "))
    return _longer_words(longest_word).sub(_breakable, text).strip()


def line(text: str | None, *, longest_word: int = LONGEST_WORD) -> str:
    """Text of one line: line breaks become spaces."""
    return " ".join(lines(text, longest_word=longest_word).split("\n"))


@cache
def _longer_words(letters: int) -> re.Pattern[str]:
    """Scripts without spaces between words (Thai, Burmese, Khmer, those of East Asia) break by themselves."""
    return re.compile(rf"[^\s\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\U0010ffff]{{{letters + 1},}}")


def _breakable(word: re.Match[str]) -> str:
    text = word[0]
    return _ZERO_WIDTH_SPACE.join(text[at : at + _BREAK_EVERY] for at in range(0, len(text), _BREAK_EVERY))
