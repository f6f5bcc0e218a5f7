"""`laguna check` passes a healthy database, and names each corrupted row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads

from check.conftest import METERED
from laguna.check.run import INVARIANTS, KEPT, Rows, check, verify
from laguna.kernel.db import from_json
from support.command import laguna
from support.database import Databases

FINAL = "(SELECT min(id::text)::uuid FROM invoices WHERE status = 'finalized' AND total_amount_cents > 0)"
DRAFT = "(SELECT min(id::text)::uuid FROM invoices WHERE status = 'draft')"
PLAN_FEE = "(SELECT min(id::text)::uuid FROM fees WHERE fee_type = 'subscription' AND amount_cents > 0)"
CHARGE_FEE = "(SELECT min(id::text)::uuid FROM fees WHERE fee_type = 'charge' AND amount_cents > 0)"
COMMITMENT = "(SELECT min(id::text)::uuid FROM fees WHERE fee_type = 'commitment')"
TAXED = "(SELECT min(fee_id::text)::uuid FROM fee_taxes WHERE amount_cents > 0)"
ACTIVE = "(SELECT min(id::text)::uuid FROM subscriptions WHERE external_id = 'a1')"
ENDED = "(SELECT min(id::text)::uuid FROM subscriptions WHERE status = 'terminated')"
LINE = (
    "(invoice_id, subscription_id) = (SELECT invoice_id, subscription_id FROM invoice_lines"
    f" WHERE subscription_id = {ACTIVE} ORDER BY due_at DESC LIMIT 1)"
)
DELIVERY = "(SELECT min(id::text)::uuid FROM webhook_deliveries)"

# For each invariant a statement that breaks it; the first column of what it returns stands in the message.
CORRUPTIONS = {
    "invoice_fees": f"UPDATE invoices SET fees_amount_cents = fees_amount_cents + 1 WHERE id = {FINAL} RETURNING id",
    "invoice_totals": f"UPDATE invoices SET total_amount_cents = 1 WHERE id = {FINAL} RETURNING id",
    "invoice_paid": f"UPDATE invoices SET total_paid_amount_cents = 9999999 WHERE id = {FINAL} RETURNING id",
    "invoice_taxes": f"UPDATE invoices SET taxes_amount_cents = taxes_amount_cents + 1 WHERE id = {FINAL} RETURNING id",
    "invoice_taxes_rate": f"UPDATE invoices SET taxes_rate = taxes_rate + 1 WHERE id = {FINAL} RETURNING id",
    "invoice_tax_lines": "DELETE FROM invoice_taxes WHERE id = (SELECT min(id::text)::uuid FROM invoice_taxes)"
    " RETURNING invoice_id",
    "fee_amounts": f"UPDATE fees SET precise_amount_cents = 999999 WHERE id = {CHARGE_FEE} RETURNING id",
    "fee_taxes": f"UPDATE fees SET taxes_amount_cents = taxes_amount_cents + 1 WHERE id = {TAXED} RETURNING id",
    "fee_tax_lines": f"UPDATE fee_taxes SET amount_cents = amount_cents + 1 WHERE fee_id = {TAXED} RETURNING fee_id",
    "customer_numbers": f"DELETE FROM invoices WHERE id = {FINAL} RETURNING customer_id",
    "seller_numbers": f"DELETE FROM invoices WHERE id = {FINAL} RETURNING billing_entity_id",
    "printed_numbers": f"UPDATE invoices SET number = 'ACM-001-777' WHERE id = {FINAL} RETURNING id",
    "final_invoices_numbered": f"UPDATE invoices SET sequential_id = NULL WHERE id = {FINAL} RETURNING id",
    "final_invoices": f"DELETE FROM invoice_parties WHERE invoice_id = {FINAL} RETURNING invoice_id",
    "drafts": f"UPDATE invoices SET finalizes_at = NULL WHERE id = {DRAFT} RETURNING id",
    "subscription_invoices": f"DELETE FROM invoice_lines WHERE invoice_id = {FINAL} RETURNING invoice_id",
    "progressive_invoices": "DELETE FROM applied_usage_thresholds WHERE id = (SELECT min(id::text)::uuid"
    " FROM applied_usage_thresholds) RETURNING invoice_id",
    "progressive_credits": "UPDATE progressive_credits SET amount_cents = amount_cents + 1 WHERE id ="
    " (SELECT min(id::text)::uuid FROM progressive_credits) RETURNING invoice_id",
    "fee_owners": f"UPDATE fees SET currency = 'USD' WHERE id = {PLAN_FEE} RETURNING id",
    "fee_lines": f"DELETE FROM invoice_lines WHERE invoice_id = (SELECT invoice_id FROM fees WHERE id = {PLAN_FEE})"
    " RETURNING invoice_id",
    "fee_terms": f"UPDATE fees SET terms_id = NULL WHERE id = {CHARGE_FEE} RETURNING id",
    "fee_evidence": f"UPDATE fees SET evidence = evidence - 'arrivals' WHERE id = {CHARGE_FEE} RETURNING id",
    "fee_days": f"""UPDATE fees SET evidence = evidence || '{{"days": 3}}' WHERE id = {PLAN_FEE} RETURNING id""",
    "fee_arrivals": "UPDATE fees SET evidence = jsonb_set(evidence, '{arrivals,0}', '99999999')"
    f" WHERE id = {CHARGE_FEE} RETURNING id",
    "true_ups": "UPDATE fees SET amount_cents = amount_cents + 1 WHERE id = (SELECT min(id::text)::uuid FROM fees"
    " WHERE true_up_parent_fee_id IS NOT NULL) RETURNING id",
    "commitments": f"UPDATE fees SET amount_cents = amount_cents + 1 WHERE id = {COMMITMENT} RETURNING id",
    "commitment_recount": "UPDATE fees SET evidence = jsonb_set(evidence, '{counted,charge}', '1')"
    f" WHERE id = {COMMITMENT} RETURNING id",
    "fee_recount": f"UPDATE fees SET events_count = events_count + 1 WHERE id = {CHARGE_FEE} RETURNING id",
    "subscription_states": f"UPDATE subscriptions SET next_billing_at = NULL WHERE id = {ACTIVE} RETURNING id",
    "unbilled_periods": "UPDATE subscriptions SET next_billing_at = next_billing_at - interval '1 month'"
    f" WHERE id = {ACTIVE} RETURNING id",
    "next_billing": "UPDATE subscriptions SET next_billing_at = next_billing_at + interval '1 month'"
    f" WHERE id = {ACTIVE} RETURNING id",
    "final_lines": "DELETE FROM invoice_lines WHERE invoicing_reason = 'subscription_terminating'"
    f" AND subscription_id = {ENDED} RETURNING subscription_id",
    "lines_of_the_living": f"UPDATE subscriptions SET status = 'canceled' WHERE id = {ENDED} RETURNING id",
    "line_owners": "UPDATE subscriptions SET customer_id = (SELECT max(id::text)::uuid FROM customers)"
    f" WHERE id = {ACTIVE} RETURNING external_id",
    "lines_once": "UPDATE invoice_lines SET invoicing_reason = 'subscription_terminating'"
    f" WHERE subscription_id = {ENDED} RETURNING subscription_id",
    "lines_touch": f"UPDATE invoice_lines SET charges_from_at = charges_from_at + interval '1 day' WHERE {LINE}"
    " RETURNING subscription_id",
    "fees_touch": f"UPDATE fees SET from_at = from_at + interval '1 day' WHERE fee_type = 'subscription' AND {LINE}"
    " RETURNING subscription_id",
    "prices_known": "DELETE FROM terms_history WHERE priced_id = (SELECT min(id::text)::uuid FROM charges)"
    " RETURNING priced_id",
    "arrivals_counted": "DELETE FROM events WHERE transaction_id = 'late' RETURNING 'lane 0'",
    "events_have_streams": "DELETE FROM event_streams WHERE id = (SELECT min(id) FROM event_streams) RETURNING id",
    "derived_values": "UPDATE events SET value = 7 WHERE key = (SELECT min(key::text)::uuid FROM events"
    " WHERE properties ? 'gb') RETURNING key",
    "values_being_filled": "UPDATE billable_metrics SET values_ready = false"
    " WHERE id = (SELECT min(id::text)::uuid FROM billable_metrics) RETURNING id",
    "quarantine": "INSERT INTO timer_failures SELECT 'bill_subscriptions', id, organization_id, 'ValueError: no', 3,"
    f" now(), now() FROM subscriptions WHERE id = {ACTIVE} RETURNING error",
    "failed_jobs": "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status)"
    " VALUES ('default', 'fill_event_values', '{}', 'failed') RETURNING task_name",
    "stuck_jobs": "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status)"
    " VALUES ('default', 'fill_event_values', '{}', 'doing') RETURNING task_name",
    "delivery_statuses": f"UPDATE webhook_deliveries SET next_attempt_at = now() WHERE id = {DELIVERY} RETURNING id",
    "delivery_messages": "UPDATE webhook_deliveries SET object_id = gen_random_uuid()"
    f" WHERE id = {DELIVERY} RETURNING id",
    "message_payloads": "UPDATE webhook_messages SET organization_id = gen_random_uuid()"
    f" WHERE id = (SELECT message_id FROM webhook_deliveries WHERE id = {DELIVERY}) RETURNING id",
    "late_deliveries": "UPDATE webhook_deliveries SET status = 'retrying',"
    " next_attempt_at = now() - interval '2 hours', last_attempt_at = now() - interval '3 hours'"
    " RETURNING 'deliveries wait since'",
    "untold_invoices": "DELETE FROM webhook_messages WHERE id = (SELECT max(id::text)::uuid FROM webhook_messages"
    " WHERE webhook_type = 'invoice.created') RETURNING object_id",
    "tenants": "UPDATE fees SET customer_id = (SELECT id FROM customers WHERE organization_id <> fees.organization_id"
    f" ORDER BY id LIMIT 1) WHERE id = {PLAN_FEE} RETURNING id",
}


@pytest.fixture
def connection(healthy: str) -> Iterator[Rows]:
    """A transaction on the healthy database that nobody sees, in which no foreign key is checked."""
    with Rows.connect(healthy, row_factory=dict_row) as opened:
        set_json_loads(from_json, opened)
        opened.execute("SET session_replication_role = replica")
        yield opened
        opened.rollback()


def test_a_healthy_database_passes(healthy: str) -> None:
    report = check(healthy, settle_seconds=0)
    assert {name: each.messages for found in report.found.values() for name, each in found.items()} == {}
    assert all(report.rows.values()), report.rows
    assert report.verified == len(INVARIANTS)


@pytest.mark.parametrize("name", [invariant.name for invariant in INVARIANTS])
def test_what_is_corrupted_is_named(connection: Rows, name: str) -> None:
    (invariant,) = (each for each in INVARIANTS if each.name == name)
    row = connection.execute(CORRUPTIONS[name].encode()).fetchone()
    assert row, "the statement corrupts something"
    report = verify(connection, [invariant])
    told = [message for found in report.found.values() for message in found[name].messages]
    assert any(str(next(iter(row.values()))) in message for message in told), told


def test_a_wrong_price_of_the_right_events_is_found(connection: Rows) -> None:
    connection.execute(
        "UPDATE fees SET amount_cents = amount_cents + 1, precise_amount_cents = precise_amount_cents + 1"
        f" WHERE id = {CHARGE_FEE}".encode()
    )
    assert verify(connection, INVARIANTS).broken == {"fee_recount", "invoice_fees"}


RECOUNT = [each for each in INVARIANTS if each.name == "fee_recount"]
FEE_OF = "SELECT id FROM fees WHERE item_code = %s AND fee_type = 'charge' AND events_count > 0 ORDER BY id LIMIT 1"


@pytest.mark.parametrize("code", [*METERED, "calls", "traffic", "peak", "users"])
@pytest.mark.parametrize("column", ["events_count", "precise_amount_cents"])
def test_fees_of_every_kind_are_counted_and_priced_again(connection: Rows, code: str, column: str) -> None:
    fee = connection.execute(FEE_OF, [code]).fetchone()
    assert fee
    connection.execute(f"UPDATE fees SET {column} = {column} + 1 WHERE id = %s".encode(), [fee["id"]])
    (found,) = verify(connection, RECOUNT).found.values()
    assert [str(fee["id"]) in message for message in found["fee_recount"].messages] == [True]


def test_a_part_whose_fee_is_gone_is_found(connection: Rows) -> None:
    connection.execute(
        "UPDATE fees SET deleted_at = now() WHERE id = (SELECT min(id::text)::uuid FROM fees"
        " WHERE item_code = 'level' AND charge_filter_id IS NOT NULL)"
    )
    (found,) = verify(connection, RECOUNT).found.values()
    assert "events of level" in found["fee_recount"].messages[0]
    assert "are in no fee" in found["fee_recount"].messages[0]


def test_an_event_of_another_filter_is_found(connection: Rows) -> None:
    moved = connection.execute(
        "UPDATE events SET properties = properties || '{\"region\": \"us\"}' WHERE transaction_id = 'seats-2024-02-0'"
    )
    assert moved.rowcount == 2
    assert {found["fee_recount"].count for found in verify(connection, RECOUNT).found.values()} == {1}


def test_fees_whose_filters_have_changed_since_are_left_out(connection: Rows) -> None:
    connection.execute("UPDATE fees SET events_count = events_count + 1 WHERE item_code = 'level'")
    assert not verify(connection, RECOUNT).holds
    connection.execute("UPDATE charge_filters SET updated_at = now() + interval '1 day'")
    assert verify(connection, RECOUNT).holds


def test_an_event_that_arrived_after_the_count_changes_nothing(connection: Rows) -> None:
    events = connection.execute(
        "SELECT fee.id FROM fees AS fee JOIN subscriptions AS s ON s.id = fee.subscription_id"
        " WHERE s.external_id = 'a1' AND item_code = 'calls' AND to_at > '2024-03-28' AND events_count = 3"
    ).fetchall()
    assert len(events) == 2, "the late event isn't counted, in neither organization"
    connection.execute("UPDATE events SET seq = seq - 1 WHERE transaction_id = 'late'")
    connection.execute(
        "UPDATE fees SET evidence = jsonb_set(evidence, '{arrivals,0}', to_jsonb((SELECT last FROM writer_lanes)))"
        " WHERE invoice_id IN (SELECT id FROM invoices WHERE invoice_type = 'subscription')"
    )
    report = verify(connection, [each for each in INVARIANTS if each.name == "fee_recount"])
    assert {found["fee_recount"].count for found in report.found.values()} == {1}


def test_data_that_cannot_be_read_is_a_finding(connection: Rows) -> None:
    connection.execute(f"""UPDATE fees SET evidence = evidence || '{{"from": "?"}}' WHERE id = {CHARGE_FEE}""".encode())
    assert verify(connection, INVARIANTS).broken == {"fee_evidence", "fee_recount"}


def test_many_findings_are_counted_and_some_told(connection: Rows) -> None:
    connection.execute("UPDATE fees SET terms_id = NULL")
    report = verify(connection, [each for each in INVARIANTS if each.name == "fee_terms"])
    assert [(each["fee_terms"].count, len(each["fee_terms"].messages)) for each in report.found.values()] == [
        (188, KEPT)
    ] * 2


def test_the_healthy_pass_the_command(healthy: str) -> None:
    done = laguna("check", DATABASE_URL=healthy)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        rf"Looked at 2 organizations, 16 subscriptions, .*\.\n✓ All {len(INVARIANTS)} invariants hold\.\n", done.stdout
    )


def test_the_command_tells_by_organization_what_is_broken(databases: Databases, healthy: str) -> None:
    url = databases.clone(healthy)
    with psycopg.connect(url) as connection:
        connection.execute(f"UPDATE invoices SET fees_amount_cents = 1 WHERE id = {FINAL}".encode())
        connection.execute(CORRUPTIONS["unbilled_periods"].encode())
    done = laguna("check", DATABASE_URL=url)
    databases.drop(url)
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Acme (")
    assert lines[1] == "  ✗ invoice_fees (1): An invoice is the sum of the rounded amounts of its fees (spec 2 INV-6)."
    assert re.match(r"    - invoice \S+ \(\S+\): fees_amount_cents is 1, its fees add up to \d+$", lines[2])
    assert any(re.match(r"    - \S+ waits for bill_subscriptions since 2024-", line) for line in lines)
    assert lines[-1] == f"✗ 4 of {len(INVARIANTS)} invariants don't hold."


def test_the_command_makes_no_database_and_migrates_none(own_database_url: str, tmp_path: Path) -> None:
    with psycopg.connect(own_database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    refused = laguna("check", DATABASE_URL=own_database_url)
    assert refused.stderr.startswith("Error: The database is of another version of Laguna.")
    nothing = laguna("check", "--data-dir", str(tmp_path))
    assert nothing.stderr.startswith(f"Error: There is no database in the folder {tmp_path}.")
    assert (refused.returncode, nothing.returncode) == (1, 1)
    assert not list(tmp_path.iterdir())
