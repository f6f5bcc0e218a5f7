"""What a PDF says, and whether it has a glyph for all of it."""

from __future__ import annotations

import io
import re
from typing import Any

from pypdf import PdfReader
from pypdf.generic import ByteStringObject, ContentStream, TextStringObject


def reader(pdf: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(pdf))


def pages(pdf: bytes) -> list[str]:
    """The text of each page: one kind of space, none of no width."""
    return [plain(page.extract_text()) for page in reader(pdf).pages]


def plain(text: str) -> str:
    return re.sub(r"[\s\u00a0\u202f]+", " ", text.replace("\u200b", ""))


def text(pdf: bytes) -> str:
    return " ".join(pages(pdf))


def missing_glyphs(pdf: bytes) -> int:
    """How many glyphs are the box that stands for a missing one: number 0 of its font."""
    found = 0
    document = reader(pdf)
    for page in document.pages:
        for operands, operator in ContentStream(page.get_contents(), document).operations:
            if operator in (b"Tj", b"TJ"):
                found += sum(_zeros(string) for string in _strings(operands[0]))
    return found


def _strings(shown: Any) -> list[bytes]:
    parts = shown if isinstance(shown, list) else [shown]
    return [
        part.original_bytes if isinstance(part, TextStringObject) else bytes(part)
        for part in parts
        if isinstance(part, (TextStringObject, ByteStringObject))
    ]


def _zeros(string: bytes) -> int:
    return sum(string[at : at + 2] == b"\x00\x00" for at in range(0, len(string), 2))
