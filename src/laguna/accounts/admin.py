"""The operator API: organizations made by whoever runs the server, with its own key."""

from __future__ import annotations

import hmac
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from laguna.accounts.service import create_organization
from laguna.kernel.clock import system_now
from laguna.kernel.db import Database
from laguna.kernel.errors import not_found, unauthorized
from laguna.kernel.http import body_of
from laguna.kernel.inputs import Boolean, Input, InstantField, ShortText, read
from laguna.kernel.outputs import Instant, Output, reply


class NewOrganizationInput(Input):
    name: ShortText = None
    sandbox: Boolean = None
    now: InstantField = None


class NewOrganizationObject(Output):
    lago_id: UUID
    name: str
    slug: str
    sandbox: bool
    now: Instant | None
    created_at: Instant
    api_key: str


class NewOrganizationReply(Output):
    organization: NewOrganizationObject


def _check_key(request: Request) -> None:
    """404 where no operator key is configured, 401 for a wrong one."""
    configured: str | None = request.app.state.admin_api_key
    if not configured:
        raise not_found("resource")
    sent = request.headers.get("x-admin-api-key", "")
    if not hmac.compare_digest(sent.encode("utf-8", "surrogatepass"), configured.encode()):
        raise unauthorized()


router = APIRouter(prefix="/admin", tags=["operator"], dependencies=[Depends(_check_key)])


def _database(request: Request) -> Database:
    return request.app.state.database


@router.post(
    "/organizations",
    response_model=NewOrganizationReply,
    openapi_extra=body_of("organization", NewOrganizationInput),
)
async def create(request: Request, database: Annotated[Database, Depends(_database)]) -> Response:
    """A new organization and its key, told once. A sandbox has a test clock that starts at `now`."""
    data, problems = await read(request, "organization", NewOrganizationInput)
    problems.mandatory(data.given(), ("name",))
    if data.now is not None and not data.sandbox:
        problems.add("now", "value_must_be_blank")
    problems.check()
    assert data.name is not None
    test_clock = (data.now or system_now()) if data.sandbox else None
    async with database.session() as session:
        created = await create_organization(session, data.name, test_clock)
    organization = created.organization
    answer = NewOrganizationObject(
        lago_id=organization.id,
        name=organization.name,
        slug=organization.slug,
        sandbox=organization.sandbox,
        now=organization.test_clock,
        created_at=organization.created_at,
        api_key=created.key,
    )
    return reply("organization", answer)
