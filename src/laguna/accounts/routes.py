"""`/organizations` and `/billing_entities`."""

from __future__ import annotations

from fastapi import Request, Response

from laguna.accounts import service
from laguna.accounts.schemas import (
    BillingEntityReply,
    OrganizationInput,
    OrganizationReply,
    billing_entity_detail,
    billing_entity_object,
    organization_object,
)
from laguna.kernel.http import Scoped, api_router, body_of, update_route
from laguna.kernel.inputs import read
from laguna.kernel.outputs import reply
from laguna.kernel.rows import living
from laguna.models import BillingEntity, BillingEntityTax, Organization
from laguna.taxes.service import tax_objects
from laguna.webhooks.service import urls_of

router = api_router("organizations")


async def _answer(context: Scoped, organization: Organization, entity: BillingEntity) -> Response:
    taxes = await tax_objects(context, BillingEntityTax, [entity.id])
    urls = await urls_of(context)
    return reply("organization", organization_object(organization, entity, taxes[entity.id], urls))


@router.get("/organizations", response_model=OrganizationReply)
async def show_organization(context: Scoped) -> Response:
    return await _answer(context, *await service.own_organization(context))


@update_route(
    router,
    "/organizations",
    response_model=OrganizationReply,
    openapi_extra=body_of("organization", OrganizationInput),
)
async def update_organization(request: Request, context: Scoped) -> Response:
    data, problems = await read(request, "organization", OrganizationInput)
    return await _answer(context, *await service.update_organization(context, data, problems))


@router.get("/billing_entities")
async def list_billing_entities(context: Scoped) -> Response:
    statement = living(context, BillingEntity).order_by(BillingEntity.created_at, BillingEntity.id)
    entities = (await context.session.scalars(statement)).all()
    return reply("billing_entities", [billing_entity_object(entity) for entity in entities])


@router.get("/billing_entities/{code:rest}", response_model=BillingEntityReply)
async def show_billing_entity(context: Scoped, code: str) -> Response:
    entity = await service.entity_by_code(context, code)
    taxes = await tax_objects(context, BillingEntityTax, [entity.id])
    return reply("billing_entity", billing_entity_detail(entity, taxes[entity.id]))
