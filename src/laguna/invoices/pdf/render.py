"""From what a document says to its bytes: one Typst compiler a process, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal, overload

import typst

from laguna.kernel.pictures import picture_of

_FOLDER = Path(__file__).parent
TAGGED_ROWS = 200  # longer tables are not tagged for screen readers: the tags would be most of the file
REMEMBERED = 10  # documents whose parts a compiler keeps, to render the like faster

_lock = threading.Lock()  # a compiler works on one document at a time
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pdf")  # starts with its first work, after any fork


async def render(document: Mapping[str, Any]) -> bytes:
    """The PDF of `{"content": ..., "parties": ..., "logo": ...}`, without holding up other requests.

    The logo is the bytes of a PNG or JPEG; None, or no logo at all, where there is none.
    """
    return await asyncio.get_running_loop().run_in_executor(_thread, render_pdf, document)


def render_pdf(document: Mapping[str, Any]) -> bytes:
    """The PDF: the same bytes for the same document, wherever and whenever it is rendered."""
    return _compile(document, "pdf")


def render_pages(document: Mapping[str, Any]) -> list[bytes]:
    """The pages as PNG images."""
    pages = _compile(document, "png")
    return pages if isinstance(pages, list) else [pages]


@cache
def _compiler(template: str) -> typst.Compiler:
    """Sees the fonts and files beside this one and nothing else of the machine."""
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[_FOLDER / "fonts"])
    return typst.Compiler(_FOLDER / template, root=_FOLDER, font_paths=fonts)


@overload
def _compile(document: Mapping[str, Any], to: Literal["pdf"]) -> bytes: ...
@overload
def _compile(document: Mapping[str, Any], to: Literal["png"]) -> bytes | list[bytes]: ...
def _compile(document: Mapping[str, Any], to: Literal["pdf", "png"]) -> bytes | list[bytes]:
    content = document["content"]
    rows = sum(len(section["rows"]) for section in content["sections"])
    issued_at = datetime.fromisoformat(content["issued_at"]).replace(tzinfo=UTC)
    with _lock:
        made = _compiler("invoice.typ").compile(
            format=to,
            sys_inputs={"document": json.dumps({**document, "logo": _logo(document.get("logo"))})},
            timestamp=issued_at,  # a clock would make each rendering different
            pdf_tags=rows <= TAGGED_ROWS,
        )
        if rows > TAGGED_ROWS:
            _forget()
    assert made is not None
    return made


def _logo(data: bytes | None) -> dict[str, Any] | None:
    picture = picture_of(data) if data else None
    if data is None or picture is None:
        return None
    return {"format": picture.format, "width": picture.width, "height": picture.height, "bytes": list(data)}


def _forget() -> None:
    """What is kept of a document of 1,500 lines is 75 MB, which helps none that comes after it."""
    for _ in range(REMEMBERED + 1):
        _compiler("blank.typ").compile(format="pdf")
