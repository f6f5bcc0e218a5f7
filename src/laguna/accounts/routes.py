"""`/organizations` and `/billing_entities`."""

from __future__ import annotations

from fastapi import Request, Response

from laguna.accounts import entities, service
from laguna.accounts.entity_schemas import (
    BillingEntityInput,
    BillingEntityReply,
    NewBillingEntityInput,
    NewBillingEntityReply,
    billing_entity_detail,
    billing_entity_object,
)
from laguna.accounts.schemas import OrganizationInput, OrganizationReply, organization_object
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


async def _entity_answer(context: Scoped, entity: BillingEntity) -> Response:
    taxes = await tax_objects(context, BillingEntityTax, [entity.id])
    return reply("billing_entity", billing_entity_detail(entity, taxes[entity.id]))


@router.get("/billing_entities")
async def list_billing_entities(context: Scoped) -> Response:
    statement = living(context, BillingEntity).order_by(BillingEntity.created_at, BillingEntity.id)
    found = (await context.session.scalars(statement)).all()
    return reply("billing_entities", [billing_entity_object(entity) for entity in found])


@router.post(
    "/billing_entities",
    response_model=NewBillingEntityReply,
    openapi_extra=body_of("billing_entity", NewBillingEntityInput),
)
async def create_billing_entity(request: Request, context: Scoped) -> Response:
    data, problems = await read(request, "billing_entity", NewBillingEntityInput, bare=True)
    return reply("billing_entity", billing_entity_object(await entities.create_entity(context, data, problems)))


@router.get("/billing_entities/{code:rest}", response_model=BillingEntityReply)
async def show_billing_entity(context: Scoped, code: str) -> Response:
    return await _entity_answer(context, await entities.entity_by_code(context, code))


@update_route(
    router,
    "/billing_entities/{code:rest}",
    response_model=BillingEntityReply,
    openapi_extra=body_of("billing_entity", BillingEntityInput),
)
async def update_billing_entity(request: Request, context: Scoped, code: str) -> Response:
    """The fields stand under the root key, or are the body themselves (spec 0 §16)."""
    entity = await entities.entity_by_code(context, code)
    data, problems = await read(request, "billing_entity", BillingEntityInput, bare=True)
    return await _entity_answer(context, await entities.update_entity(context, entity, data, problems))
