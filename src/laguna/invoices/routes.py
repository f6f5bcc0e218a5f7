"""Reading `/invoices` and `/fees`."""

from __future__ import annotations

from fastapi import Response
from sqlalchemy import Select, func, select

from laguna.accounts.entities import entity_ids
from laguna.invoices import reading
from laguna.invoices.explanation import FeeExplanationReply, explain
from laguna.invoices.past_usage import past_usage
from laguna.invoices.schemas import (
    FEE_PAYMENT_STATUSES,
    FEE_TYPES,
    INVOICE_TYPES,
    PAYMENT_STATUSES,
    VISIBLE_STATUSES,
    FeeReply,
    InvoiceReply,
)
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, not_found
from laguna.kernel.http import Params, Scoped, api_router
from laguna.kernel.ids import parse_id
from laguna.kernel.outputs import reply, reply_page
from laguna.kernel.queries import Query, paginate, search
from laguna.kernel.rows import find, living
from laguna.models import BillableMetric, Charge, Customer, Fee, Invoice, Subscription

router = api_router("invoices")

NEWEST_FIRST = [Invoice.issuing_date.desc(), Invoice.created_at.desc(), Invoice.id.desc()]


def _visible(context: Context) -> Select[Invoice]:
    return living(context, Invoice).where(Invoice.status.in_(VISIBLE_STATUSES))


@router.get("/invoices")
async def list_invoices(context: Scoped, query: Params) -> Response:
    return await _list(context, query, await _filtered(context, query))


@router.get("/customers/{external_id:segment}/invoices")
async def list_customer_invoices(context: Scoped, query: Params, external_id: str) -> Response:
    customer = await find(context, Customer, "customer", external_id=external_id)
    statement = await _filtered(context, query, of_customer=True)
    return await _list(context, query, statement.where(Invoice.customer_id == customer.id))


async def _list(context: Context, query: Query, statement: Select[Invoice]) -> Response:
    invoices, meta = await paginate(context.session, statement, query, NEWEST_FIRST)
    return reply_page("invoices", await reading.invoice_objects(context, invoices), meta)


async def _filtered(context: Context, query: Query, *, of_customer: bool = False) -> Select[Invoice]:
    """The filters of spec 2 §7.2: bad enums and amounts are 422, unreadable dates are ignored."""
    problems = Problems()
    statuses = query.choices(["status", "statuses"], VISIBLE_STATUSES, problems)
    payment_statuses = query.choices(["payment_status", "payment_statuses"], PAYMENT_STATUSES, problems)
    invoice_type = query.choice("invoice_type", INVOICE_TYPES, problems)
    amount_from, amount_to = query.integer("amount_from", problems), query.integer("amount_to", problems)
    problems.check()
    statement = _visible(context)
    external_customer_id = query.text("external_customer_id", "customer_external_id")
    term = query.text("search_term")
    if external_customer_id or term:
        statement = statement.join(Customer, Customer.id == Invoice.customer_id)
    if external_customer_id and not of_customer:
        statement = statement.where(Customer.external_id == external_customer_id)
    if statuses:
        statement = statement.where(Invoice.status.in_(statuses))
    if payment_statuses:
        statement = statement.where(Invoice.payment_status.in_(payment_statuses))
    if invoice_type:
        statement = statement.where(Invoice.invoice_type == invoice_type)
    if amount_from is not None:
        statement = statement.where(Invoice.total_amount_cents >= amount_from)
    if amount_to is not None:
        statement = statement.where(Invoice.total_amount_cents <= amount_to)
    if (issued_from := query.day("issuing_date_from")) is not None:
        statement = statement.where(Invoice.issuing_date >= issued_from)
    if (issued_to := query.day("issuing_date_to")) is not None:
        statement = statement.where(Invoice.issuing_date <= issued_to)
    for name, column in (
        ("payment_overdue", Invoice.payment_overdue),
        ("self_billed", Invoice.self_billed),
        ("payment_dispute_lost", Invoice.payment_dispute_lost_at.is_not(None)),
        ("partially_paid", Invoice.total_paid_amount_cents.between(1, Invoice.total_amount_cents - 1)),
    ):
        if (wanted := query.boolean(name)) is not None:
            statement = statement.where(column == wanted)
    if currency := query.text("currency"):
        statement = statement.where(Invoice.currency == currency.upper())
    if order_number := query.text("purchase_order_number"):
        statement = statement.where(func.lower(Invoice.purchase_order_number) == order_number.lower())
    if codes := query.array("billing_entity_codes"):
        statement = statement.where(Invoice.billing_entity_id.in_(await entity_ids(context, codes)))
    if term:
        texts = (
            [Invoice.number]
            if of_customer
            else [
                Invoice.number,
                Customer.name,
                Customer.firstname,
                Customer.lastname,
                Customer.external_id,
                Customer.email,
            ]
        )
        statement = statement.where(search(term, Invoice.id, *texts))
    return statement


@router.get("/invoices/{lago_id:segment}", response_model=InvoiceReply)
async def show_invoice(context: Scoped, lago_id: str) -> Response:
    invoice = await find(context, Invoice, "invoice", id=parse_id(lago_id))
    if invoice.status not in VISIBLE_STATUSES:
        raise not_found("invoice")
    return reply("invoice", (await reading.invoice_details(context, [invoice]))[0])


@router.get("/customers/{external_id:segment}/past_usage")
async def list_past_usage(context: Scoped, query: Params, external_id: str) -> Response:
    periods, meta = await past_usage(context, external_id, query)
    return reply_page("usage_periods", periods, meta)


@router.get("/fees")
async def list_fees(context: Scoped, query: Params) -> Response:
    statement = _filtered_fees(context, query)
    fees, meta = await paginate(context.session, statement, query, [Fee.created_at, Fee.id])
    return reply_page("fees", await reading.fee_objects(context, fees), meta)


def _filtered_fees(context: Context, query: Query) -> Select[Fee]:
    """The filters of spec 2 §7.17; bad dates and enums are 422."""
    problems = Problems()
    fee_type = query.choice("fee_type", FEE_TYPES, problems)
    payment_status = query.choice("payment_status", FEE_PAYMENT_STATUSES, problems)
    dates = [
        (column, query.instant(f"{name}_from", problems), query.instant(f"{name}_to", problems))
        for name, column in (
            ("created_at", Fee.created_at),
            ("succeeded_at", Fee.succeeded_at),
            ("failed_at", Fee.failed_at),
            ("refunded_at", Fee.refunded_at),
        )
    ]
    problems.check()
    statement = living(context, Fee)
    hidden = select(Invoice.id).where(
        Invoice.organization_id == context.organization_id, Invoice.status.not_in(VISIBLE_STATUSES)
    )
    statement = statement.where(Fee.invoice_id.is_(None) | Fee.invoice_id.not_in(hidden))
    if fee_type:
        statement = statement.where(Fee.fee_type == fee_type)
    if payment_status:
        statement = statement.where(Fee.payment_status == payment_status)
    if currency := query.text("currency"):
        statement = statement.where(Fee.currency == currency.upper())
    if external_id := query.text("external_customer_id"):
        statement = statement.join(Customer, Customer.id == Fee.customer_id).where(Customer.external_id == external_id)
    if external_id := query.text("external_subscription_id"):
        statement = statement.join(Subscription, Subscription.id == Fee.subscription_id).where(
            Subscription.external_id == external_id
        )
    if code := query.text("billable_metric_code"):
        statement = (
            statement.join(Charge, Charge.id == Fee.charge_id)
            .join(BillableMetric, BillableMetric.id == Charge.billable_metric_id)
            .where(BillableMetric.code == code)
        )
    if query.text("event_transaction_id"):
        statement = statement.where(Fee.id.is_(None))  # no fee of an event exists yet
    for column, from_at, to_at in dates:
        if from_at is not None:
            statement = statement.where(column >= from_at)
        if to_at is not None:
            statement = statement.where(column <= to_at)
    return statement


@router.get("/fees/{lago_id:segment}/explanation", response_model=FeeExplanationReply)
async def explain_fee(context: Scoped, lago_id: str) -> Response:
    fee = await find(context, Fee, "fee", id=parse_id(lago_id))
    return reply("fee_explanation", await explain(context, fee))


@router.get("/fees/{lago_id:segment}", response_model=FeeReply)
async def show_fee(context: Scoped, lago_id: str) -> Response:
    fee = await find(context, Fee, "fee", id=parse_id(lago_id))
    return reply("fee", (await reading.fee_objects(context, [fee]))[0])
