"""What a PDF says, and whether it has a glyph for all of it."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any

from pypdf import PageObject, PdfReader
from pypdf.generic import ByteStringObject, ContentStream, TextStringObject

from laguna.bench.documents import document, sample, sample_fee
from laguna.invoices.pdf.render import render_pdf
from laguna.models import CustomerMetadata


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


@dataclass(frozen=True, slots=True)
class Span:
    """Glyphs shown at once: where they begin and end, in points from the left edge, and on which height."""

    left: float
    right: float
    height: float


def spans(page: PageObject) -> list[Span]:
    """Where the text of a page stands. Of transformations only those that typst writes: moved, scaled, never turned."""
    found: list[Span] = []
    saved: list[tuple[float, ...]] = []
    matrix: tuple[float, ...] = (1, 0, 0, 1, 0, 0)
    at: tuple[float, ...] = matrix
    widths, size = _Widths({}, 0), 0.0
    for operands, operator in ContentStream(page.get_contents(), page.pdf).operations:
        match operator:
            case b"q":
                saved.append(matrix)
            case b"Q":
                matrix = saved.pop()
            case b"cm":
                matrix = _within(operands, matrix)
            case b"Tm":
                at = tuple(float(each) for each in operands)
            case b"Tf":
                widths, size = _widths_of(page["/Resources"]["/Font"][operands[0]]), float(operands[1])
            case b"Tj" | b"TJ":
                placed = _within(at, matrix)
                width = widths.of(operands[0]) * size / 1000 * placed[0]
                found.append(Span(placed[4], placed[4] + width, placed[5]))
            case _:
                pass
    return found


def _within(inner: Any, outer: tuple[float, ...]) -> tuple[float, ...]:
    a, b, c, d, e, f = (float(each) for each in inner)
    assert b == c == 0, "turned text"
    return (a * outer[0], 0, 0, d * outer[3], e * outer[0] + outer[4], f * outer[3] + outer[5])


@dataclass(frozen=True, slots=True)
class _Widths:
    """Of the glyphs of a font, in thousandths of its size."""

    of_glyph: dict[int, float]
    other: float

    def of(self, shown: Any) -> float:
        glyphs = (string[at : at + 2] for string in _strings(shown) for at in range(0, len(string), 2))
        parts = shown if isinstance(shown, list) else [shown]
        moved = sum(float(part) for part in parts if isinstance(part, (int, float)))
        return sum(self.of_glyph.get(int.from_bytes(glyph, "big"), self.other) for glyph in glyphs) - moved


def _widths_of(font: Any) -> _Widths:
    descendant = font["/DescendantFonts"][0].get_object()
    listed, found = list(descendant["/W"]), dict[int, float]()
    while listed:
        first, following = int(listed.pop(0)), listed.pop(0).get_object()
        if isinstance(following, list):
            found |= {first + index: float(width) for index, width in enumerate(following)}
        else:
            found |= dict.fromkeys(range(first, int(following) + 1), float(listed.pop(0)))
    return _Widths(found, float(descendant.get("/DW", 1000)))


def _strings(shown: Any) -> list[bytes]:
    parts = shown if isinstance(shown, list) else [shown]
    return [
        part.original_bytes if isinstance(part, TextStringObject) else bytes(part)
        for part in parts
        if isinstance(part, (TextStringObject, ByteStringObject))
    ]


def _zeros(string: bytes) -> int:
    return sum(string[at : at + 2] == b"\x00\x00" for at in range(0, len(string), 2))


ONE = [("Premium", [sample_fee("API calls", 12500, 100)])]


def pdf(sections: Any = None, **attributes: Any) -> bytes:
    return render_pdf(document(sample(sections or ONE, **attributes)))


def in_order(told: str, *parts: str) -> bool:
    """Whether the parts follow each other in the text, with anything in between."""
    at = 0
    for part in parts:
        at = told.find(part, at)
        assert at >= 0, f"{part!r} is missing, or not where it belongs, in {told}"
        at += len(part)
    return True


def metadata(key: str, value: str, *, shown: bool = True) -> CustomerMetadata:
    return CustomerMetadata(key=key, value=value, display_in_invoice=shown)
