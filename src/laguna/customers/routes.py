"""`/customers`."""

from __future__ import annotations

from fastapi import Request, Response
from sqlalchemy import Select, exists

from laguna.accounts.entities import entity_ids
from laguna.customers import service
from laguna.customers.schemas import CustomerInput, CustomerReply
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems
from laguna.kernel.http import Params, Scoped, api_router, body_of
from laguna.kernel.inputs import read
from laguna.kernel.outputs import reply, reply_page
from laguna.kernel.queries import Query, newest_first, paginate, search
from laguna.kernel.rows import find, living
from laguna.models import Customer, CustomerMetadata

router = api_router("customers")


@router.post("/customers", response_model=CustomerReply, openapi_extra=body_of("customer", CustomerInput))
async def upsert_customer(request: Request, context: Scoped) -> Response:
    data, problems = await read(request, "customer", CustomerInput)
    customer = await service.upsert_customer(context, data, problems)
    return reply("customer", (await service.customer_details(context, [customer]))[0], problems.ignored)


@router.get("/customers")
async def list_customers(context: Scoped, query: Params) -> Response:
    customers, meta = await paginate(context.session, await _filtered(context, query), query, newest_first(Customer))
    return reply_page("customers", await service.customer_details(context, customers), meta)


async def _filtered(context: Context, query: Query) -> Select[Customer]:
    """The filters of CUS-5."""
    statement = living(context, Customer)
    problems = Problems()
    account_types = query.choices(["account_type"], ("customer", "partner"), problems)
    customer_type = query.choice("customer_type", ("company", "individual"), problems)
    problems.check()
    for column, wanted in (
        (Customer.account_type, account_types),
        (Customer.currency, query.array("currencies")),
        (Customer.country, [country.upper() for country in query.array("countries")]),
        (Customer.state, query.array("states")),
        (Customer.zipcode, query.array("zipcodes")),
    ):
        if wanted:
            statement = statement.where(column.in_(wanted))
    if codes := query.array("billing_entity_codes"):
        statement = statement.where(Customer.billing_entity_id.in_(await entity_ids(context, codes)))
    if customer_type:
        statement = statement.where(Customer.customer_type == customer_type)
    if (has_type := query.boolean("has_customer_type")) is not None:
        statement = statement.where(Customer.customer_type.is_not(None) == has_type)
    if (has_number := query.boolean("has_tax_identification_number")) is not None:
        present = Customer.tax_identification_number.is_not(None) & (Customer.tax_identification_number != "")
        statement = statement.where(present == has_number)
    if external_id := query.text("external_id"):
        statement = statement.where(Customer.external_id == external_id)
    if term := query.text("search_term"):
        statement = statement.where(
            search(
                term,
                Customer.id,
                Customer.name,
                Customer.firstname,
                Customer.lastname,
                Customer.legal_name,
                Customer.external_id,
                Customer.email,
            )
        )
    for key, value in query.mapping("metadata").items():
        entry = exists().where(CustomerMetadata.customer_id == Customer.id, CustomerMetadata.key == key)
        statement = statement.where(entry.where(CustomerMetadata.value == value) if value else ~entry)
    return statement


@router.get("/customers/{external_id:segment}", response_model=CustomerReply)
async def show_customer(context: Scoped, external_id: str) -> Response:
    customer = await find(context, Customer, "customer", external_id=external_id)
    return reply("customer", (await service.customer_details(context, [customer]))[0])


@router.delete("/customers/{external_id:segment}", response_model=CustomerReply)
async def delete_customer(context: Scoped, external_id: str) -> Response:
    return reply("customer", await service.delete_customer(context, external_id))
