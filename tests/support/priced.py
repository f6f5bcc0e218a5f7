"""Plans with everything a charge may have, made in the database where the API doesn't take it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence

import psycopg

from support.billing import make_plan
from support.client import Client, Json

KEPT = ("billable_metric_id", "charge_model", "properties", "invoice_display_name", "code")
COLUMNS = ("prorated", "min_amount_cents")
GROUPS = ("pricing_group_keys", "presentation_group_keys")
INSERT_TERMS = """
    INSERT INTO terms (id, organization_id, created_at, hash, kind, properties)
    VALUES (%(id)s, %(organization)s, now(), sha256(%(id)s::text::bytea), %(kind)s, %(properties)s)
"""
INSERT_FILTER = """
    INSERT INTO charge_filters
        (id, organization_id, created_at, updated_at, charge_id, terms_id, invoice_display_name, values)
    SELECT uuidv7(), organization_id, created_at, created_at, id, %(terms)s, %(name)s, %(values)s
    FROM charges WHERE id = %(charge)s
"""


def make_priced_plan(client: Client, charges: Sequence[Json], **more: object) -> Json:
    """A plan whose charges have filters, groups, minimums, and are prorated."""
    plain = [
        {name: value for name, value in charge.items() if name in KEPT}
        | {"properties": {name: value for name, value in charge["properties"].items() if name not in GROUPS}}
        for charge in charges
    ]
    plan = make_plan(client, charges=plain, **more)  # pyright: ignore[reportArgumentType]
    with psycopg.connect(client.server.database_url) as connection:
        for charge, made in zip(charges, plan["charges"], strict=True):
            terms = _terms(connection, client, charge["charge_model"], charge["properties"])
            connection.execute("UPDATE charges SET terms_id = %s WHERE id = %s", [terms, made["lago_id"]])
            connection.execute("UPDATE terms_history SET terms_id = %s WHERE priced_id = %s", [terms, made["lago_id"]])
            for name in COLUMNS:
                if name in charge:
                    connection.execute(
                        f"UPDATE charges SET {name} = %s WHERE id = %s",  # pyright: ignore[reportArgumentType]
                        [charge[name], made["lago_id"]],
                    )
            for each in charge.get("filters", ()):
                priced = _terms(connection, client, charge["charge_model"], each["properties"])
                parameters = {
                    "terms": priced,
                    "name": each.get("invoice_display_name"),
                    "values": json.dumps(each["values"]),
                    "charge": made["lago_id"],
                }
                connection.execute(INSERT_FILTER, parameters)
    return plan


def make_recurring(client: Client, *metric_ids: str) -> None:
    with psycopg.connect(client.server.database_url) as connection:
        connection.execute("UPDATE billable_metrics SET recurring = true WHERE id = ANY(%s::uuid[])", [[*metric_ids]])


def _terms(connection: psycopg.Connection[object], client: Client, kind: str, properties: Json) -> uuid.UUID:
    identifier = uuid.uuid4()
    connection.execute(
        INSERT_TERMS,
        {
            "id": identifier,
            "organization": client.organization_id,
            "kind": kind,
            "properties": json.dumps(properties),
        },
    )
    return identifier
