"""What kind of picture a file is, and whether it can be shown: told by its bytes, whatever is said of it."""

from __future__ import annotations

import json
from dataclasses import dataclass

import typst

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_OTHER_FRAMES = (0xC4, 0xC8, 0xCC)  # among the markers of frames, these are tables
_ALONE = (0x01, *range(0xD0, 0xD8))  # markers that no data follows
_SHOWN = b'#set page(width: 1in, height: 1in)\n#image(bytes(json(bytes(sys.inputs.bytes))), format: "%s", width: 1pt)'


@dataclass(frozen=True, slots=True)
class Picture:
    """`format` as typst calls it; sizes in pixels, as the head of the file tells them."""

    format: str
    width: int
    height: int

    @property
    def content_type(self) -> str:
        return "image/png" if self.format == "png" else "image/jpeg"


def picture_of(data: bytes) -> Picture | None:
    """PNG or JPEG, by the first bytes; None for anything else. A file that ends before its size has one of 0."""
    if data.startswith(_PNG):
        header = data[16:24] if data[12:16] == b"IHDR" else b""
        return Picture("png", int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big"))
    if data.startswith(_JPEG):
        height, width = _frame_size(data)
        return Picture("jpg", width, height)
    return None


def _frame_size(data: bytes) -> tuple[int, int]:
    """Height and width in the header of a JPEG's frame (ISO 10918-1 B.2.2)."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in _ALONE:  # filled up with 0xFF
            at += 1 if marker == 0xFF else 2
        elif 0xC0 <= marker <= 0xCF and marker not in _OTHER_FRAMES:
            return int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0, 0


def is_printable(picture: Picture, data: bytes) -> bool:
    """Whether what renders documents can show it: it is tried. Takes some 100 ms for the largest."""
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False)
    compiler = typst.Compiler(_SHOWN % picture.format.encode(), font_paths=fonts)
    try:
        compiler.compile(format="pdf", sys_inputs={"bytes": json.dumps(list(data))})
    except typst.TypstError:
        return False
    return True
