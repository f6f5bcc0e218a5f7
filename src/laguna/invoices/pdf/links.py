"""Links to documents: whoever holds one may read the one document it names, for some weeks, and nobody can guess one.

A link names the invoice and its own last day, and proves itself by an HMAC with a secret of the database. So it needs
no row of its own; a new one is in each answer that shows the invoice.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.kernel.clock import system_now
from laguna.kernel.public import PublicUrl
from laguna.models import Invoice, ServerSecret

PRINTABLE_STATUSES = ("finalized", "voided")  # drafts have no document (spec 3 DOC-1)
SECRET_NAME = "documents"  # noqa: S105 - its name; the migration that brought documents made the secret
VALID_DAYS = 30  # at least, and less than twice as many: links change rarely, so that what is shown can be compared
_PURPOSE = b"invoice pdf\x00"
_ID_BYTES, _DAY_BYTES, _PROOF_BYTES = 16, 3, 20


def last_day(today: date) -> date:
    """Until when a link made today is valid: the end of the next span of 30 days, counted from the year 1."""
    return date.fromordinal((today.toordinal() // VALID_DAYS + 2) * VALID_DAYS - 1)


def file_name(secret: bytes, invoice_id: UUID, until: date) -> str:
    """The last part of a link that is valid up to and including the day `until`."""
    told = invoice_id.bytes + until.toordinal().to_bytes(_DAY_BYTES, "big")
    return f"{base64.urlsafe_b64encode(told + _proof(secret, told)).decode()}.pdf"


def invoice_named(secret: bytes, name: str, today: date) -> UUID | None:
    """The invoice that the last part of a link gives access to; None when it was not made here, or not for today."""
    try:
        told = base64.urlsafe_b64decode(name.removesuffix(".pdf").encode("ascii"))
    except (UnicodeEncodeError, binascii.Error):
        return None
    if len(told) != _ID_BYTES + _DAY_BYTES + _PROOF_BYTES:
        return None
    signed, proof = told[:-_PROOF_BYTES], told[-_PROOF_BYTES:]
    if not hmac.compare_digest(proof, _proof(secret, signed)):
        return None
    invoice_id, until = UUID(bytes=signed[:_ID_BYTES]), date.fromordinal(int.from_bytes(signed[_ID_BYTES:], "big"))
    # Decoding is lenient, but a document has one name at a time.
    return invoice_id if today <= until and name == file_name(secret, invoice_id, until) else None


def _proof(secret: bytes, signed: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + signed, hashlib.sha256)[:_PROOF_BYTES]


async def file_urls(session: AsyncSession, invoices: Iterable[Invoice]) -> dict[UUID, str]:
    """The links to the PDFs of those invoices that have one, by invoice. They need not be rendered before."""
    ids = [invoice.id for invoice in invoices if invoice.status in PRINTABLE_STATUSES]
    if not ids:
        return {}
    secret, until = await _secret(session), last_day(_today())
    return {each: f"{PublicUrl.value}/documents/{file_name(secret, each, until)}" for each in ids}


async def invoice_of(session: AsyncSession, name: str) -> UUID | None:
    """The invoice that the last part of a link gives access to now."""
    return invoice_named(await _secret(session), name, _today())


def _today() -> date:
    """Links are for people and their programs: they age in real time, also those of a sandbox."""
    return system_now().date()


async def _secret(session: AsyncSession) -> bytes:
    query = select(ServerSecret.value).where(ServerSecret.name == SECRET_NAME)
    return (await session.execute(query)).scalar_one().encode()
