"""Small pictures to upload, and wrong ones."""

from __future__ import annotations

import base64
import random
import struct
import zlib

# 4 x 2 pixels of one blue
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqm"
    "x5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKT/wAARCAACAAQD"
    "ASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAT/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFQEBAQAAAAAAAAAAAAAAAAAABAX/xAAUEQEA"
    "AAAAAAAAAAAAAAAAAAAA/9oADAMBAAIRAxEAPwCMBREf/9k="
)
BLUE = b"\x20\x60\xc0"


def png(width: int, height: int, color: bytes = BLUE, *, noisy: bool = False) -> bytes:
    """Of one color, or of noise that no compression makes smaller."""
    noise = random.Random(1)
    rows = (b"\x00" + (noise.randbytes(width * 3) if noisy else color * width) for _ in range(height))
    return _png(width, height, zlib.compress(b"".join(rows)))


def png_that_only_says_its_size(width: int, height: int) -> bytes:
    return _png(width, height, zlib.compress(b""))


def _png(width: int, height: int, pixels: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encoded(data: bytes, content_type: str | None = "image/png") -> str:
    """As the API takes it: base64, after the head of a data URI if it has one."""
    text = base64.b64encode(data).decode()
    return f"data:{content_type};base64,{text}" if content_type else text
