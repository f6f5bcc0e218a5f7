"""Logos of billing entities: read from text, kept by their content, and linked to (spec 2 §1.3, spec 4 §3).

A logo is never changed or removed: an entity, and each invoice issued with it, name it by the SHA-256 of its bytes. So
an invoice has the logo that it was made with for ever, and an image is stored once.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re

from sqlalchemy.dialects.postgresql import insert

from laguna.kernel.context import Context
from laguna.kernel.errors import Problems
from laguna.kernel.pictures import is_printable, picture_of
from laguna.kernel.public import PublicUrl
from laguna.models import BillingEntity, Logo

MAX_BYTES = 800 * 1024
MAX_SIDE_PIXELS = 8_000
MAX_PIXELS = 4_000_000  # each rendering of an invoice takes the picture apart
CONTENT_TYPES = frozenset({"image/png", "image/jpeg", "image/jpg"})
_DATA_URI = re.compile(r"data:([^,;]*)(?:;[^,;]*)*;base64,", re.IGNORECASE)
_SPACE = re.compile(r"\s+")


async def read_logo(text: str | None, problems: Problems) -> bytes | None:
    """The file in `text`, base64 with or without a data URI before it; None for an empty one, and for a wrong one.

    Wrong is what is no base64 or can't be decoded (`value_is_invalid`), another file than PNG or JPEG
    (`invalid_content_type`), and one that is larger than 800 KiB or has too many pixels (`invalid_size`).
    """
    text = _SPACE.sub("", text or "")
    if not text:
        return None
    head = _DATA_URI.match(text)
    if head and head[1].lower() not in CONTENT_TYPES:
        return _refuse(problems, "invalid_content_type")
    encoded = text[head.end() if head else 0 :]
    if len(encoded) > (MAX_BYTES + 2) // 3 * 4:
        return _refuse(problems, "invalid_size")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return _refuse(problems, "value_is_invalid")
    code = await asyncio.to_thread(_problem, data)
    return _refuse(problems, code) if code else data


def _refuse(problems: Problems, code: str) -> None:
    problems.add("logo", code)


def _problem(data: bytes) -> str | None:
    """The code of what is wrong with a file, if anything is. Its size comes before what takes memory to find out."""
    picture = picture_of(data)
    if picture is None:
        return "invalid_content_type"
    sides = picture.width, picture.height
    if len(data) > MAX_BYTES or max(sides) > MAX_SIDE_PIXELS or picture.width * picture.height > MAX_PIXELS:
        return "invalid_size"
    return None if min(sides) and is_printable(picture, data) else "value_is_invalid"


async def keep_logo(context: Context, data: bytes | None) -> str | None:
    """Store a file that `read_logo` gave, unless the organization has it already; its digest."""
    if data is None:
        return None
    picture = picture_of(data)
    assert picture is not None
    digest = hashlib.sha256(data).hexdigest()
    statement = insert(Logo).values(
        organization_id=context.organization_id,
        digest=digest,
        content_type=picture.content_type,
        data=data,
        created_at=context.now,
    )
    await context.session.execute(statement.on_conflict_do_nothing())
    return digest


def logo_url(entity: BillingEntity) -> str | None:
    """The link to the entity's logo, which needs no key: only who knows the picture knows its digest."""
    if entity.logo_digest is None:
        return None
    return f"{PublicUrl.value}/logos/{entity.organization_id}/{entity.logo_digest}"
