"""The tables, one file per aggregate: the data model at a glance."""

from laguna.models.base import Base
from laguna.models.catalog import Charge, ChargeFilter, Commitment, Plan, Terms, TermsHistory
from laguna.models.customer import Customer, CustomerMetadata
from laguna.models.document import InvoicePdf
from laguna.models.event import Event, EventStream, FaultyEvent, WriterLane
from laguna.models.invoice import Fee, FeeTax, Invoice, InvoiceLine, InvoiceParties, InvoiceTax
from laguna.models.lifetime import LifetimeUsage
from laguna.models.metric import BillableMetric, BillableMetricFilter
from laguna.models.organization import ApiKey, BillingEntity, CustomerSequence, Logo, Organization
from laguna.models.server import ServerSecret
from laguna.models.subscription import Subscription
from laguna.models.tax import Attached, BillingEntityTax, ChargeTax, CommitmentTax, CustomerTax, PlanTax, Tax
from laguna.models.threshold import AppliedUsageThreshold, ProgressiveCredit, UsageMark, UsageThreshold
from laguna.models.timer import TimerFailure
from laguna.models.webhook import WebhookDelivery, WebhookEndpoint, WebhookMessage

__all__ = [
    "ApiKey",
    "AppliedUsageThreshold",
    "Attached",
    "Base",
    "BillableMetric",
    "BillableMetricFilter",
    "BillingEntity",
    "BillingEntityTax",
    "Charge",
    "ChargeFilter",
    "ChargeTax",
    "Commitment",
    "CommitmentTax",
    "Customer",
    "CustomerMetadata",
    "CustomerSequence",
    "CustomerTax",
    "Event",
    "EventStream",
    "FaultyEvent",
    "Fee",
    "FeeTax",
    "Invoice",
    "InvoiceLine",
    "InvoiceParties",
    "InvoicePdf",
    "InvoiceTax",
    "LifetimeUsage",
    "Logo",
    "Organization",
    "Plan",
    "PlanTax",
    "ProgressiveCredit",
    "ServerSecret",
    "Subscription",
    "Tax",
    "Terms",
    "TermsHistory",
    "TimerFailure",
    "UsageMark",
    "UsageThreshold",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookMessage",
    "WriterLane",
]
