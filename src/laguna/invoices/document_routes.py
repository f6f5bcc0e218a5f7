"""Invoices as PDF: the link on request, and the file for whoever holds the link (spec 2 §7.10, spec 3 §9.1)."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from laguna.invoices import reading
from laguna.invoices.pdf.links import PRINTABLE_STATUSES, invoice_of
from laguna.invoices.pdf.render import render
from laguna.invoices.pdf.store import printed
from laguna.invoices.schemas import InvoiceReply
from laguna.kernel.context import Context, context_of
from laguna.kernel.db import Database
from laguna.kernel.errors import not_allowed, not_found
from laguna.kernel.http import Scoped, api_router
from laguna.kernel.ids import parse_id
from laguna.kernel.outputs import reply
from laguna.kernel.rows import find
from laguna.models import Invoice

router = api_router("invoices")
# The links are opened by browsers and mail programs, which have no API key.
file_router = APIRouter(tags=["documents"])

HEADERS = {
    "Cache-Control": "private, max-age=3600",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the link is the key
    "X-Robots-Tag": "noindex",
}


@router.post("/invoices/{lago_id:segment}/download", response_model=InvoiceReply)
async def download_invoice(context: Scoped, lago_id: str) -> Response:
    """The invoice with its `file_url`. Nothing has to be waited for: the file is made when it is read."""
    return await _download(context, lago_id)


@router.post("/invoices/{lago_id:segment}/download_pdf", response_model=InvoiceReply)
async def download_invoice_pdf(context: Scoped, lago_id: str) -> Response:
    """The same as `download`."""
    return await _download(context, lago_id)


async def _download(context: Context, lago_id: str) -> Response:
    invoice = await find(context, Invoice, "invoice", id=parse_id(lago_id))
    if invoice.status == "draft":
        raise not_allowed("is_draft")
    if invoice.status != "finalized":
        raise not_found("invoice")
    await printed(context, invoice)
    return reply("invoice", (await reading.invoice_details(context, [invoice]))[0])


@file_router.get(
    "/documents/{name:segment}", response_class=Response, responses={200: {"content": {"application/pdf": {}}}}
)
async def show_document(request: Request, name: str) -> Response:
    """The PDF that the link names. Any change to the link makes it name nothing."""
    database: Database = request.app.state.database
    async with database.session() as session:
        invoice_id = await invoice_of(session, name)
        invoice = await session.get(Invoice, invoice_id) if invoice_id else None
        if invoice is None or invoice.status not in PRINTABLE_STATUSES:
            raise not_found("document")
        document = await printed(await context_of(session, invoice.organization_id), invoice)
    headers = HEADERS | {"Content-Disposition": content_disposition(f"{invoice.number}.pdf")}
    return Response(await render(document), media_type="application/pdf", headers=headers)


def content_disposition(filename: str) -> str:
    """Shown in the browser, saved as `filename`: in plain letters for old programs, in full for others (RFC 6266)."""
    plain = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in " ._-") else "_" for letter in filename
    )
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
