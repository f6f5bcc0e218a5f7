"""Logos for whoever holds their link: browsers and mail programs, which have no API key."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from laguna.kernel.db import Database
from laguna.kernel.errors import not_found
from laguna.kernel.ids import parse_id
from laguna.models import Logo

file_router = APIRouter(tags=["documents"])

HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",  # another logo has another link
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


@file_router.get(
    "/logos/{organization_id:segment}/{digest:segment}",
    response_class=Response,
    responses={200: {"content": {"image/png": {}, "image/jpeg": {}}}},
)
async def show_logo(request: Request, organization_id: str, digest: str) -> Response:
    """The PNG or JPEG with this digest; also when it is the entity's no more, as older invoices still have it."""
    database: Database = request.app.state.database
    owner = parse_id(organization_id)
    async with database.session() as session:
        logo = await session.get(Logo, (owner, digest)) if owner else None
    if logo is None:
        raise not_found("logo")
    return Response(logo.data, media_type=logo.content_type, headers=HEADERS)
